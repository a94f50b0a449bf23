/**
 * Canonical bytes, read against the shape that is expected (docs/protocol.md, "Encoding"): msgpack of arrays,
 * integers and byte strings, each in its shortest form. Nothing is copied but integers; an array keeps no
 * more items than its shape says, so memory stays bounded whatever lengths hostile bytes claim.
 */

import { ReceiptError } from "./errors.js";

/** @typedef {number | bigint} Integer A number where it is exact, a bigint from 2^53 on. */

/**
 * @template T
 * @typedef {(reader: Reader) => T} Shape Reads one value, or throws.
 */

const UNSIGNED = new Map([
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
]);
const SIGNED = new Map([
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
]);
const BYTE_STRINGS = new Map([
  [0xc4, 1],
  [0xc5, 2],
  [0xc6, 4],
]);
const ARRAYS = new Map([
  [0xdc, 2],
  [0xdd, 4],
]);

export class Reader {
  /**
   * @param {Uint8Array} data
   * @param {string} name What is read, for messages.
   */
  constructor(data, name) {
    this.data = data;
    this.name = name;
    this.place = 0;
  }

  /**
   * @param {string} expected
   * @returns {never}
   */
  refuse(expected) {
    throw new ReceiptError(
      `${this.name}: got bytes that are not canonical at ${this.place}, expected ${expected}`,
    );
  }

  /** @returns {number} */
  readHead() {
    if (this.place >= this.data.length) this.refuse("more bytes");
    const head = this.data[this.place];
    this.place += 1;
    return head;
  }

  /**
   * Read the big-endian number behind a head.
   * @param {number} width Bytes, at most 4.
   * @returns {number}
   */
  readNumber(width) {
    if (this.data.length - this.place < width) this.refuse("more bytes");
    let value = 0;
    for (let count = 0; count < width; count += 1) value = value * 256 + this.data[this.place + count];
    this.place += width;
    return value;
  }

  /**
   * Read a length that must not fit a shorter form.
   * @param {number} width Bytes.
   * @param {number} least Smallest length that needs this form.
   * @returns {number}
   */
  readLength(width, least) {
    const length = this.readNumber(width);
    if (length < least) this.refuse("a shorter form");
    return length;
  }
}

/** @type {Shape<Integer>} */
export function integer(reader) {
  const head = reader.readHead();
  if (head <= 0x7f) return head;
  if (head >= 0xe0) return head - 256;
  const width = UNSIGNED.get(head) ?? SIGNED.get(head);
  if (width === undefined) return reader.refuse("an integer");
  const high = width === 8 ? BigInt(reader.readNumber(4)) << 32n : 0n;
  const raw = high + BigInt(reader.readNumber(Math.min(width, 4)));
  const value = SIGNED.has(head) ? BigInt.asIntN(8 * width, raw) : raw;
  if (!isShortest(value, SIGNED.has(head), width)) reader.refuse("a shorter form");
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * @param {bigint} value
 * @param {boolean} isSigned
 * @param {number} width Bytes of the form it stood in.
 * @returns {boolean}
 */
function isShortest(value, isSigned, width) {
  if (isSigned) return value < (width === 1 ? -32n : -(1n << BigInt(4 * width - 1)));
  return value >= (width === 1 ? 128n : 1n << BigInt(4 * width));
}

/** @type {Shape<Uint8Array>} A view of the bytes received. */
export function bytes(reader) {
  const width = BYTE_STRINGS.get(reader.readHead());
  if (width === undefined) return reader.refuse("a byte string");
  const length = reader.readLength(width, width === 1 ? 0 : 2 ** (4 * width));
  if (reader.data.length - reader.place < length) reader.refuse("more bytes");
  reader.place += length;
  return reader.data.subarray(reader.place - length, reader.place);
}

/**
 * @param {Reader} reader
 * @returns {number} How many items follow.
 */
function readCount(reader) {
  const head = reader.readHead();
  if (head >= 0x90 && head <= 0x9f) return head & 15;
  const width = ARRAYS.get(head);
  return width === undefined
    ? reader.refuse("an array")
    : reader.readLength(width, width === 2 ? 16 : 65_536);
}

/**
 * @template T
 * @param {Shape<T>} shape Of each item.
 * @param {number} kept Items that are kept; those beyond are read, and dropped. Give at least one more than
 *   may be, so that an array that is too long shows.
 * @returns {Shape<T[]>}
 */
export function list(shape, kept) {
  return (reader) => {
    const count = readCount(reader);
    /** @type {T[]} */
    const items = [];
    for (let place = 0; place < count; place += 1) {
      const item = shape(reader); // takes at least one byte, so the count cannot outrun the data
      if (place < kept) items.push(item);
    }
    return items;
  };
}

/**
 * @template {Record<string, Shape<any>>} Fields
 * @param {Fields} fields Name and shape of each field, in order.
 * @returns {Shape<{ [Name in keyof Fields]: ReturnType<Fields[Name]> }>}
 */
export function struct(fields) {
  const entries = Object.entries(fields);
  return (reader) => {
    if (readCount(reader) !== entries.length) reader.refuse(`${entries.length} fields`);
    return /** @type {any} */ (Object.fromEntries(entries.map(([name, shape]) => [name, shape(reader)])));
  };
}

/**
 * Decode hostile bytes.
 * @template T
 * @param {Shape<T>} shape
 * @param {Uint8Array} data Exact bytes as received.
 * @param {{ name: string, bytesMax: number }} expected What is read, and how long it may be.
 * @returns {T} A value whose only encoding is `data`.
 * @throws {ReceiptError} It is longer, or not the canonical encoding of such a value.
 */
export function decode(shape, data, { name, bytesMax }) {
  if (data.length > bytesMax) {
    throw new ReceiptError(`${name}: got ${data.length} bytes, expected at most ${bytesMax}`);
  }
  const reader = new Reader(data, name);
  const value = shape(reader);
  if (reader.place !== data.length) reader.refuse("the end");
  return value;
}
