/** Order, margins without each judge, P(best), flip estimate: docs/protocol.md, "Scores and decision". */

import { compareBytes } from "./bytes.js";
import { hashNumbers } from "./hashing.js";
import { squareRoot } from "./integers.js";
import { computeLogarithm, Games, ONE_Q16 } from "./strengths.js";
import { ODDS } from "./tables.js";

/**
 * @typedef {object} Scores
 * @property {number[]} logStrengths By class, Q16 nats.
 * @property {number[]} order Classes, best first.
 * @property {number[]} z By class: the leader's margin over it in standard errors, Q8.
 * @property {number} judges Judges whose votes weigh anything.
 * @property {number} pBestQ16 P(the leader is best).
 * @property {number} flipEstimate Fewest judges whose removal changes the leader; 0 if no removal does.
 * @property {boolean} isLeaderStable Whether it stays without any one judge.
 */

const SHARED_ERROR = 13_107n; // Q16 nats, of a margin, whatever the number of judges
const CLASS_DOUBT = 16_384;

/**
 * @param {readonly (readonly number[])[]} classes Authors of each class, at least one class.
 * @param {readonly import("./strengths.js").Vote[]} votes All of the round so far.
 * @param {readonly import("./reputation.js").JudgeTerms[] | null} terms By seat.
 * @param {Uint8Array} seed Of ties.
 * @returns {Scores}
 */
export function computeScores(classes, votes, terms, seed) {
  const games = new Games(classes, votes, terms);
  const ties = classes.map((_, index) => hashNumbers("tie", seed, index));
  const rank = (/** @type {number[]} */ logs) =>
    classes.map((_, index) => index).sort((a, b) => logs[b] - logs[a] || compareBytes(ties[a], ties[b]));
  const strengths = games.fit();
  const logStrengths = strengths.map(computeLogarithm);
  const order = rank(logStrengths);
  const [leader, second] = order;
  const refits = games.judges.map((judge) => games.refit(strengths, judge).map(computeLogarithm));
  const margins = logStrengths.map((log) => logStrengths[leader] - log);
  const shifts = margins.map((margin, index) => refits.map((logs) => logs[leader] - logs[index] - margin));
  const z = margins.map((margin, index) => computeZ(margin, shifts[index]));
  const isLeaderStable = refits.every((logs) => rank(logs)[0] === leader);
  return {
    logStrengths,
    order,
    z,
    judges: games.judges.length,
    pBestQ16: computePBest(
      order.slice(1).map((index) => z[index]),
      games.judges.length,
    ),
    flipEstimate: !isLeaderStable
      ? 1
      : second === undefined
        ? 0
        : countFlips(margins[second], shifts[second]),
    isLeaderStable,
  };
}

/**
 * @param {number} margin Q16 nats.
 * @param {readonly number[]} shifts The margin without each judge, less the margin.
 * @returns {number} Q8.
 */
function computeZ(margin, shifts) {
  if (shifts.length < 2) return 0;
  const judges = BigInt(shifts.length);
  const spread = shifts.reduce((total, shift) => total + BigInt(shift) ** 2n, 0n);
  const variance = (judges - 1n) * spread + judges * SHARED_ERROR ** 2n;
  return Number(squareRoot(((judges * BigInt(margin) ** 2n) << 16n) / variance));
}

/**
 * @param {number} z Q8.
 * @returns {number} Odds, Q16, that a class so far behind is the better one.
 */
export function computeOdds(z) {
  const knot = Math.floor(z / 64);
  if (knot >= ODDS.length - 1) return ODDS[ODDS.length - 1];
  return ODDS[knot] + (((ODDS[knot + 1] - ODDS[knot]) * (z % 64)) >> 6);
}

/**
 * @param {readonly number[]} challengers Their z.
 * @param {number} judges
 * @returns {number} Q16.
 */
function computePBest(challengers, judges) {
  const odds = challengers.reduce((total, z) => total + computeOdds(z), 0);
  const doubt = Math.floor((challengers.length * CLASS_DOUBT) / Math.max(judges, 1) ** 2);
  return Math.floor(2 ** 32 / (ONE_Q16 + odds + doubt));
}

/**
 * @param {number} margin Over the second class.
 * @param {readonly number[]} shifts
 * @returns {number}
 */
function countFlips(margin, shifts) {
  let rest = margin;
  let count = 0;
  for (const shift of shifts.filter((one) => one < 0).sort((a, b) => a - b)) {
    rest += shift;
    count += 1;
    if (rest < 0) return count;
  }
  return 0;
}
