/**
 * What a round assumes of its judges, from the numbers of a standing. Their meaning is defined by the text of
 * ranking/reputation.py; this is another writing of `from_numbers` and `compute_terms`.
 */

import { computeTrust, ONE, WEIGHT_MAX } from "./camps.js";
import { demand, ReceiptError } from "./errors.js";
import { clamp, compareIntegers, floorDivide, squareRoot } from "./integers.js";

/** @typedef {import("./decoding.js").Integer} Integer */
/**
 * @typedef {object} Record What is kept of one peer.
 * @property {bigint} gold Sum of products of its net votes with the truth.
 * @property {bigint} goldCount Their number.
 * @property {bigint} left Sum of its outcomes beyond one half.
 * @property {bigint} leftCount Their number.
 * @property {bigint} own Lean to its own answers, nats.
 */

/** @typedef {{ sum: bigint, count: bigint }} Memory Of what two peers' rounds together say. */
/** @typedef {{ slow: Memory, fast: Memory }} Bond */
/** @typedef {{ records: Map<number, Record>, bonds: Map<string, Bond> }} Reputation Bonds by "low,high". */

/**
 * @typedef {object} JudgeTerms
 * @property {bigint} weightQ16 Of its comparisons, and of its vote as an author.
 * @property {number} position Its leaning to the answer on the left, sixteenths of a nat.
 * @property {number} own Its leaning to an answer of its own or of an ally, likewise.
 * @property {readonly number[]} allies Seats whose answers count as its own.
 */

const RECORD_NUMBERS = 7;
const BOND_NUMBERS = 6;
const COUNT_MAX = 1n << 48n;
const ROUNDING = 1n << 10n;
const OWN_MAX = 6n * ONE;
const SPLIT_SLOW_Q8 = 230n;
const SPLIT_FAST_Q8 = 384n;
const LEAN_STEP = 8n;
const SIDE_INERTIA = 32n * ONE;
const SIDE_LEAN_MAX = 32n;
const GOLD_COUNT_MIN = 16n * ONE;
const GOLD_SLACK_Q8 = 384n;
const GOLD_MEDIAN_MIN = ONE / 32n;
/** @type {Record} */
const NO_RECORD = { gold: 0n, goldCount: 0n, left: 0n, leftCount: 0n, own: 0n };
/** @type {Memory} */
const NO_MEMORY = { sum: 0n, count: 0n };

/**
 * Read a standing's numbers: rows of records by strictly rising peer, then rows of bonds by rising pair.
 * @param {readonly (readonly Integer[])[]} rows
 * @param {number} peers Peers that there are.
 * @returns {Reputation}
 * @throws {ReceiptError} They are no such rows, or a number is out of bounds.
 */
export function openNumbers(rows, peers) {
  /** @type {Reputation} */
  const reputation = { records: new Map(), bonds: new Map() };
  let before = [-1, -1];
  for (const row of rows) {
    const isBond = row.length === BOND_NUMBERS;
    const isRecord = row.length === RECORD_NUMBERS && reputation.bonds.size === 0;
    demand(isBond || isRecord, `standing: got a row of ${row.length} numbers, expected records, then bonds`);
    const [low, high] = [row[0], isBond ? row[1] : row[0]];
    demand(
      low >= 0 && low <= high && high < peers,
      `standing: got numbers of peers ${low} and ${high} of ${peers}`,
    );
    const pair = [Number(low), Number(high)];
    if (isBond && reputation.bonds.size === 0) before = [-1, -1];
    const isRising = pair[0] > before[0] || (pair[0] === before[0] && pair[1] > before[1]);
    demand(isRising, "standing: got rows out of order or twice, expected strictly rising ones");
    before = pair;
    if (isBond) reputation.bonds.set(pair.join(), openBond(row.slice(2).map(BigInt)));
    else reputation.records.set(pair[0], openRecord(row.slice(1).map(BigInt)));
  }
  return reputation;
}

/**
 * @param {readonly bigint[]} numbers
 * @returns {Record}
 */
function openRecord([gold, goldCount, left, leftCount, own, ownCount]) {
  demand(
    isMean(gold, goldCount) && isMean(left, leftCount) && own >= 0n && own <= OWN_MAX && isCount(ownCount),
    "standing: got a record that no rounds lead to",
  );
  return { gold, goldCount, left, leftCount, own };
}

/**
 * @param {readonly bigint[]} numbers
 * @returns {Bond}
 */
