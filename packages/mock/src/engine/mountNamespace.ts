import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { AT, CLONE, type Dirent, DT, MNT, MS, S_IF } from "@rsyscall/abi";
import {
  chdir,
  Directory,
  type HandleFailure,
  mkdir,
  mount,
  pivotRoot,
  readlink,
  symlink,
  umount,
} from "@rsyscall/handle";
import { catchErrno, mknodat, SyscallError } from "@rsyscall/near";
import type { ChildThread, ContainOptions, Thread } from "@rsyscall/thread";
import { Effect, type Scope } from "effect";
import { RunError } from "./runProgram.ts";

/*
 * Programs at mocked paths, in a mount namespace of the program under test: nothing else sees them. Where a file is, a
 * stub is mounted over it. A name that is not there, or is a link, gets a directory with that name mounted over its
 * own: the host's directory is never written.
 */

/** The stub of each mocked place. */
export type Stubs = ReadonlyMap<string, string>;

/**
 * Makes a child in a mount namespace of its own, in which stubs are at their places. Without CAP_SYS_ADMIN it is in a
 * user namespace as well, in which it has its own ids and no others.
 *
 * @param directory of the mock
 * @param options as of `clone`
 */
export const cloneWithStubs = (
  thread: Thread,
  directory: string,
  stubs: Stubs,
  options: ContainOptions = {},
): Effect.Effect<ChildThread, HandleFailure | RunError, Scope.Scope> =>
  Effect.mapError(cloned(thread, directory, stubs, options), (error) =>
    error instanceof SyscallError
      ? new RunError({ problem: denied([...stubs.keys()], error) })
      : error,
  );

const cloned = Effect.fnUntraced(function* (
  thread: Thread,
  directory: string,
  stubs: Stubs,
  options: ContainOptions,
): Effect.fn.Return<ChildThread, HandleFailure | RunError, Scope.Scope> {
  const child = yield* catchErrno("EPERM", () =>
    thread.clone(CLONE.NEWNS | CLONE.NEWUSER, options),
  )(thread.clone(CLONE.NEWNS, options));
  yield* mount(child, "none", "/", undefined, MS.REC | MS.PRIVATE);
  const layers = `${directory}/layers-${child.process.pid}`;
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => rmSync(layers, { recursive: true, force: true })),
  );
  // Outer directories first: a mount over one covers those that were made in it before.
  const additions = yield* attempt(() =>
    [...additionsIn(stubs)].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  for (const [i, [covered, names]] of additions.entries()) {
    const layer = `${layers}/${i}`;
    yield* attempt(() => makeLayer(layer, covered, names));
    yield* cover(child, layer, covered, `${layers}/root`);
  }
  const added = new Set(additions.flatMap(([, names]) => [...names.keys()]));
  for (const [place, stub] of stubs)
    if (!added.has(place)) yield* mount(child, stub, place, undefined, MS.BIND);
  return child;
});

/** Says why the system refuses a mount namespace, and what helps. */
const denied = (places: ReadonlyArray<string>, error: SyscallError): string =>
  `${places.join(", ")}: a path is mocked in a mount namespace of the program, and the system refuses ` +
  `${error.syscall === "mount" ? "to mount there" : "to make one"}: ${error.message}` +
  `${error.syscall === "mount" && isRestricted() ? `; ${RESTRICTED} is 1: as root, sysctl -w ${RESTRICTED}=0, or run as root` : ""}. ` +
  "Allow that, or mock the program by its name, without a slash, and have it found in PATH";

/** AppArmor gives an ordinary user a namespace then, and no rights in it. */
const RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns";

const isRestricted = (): boolean => {
  try {
    return readFileSync(`/proc/sys/${RESTRICTED.replaceAll(".", "/")}`, "utf8").trim() === "1";
  } catch {
    return false;
  }
};

/** What this process itself does with files. */
const attempt = <A>(use: () => A): Effect.Effect<A, RunError> =>
  Effect.try({
    try: use,
    catch: (error) => new RunError({ problem: (error as Error).message }),
  });

/** Places that nothing can be mounted on, by the directory, of those above them, that is there. */
const additionsIn = (stubs: Stubs): ReadonlyMap<string, Map<string, string>> => {
  const additions = new Map<string, Map<string, string>>();
  for (const [place, stub] of stubs) {
    if (lstatSync(place, { throwIfNoEntry: false })?.isFile()) continue;
    let covered = dirname(place);
    while (!existsSync(covered)) covered = dirname(covered);
    const names = additions.get(covered) ?? new Map<string, string>();
    additions.set(covered, names.set(place, stub));
  }
  // Where a directory is covered anyway, its files are in the same layer.
  for (const [place, stub] of stubs) additions.get(dirname(place))?.set(place, stub);
  return additions;
};

