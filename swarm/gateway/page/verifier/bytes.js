/** Byte strings: comparing, writing and reading them as text. */

// What the protocol calls white space (Python's str.isspace, which counts U+001C..U+001F too).
const BLANK = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;
const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder("utf-8", { ignoreBOM: true });
const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Compare byte strings by their first byte that differs, then by length.
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 * @returns {number} Negative, 0 or positive, as sorting wants it.
 */
export function compareBytes(left, right) {
  const shared = Math.min(left.length, right.length);
  for (let place = 0; place < shared; place += 1) {
    if (left[place] !== right[place]) return left[place] - right[place];
  }
  return left.length - right.length;
}

/**
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 * @returns {boolean} Whether they are the same bytes.
 */
export function areEqual(left, right) {
  return left.length === right.length && compareBytes(left, right) === 0;
}

/**
 * @param {Uint8Array} data
 * @returns {string} Hexadecimal digits, two a byte.
 */
export function toHex(data) {
  let digits = "";
  for (const byte of data) digits += DIGITS[byte];
  return digits;
}

/**
 * @param {string} text ASCII.
 * @returns {Uint8Array}
 */
export function fromAscii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/**
 * Write bytes as a string of one character a byte, for patterns that look at ASCII only.
 * @param {Uint8Array} data
 * @returns {string}
 */
export function toCharacters(data) {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return text;
}

/**
 * Decode bytes for showing; what is not UTF-8 becomes U+FFFD.
 * @param {Uint8Array} data
 * @returns {string}
 */
export function toText(data) {
  return LENIENT.decode(data);
}

/**
 * Say whether bytes are UTF-8 with at least one character that is not white space.
 * @param {Uint8Array} data
 * @returns {boolean}
 */
export function isText(data) {
  try {
    return !BLANK.test(STRICT.decode(data));
  } catch (error) {
    if (error instanceof TypeError) return false; // the decoder's word for bytes that are not UTF-8
    throw error;
  }
}
