/** Integer arithmetic as the protocol writes it: // is floor division, for BigInts of either sign. */

/**
 * @param {bigint} value
 * @param {bigint} divisor Above 0.
 * @returns {bigint} The greatest integer that is at most value / divisor.
 */
export function floorDivide(value, divisor) {
  const quotient = value / divisor; // JavaScript rounds to zero
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient;
}

/**
 * @param {bigint} value At least 0.
 * @returns {bigint} The greatest integer whose square is at most value.
 */
export function squareRoot(value) {
  if (value < 2n) return value;
  let root = 1n << BigInt((bitLength(value) + 1) >> 1); // at least the root, so Newton only falls
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/**
 * @param {bigint} value At least 0.
 * @returns {number} The number of binary digits.
 */
export function bitLength(value) {
  return value === 0n ? 0 : value.toString(2).length;
}

/**
 * @param {bigint} value
 * @param {bigint} low
 * @param {bigint} high
 * @returns {bigint} The value, moved into low..high.
 */
export function clamp(value, low, high) {
  return value < low ? low : value > high ? high : value;
}

/**
 * @param {Iterable<bigint>} values
 * @returns {bigint}
 */
export function sum(values) {
  let total = 0n;
  for (const value of values) total += value;
  return total;
}

/**
 * @param {bigint} left
 * @param {bigint} right
 * @returns {number} Negative, 0 or positive, as sorting wants it.
 */
export function compareIntegers(left, right) {
  return left < right ? -1 : left > right ? 1 : 0;
}
