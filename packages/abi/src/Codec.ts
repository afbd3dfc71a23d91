import { fsDecode, fsEncode } from "./fsencoding.ts";

/**
 * How values of one C type lie in memory. Little endian, as all supported machines are.
 * Sizes and alignments are in bytes.
 */
export interface Codec<A> {
  /** The C name of the type, for messages. */
  readonly name: string;
  /** The size, when it is the same for all values. */
  readonly size: number | undefined;
  /** What the address of a value must be a multiple of. */
  readonly alignment: number;
  /** The size of this value. */
  sizeOf(value: A): number;
  /** Writes the value to the start of `into`, which has room for at least `sizeOf(value)`. */
  encode(value: A, into: Uint8Array): void;
  /** Reads a value that starts where `bytes` start; the result does not share their memory. */
  decode(bytes: Uint8Array): A;
}

/** A codec of values that all have the same size. */
export interface FixedCodec<A> extends Codec<A> {
  readonly size: number;
}

/** A codec of values with several forms, of which `decode` gives one. */
export interface NormalizingCodec<A, Normal extends A> extends Codec<A> {
  decode(bytes: Uint8Array): Normal;
}

/** The type of the values of a codec. */
export type ValueOf<C> = C extends Codec<infer A> ? A : never;

/** `size` rounded up to a multiple of `alignment`; both in bytes. */
export const alignTo = (size: number, alignment: number): number =>
  Math.ceil(size / alignment) * alignment;

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const fixed = <A>(
  name: string,
  size: number,
  alignment: number,
  encode: (value: A, into: Uint8Array) => void,
  decode: (bytes: Uint8Array) => A,
): FixedCodec<A> => ({ name, size, alignment, sizeOf: () => size, encode, decode });

/** How a struct reads and writes a field without a view of its own for each. */
interface InPlace<A> {
  readonly write: (value: A, into: DataView, at: number) => void;
  readonly read: (from: DataView, at: number) => A;
}

const inPlace = new WeakMap<object, InPlace<unknown>>();

const scalar = <A>(
  name: string,
  size: number,
  write: (value: A, into: DataView, at: number) => void,
  read: (from: DataView, at: number) => A,
): FixedCodec<A> => {
  const codec = fixed(
    name,
    size,
    size,
    (value: A, into) => write(value, viewOf(into), 0),
    (bytes) => read(viewOf(bytes), 0),
  );
  inPlace.set(codec, { write, read } as InPlace<unknown>);
  return codec;
};

