import { Int32, reserved, struct, Uint8, Uint16, Uint32, Uint64 } from "../Codec.ts";

/**
 * Flags of fanotify_init(2), and events and flags of fanotify_mark(2), as positive numbers. In C both begin with
 * FAN_: see {@link FAN_EVENT} for the events.
 */
export const FAN = {
  CLOEXEC: 0x001,
  NONBLOCK: 0x002,
  /** Events after the fact, without permission events. */
  CLASS_NOTIF: 0x000,
  CLASS_CONTENT: 0x004,
  CLASS_PRE_CONTENT: 0x008,
  UNLIMITED_QUEUE: 0x010,
  UNLIMITED_MARKS: 0x020,
  ENABLE_AUDIT: 0x040,
  /** Since Linux 5.15, and 5.10.220. */
  REPORT_PIDFD: 0x080,
  REPORT_TID: 0x100,
  REPORT_FID: 0x200,
  REPORT_DIR_FID: 0x400,
  REPORT_NAME: 0x800,
  /** Since Linux 5.17. */
  REPORT_TARGET_FID: 0x1000,
  /** In place of FAN_NOFD, the errno of the failure to open the file, as a negative number. Since Linux 6.13. */
  REPORT_FD_ERROR: 0x2000,
  /** Since Linux 6.15. */
  REPORT_MNT: 0x4000,
} as const;

/** Flags of fanotify_mark(2). */
export const FAN_MARK = {
  ADD: 0x001,
  REMOVE: 0x002,
  DONT_FOLLOW: 0x004,
  ONLYDIR: 0x008,
  MOUNT: 0x010,
  IGNORED_MASK: 0x020,
  IGNORED_SURV_MODIFY: 0x040,
  FLUSH: 0x080,
  FILESYSTEM: 0x100,
  EVICTABLE: 0x200,
  IGNORE: 0x400,
} as const;

/** Events of fanotify_mark(2) and of what is read: the C names begin with FAN_. */
export const FAN_EVENT = {
  ACCESS: 0x1,
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  CLOSE_NOWRITE: 0x10,
  CLOSE: 0x18,
  OPEN: 0x20,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  MOVE: 0xc0,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  OPEN_EXEC: 0x1000,
  /** Events were lost. It comes without being asked for. */
  Q_OVERFLOW: 0x4000,
  /** Since Linux 5.16. */
  FS_ERROR: 0x8000,
  /** A process wants to open the file, and waits for the answer. */
  OPEN_PERM: 0x10000,
  ACCESS_PERM: 0x20000,
  OPEN_EXEC_PERM: 0x40000,
  /** Since Linux 6.14. */
  PRE_ACCESS: 0x100000,
  /** Since Linux 6.15. */
  MNT_ATTACH: 0x01000000,
  /** Since Linux 6.15. */
  MNT_DETACH: 0x02000000,
  /** A flag: of a directory, the events of the files in it. */
  EVENT_ON_CHILD: 0x08000000,
  /** Since Linux 5.17. */
  RENAME: 0x10000000,
  /** A flag: directories too. In an event: it is about a directory. */
  ONDIR: 0x40000000,
} as const;

/** The answers to permission events: `struct fanotify_response`. */
export const FAN_RESPONSE = {
  ALLOW: 0x01,
  DENY: 0x02,
  /** Besides: the kernel's audit log has the decision. For that, the group needs FAN.ENABLE_AUDIT. */
  AUDIT: 0x10,
} as const;

/** Kinds of the records that follow an event: `struct fanotify_event_info_header`. */
export const FAN_EVENT_INFO_TYPE = {
  FID: 1,
  DFID_NAME: 2,
  DFID: 3,
  PIDFD: 4,
  ERROR: 5,
  OLD_DFID_NAME: 10,
  NEW_DFID_NAME: 12,
} as const;

/** In place of a descriptor: the event has none. */
export const FAN_NOFD = -1;
/** In place of a pidfd: the process is gone. */
export const FAN_NOPIDFD = -1;
/** In place of a pidfd: the kernel could not make one. */
export const FAN_EPIDFD = -2;

