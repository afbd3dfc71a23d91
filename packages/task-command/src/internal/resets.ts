import type { Channel } from "./Channel.ts";
import { type EndName, findNumbers, numberOf } from "./ChannelEnd.ts";
import type { SocketCalls } from "./SocketCalls.ts";

/*
 * If the stream was cut, the other end of a channel must see an error, not the end of the stream, which would mean
 * that everything has arrived. If a Unix socket closes with unread bytes in it, its peer gets ECONNRESET: unix(7).
 * This process mostly holds the other ends, so it can write such a byte there itself.
 */

/** Ensures that the other ends of channels get ECONNRESET when the near ends close. */
export const cut = (calls: SocketCalls, channels: Iterable<Channel>): void => {
  const moved: Array<EndName> = [];
  for (const channel of channels) {
    channel.isCut = true;
    if (!plantAt(calls, channel) && channel.end !== undefined) moved.push(channel.end);
  }
  if (moved.length > 0) for (const fd of findNumbers(moved)) calls.sendByte(fd);
};

/** Does so for one channel, if its other end still has its first number. Returns whether it does. */
export const plantAt = (calls: SocketCalls, { end }: Channel): boolean => {
  const fd = end === undefined ? undefined : numberOf(end);
  if (fd === undefined) return false;
  // If there is no room for the byte, there are other unread bytes.
  calls.sendByte(fd);
  return true;
};

/**
 * Makes one byte stay in the channel's socket, because its other end will be shut down for writing. After that,
 * nothing can be written there, and the byte allows a reset nevertheless.
 *
 * @param fd a descriptor of the other end
 */
export const keepByte = (calls: SocketCalls, channel: Channel, fd: number): void => {
  if (channel.left !== undefined) return;
  const left = calls.unread(channel.fd);
  channel.left = left;
  channel.keepsLast = left > 0;
  if (left === 0) calls.sendByte(fd);
};
