/** Bytes of a task's memory, and where they begin. */
export type Bytes = Uint8Array;

/** Bytes that are kept of one piece of memory: no less than a path has (PATH_MAX). */
const PIECE_SIZE = 16 * 1024;

/** Bytes that are kept of all, and pieces. */
const TOTAL_SIZE = 128 * 1024;
const PIECES = 64;

interface Piece {
  readonly address: number;
  /** The beginning of it. */
  readonly bytes: Bytes;
  /** Of all of it. */
  readonly length: number;
}

/** The first bytes of some, and not those that others may change. */
export const beginning = (bytes: Bytes): Bytes => bytes.slice(0, PIECE_SIZE);

/**
 * What a task's memory contains, as far as this program has written or read it lately. Its size is bounded: of what
 * is large the beginning is kept, and what is oldest is forgotten.
 */
export class SeenMemory {
  /** Oldest first; none overlaps another. */
  #pieces: Array<Piece> = [];
  #size = 0;

  /** The memory contains these bytes from now on. */
  note(address: number, bytes: Bytes): void {
    this.forget(address, bytes.length);
    if (bytes.length === 0) return;
    const kept = beginning(bytes);
    this.#pieces.push({ address, bytes: kept, length: bytes.length });
    this.#size += kept.length;
    while (this.#size > TOTAL_SIZE || this.#pieces.length > PIECES)
      this.#size -= this.#pieces.shift()?.bytes.length ?? 0;
  }

  /** Something else may be there from now on. */
  forget(address: number, length: number): void {
    const overlaps = (piece: Piece) =>
      piece.address < address + length && address < piece.address + piece.length;
    if (!this.#pieces.some(overlaps)) return;
    const kept: Array<Piece> = [];
    for (const piece of this.#pieces)
      if (!overlaps(piece)) kept.push(piece);
      else {
        const before = piece.bytes.subarray(0, Math.max(0, address - piece.address));
        const behindAt = address + length;
        const behind = piece.bytes.subarray(behindAt - piece.address);
        if (before.length > 0) kept.push({ ...piece, bytes: before, length: before.length });
        if (behind.length > 0)
          kept.push({ address: behindAt, bytes: behind, length: behind.length });
      }
    this.#pieces = kept;
    this.#size = kept.reduce((size, { bytes }) => size + bytes.length, 0);
  }

  /** What is known from this address on: at least one byte, or undefined. */
  at(address: number): Bytes | undefined {
    for (const { address: start, bytes } of this.#pieces)
      if (address >= start && address < start + bytes.length)
        return bytes.subarray(address - start);
    return undefined;
  }
}
