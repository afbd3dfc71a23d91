import { Int32, listOf } from "@rsyscall/abi";
import { Fd } from "@rsyscall/near";

const numbers = listOf(Int32);

/**
 * Decodes new descriptors, as the kernel writes them.
 *
 * @throws RangeError for a number that no descriptor has.
 */
export const decodeFds = (bytes: Uint8Array): ReadonlyArray<Fd> =>
  numbers.decode(bytes).map((number) => {
    if (number < 0) throw new RangeError(`${number} is no new file descriptor`);
    return Fd(number);
  });
