import { oneLine } from "@rsyscall/near";
/** An address space, known by identity: addresses mean the same only in the same object. */
export class AddressSpace {
  /** Only for messages: the first task that was seen in it. */
  readonly creatorPid: number;

  constructor(creatorPid: number) {
    this.creatorPid = creatorPid;
  }
}

oneLine(AddressSpace, ({ creatorPid }) => `of process ${creatorPid}`);
