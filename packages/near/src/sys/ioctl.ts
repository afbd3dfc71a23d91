import { TIOC } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Fd } from "../identifiers.ts";
import { fd, flags, word } from "../kinds.ts";
import { newFd, someInt } from "../Result.ts";
import { SyscallDefinition } from "../SyscallDefinition.ts";
import type { Word } from "../SyscallInterface.ts";

const request = flags("TIOC", TIOC, -1).as("request");

/** An ioctl(2) that opens a descriptor. */
const opening = new SyscallDefinition("ioctl", [fd, request, flags().as("argument")], newFd);

/**
 * ioctl(2). The meaning of the argument and of the result depends on the request. Not prompt: it is many calls in
 * one.
 */
export const ioctl = define<[fd: Fd, request: number, argument?: Word], number>(
  "ioctl",
  [fd, request, word.or(0)],
  someInt,
  { variant: (_, request) => (request === TIOC.GPTPEER ? opening : undefined) },
);
