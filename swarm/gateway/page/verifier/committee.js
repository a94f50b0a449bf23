/** The seats of a round: who sits where, and how many of them may fail. */

import { compareBytes } from "./bytes.js";
import { hashParts } from "./hashing.js";

/**
 * @typedef {object} Committee
 * @property {Uint8Array[]} keys By seat.
 * @property {number[]} members By seat: its place among the members of the genesis.
 * @property {number} n Seats.
 * @property {number} f Faulty seats that are tolerated.
 * @property {number} q Quorum, n - f.
 * @property {Uint8Array} seed seed_0.
 */

/**
 * Draw the seats: the first members by rising hash under seed_0.
 * @param {import("./genesis.js").Network} network
 * @param {import("./shapes.js").Question} question Its bounds are checked.
 * @returns {Committee}
 */
export function drawCommittee(network, question) {
  const seed = hashParts("seed", network.beacon, question.asker, question.counter);
  const drawn = network.members
    .map(({ key }, member) => ({ key, member, rank: hashParts("seat", seed, key) }))
    .sort((left, right) => compareBytes(left.rank, right.rank))
    .slice(0, Number(question.seats));
  const n = drawn.length;
  const f = Math.floor((n - 1) / 3);
  return {
    keys: drawn.map(({ key }) => key),
    members: drawn.map(({ member }) => member),
    n,
    f,
    q: n - f,
    seed,
  };
}
