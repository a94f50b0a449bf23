/**
 * Ed25519 as libsodium verifies it, which is stricter than RFC 8032 and not what the vendored library's own
 * `verify` does: that one multiplies by the cofactor, and lets small-order R pass. Here
 *
 * 1. S is below the group's order;
 * 2. the key is a canonical point, not of small order;
 * 3. R is, byte for byte, the encoding of [S]B - [k]A, and not of small order.
 *
 * Two verifiers that differ in one of these can be made to disagree about a receipt.
 */

import { sha256 } from "./hashing.js";
import { Point } from "./vendor/noble-ed25519/index.js";
import { sha512 } from "./vendor/noble-hashes/sha2.js";
import { areEqual, fromAscii } from "./bytes.js";

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** What a signature is for; part of the bytes that are signed. */
export const Kind = Object.freeze({ QUESTION: 1, REVEAL: 4, REVEAL_LIST: 5, PRECOMMIT: 8 });

const ORDER = Point.CURVE().n;
const PREFIX = fromAscii("peerage/1");

/** Remembers the keys it has met as points: every seat of a committee signs many times. */
export class SignatureChecker {
  /** @param {Uint8Array} networkId 32 bytes: a signature made for another network is worth nothing. */
  constructor(networkId) {
    this.networkId = networkId;
    /** @type {Map<string, Point | null>} */
    this.points = new Map();
  }

  /**
   * Say whether a signature is the key's over a payload of this kind.
   * @param {Uint8Array} key
   * @param {number} kind One of `Kind`.
   * @param {Uint8Array} payload Exact bytes.
   * @param {Uint8Array} signature
   * @returns {boolean}
   */
  isValid(key, kind, payload, signature) {
    if (key.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
    const name = key.join();
    let point = this.points.get(name);
    if (point === undefined) {
      point = readKey(key);
      this.points.set(name, point);
    }
    const message = concat(PREFIX, Uint8Array.of(kind), this.networkId, sha256(payload));
    return point !== null && isSigned(point, key, message, signature);
  }
}

/**
 * Say whether a signature holds.
 * @param {Uint8Array} key
 * @param {Uint8Array} message
 * @param {Uint8Array} signature
 * @returns {boolean}
 */
export function isValidSignature(key, message, signature) {
  if (key.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  const point = readKey(key);
  return point !== null && isSigned(point, key, message, signature);
}

/**
 * @param {Uint8Array} key
 * @returns {Point | null} Null where it is no key that may sign.
 */
function readKey(key) {
  try {
    const point = Point.fromBytes(key); // refuses encodings that are not canonical
    return point.isSmallOrder() ? null : point;
  } catch {
    return null; // the library's only word for bytes that are no point
  }
}

/**
 * @param {Point} point The key, read.
 * @param {Uint8Array} key
 * @param {Uint8Array} message
 * @param {Uint8Array} signature
 * @returns {boolean}
 */
function isSigned(point, key, message, signature) {
  const start = signature.subarray(0, KEY_BYTES);
  const scalar = readLittleEndian(signature.subarray(KEY_BYTES));
  if (scalar >= ORDER) return false;
  const challenge = readLittleEndian(sha512(concat(start, key, message))) % ORDER;
  const expected = Point.BASE.multiply(scalar, false).subtract(point.multiply(challenge, false));
  return areEqual(expected.toBytes(), start) && !expected.isSmallOrder();
}

/**
 * @param {Uint8Array} data
 * @returns {bigint}
 */
function readLittleEndian(data) {
  let value = 0n;
  for (const byte of Uint8Array.from(data).reverse()) value = (value << 8n) | BigInt(byte);
  return value;
}

/**
 * @param {...Uint8Array} parts
 * @returns {Uint8Array}
 */
function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
