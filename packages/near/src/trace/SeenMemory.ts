/** Bytes of a task's memory. */
export type Bytes = Uint8Array;

/** Bytes that are kept of one piece of memory: at least the length of a path (PATH_MAX). */
const PIECE_SIZE = 16 * 1024;

/** The maximum number of bytes, and of pieces, that are kept in total. */
const TOTAL_SIZE = 128 * 1024;
const PIECES = 64;

interface Piece {
  readonly address: number;
  /** The first bytes of the piece. */
  readonly bytes: Bytes;
  /** The length of the whole piece. */
  readonly length: number;
}

/** Copies the first bytes. The caller may change the original later. */
export const beginning = (bytes: Bytes): Bytes => bytes.slice(0, PIECE_SIZE);

/**
 * The contents of a task's memory, as far as this program has written or read it lately. Its size is bounded: it
 * keeps only the beginning of a large piece, and forgets the oldest pieces.
 */
export class SeenMemory {
  /** Oldest first; none overlaps another. */
  #pieces: Array<Piece> = [];
  #size = 0;

  /** Notes that the memory contains these bytes from now on. */
  note(address: number, bytes: Bytes): void {
    this.forget(address, bytes.length);
    if (bytes.length === 0) return;
    const kept = beginning(bytes);
    this.#pieces.push({ address, bytes: kept, length: bytes.length });
    this.#size += kept.length;
    while (this.#size > TOTAL_SIZE || this.#pieces.length > PIECES)
      this.#size -= this.#pieces.shift()?.bytes.length ?? 0;
  }

  /** Forgets a range, because its contents may change. */
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

  /** Returns the known bytes at an address: at least one, or undefined. */
  at(address: number): Bytes | undefined {
    for (const { address: start, bytes } of this.#pieces)
      if (address >= start && address < start + bytes.length)
        return bytes.subarray(address - start);
    return undefined;
  }
}
