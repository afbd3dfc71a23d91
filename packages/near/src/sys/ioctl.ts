import { IOCTL, TIOC } from "@rsyscall/abi";
import { define } from "../define.ts";
import type { Fd } from "../identifiers.ts";
import { fd, flags, word } from "../kinds.ts";
import { newFd, someInt } from "../Result.ts";
import { type AnyKind, SyscallDefinition } from "../SyscallDefinition.ts";
import type { Word } from "../SyscallInterface.ts";

const names = Object.fromEntries([
  ...Object.values(IOCTL).map(({ name, number }) => [name, number] as const),
  ...Object.entries(TIOC).map(([name, number]) => [`TIOC${name}`, number] as const),
]);

const request = flags("", names, -1).as("request");

const opening = (argument: AnyKind = word.as("argument").or(0)) =>
  new SyscallDefinition("ioctl", [fd, request, argument], newFd);

/** The definitions of requests that open a descriptor. */
const variants: Readonly<Record<number, SyscallDefinition>> = {
  [TIOC.GPTPEER]: opening(flags().as("argument")),
  [IOCTL.NS_GET_USERNS.number]: opening(),
  [IOCTL.NS_GET_PARENT.number]: opening(),
};

/**
 * ioctl(2). The meaning of the argument and of the result depends on the request. Not prompt: it is many calls in
 * one.
 */
export const ioctl = define<[fd: Fd, request: number, argument?: Word], number>(
  "ioctl",
  [fd, request, word.or(0)],
  someInt,
  { variant: (_, request) => variants[Number(request)] },
);
