import { struct, Uint32, Uint64 } from "@rsyscall/abi";

/*
 * The answer to a hello: struct rsyscall_welcome of stub-c/include/rsyscall/protocol.h, docs/protocol.md.
 */

/**
 * `struct rsyscall_welcome`. Behind it follow `messageSize` bytes: the text of a refusal, or `Exec` and its strings. A
 * reply has no size: its `Part`s go on up to the one that ends the process.
 */
export const Welcome = struct("struct rsyscall_welcome", {
  magic: Uint64,
  version: Uint32,
  /** ACCEPTED, REFUSED, REPLY, EXEC or PROCESSING. */
  status: Uint32,
  messageSize: Uint32,
  /** Of RING and KEEP. */
  flags: Uint32,
});

/** A status: descriptors come with the welcome. */
export const ACCEPTED = 0;

/** A status: the text says why. */
export const REFUSED = 1;

/** A status: output and the end of the process follow. */
export const REPLY = 2;

/** A status: the program that the process becomes follows. */
export const EXEC = 3;

/** A status: the handler is at work, and another welcome follows, at any time. */
export const PROCESSING = 4;

/** A flag: the requests will come through the ring of the arena, and there is no data socket. */
export const RING = 1;

/**
 * A flag: the connection of the handshake stays open and is the lifeline, and there is no connection socket until the
 * process has made one.
 */
export const KEEP = 2;

/** `struct rsyscall_part`: a part of a reply. */
export const Part = struct("struct rsyscall_part", {
  /** Of `PART`. */
  kind: Uint32,
  /** The bytes of output that follow, or the exit status, or the signal. */
  value: Uint32,
});

/** `kind` of `Part`: output to a descriptor, or the end of the process. */
export const PART = { STDOUT: 1, STDERR: 2, EXIT: 3, SIGNAL: 4 } as const;

/** Bytes of output in one part, at least 1. */
export const PART_SIZE_AT_MOST = 0x10_0000;

/**
 * `struct rsyscall_exec`: a program for execve(2). Behind it follow its path with a NUL, argv and the environment, each
 * string with its NUL.
 */
export const Exec = struct("struct rsyscall_exec", {
  pathSize: Uint32,
  argc: Uint32,
  envc: Uint32,
  /** OWN_ENVIRONMENT or 0. */
  flags: Uint32,
  argvSize: Uint64,
  envpSize: Uint64,
});

/** A flag of `Exec`: the environment is the caller's, without the variables that are for the stub. */
export const OWN_ENVIRONMENT = 1;

/** Bytes of an `Exec` with its strings: more than execve(2) takes. */
export const EXEC_SIZE_AT_MOST = 0x100_0000;
