/** Bradley-Terry strengths by Newman's iteration, in integers: docs/protocol.md, "Scores and decision". */

import { bitLength, clamp } from "./integers.js";
import { EXP, LOG, OFFSET_MAX } from "./tables.js";

/** @typedef {import("./reputation.js").JudgeTerms} JudgeTerms */

/**
 * @typedef {object} Vote
 * @property {number} judge Seat.
 * @property {number} left Class shown on the left.
 * @property {number} right Class shown on the right.
 * @property {number} outcome P(left is better), Q16.
 */

/** @typedef {{ place: number, low: bigint, high: bigint }} Share A judge's part of a cell: wins of either. */

export const ONE_Q16 = 65_536;
const Q16 = BigInt(ONE_Q16);
const ONE = 1n << 32n;
const STRENGTH_MIN = 1n << 16n;
const STRENGTH_MAX = 1n << 48n;
const RECIPROCAL = 1n << 96n;
const SWEEPS = 40;
const LN2_Q24 = 11_629_080n;
const CLASSES_FEW = 8;
/** @type {JudgeTerms} */
const PLAIN = { weightQ16: Q16, position: 0, own: 0, allies: [] };
const FACTORS = EXP.map(BigInt);
const LOGARITHMS = LOG.map(BigInt);

/** All games of a round: cells of two classes under one offset, with what each judge adds to them. */
export class Games {
  /**
   * @param {readonly (readonly number[])[]} classes Authors of each class.
   * @param {readonly Vote[]} votes
   * @param {readonly JudgeTerms[] | null} terms By seat; null where all judges weigh the same.
   */
  constructor(classes, votes, terms) {
    this.classes = classes;
    this.terms = terms;
    /** @type {{ low: number, high: number, offset: number }[]} */
    this.cells = [];
    /** @type {Map<string, number>} */
    this.places = new Map();
    /** @type {Map<number, Share[]>} */
    this.shares = new Map();
    const voters = new Set(votes.map(({ judge }) => judge));
    /** Judges with at least one vote and a weight that is not 0, ascending. */
    this.judges = [...voters].filter((judge) => this.getTerms(judge).weightQ16 > 0n).sort((a, b) => a - b);
    for (const vote of votes) this.addVote(vote);
    if (classes.length > 1)
      classes.forEach((authors, own) => authors.forEach((seat) => this.addAuthor(seat, own)));
  }

  /**
   * @param {number} seat
   * @returns {JudgeTerms}
   */
  getTerms(seat) {
    return this.terms?.[seat] ?? PLAIN;
  }

  /** @param {Vote} vote */
  addVote({ judge, left, right, outcome }) {
    const { weightQ16, position, own, allies } = this.getTerms(judge);
    const isOurs = (/** @type {number} */ index) =>
      Number(this.classes[index].some((seat) => seat === judge || allies.includes(seat)));
    const offset = position + own * (isOurs(left) - isOurs(right));
    const [win, loss] = [weightQ16 * BigInt(outcome), weightQ16 * BigInt(ONE_Q16 - outcome)];
    this.add(judge, left, right, Math.min(Math.max(offset, -OFFSET_MAX), OFFSET_MAX), win, loss);
  }

  /**
   * Add half a win, shared evenly, of an author's class over every other.
   * @param {number} seat
   * @param {number} own
   */
  addAuthor(seat, own) {
    const win = (this.getTerms(seat).weightQ16 << 15n) / BigInt(this.classes.length - 1);
    this.classes.forEach((_, other) => {
      if (other !== own) this.add(seat, own, other, 0, win, 0n);
    });
  }

  /**
   * @param {number} judge
   * @param {number} first
   * @param {number} second
   * @param {number} offset In favour of the first, sixteenths of a nat.
   * @param {bigint} won By the first over the second.
   * @param {bigint} lost
   */
  add(judge, first, second, offset, won, lost) {
    const isRising = first < second;
    const cell = isRising
      ? { low: first, high: second, offset }
      : { low: second, high: first, offset: -offset || 0 };
    const name = `${cell.low} ${cell.high} ${cell.offset}`;
    let place = this.places.get(name);
    if (place === undefined) {
      place = this.cells.push(cell) - 1;
      this.places.set(name, place);
    }
    const shares = this.shares.get(judge) ?? [];
    this.shares.set(judge, shares);
    shares.push(isRising ? { place, low: won, high: lost } : { place, low: lost, high: won });
  }

