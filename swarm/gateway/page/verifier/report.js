/** What a consistent receipt says, for showing: every number here was recomputed from its bytes. */

import { compareBytes, toHex, toText } from "./bytes.js";
import { Next, Status } from "./decision.js";
import { hashNumbers } from "./hashing.js";
import { ONE_Q16 } from "./strengths.js";

/** @typedef {import("./decision.js").ClosedStep} ClosedStep */
/** @typedef {import("./decision.js").Facts} Facts */

/**
 * @typedef {object} Candidate A class of equal answers.
 * @property {number} index
 * @property {number[]} authors Seats.
 * @property {string} text Of the author that stands for the class.
 * @property {number | null} strength Nats; null where nothing was ranked.
 * @property {number | null} lead The leader's margin over it, in standard errors; 0 for the leader.
 */

/**
 * @typedef {object} PairVerdicts Two candidates, shown in one order.
 * @property {number} left Class index.
 * @property {number} right
 * @property {{ step: number, judge: number, outcome: number }[]} verdicts P(left is better), 0..1.
 */

/**
 * @typedef {object} Seat
 * @property {number} seat
 * @property {string} key Hexadecimal.
 * @property {string} label As declared; proves nothing.
 * @property {number} weight As a judge; 1 where the round builds on no standing.
 * @property {number} position Assumed leaning to the left answer, nats.
 * @property {number} own Assumed leaning to its own answer, nats.
 * @property {string | null} answer Its text; null if it was missing from step 0.
 * @property {number} tokens That it says it used.
 */

/**
 * @typedef {object} StepResult
 * @property {number} step
 * @property {string} digest Of its value.
 * @property {number[]} logStrengthsQ16 By class; empty where nothing was ranked.
 * @property {number} pBestQ16
 */

/**
 * @typedef {object} Report
 * @property {string} round Id; this and other digests are hexadecimal.
 * @property {string} network Id.
 * @property {string} networkName As declared.
 * @property {{ role: number, text: string }[]} turns What was asked.
 * @property {"full" | "partial" | "failed"} status
 * @property {boolean} isUnanimous Nothing was ranked, because all gave one answer.
 * @property {number | null} winner Class index; null where the round was aborted.
 * @property {Candidate[]} ranking Best first; in class order where nothing was ranked.
 * @property {number | null} pBest P(the winner is best) if judges share little error; null if unranked.
 * @property {number} flipEstimate Judges whose removal would change the winner; 0 if no removal does.
 * @property {PairVerdicts[]} pairs Every ordered pair that somebody judged, by left, then right.
 * @property {Seat[]} seats
 * @property {number} quorum
 * @property {{ seat: number, step: number }[]} missing Seats missing from a step's certified set.
 * @property {StepResult[]} steps
 * @property {string} resultDigest Of the last value: compare rounds by it.
 * @property {string} receiptDigest Of this file.
 * @property {{ rounds: string, digest: string, round: string } | null} standing That the round builds on.
 */

const SIXTEENTHS = 16;
const Z_ONE_Q8 = 256;
const STATUS_NAMES = /** @type {const} */ (["full", "partial", "failed"]);

/**
 * @param {Facts} facts
 * @param {readonly ClosedStep[]} closed
 * @param {Uint8Array} receiptDigest
 * @returns {Report}
 */
export function createReport(facts, closed, receiptDigest) {
  const last = closed[closed.length - 1];
  const { scores } = last;
  const winner = last.next === Next.STOP ? (scores?.order[0] ?? 0) : null;
  return {
    round: toHex(facts.round),
    network: toHex(facts.network.id),
    networkName: toText(facts.network.name),
    turns: facts.question.turns.map(({ role, text }) => ({ role: Number(role), text: toText(text) })),
    status: STATUS_NAMES[last.status],
    isUnanimous: last.status !== Status.FAILED && last.classes.length === 1,
    winner,
    ranking: rankCandidates(closed),
    pBest: scores === null || winner === null ? null : scores.pBestQ16 / ONE_Q16,
    flipEstimate: scores?.flipEstimate ?? 0,
    pairs: listPairs(closed),
    seats: listSeats(facts, closed[0]),
    quorum: facts.committee.q,
    missing: closed.flatMap(({ step, missing }) => missing.map((seat) => ({ seat, step }))),
    steps: closed.map(({ step, digest, scores: ranked }) => ({
      step,
      digest: toHex(digest),
      logStrengthsQ16: ranked?.logStrengths ?? [],
      pBestQ16: ranked?.pBestQ16 ?? 0,
    })),
    resultDigest: toHex(last.digest),
    receiptDigest: toHex(receiptDigest),
    standing: describeStanding(facts.standing),
  };
}

/**
 * @param {import("./standing.js").OpenedStanding | null} standing
 * @returns {Report["standing"]}
 */
function describeStanding(standing) {
  if (standing === null) return null;
  return { rounds: String(standing.rounds), digest: toHex(standing.digest), round: toHex(standing.round) };
}

/**
 * @param {readonly ClosedStep[]} closed
 * @returns {Candidate[]}
 */
function rankCandidates(closed) {
  const [answers] = closed;
  const { scores } = closed[closed.length - 1];
  const order = scores?.order ?? answers.classes.map((_, index) => index);
  return order.map((index) => {
    const authors = answers.classes[index];
    const shown = [...authors].sort((a, b) =>
      compareBytes(
        hashNumbers("shown-author", answers.seed, a),
        hashNumbers("shown-author", answers.seed, b),
      ),
    )[0];
    return {
      index,
      authors: [...authors],
      text: getText(answers, shown) ?? "",
      strength: scores === null ? null : scores.logStrengths[index] / ONE_Q16,
      lead: scores === null ? null : scores.z[index] / Z_ONE_Q8,
    };
  });
}

/**
 * @param {ClosedStep} answers Step 0.
 * @param {number} seat
 * @returns {string | null} The seat's answer; null where it was missing.
 */
function getText(answers, seat) {
  const answer = answers.openings.find((opening) => opening.seat === seat)?.answer;
  return answer ? toText(answer.text) : null;
}

/**
 * @param {readonly ClosedStep[]} closed
 * @returns {PairVerdicts[]}
 */
function listPairs(closed) {
  /** @type {Map<string, PairVerdicts>} */
  const pairs = new Map();
  for (const { step, openings } of closed) {
    for (const { judge, left, right, outcome } of openings.flatMap(({ votes }) => votes)) {
      const name = `${left} ${right}`;
      const pair = pairs.get(name) ?? { left, right, verdicts: [] };
      pair.verdicts.push({ step, judge, outcome: outcome / ONE_Q16 });
      pairs.set(name, pair);
    }
  }
  return [...pairs.values()].sort((a, b) => a.left - b.left || a.right - b.right);
}

/**
 * @param {Facts} facts
 * @param {ClosedStep} answers Step 0.
 * @returns {Seat[]}
 */
function listSeats({ committee, network, terms }, answers) {
  return committee.keys.map((key, seat) => ({
    seat,
    key: toHex(key),
    label: toText(network.members[committee.members[seat]].label),
    weight: terms === null ? 1 : Number(terms[seat].weightQ16) / ONE_Q16,
    position: terms === null ? 0 : terms[seat].position / SIXTEENTHS,
    own: terms === null ? 0 : terms[seat].own / SIXTEENTHS,
    answer: getText(answers, seat),
    tokens: answers.openings.find((opening) => opening.seat === seat)?.answer?.tokens ?? 0,
  }));
}
