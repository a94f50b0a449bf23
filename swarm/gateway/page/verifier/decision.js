/** What a step decides: a function of the question, the steps before and the revealed bodies alone. */

import { dealPairs } from "./deals.js";
import { encode } from "./encoding.js";
import { hashParts } from "./hashing.js";
import { mergeAnswers } from "./merging.js";
import { computeScores } from "./scores.js";

/** @typedef {import("./strengths.js").Vote} Vote */

/**
 * @typedef {object} Facts What is fixed before step 0.
 * @property {import("./genesis.js").Network} network
 * @property {import("./shapes.js").Question} question
 * @property {Uint8Array} round The round id.
 * @property {import("./committee.js").Committee} committee
 * @property {import("./standing.js").OpenedStanding | null} standing
 * @property {import("./reputation.js").JudgeTerms[] | null} terms By seat.
 */

/**
 * @typedef {object} Opening A commit and what it sealed.
 * @property {number} seat
 * @property {Uint8Array} commit
 * @property {Uint8Array} salt
 * @property {import("./bodies.js").Answer | null} answer In step 0.
 * @property {Vote[]} votes Afterwards.
 */

/**
 * @typedef {object} ClosedStep
 * @property {number} step
 * @property {Opening[]} openings By rising seat.
 * @property {number[]} missing Seats.
 * @property {number[][]} classes Authors of each.
 * @property {import("./scores.js").Scores | null} scores Null where nothing was ranked.
 * @property {number} next One of `Next`.
 * @property {number} status One of `Status`.
 * @property {Uint8Array} seed Of the step to come.
 * @property {import("./deals.js").Assignment[]} deal Of the step to come.
 * @property {Uint8Array} value Exact bytes.
 * @property {Uint8Array} digest Of the value.
 */

export const Next = Object.freeze({ CONTINUE: 0, STOP: 1, ABORT: 2 });
export const Status = Object.freeze({ FULL: 0, PARTIAL: 1, FAILED: 2 });

const STOP_P_BEST_Q16 = 62_259;
const STOP_JUDGES_MIN = 4;

/**
 * @param {Facts} facts
 * @param {readonly ClosedStep[]} closed
 * @returns {Uint8Array} What the coming step chains to: the last value's digest, or the round id.
 */
export function getPrevious(facts, closed) {
  return closed.length === 0 ? facts.round : closed[closed.length - 1].digest;
}

/**
 * Decide the step after the last closed one.
 * @param {Facts} facts
 * @param {readonly ClosedStep[]} closed
 * @param {Opening[]} openings Checked, by rising seat.
 * @returns {ClosedStep}
 */
export function decideStep(facts, closed, openings) {
  const { committee, question } = facts;
  const step = closed.length;
  const seedBefore = step === 0 ? committee.seed : closed[step - 1].seed;
  const seed = hashParts("seed-next", seedBefore, ...openings.map(({ salt }) => salt));
  const classes = step === 0 ? mergeAnswers(openings.map(getAnswer)) : closed[0].classes;
  const votes = [...closed.flatMap(listVotes), ...openings.flatMap((opening) => opening.votes)];
  const scores = step === 0 ? null : computeScores(classes, votes, facts.terms, seed);
  const mayDeal = step < question.stepsMax && classes.length > 1;
  const deal = mayDeal
    ? dealPairs({
        step: step + 1,
        classes,
        seats: committee.n,
        callsPerPeer: Number(question.callsPerPeer),
        seed,
        scores,
        past: closed.flatMap((before) => before.deal),
      })
    : [];
  const next = decideNext(step, openings.length < committee.q, classes.length, scores, deal.length > 0);
  const missing = committee.keys.flatMap((_, seat) =>
    openings.some((one) => one.seat === seat) ? [] : [seat],
  );
  const isPartial = missing.length > 0 || closed.some((before) => before.missing.length > 0);
  const status = next === Next.ABORT ? Status.FAILED : isPartial ? Status.PARTIAL : Status.FULL;
  const value = encode([
    facts.round,
    step,
    getPrevious(facts, closed),
    openings.map(({ seat, commit }) => [seat, commit]),
    missing,
    classes,
    scores?.logStrengths ?? [],
    scores?.pBestQ16 ?? 0,
    scores?.flipEstimate ?? 0,
    next,
    status,
  ]);
  const digest = hashParts("value", value);
  return { step, openings, missing, classes, scores, next, status, seed, deal, value, digest };
}

/**
 * Decide what follows: the first that holds. A step is the last when nothing is dealt behind it.
 * @param {number} step
 * @param {boolean} isShort Whether fewer than a quorum revealed.
 * @param {number} classes
 * @param {import("./scores.js").Scores | null} scores
 * @param {boolean} isDealt Whether the step to come would have pairs.
 * @returns {number} One of `Next`.
 */
function decideNext(step, isShort, classes, scores, isDealt) {
  if (isShort) return step <= 1 ? Next.ABORT : Next.STOP;
  if (classes === 1) return Next.STOP;
  if (scores === null) return Next.CONTINUE;
  const isSettled =
    scores.judges >= STOP_JUDGES_MIN && scores.pBestQ16 >= STOP_P_BEST_Q16 && scores.isLeaderStable;
  return !isDealt || isSettled ? Next.STOP : Next.CONTINUE;
}

/**
 * @param {ClosedStep} closed
 * @returns {Vote[]}
 */
function listVotes(closed) {
  return closed.openings.flatMap((opening) => opening.votes);
}

/**
 * @param {Opening} opening Of step 0.
 * @returns {{ seat: number, text: Uint8Array }}
 */
function getAnswer({ seat, answer }) {
  return { seat, text: /** @type {NonNullable<typeof answer>} */ (answer).text };
}
