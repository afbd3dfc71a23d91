import type { Abi } from "./Abi.ts";
import { aarch64 } from "./arch/aarch64.ts";
import { x86_64 } from "./arch/x86_64.ts";

/** The supported machines. */
export const abis: ReadonlyArray<Abi> = [x86_64, aarch64];

/** The machine whose executables have this `e_machine`; undefined when it is not supported. */
export const abiOf = (elfMachine: number): Abi | undefined =>
  abis.find((abi) => abi.elfMachine === elfMachine);
