import { define } from "./define.ts";
import type { Address } from "./identifiers.ts";
import { input, int, size, word } from "./kinds.ts";
import { bytes, cString } from "./Memory.ts";
import { between, someOffset } from "./Result.ts";
import type { Word } from "./SyscallInterface.ts";

/** add_key(2): gives the serial number of the key. */
export const addKey = define<
  [type: Address, description: Address, payload: Address, length: number, keyring: number],
  number
>(
  "add_key",
  [
    input(cString, "type"),
    input(cString, "description"),
    input(bytes(3), "payload"),
    size,
    int.as("keyring"),
  ],
  between(0, 2 ** 31 - 1),
);

/** request_key(2): gives the serial number of the key. */
export const requestKey = define<
  [type: Address, description: Address, info: Address, keyring: number],
  number
>(
  "request_key",
  [
    input(cString, "type"),
    input(cString, "description"),
    input(cString, "info"),
    int.as("keyring"),
  ],
  between(0, 2 ** 31 - 1),
);

/** keyctl(2): the meaning of the arguments depends on the operation. */
export const keyctl = define<[operation: number, a?: Word, b?: Word, c?: Word, d?: Word], number>(
  "keyctl",
  [
    int.as("operation"),
    word.as("a").or(0),
    word.as("b").or(0),
    word.as("c").or(0),
    word.as("d").or(0),
  ],
  someOffset,
);