  /** @returns {bigint[]} Strength of each class, Q32. */
  fit() {
    return iterate(
      this.makeRows(null),
      this.classes.map(() => ONE),
      SWEEPS,
    );
  }

  /**
   * @param {readonly bigint[]} start Strengths of the whole fit.
   * @param {number} judge Whose votes and wins as an author are left out.
   * @returns {bigint[]}
   */
  refit(start, judge) {
    return iterate(this.makeRows(judge), start, this.classes.length <= CLASSES_FEW ? 8 : 4);
  }

  /**
   * @param {number | null} without
   * @returns {Row[]} By class.
   */
  makeRows(without) {
    const totals = this.cells.map(() => ({ low: 0n, high: 0n }));
    for (const [judge, shares] of this.shares) {
      if (judge === without) continue;
      for (const { place, low, high } of shares) {
        totals[place].low += low;
        totals[place].high += high;
      }
    }
    const rows = this.classes.map(() => /** @type {Row} */ ([]));
    totals.forEach(({ low, high }, place) => {
      if (low === 0n && high === 0n) return; // adds nothing to any sum
      const cell = this.cells[place];
      rows[cell.low].push({
        other: cell.high,
        factor: FACTORS[OFFSET_MAX - cell.offset],
        won: low,
        lost: high,
      });
      rows[cell.high].push({
        other: cell.low,
        factor: FACTORS[OFFSET_MAX + cell.offset],
        won: high,
        lost: low,
      });
    });
    return rows;
  }
}

/** @typedef {{ other: number, factor: bigint, won: bigint, lost: bigint }[]} Row A class's games. */

/**
 * @param {readonly Row[]} rows
 * @param {readonly bigint[]} start
 * @param {number} sweeps
 * @returns {bigint[]}
 */
function iterate(rows, start, sweeps) {
  let strengths = [...start];
  for (let count = 0; count < sweeps; count += 1) {
    const before = strengths;
    strengths = rescale(sweep(rows, before));
    if (strengths.every((strength, index) => strength === before[index])) break; // as all later sweeps would
  }
  return strengths;
}

/**
 * @param {readonly Row[]} rows
 * @param {readonly bigint[]} before
 * @returns {bigint[]} Each class's strength anew, from the newest of the others.
 */
function sweep(rows, before) {
  const strengths = [...before];
  rows.forEach((row, index) => {
    const own = strengths[index];
    const anchor = RECIPROCAL / (own + ONE);
    let won = (anchor << 32n) << 32n; // one game won and one lost against strength 1
    let lost = anchor << 32n;
    for (const game of row) {
      const seen = (strengths[game.other] * game.factor) >> 32n;
      const share = RECIPROCAL / (own + seen);
      won += game.won * seen * share;
      lost += game.lost * share;
    }
    strengths[index] = clamp(won / lost, STRENGTH_MIN, STRENGTH_MAX);
  });
  return strengths;
}

/**
 * @param {readonly bigint[]} strengths
 * @returns {bigint[]} Moved by one factor towards where wins and losses against the anchor balance.
 */
function rescale(strengths) {
  let above = 0n;
  let below = 0n;
  for (const strength of strengths) {
    const share = RECIPROCAL / (strength + ONE);
    above += share;
    below += strength * share;
  }
  return strengths.map((strength) => clamp((strength * (above << 32n)) / below, STRENGTH_MIN, STRENGTH_MAX));
}

/**
 * @param {bigint} strength Q32.
 * @returns {number} Its natural logarithm, Q16 nats.
 */
export function computeLogarithm(strength) {
  const exponent = BigInt(bitLength(strength) - 1);
  const mantissa = ((strength << 32n) >> exponent) - ONE;
  const knot = Number(mantissa >> 24n);
  const step = (LOGARITHMS[knot + 1] - LOGARITHMS[knot]) * (mantissa & 0xffffffn);
  return Number((LOGARITHMS[knot] + (step >> 24n) + (exponent - 32n) * LN2_Q24) >> 8n);
}
