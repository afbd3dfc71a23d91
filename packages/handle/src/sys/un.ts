import { O, RENAME, SOCKADDR_UN_PATH_MAX, SockaddrUn } from "@rsyscall/abi";
import {
  Path,
  type PathLike,
  pathBytes,
  pathProblem,
  pathSubject,
  SyscallError,
} from "@rsyscall/near";
import { Effect } from "effect";
import { encode } from "../encode.ts";
import type { HandleFailure } from "../errors.ts";
import { open } from "../fcntl.ts";
import { rename, unlink } from "../unistd.ts";
import type { Socket } from "./socket.ts";

/*
 * An address holds 107 bytes of path and a NUL. A path that is longer is reached through a
 * descriptor, as /proc/self/fd/N: of the socket itself to connect, of its directory to bind.
 */

/** The kernel would stop at a NUL, and take another path; an address that begins with one is abstract. */
const check = (syscall: string, path: PathLike): Effect.Effect<void, SyscallError> =>
  Effect.suspend(() => {
    const problem =
      pathProblem(path) ?? (pathBytes(path).includes(0) ? "a path has no NUL in it" : undefined);
    return problem === undefined
      ? Effect.void
      : Effect.fail(SyscallError.of(syscall, "EINVAL", pathSubject(path), problem));
  });

const fits = (path: PathLike): boolean => pathBytes(path).length < SOCKADDR_UN_PATH_MAX;

const address = (path: PathLike): Uint8Array => encode(SockaddrUn, { path: pathBytes(path) });

/** connect(2) to a Unix socket at a path of any length that the file system takes. */
export const connectUnix = (socket: Socket, path: PathLike): Effect.Effect<void, HandleFailure> =>
  Effect.andThen(
    check("connect", path),
    Effect.suspend(() => connectChecked(socket, path)),
  );

const connectChecked = (socket: Socket, path: PathLike): Effect.Effect<void, HandleFailure> =>
  fits(path)
    ? socket.connect(address(path), Path.make(path).text)
    : Effect.scoped(
        Effect.flatMap(open(socket.task, path, O.PATH), (found) =>
          socket.connect(address(`/proc/self/fd/${found.near}`), Path.make(path).text),
        ),
      );

/** bind(2) to a path of any length that the file system takes. Creates a socket there. */
export const bindUnix = (socket: Socket, path: PathLike): Effect.Effect<void, HandleFailure> =>
  Effect.andThen(
    check("bind", path),
    Effect.suspend(() => bindChecked(socket, path)),
  );

const bindChecked = (socket: Socket, path: PathLike): Effect.Effect<void, HandleFailure> => {
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
