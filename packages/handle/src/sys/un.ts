import { O, RENAME, SOCKADDR_UN_PATH_MAX, SockaddrUn } from "@rsyscall/abi";
import {
  type InvalidArgumentError,
  invalidPath,
  Path,
  type PathLike,
  pathArgument,
  pathBytes,
} from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { IoFailure } from "../errors.ts";
import { open } from "../fcntl.ts";
import { rename, unlink } from "../unistd.ts";
import type { Socket } from "./socket.ts";

/*
 * An address holds 107 bytes of path and a NUL. A longer path is reached through a descriptor, as
 * /proc/self/fd/N: connect(2) uses a descriptor of the socket itself, and bind(2) one of its directory.
 */

/**
 * Refuses a path with a NUL: the kernel would stop there, and take another path. An address that begins with a
 * NUL is abstract.
 */
const check = (syscall: string, path: PathLike): Effect.Effect<void, InvalidArgumentError> =>
  Effect.suspend(() =>
    pathArgument(path) === undefined ? Effect.fail(invalidPath(syscall, path)) : Effect.void,
  );

const fits = (path: PathLike): boolean => pathBytes(path).length < SOCKADDR_UN_PATH_MAX;

const address = (path: PathLike): Uint8Array => encode(SockaddrUn, { path: pathBytes(path) });

/** connect(2) to a Unix socket at a path of any length that the file system takes. */
export const connectUnix = (socket: Socket, path: PathLike): Effect.Effect<void, IoFailure> =>
  Effect.andThen(
    check("connect", path),
    Effect.suspend(() => connectChecked(socket, path)),
  );

const connectChecked = (socket: Socket, path: PathLike): Effect.Effect<void, IoFailure> =>
  fits(path)
    ? socket.connect(address(path), Path.make(path).text)
    : Effect.scoped(
        Effect.flatMap(open(socket.task, path, O.PATH), (found) =>
          socket.connect(address(`/proc/self/fd/${found.near}`), Path.make(path).text),
        ),
      );

/** bind(2) to a path of any length that the file system takes. Creates a socket there. */
export const bindUnix = (socket: Socket, path: PathLike): Effect.Effect<void, IoFailure> =>
  Effect.andThen(
    check("bind", path),
    Effect.suspend(() => bindChecked(socket, path)),
  );

const bindChecked = (socket: Socket, path: PathLike): Effect.Effect<void, IoFailure> => {
  const { parent, name, text } = Path.make(path);
  if (fits(path)) return socket.bind(address(path), text);
  return Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* open(socket.task, parent, O.PATH | O.DIRECTORY);
      const within = Path.make(`/proc/self/fd/${directory.near}`);
      if (fits(within.join(name))) return yield* socket.bind(address(within.join(name)), text);
      // Even the name alone is too long for an address, but not for a rename.
      const short = within.join(`.rsyscall-${crypto.randomUUID().slice(0, 8)}`);
      yield* socket.bind(address(short), text);
      yield* rename(socket.task, short, path, RENAME.NOREPLACE).pipe(
        Effect.tapError(() => Effect.ignore(unlink(socket.task, short))),
      );
    }),
  );
};
