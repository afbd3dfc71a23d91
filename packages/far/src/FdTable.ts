import { oneLine } from "@rsyscall/near";
/** A file descriptor table, known by identity: fd numbers mean the same only in the same object. */
export class FdTable {
  /** Only for messages: the first task that was seen in it. */
  readonly creatorPid: number;

  constructor(creatorPid: number) {
    this.creatorPid = creatorPid;
  }
}

oneLine(FdTable, ({ creatorPid }) => `of process ${creatorPid}`);
