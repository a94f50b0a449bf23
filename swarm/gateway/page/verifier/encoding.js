/** Canonical bytes, written: what a step's value must have come to. */

/** @typedef {number | Uint8Array | readonly Node[]} Node An integer of 32 bits, bytes, or an array. */

/**
 * @param {Node} node
 * @returns {Uint8Array}
 */
export function encode(node) {
  /** @type {number[]} */
  const out = [];
  write(node, out);
  return Uint8Array.from(out);
}

/**
 * @param {Node} node
 * @param {number[]} out
 */
function write(node, out) {
  if (typeof node === "number") {
    writeInteger(node, out);
  } else if (node instanceof Uint8Array) {
    writeHead(
      node.length,
      [
        [0xff, 0xc4, 1],
        [0xffff, 0xc5, 2],
        [0xffffffff, 0xc6, 4],
      ],
      out,
    );
    for (const byte of node) out.push(byte);
  } else {
    if (node.length < 16) out.push(0x90 | node.length);
    else
      writeHead(
        node.length,
        [
          [0xffff, 0xdc, 2],
          [0xffffffff, 0xdd, 4],
        ],
        out,
      );
    for (const item of node) write(item, out);
  }
}

/**
 * @param {number} value
 * @param {number[]} out
 */
function writeInteger(value, out) {
  if (value >= -32 && value <= 0x7f) out.push(value & 0xff);
  else if (value > 0)
    writeHead(
      value,
      [
        [0xff, 0xcc, 1],
        [0xffff, 0xcd, 2],
        [0xffffffff, 0xce, 4],
      ],
      out,
    );
  else
    writeHead(
      value,
      [
        [0x7f, 0xd0, 1],
        [0x7fff, 0xd1, 2],
        [0x7fffffff, 0xd2, 4],
      ],
      out,
    );
}

/**
 * Write a number in the first form that holds it; a negative one as its two's complement.
 * @param {number} value
 * @param {[number, number, number][]} forms Greatest value (of the complement, if negative), head, bytes.
 * @param {number[]} out
 */
function writeHead(value, forms, out) {
  const size = value < 0 ? -1 - value : value;
  const form = forms.find(([most]) => size <= most);
  if (form === undefined) throw new RangeError(`got ${value}, expected an integer of 32 bits`);
  out.push(form[1]);
  for (let shift = 8 * (form[2] - 1); shift >= 0; shift -= 8) out.push((value >> shift) & 0xff);
}
