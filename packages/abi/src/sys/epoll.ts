import type { FixedCodec } from "../Codec.ts";

/** Events and flags of epoll_ctl(2), as positive numbers. */
export const EPOLL = {
  IN: 0x00000001,
  PRI: 0x00000002,
  OUT: 0x00000004,
  ERR: 0x00000008,
  HUP: 0x00000010,
  RDNORM: 0x00000040,
  RDBAND: 0x00000080,
  WRNORM: 0x00000100,
  WRBAND: 0x00000200,
  MSG: 0x00000400,
  RDHUP: 0x00002000,
  EXCLUSIVE: 0x10000000,
  WAKEUP: 0x20000000,
  ONESHOT: 0x40000000,
  ET: 0x80000000,
} as const;

/** Operations of epoll_ctl(2). */
export const EPOLL_CTL = { ADD: 1, DEL: 2, MOD: 3 } as const;

/** Flag of epoll_create1(2). */
export const EPOLL_CLOEXEC = 0o2000000;

/** `struct epoll_event` of epoll_ctl(2). Its layout depends on the machine: `Abi.epollEvent`. */
export interface EpollEvent {
  /** Of {@link EPOLL}; decoded as a positive number. */
  readonly events: number;
  /** 64 bits that the kernel gives back with the event; here, a safe integer. */
  readonly data: number;
}

/**
 * `struct epoll_event` with its data at this offset: packed on x86-64, aligned elsewhere. Written out
 * and not composed, because every wake-up decodes some.
 */
export const epollEventWithDataAt = (offset: 4 | 8): FixedCodec<EpollEvent> => ({
  name: "struct epoll_event",
  size: offset + 8,
  alignment: offset === 4 ? 1 : 8,
  sizeOf: () => offset + 8,
  encode: ({ events, data }, into) => {
    if (!Number.isSafeInteger(data)) throw new RangeError(`${data} is not a safe integer`);
    const view = new DataView(into.buffer, into.byteOffset, offset + 8);
    view.setUint32(0, events, true);
    view.setUint32(offset, data, true);
    view.setInt32(offset + 4, Math.floor(data / 2 ** 32), true);
  },
  decode: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, offset + 8);
    const data = view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
    if (!Number.isSafeInteger(data)) throw new RangeError(`${data} is not a safe integer`);
    return { events: view.getUint32(0, true), data };
  },
});