/** The only version of the events: FANOTIFY_METADATA_VERSION. */
export const FANOTIFY_METADATA_VERSION = 3;

/** `struct fanotify_event_metadata` of fanotify(7). */
export const FanotifyEventMetadata = struct("struct fanotify_event_metadata", {
  eventLength: Uint32,
  version: Uint8,
  reserved: reserved(1, 1),
  metadataLength: Uint16,
  mask: Uint64,
  fd: Int32,
  pid: Int32,
});

/** `struct fanotify_response` of fanotify(7). */
export const FanotifyResponse = struct("struct fanotify_response", {
  fd: Int32,
  response: Uint32,
});

/** What precedes the bytes of each record behind an event. */
export const FanotifyInfoHeader = struct("struct fanotify_event_info_header", {
  type: Uint8,
  pad: reserved(1, 1),
  length: Uint16,
});

/** A record behind an event, which says more about it. */
export interface FanotifyInfo {
  /** Of {@link FAN_EVENT_INFO_TYPE}. */
  readonly type: number;
  /** What follows the header of the record, as fanotify(7) lays it out. */
  readonly bytes: Uint8Array;
}

/** An event of fanotify(7), as it is read. */
export interface FanotifyRecord {
  /** Of {@link FAN_EVENT}; never negative. */
  readonly mask: number;
  /** The number of a new descriptor of the reader, or {@link FAN_NOFD}. */
  readonly fd: number;
  /** The number of a new pidfd of the reader; negative if there is none; undefined without FAN.REPORT_PIDFD. */
  readonly pidfd: number | undefined;
  /** The process, or the thread with FAN.REPORT_TID; 0 if it is not in the reader's pid namespace. */
  readonly pid: number;
  /** All records of the event. */
  readonly infos: ReadonlyArray<FanotifyInfo>;
}

/**
 * Decodes the events that one read(2) of a fanotify descriptor gave; `bytes` are exactly as many as it returned.
 *
 * @throws RangeError for what the kernel never gives.
 */
export const decodeFanotifyEvents = (bytes: Uint8Array): Array<FanotifyRecord> => {
  const events: Array<FanotifyRecord> = [];
  for (let at = 0; at < bytes.length; ) {
    const { eventLength, version, metadataLength, mask, fd, pid } = FanotifyEventMetadata.decode(
      bytes.subarray(at),
    );
    const end = at + eventLength;
    if (version !== FANOTIFY_METADATA_VERSION)
      throw new RangeError(`${FanotifyEventMetadata.name} has version ${version}`);
    if (metadataLength < FanotifyEventMetadata.size || metadataLength > eventLength)
      throw new RangeError(`${FanotifyEventMetadata.name} has ${metadataLength} bytes`);
    if (end > bytes.length)
      throw new RangeError(`an event ends at ${end} of ${bytes.length} bytes`);
    const infos = decodeInfos(bytes.subarray(at + metadataLength, end));
    const pidfd = infos.find(({ type }) => type === FAN_EVENT_INFO_TYPE.PIDFD);
    events.push({
      mask: Number(mask),
      fd,
      pidfd: pidfd && Int32.decode(pidfd.bytes),
      pid,
      infos,
    });
    at = end;
  }
  return events;
};

const decodeInfos = (bytes: Uint8Array): Array<FanotifyInfo> => {
  const infos: Array<FanotifyInfo> = [];
  for (let at = 0; at < bytes.length; ) {
    const { type, length } = FanotifyInfoHeader.decode(bytes.subarray(at));
    if (length < FanotifyInfoHeader.size || at + length > bytes.length)
      throw new RangeError(`${FanotifyInfoHeader.name} has ${length} bytes`);
    infos.push({ type, bytes: bytes.slice(at + FanotifyInfoHeader.size, at + length) });
    at += length;
  }
  return infos;
};
