import { CString, Int32, struct, Uint32 } from "../Codec.ts";

/**
 * Events and flags of inotify_init1(2), inotify_add_watch(2) and inotify(7), as positive numbers.
 */
export const IN = {
  ACCESS: 0x00000001,
  MODIFY: 0x00000002,
  ATTRIB: 0x00000004,
  CLOSE_WRITE: 0x00000008,
  CLOSE_NOWRITE: 0x00000010,
  CLOSE: 0x00000018,
  OPEN: 0x00000020,
  MOVED_FROM: 0x00000040,
  MOVED_TO: 0x00000080,
  MOVE: 0x000000c0,
  CREATE: 0x00000100,
  DELETE: 0x00000200,
  DELETE_SELF: 0x00000400,
  MOVE_SELF: 0x00000800,
  /** All of the above. */
  ALL_EVENTS: 0x00000fff,
  /** The file system was unmounted. It and the next two come without being asked for. */
  UNMOUNT: 0x00002000,
  /** Events were lost, of any watch. */
  Q_OVERFLOW: 0x00004000,
  /** The watch is no more: the last event of it. */
  IGNORED: 0x00008000,
  /** Of inotify_add_watch(2): only if the path is a directory, or ENOTDIR. */
  ONLYDIR: 0x01000000,
  /** A symbolic link itself. */
  DONT_FOLLOW: 0x02000000,
  /** Nothing of files in the directory that are unlinked. */
  EXCL_UNLINK: 0x04000000,
  /** Only if the file is not watched yet, or EEXIST. Since Linux 4.18. */
  MASK_CREATE: 0x10000000,
  /** What is watched for already goes on. */
  MASK_ADD: 0x20000000,
  /** In an event: it is about a directory. */
  ISDIR: 0x40000000,
  /** The watch is removed after its first event. */
  ONESHOT: 0x80000000,
  /** Of inotify_init1(2). */
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
} as const;

/** `struct inotify_event` of inotify(7). */
export interface InotifyEvent {
  /** The watch descriptor; -1 with IN.Q_OVERFLOW. */
  readonly wd: number;
  /** Of {@link IN}; never negative. */
  readonly mask: number;
  /** The same for the two halves of a rename, otherwise 0. */
  readonly cookie: number;
  /** The file in the watched directory, by `fsDecode`; undefined when it is about what is watched itself. */
  readonly name: string | undefined;
}

/** What precedes the name in a `struct inotify_event`; 16 bytes. */
export const InotifyHeader = struct("struct inotify_event", {
  wd: Int32,
  mask: Uint32,
  cookie: Uint32,
  length: Uint32,
});

/** Bytes of the longest event: its name has NAME_MAX bytes and a NUL, filled up to whole headers. */
export const INOTIFY_EVENT_MAX: number = InotifyHeader.size + 256;

/**
 * The events that one read(2) of an inotify descriptor gave; `bytes` are exactly as many as it
 * returned.
 *
 * @throws RangeError for what the kernel never gives.
 */
export const decodeInotifyEvents = (bytes: Uint8Array): Array<InotifyEvent> => {
  const events: Array<InotifyEvent> = [];
  for (let at = 0; at < bytes.length; ) {
    const { wd, mask, cookie, length } = InotifyHeader.decode(bytes.subarray(at));
    const start = at + InotifyHeader.size;
    at = start + length;
    if (at > bytes.length)
      throw new RangeError(`${InotifyHeader.name} ends at ${at} of ${bytes.length} bytes`);
    const name = length === 0 ? undefined : CString.decode(bytes.subarray(start, at));
    events.push({ wd, mask, cookie, name });
  }
  return events;
};
