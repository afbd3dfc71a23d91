import type { Channel } from "./Channel.ts";
import { type EndName, findNumbers, numberOf } from "./ChannelEnd.ts";
import type { SocketCalls } from "./SocketCalls.ts";

/*
 * The other end of a channel must see that the stream was cut, and not the end of the stream, which would say that
 * all has come. When a Unix socket closes with something in it that was not read, its peer gets ECONNRESET:
 * unix(7). The other ends are mostly held by this process, so it can write that something there itself.
 */

/** Makes it that the other ends of channels get ECONNRESET when ours close. */
export const cut = (calls: SocketCalls, channels: Iterable<Channel>): void => {
  const moved: Array<EndName> = [];
  for (const channel of channels) {
    channel.isCut = true;
    if (!plantAt(calls, channel) && channel.end !== undefined) moved.push(channel.end);
  }
  if (moved.length > 0) for (const fd of findNumbers(moved)) calls.sendByte(fd);
};

/** The same for one channel, if its other end still has the number that it had at first: whether that is so. */
export const plantAt = (calls: SocketCalls, { end }: Channel): boolean => {
  const fd = end === undefined ? undefined : numberOf(end);
  if (fd === undefined) return false;
  // No room for a byte means that there are others.
  calls.sendByte(fd);
  return true;
};

/**
 * The other end of a channel will be shut down for writing, after which nothing can be written there. So that it
 * can be reset nevertheless, one byte stays in our socket from now on.
 *
 * @param fd a number of the other end
 */
export const keepByte = (calls: SocketCalls, channel: Channel, fd: number): void => {
  if (channel.left !== undefined) return;
  const left = calls.unread(channel.fd);
  channel.left = left;
  channel.keepsLast = left > 0;
  if (left === 0) calls.sendByte(fd);
};
