/** The two hashes of docs/protocol.md, "Bytes": H over parts, R over a seed and numbers. */

import { fromAscii } from "./bytes.js";
import { sha256 as digest } from "./vendor/noble-hashes/sha2.js";

/** @typedef {import("./decoding.js").Integer} Integer */

export const DIGEST_BYTES = 32;

/**
 * @param {Uint8Array} data
 * @returns {Uint8Array} SHA-256, 32 bytes.
 */
export function sha256(data) {
  return digest(data);
}

/**
 * H: SHA-256 of a tag and parts, each behind a marker and its length.
 * @param {string} tag
 * @param {...(Uint8Array | Integer)} parts An integer counts as its decimal digits.
 * @returns {Uint8Array} 32 bytes.
 */
export function hashParts(tag, ...parts) {
  const hasher = digest.create().update(fromAscii(`peerage/1/hash/${tag}\0`));
  for (const part of parts) {
    const isBytes = part instanceof Uint8Array;
    const data = isBytes ? part : fromAscii(String(part));
    hasher
      .update(fromAscii(isBytes ? "b" : "i"))
      .update(eightBytes(data.length))
      .update(data);
  }
  return hasher.digest();
}

/**
 * R: SHA-256 of a tag, a seed and small numbers; every choice of the ranking is drawn by it.
 * @param {string} tag
 * @param {Uint8Array} seed
 * @param {...number} numbers Seats and class indices, at least 0.
 * @returns {Uint8Array} 32 bytes.
 */
export function hashNumbers(tag, seed, ...numbers) {
  const hasher = digest.create().update(fromAscii(`peerage/1/ranking/${tag}\0`));
  hasher.update(eightBytes(seed.length)).update(seed);
  for (const number of numbers) hasher.update(eightBytes(number));
  return hasher.digest();
}

/**
 * @param {number} number 0..2^53 - 1.
 * @returns {Uint8Array} Big endian.
 */
function eightBytes(number) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(number));
  return new Uint8Array(view.buffer);
}