/** Makes what a directory is to have beside its own. */
const makeLayer = (layer: string, covered: string, names: ReadonlyMap<string, string>): void => {
  mkdirSync(layer, { recursive: true });
  for (const [place, stub] of names) {
    const path = join(layer, relative(covered, place));
    mkdirSync(dirname(path), { recursive: true });
    linkSync(stub, path);
  }
  chmodSync(layer, statSync(covered).mode & 0o7777);
};

/**
 * Mounts a directory over one, which has all that is there, and first what is in a layer. It cannot be written itself,
 * because that would be lost; what is in its directories is the host's, and can be.
 *
 * @param root where it is made if it covers the root
 */
const cover = Effect.fnUntraced(function* (
  child: ChildThread,
  layer: string,
  covered: string,
  root: string,
): Effect.fn.Return<void, HandleFailure | RunError, Scope.Scope> {
  const target = covered === "/" ? root : covered;
  if (covered === "/") yield* attempt(() => mkdirSync(root));
  // By relative paths, what is covered can still be reached.
  yield* chdir(child, covered);
  const entries = yield* entriesOf(child, ".");
  const own = yield* entriesOf(child, layer);
  const isOverlay = yield* mount(
    child,
    "rsyscall-mock",
    target,
    "overlay",
    MS.RDONLY,
    `lowerdir=${layer.replace(/[\\:,]/g, "\\$&")}:.`,
  ).pipe(
    Effect.as(true),
    // There are kernels and file systems that cannot do that, and no user namespace can where others are mounted below.
    Effect.catchTag("SyscallError", () =>
      Effect.as(mount(child, "rsyscall-mock", target, "tmpfs", 0, "mode=755"), false),
    ),
  );
  // Else it would be in itself, with all files of the host in a temporary directory that others may empty.
  yield* mount(child, "none", target, undefined, MS.UNBINDABLE);
  const names = new Set(own.map(({ name }) => name));
  const mounted = yield* mountedIn(child, covered);
  const show = (from: string, { name, type }: Dirent) =>
    Effect.gen(function* () {
      const at = join(target, name);
      if (type === DT.LNK) return yield* symlink(child, yield* readlink(child, from), at);
      if (!isOverlay)
        yield* type === DT.DIR
          ? mkdir(child, at, 0o755)
          : child.task.withPath("mknodat", at, (path) =>
              mknodat(child.task.sysif, AT.FDCWD, path, S_IF.REG | 0o644, 0),
            );
      yield* mount(child, from, at, undefined, MS.BIND | MS.REC);
    });
  for (const entry of entries)
    if (!names.has(entry.name) && (!isOverlay || entry.type === DT.DIR || mounted.has(entry.name)))
      // It may have been removed meanwhile.
      yield* catchErrno("ENOENT", () => Effect.void)(show(`./${entry.name}`, entry));
  if (!isOverlay) {
    for (const entry of own) yield* show(join(layer, entry.name), entry);
    yield* mount(child, "none", target, undefined, MS.REMOUNT | MS.BIND | MS.RDONLY);
  }
  if (covered === "/") {
    // The old root is below the new one then, and detached.
    yield* chdir(child, target);
    yield* pivotRoot(child, ".", ".");
    yield* umount(child, ".", MNT.DETACH);
  }
  yield* mount(child, "none", covered, undefined, MS.PRIVATE);
  yield* chdir(child, "/");
});

const entriesOf = (
  child: ChildThread,
  path: string,
): Effect.Effect<ReadonlyArray<Dirent>, HandleFailure> =>
  Effect.scoped(Effect.flatMap(Directory.make(child, path), (directory) => directory.entries()));

/** The names in a directory that are mount points. */
const mountedIn = (
  child: ChildThread,
  directory: string,
): Effect.Effect<ReadonlySet<string>, HandleFailure> =>
  Effect.map(
    child.slurp("/proc/self/mountinfo"),
    (bytes) =>
      new Set(
        new TextDecoder()
          .decode(bytes)
          .split("\n")
          .map((line) =>
            (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) =>
              String.fromCharCode(Number.parseInt(octal, 8)),
            ),
          )
          .filter((point) => dirname(point) === directory)
          .map((point) => basename(point)),
      ),
  );
