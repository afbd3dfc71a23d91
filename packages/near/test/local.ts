import { type Abi, MAP, PROT } from "@rsyscall/abi";
import { Effect } from "effect";
import { LocalSyscallInterface, localAbi, mmap, munmap, NULL } from "../src/index.ts";

/** This process. */
export const local = new LocalSyscallInterface(localAbi() as Abi);

/** Memory of this process, for as long as the scope lasts. */
export const memory = (size: number) =>
  Effect.acquireRelease(
    mmap(local, NULL, size, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0),
    (address) => Effect.orDie(munmap(local, address, size)),
  );
