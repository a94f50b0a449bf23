/** Who judges which pair, in which order: docs/protocol.md, "Candidates and pairs". */

import { compareBytes } from "./bytes.js";
import { hashNumbers } from "./hashing.js";

/** @typedef {{ judge: number, left: number, right: number }} Assignment */
/** @typedef {{ low: number, high: number }} Pair */

const FIRST_CALLS = 2;
const ORDERS = 2;

/**
 * @param {object} facts
 * @param {number} facts.step 1..3
 * @param {number[][]} facts.classes Authors of each class, at least two classes.
 * @param {number} facts.seats
 * @param {number} facts.callsPerPeer In the whole round.
 * @param {Uint8Array} facts.seed Of the step.
 * @param {import("./scores.js").Scores | null} facts.scores Of the step before; null in step 1.
 * @param {readonly Assignment[]} facts.past All that was dealt in the round before.
 * @returns {Assignment[]} By judge, then in dealing order.
 */
export function dealPairs({ step, classes, seats, callsPerPeer, seed, scores, past }) {
  const pairs = scores === null ? listNeighbours(classes.length, seed) : listChallenges(scores, seed);
  const dealer = new Dealer(seed, past);
  const judges = sortByHash(seats, (judge) => hashNumbers("judge", seed, judge));
  const rest = callsPerPeer - FIRST_CALLS;
  const calls = step === 1 ? FIRST_CALLS : step === 2 ? Math.ceil(rest / 2) : Math.floor(rest / 2);
  const open = judges.map((judge) => pairs.filter((pair) => dealer.mayDeal(judge, pair, classes)));
  if (step === 1) {
    for (let pass = 0; pass < calls; pass += 1) {
      judges.forEach((judge, place) => dealer.dealRarest(judge, open[place]));
    }
  } else {
    judges.forEach((judge, place) => dealer.dealClosest(judge, open[place], calls));
  }
  return dealer.dealt.sort((a, b) => a.judge - b.judge); // stable: dealing order stays
}

/**
 * @param {number} count
 * @param {(index: number) => Uint8Array} hash
 * @returns {number[]} 0..count - 1 by rising hash.
 */
function sortByHash(count, hash) {
  const hashes = Array.from({ length: count }, (_, index) => hash(index));
  return hashes.map((_, index) => index).sort((a, b) => compareBytes(hashes[a], hashes[b]));
}

/**
 * @param {number} first
 * @param {number} second
 * @returns {Pair}
 */
function makePair(first, second) {
  return { low: Math.min(first, second), high: Math.max(first, second) };
}

/**
 * @param {number} count Classes.
 * @param {Uint8Array} seed
 * @returns {Pair[]} Neighbours on a ring.
 */
function listNeighbours(count, seed) {
  const ring = sortByHash(count, (index) => hashNumbers("cycle", seed, index));
  return ring
    .slice(count === 2 ? 1 : 0)
    .map((index) => makePair(index, ring[(ring.indexOf(index) + 1) % count]));
}

/**
 * @param {import("./scores.js").Scores} scores
 * @param {Uint8Array} seed
 * @returns {Pair[]} The leader with each other class, the closest first.
 */
function listChallenges({ order, z }, seed) {
  const [leader] = order;
  return sortByHash(order.length, (index) => hashNumbers("challenger", seed, index))
    .filter((index) => index !== leader)
    .sort((a, b) => z[a] - z[b])
    .map((index) => makePair(leader, index));
}

class Dealer {
  /**
   * @param {Uint8Array} seed
   * @param {readonly Assignment[]} past
   */
  constructor(seed, past) {
    this.seed = seed;
    /** @type {Assignment[]} */
    this.dealt = [];
    /** @type {Map<string, number>} Times that a pair was dealt in this step. */
    this.loads = new Map();
    /** @type {Map<string, number[]>} What a judge has seen on the left of a pair in the round, in order. */
    this.shown = new Map();
    for (const { judge, left, right } of past) this.getShown(judge, makePair(left, right)).push(left);
  }

  /**
   * @param {number} judge
   * @param {Pair} pair
   * @returns {number[]}
   */
  getShown(judge, { low, high }) {
    const name = `${judge} ${low} ${high}`;
    const shown = this.shown.get(name) ?? [];
    this.shown.set(name, shown);
    return shown;
  }

  /**
   * @param {number} judge
   * @param {Pair} pair
   * @param {number[][]} classes
   * @returns {boolean} Whether an order is left, and neither class is the judge's alone.
   */
  mayDeal(judge, pair, classes) {
    const isOwn = [pair.low, pair.high].some(
      (index) => classes[index].length === 1 && classes[index][0] === judge,
    );
    return !isOwn && this.getShown(judge, pair).length < ORDERS;
  }

  /**
   * Deal the pair that the judge saw least often, then that was dealt least often, then lowest by hash.
   * @param {number} judge
   * @param {readonly Pair[]} pairs
   */
  dealRarest(judge, pairs) {
    const rows = pairs
      .map((pair) => ({
        pair,
        seen: this.getShown(judge, pair).length,
        load: this.loads.get(`${pair.low} ${pair.high}`) ?? 0,
        hash: hashNumbers("balance", this.seed, judge, pair.low, pair.high),
      }))
      .filter(({ seen }) => seen < ORDERS)
      .sort((a, b) => a.seen - b.seen || a.load - b.load || compareBytes(a.hash, b.hash));
    if (rows.length > 0) this.deal(judge, rows[0].pair);
  }

  /**
   * Deal pairs in the order given: first those the judge has never seen, then all with an order left.
   * @param {number} judge
   * @param {readonly Pair[]} pairs
   * @param {number} calls
   */
  dealClosest(judge, pairs, calls) {
    const fresh = pairs.filter((pair) => this.getShown(judge, pair).length === 0);
    for (const pair of [...fresh, ...pairs].slice(0, calls)) this.deal(judge, pair);
  }

  /**
   * @param {number} judge
   * @param {Pair} pair
   */
  deal(judge, { low, high }) {
    const shown = this.getShown(judge, { low, high });
    const isHighFirst = (hashNumbers("order", this.seed, judge, low, high)[0] & 1) === 1;
    const isHighLeft = shown.length === 0 ? isHighFirst : shown[0] === low;
    const [left, right] = isHighLeft ? [high, low] : [low, high];
    shown.push(left);
    this.loads.set(`${low} ${high}`, (this.loads.get(`${low} ${high}`) ?? 0) + 1);
    this.dealt.push({ judge, left, right });
  }
}