const within = (name: string, value: number, least: number, most: number): number => {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${value} is not a value of ${name}`);
};

/** A 64-bit integer that a number does not hold exactly. */
export class UnsafeIntegerError extends RangeError {
  override readonly name = "UnsafeIntegerError";

  /** @param type the C type of the value */
  constructor(value: number | bigint, type: string) {
    super(`${value} as ${type} is not a safe integer`);
  }
}

const safe = (name: string, value: number | bigint): number => {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new UnsafeIntegerError(value, name);
};

/** Bytes as they are. */
export const Bytes: Codec<Uint8Array> = {
  name: "bytes",
  size: undefined,
  alignment: 1,
  sizeOf: (value) => value.length,
  encode: (value, into) => into.set(value),
  decode: (bytes) => new Uint8Array(bytes),
};

const withoutNul = (value: string | Uint8Array): Uint8Array => {
  const bytes = fsEncode(value);
  if (bytes.includes(0)) throw new RangeError("a C string cannot contain a NUL");
  return bytes;
};

const untilNul = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return fsDecode(end < 0 ? bytes : bytes.subarray(0, end));
};

/** An array of `size` bytes, as they are. */
export const fixedBytes = (size: number): FixedCodec<Uint8Array> =>
  fixed(
    `uint8_t[${size}]`,
    size,
    1,
    (value, into) => {
      if (value.length !== size) throw new RangeError(`${value.length} bytes are not ${size}`);
      into.set(value);
    },
    (bytes) => {
      if (bytes.length < size) throw new RangeError(`${bytes.length} bytes are not ${size}`);
      return new Uint8Array(bytes.subarray(0, size));
    },
  );

/** A NUL terminated string, converted by {@link fsEncode} and {@link fsDecode}. */
export const CString: NormalizingCodec<string | Uint8Array, string> = {
  name: "char[]",
  size: undefined,
  alignment: 1,
  sizeOf: (value) => fsEncode(value).length + 1,
  encode: (value, into) => {
    const bytes = withoutNul(value);
    into.set(bytes);
    into.set([0], bytes.length);
  },
  decode: untilNul,
};

/** A NUL terminated string in an array of `size` bytes, zeros behind it. */
export const fixedCString = (size: number): FixedCodec<string> =>
  fixed(
    `char[${size}]`,
    size,
    1,
    (value, into) => {
      const bytes = withoutNul(value);
      if (bytes.length >= size) throw new RangeError(`${value} does not fit in char[${size}]`);
      into.fill(0, 0, size).set(bytes);
    },
    (bytes) => untilNul(bytes.subarray(0, size)),
  );

/** `uint8_t`. */
export const Uint8: FixedCodec<number> = scalar(
  "uint8_t",
  1,
  (value, into, at) => into.setUint8(at, within("uint8_t", value, 0, 0xff)),
  (from, at) => from.getUint8(at),
);

/** `uint16_t`. */
export const Uint16: FixedCodec<number> = scalar(
  "uint16_t",
  2,
  (value, into, at) => into.setUint16(at, within("uint16_t", value, 0, 0xffff), true),
  (from, at) => from.getUint16(at, true),
);

/** `int16_t`. */
export const Int16: FixedCodec<number> = scalar(
  "int16_t",
  2,
  (value, into, at) => into.setInt16(at, within("int16_t", value, -(2 ** 15), 2 ** 15 - 1), true),
  (from, at) => from.getInt16(at, true),
);

/** `int32_t`. */
export const Int32: FixedCodec<number> = scalar(
  "int32_t",
  4,
  (value, into, at) => into.setInt32(at, within("int32_t", value, -(2 ** 31), 2 ** 31 - 1), true),
  (from, at) => from.getInt32(at, true),
);

/** `int`, as a truth value: 1 or 0, and any other number is true. */
export const IntBoolean: FixedCodec<boolean> = scalar(
  "int",
  4,
  (value, into, at) => {
    if (typeof value !== "boolean") throw new RangeError(`${value} is neither true nor false`);
    into.setInt32(at, value ? 1 : 0, true);
  },
  (from, at) => from.getInt32(at, true) !== 0,
);

/**
 * `uint32_t`. Flags that JavaScript's bit operators made negative, as `EPOLL.IN | EPOLL.ET` is,
 * are taken as the bits that they are; decoded values are never negative.
 */
export const Uint32: FixedCodec<number> = scalar(
  "uint32_t",
  4,
  (value, into, at) => into.setUint32(at, within("uint32_t", value, -(2 ** 31), 2 ** 32 - 1), true),
  (from, at) => from.getUint32(at, true),
);

/** `int64_t` as a number: both ways an UnsafeIntegerError when it is not a safe integer. */
export const Int64: FixedCodec<number> = scalar(
  "int64_t",
  8,
  (value, into, at) => into.setBigInt64(at, BigInt(safe("int64_t", value)), true),
  (from, at) => {
    // Two halves make no bigint on the way, as nearly all values need none.
    const value = from.getInt32(at + 4, true) * 2 ** 32 + from.getUint32(at, true);
    return Number.isSafeInteger(value) ? value : safe("int64_t", from.getBigInt64(at, true));
  },
);

/** `int64_t` as a bigint, for those that may be no safe integer. */
export const BigInt64: FixedCodec<bigint> = scalar(
  "int64_t",
  8,
  (value, into, at) => {
    if (BigInt.asIntN(64, value) !== value) {
      throw new RangeError(`${value} is not a value of int64_t`);
    }
    into.setBigInt64(at, value, true);
  },
  (from, at) => from.getBigInt64(at, true),
);

/** `uint64_t`. */
export const Uint64: FixedCodec<bigint> = scalar(
  "uint64_t",
  8,
  (value, into, at) => {
    if (BigInt.asUintN(64, value) !== value) {
      throw new RangeError(`${value} is not a value of uint64_t`);
    }
    into.setBigUint64(at, value, true);
  },
  (from, at) => from.getBigUint64(at, true),
);

/** An array of any length, its elements each at a multiple of the element's alignment. */
export const listOf = <A>(element: Codec<A>): Codec<ReadonlyArray<A>> => {
  const { name, size, alignment } = element;
  if (size === undefined) throw new TypeError(`the elements of ${name}[] differ in size`);
  const stride = alignTo(size, alignment);
  return {
    name: `${name}[]`,
    size: undefined,
    alignment,
    sizeOf: (values) => values.length * stride,
    encode: (values, into) => {
      values.forEach((value, i) => {
        element.encode(value, into.subarray(i * stride, (i + 1) * stride));
      });
    },
    decode: (bytes) => {
      if (bytes.length % stride !== 0) {
        throw new RangeError(`${bytes.length} bytes are not a whole number of ${name}`);
      }
      const values: Array<A> = [];
      const direct = inPlace.get(element) as InPlace<A> | undefined;
      const view = viewOf(bytes);
      for (let at = 0; at < bytes.length; at += stride)
        values.push(
          direct === undefined
            ? element.decode(bytes.subarray(at, at + stride))
            : direct.read(view, at),
        );
      return values;
    },
  };
};

/** An array of `count` elements, as a field of a {@link struct} has it. */
export const arrayOf = <A>(element: FixedCodec<A>, count: number): FixedCodec<ReadonlyArray<A>> => {
  const list = listOf(element);
  const stride = alignTo(element.size, element.alignment);
  const size = count * stride;
  const codec = fixed<ReadonlyArray<A>>(
    `${element.name}[${count}]`,
    size,
    element.alignment,
    (values, into) => {
      if (values.length !== count)
        throw new RangeError(`${values.length} elements are not ${element.name}[${count}]`);
      list.encode(values, into);
    },
    (bytes) => list.decode(bytes.subarray(0, size)),
  );
  // An array that is a field needs no view for each element.
  const direct = inPlace.get(element) as InPlace<A> | undefined;
  if (direct !== undefined)
    inPlace.set(codec, {
      write: (values: ReadonlyArray<A>, into: DataView, at: number) => {
        if (values.length !== count)
          throw new RangeError(`${values.length} elements are not ${codec.name}`);
        for (const [i, value] of values.entries()) direct.write(value, into, at + i * stride);
      },
      read: (from: DataView, at: number) => {
        const values: Array<A> = [];
        for (let i = 0; i < count; i++) values.push(direct.read(from, at + i * stride));
        return values;
      },
    } as InPlace<unknown>);
  return codec;
};

/** A field of a {@link struct} that is zero and not part of the record. */
export interface Reserved extends FixedCodec<undefined> {
  /** Marks the field: it has bytes in the struct, and no value. */
  readonly reserved: true;
}

/** `size` bytes of explicit padding in a {@link struct}. */
export const reserved = (size: number, alignment = 1): Reserved => ({
  ...fixed<undefined>(
    "reserved",
    size,
    alignment,
    () => {},
    () => undefined,
  ),
  reserved: true,
});

/** The record that the fields of a {@link struct} make. */
export type RecordOf<Fields> = {
  readonly [K in keyof Fields as Fields[K] extends Reserved ? never : K]: ValueOf<Fields[K]>;
};

/** A codec of a C struct, which also tells where its fields lie. */
export interface StructCodec<Fields> extends FixedCodec<RecordOf<Fields>> {
  /** The codec of each field, reserved ones too. */
  readonly fields: Fields;
  /** offsetof(3) of each field, reserved ones too, in bytes. */
  readonly offsets: { readonly [K in keyof Fields]: number };
}

/**
 * A C struct of these fields in this order, each at the next multiple of its alignment; with
 * `packed`, without any padding. Padding is written as zeros.
 */
export const struct = <const Fields extends Readonly<Record<string, FixedCodec<unknown>>>>(
  name: string,
  fields: Fields,
  options: { readonly packed?: boolean } = {},
): StructCodec<Fields> => {
  const alignmentOf = (codec: FixedCodec<unknown>) => (options.packed ? 1 : codec.alignment);
  let end = 0;
  let alignment = 1;
  const offsets: Record<string, number> = {};
  const members: Array<{ field: string; offset: number; direct: InPlace<unknown> }> = [];
  for (const [field, codec] of Object.entries<FixedCodec<unknown>>(fields)) {
    const offset = alignTo(end, alignmentOf(codec));
    end = offset + codec.size;
    offsets[field] = offset;
    alignment = Math.max(alignment, alignmentOf(codec));
    if (!("reserved" in codec))
      members.push({ field, offset, direct: inPlace.get(codec) ?? throughBytes(codec) });
  }
  const size = alignTo(end, alignment);
  // Engines add fields to a copy of such an object ten times as fast as one by one to an empty object.
  const blank = JSON.parse(
    JSON.stringify(Object.fromEntries(members.map(({ field }) => [field, null]))),
  ) as Readonly<Record<string, unknown>>;
  const write = (value: unknown, into: DataView, at: number) => {
    const record = value as Readonly<Record<string, unknown>>;
    for (const { field, offset, direct } of members) direct.write(record[field], into, at + offset);
  };
  const read = (from: DataView, at: number) => {
    const record: Record<string, unknown> = { ...blank };
    for (const { field, offset, direct } of members) record[field] = direct.read(from, at + offset);
    return record as RecordOf<Fields>;
  };
  const codec = {
    ...fixed<RecordOf<Fields>>(
      name,
      size,
      alignment,
      (value, into) => {
        into.fill(0, 0, size);
        write(value, viewOf(into), 0);
      },
      (bytes) => {
        if (bytes.length < size) {
          throw new RangeError(`${name} has ${size} bytes, not ${bytes.length}`);
        }
        return read(viewOf(bytes), 0);
      },
    ),
    fields,
    offsets: offsets as StructCodec<Fields>["offsets"],
  };
  // A struct that is a field needs no view of its own, and the outer one has zeros for its padding.
  inPlace.set(codec, { write, read } as InPlace<unknown>);
  return codec;
};

/** A field that is not a scalar. */
const throughBytes = (codec: FixedCodec<unknown>): InPlace<unknown> => ({
  write: (value, into, at) =>
    codec.encode(value, new Uint8Array(into.buffer, into.byteOffset + at, codec.size)),
  read: (from, at) => codec.decode(new Uint8Array(from.buffer, from.byteOffset + at, codec.size)),
});