function openBond([slow, slowCount, fast, fastCount]) {
  demand(isMean(slow, slowCount) && isMean(fast, fastCount), "standing: got a bond that no rounds lead to");
  return { slow: { sum: slow, count: slowCount }, fast: { sum: fast, count: fastCount } };
}

/**
 * @param {bigint} count
 * @returns {boolean}
 */
function isCount(count) {
  return count >= 0n && count < COUNT_MAX;
}

/**
 * @param {bigint} total
 * @param {bigint} count
 * @returns {boolean} Whether the total is that of values of at most 1; decay rounds by a few units.
 */
function isMean(total, count) {
  return isCount(count) && (total < 0n ? -total : total) <= count + ROUNDING;
}

/**
 * @param {Reputation} reputation
 * @param {readonly number[]} peers By seat, no peer twice.
 * @returns {JudgeTerms[]} By seat.
 * @throws {ReceiptError} Nothing follows from the numbers.
 */
export function computeTerms(reputation, peers) {
  const records = peers.map((peer) => reputation.records.get(peer) ?? NO_RECORD);
  const slow = computeTrust(
    collect(reputation, peers, records, "slow"),
    peers.map(() => ONE),
    SPLIT_SLOW_Q8,
  );
  if (slow === null) throw new ReceiptError("standing: got numbers that no rounds lead to");
  const fast = computeTrust(collect(reputation, peers, records, "fast"), slow.weights, SPLIT_FAST_Q8);
  if (fast === null) throw new ReceiptError("standing: got numbers that no rounds lead to");
  const caps = computeGoldCaps(records, slow.reference);
  return records.map((record, seat) => {
    const isLower = fast.outside[seat] && fast.weights[seat] < slow.weights[seat];
    const weight = isLower ? fast.weights[seat] : slow.weights[seat];
    return {
      weightQ16: weight < caps[seat] ? weight : caps[seat],
      position: computeSideLean(record),
      own: Number(((record.own >> 12n) / LEAN_STEP) * LEAN_STEP),
      allies: [], // who favours whom shows in its weight
    };
  });
}

/**
 * Lay the bonds of these peers out as one memory's table.
 * @param {Reputation} reputation
 * @param {readonly number[]} peers
 * @param {readonly Record[]} records
 * @param {"slow" | "fast"} memory
 * @returns {import("./camps.js").Agreement}
 */
function collect(reputation, peers, records, memory) {
  const table = peers.map((first) =>
    peers.map((second) => {
      const pair = first < second ? [first, second] : [second, first];
      return reputation.bonds.get(pair.join())?.[memory] ?? NO_MEMORY;
    }),
  );
  return {
    sums: table.map((row) => row.map((bond) => bond.sum)),
    counts: table.map((row) => row.map((bond) => bond.count)),
    gold: records.map((record) => record.gold),
    goldCounts: records.map((record) => record.goldCount),
  };
}

/**
 * @param {readonly Record[]} records
 * @param {readonly boolean[]} reference
 * @returns {bigint[]} The largest weight that gold allows each seat, Q16: agreement with the truth and 1.5
 *   standard errors, over the median of the reference; 2 where gold says nothing.
 */
function computeGoldCaps(records, reference) {
  const means = records.map(({ gold, goldCount }) =>
    floorDivide(gold << 16n, goldCount > 1n ? goldCount : 1n),
  );
  const isKnown = records.map(({ goldCount }) => goldCount >= GOLD_COUNT_MIN);
  const known = means.filter((_, seat) => reference[seat] && isKnown[seat]).sort(compareIntegers);
  const median = known.length > 0 ? known[(known.length - 1) >> 1] : 0n;
  return records.map(({ goldCount }, seat) => {
    if (median < GOLD_MEDIAN_MIN || !isKnown[seat]) return WEIGHT_MAX;
    const slack = (GOLD_SLACK_Q8 << 16n) / squareRoot(goldCount);
    return clamp(floorDivide((means[seat] + slack) << 16n, median), 0n, WEIGHT_MAX);
  });
}

/**
 * @param {Record} record
 * @returns {number} The lean to the left side in whole steps of half a nat, sixteenths of a nat.
 */
function computeSideLean({ left, leftCount }) {
  const lean = floorDivide(64n * left, leftCount + SIDE_INERTIA);
  const steps = ((lean < 0n ? -lean : lean) / LEAN_STEP) * LEAN_STEP;
  return Number(steps < SIDE_LEAN_MAX ? steps : SIDE_LEAN_MAX) * (lean > 0n ? 1 : -1) || 0; // -0 is 0
}
