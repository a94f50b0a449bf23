/** Numbered steps 4, 5 and 7 of verification: signatures, openings and sets, certificates. */

import { openAnswer, openBallot } from "./bodies.js";
import { areEqual } from "./bytes.js";
import { decode } from "./decoding.js";
import { getPrevious, Next } from "./decision.js";
import { demand } from "./errors.js";
import { DIGEST_BYTES, hashParts } from "./hashing.js";
import { BytesMax, PRECOMMIT, REVEAL, SEAT_LIST } from "./shapes.js";
import { Kind } from "./signatures.js";
import { checkSlot, computeRevealed, openGroups } from "./statements.js";

/** @typedef {import("./decision.js").ClosedStep} ClosedStep */
/** @typedef {import("./decision.js").Facts} Facts */
/** @typedef {import("./decision.js").Opening} Opening */
/** @typedef {import("./shapes.js").ReceiptStep} ReceiptStep */

/**
 * @typedef {object} SignedStep What step 4 found signed; what it says is not checked yet.
 * @property {{ seat: number, payload: Uint8Array }[]} reveals By rising seat.
 * @property {import("./statements.js").Group<ReturnType<typeof SEAT_LIST>>[]} lists
 * @property {ReturnType<typeof PRECOMMIT>} vote
 */

const VIEW_MAX = 255;
const NO_COMMIT = new Uint8Array(0);

/**
 * Step 4: every signature of a step, no seat twice, exactly a quorum of lists and of precommits.
 * @param {Facts} facts
 * @param {import("./signatures.js").SignatureChecker} checker
 * @param {ReceiptStep} shown
 * @param {number} step
 * @returns {SignedStep}
 */
export function checkSignatures({ committee, round }, checker, shown, step) {
  let last = -1;
  const reveals = shown.reveals.map(({ payload, signature: { seat, signature } }) => {
    demand(seat > last && seat < committee.n, `step ${step}: reveals are not by rising, known seat`);
    last = Number(seat);
    const isSigned = checker.isValid(committee.keys[last], Kind.REVEAL, payload, signature);
    demand(isSigned, `step ${step}: the reveal of seat ${last} is not signed by it`);
    return { seat: last, payload };
  });
  const lists = openGroups(
    shown.revealLists,
    { shape: SEAT_LIST, kind: Kind.REVEAL_LIST, name: `step ${step}: reveal list` },
    committee,
    checker,
  );
  const votes = openGroups(
    [shown.precommits],
    { shape: PRECOMMIT, kind: Kind.PRECOMMIT, name: `step ${step}: precommit` },
    committee,
    checker,
  );
  for (const { content } of [...lists, ...votes]) checkSlot(content, round, step);
  return { reveals, lists, vote: votes[0].content };
}

/**
 * Step 5: each reveal opens its commit, its body is well formed, the lists give exactly the reveals shown.
 * @param {Facts} facts
 * @param {readonly ClosedStep[]} closed
 * @param {SignedStep} signed
 * @returns {Opening[]} By rising seat.
 */
export function checkOpenings(facts, closed, signed) {
  const openings = signed.reveals.map(({ seat, payload }) => openReveal(facts, closed, seat, payload));
  const revealed = computeRevealed(signed.lists, facts.committee);
  const areNamed = openings.every(({ seat, commit }) => areEqual(revealed.get(seat) ?? NO_COMMIT, commit));
  demand(
    areNamed && openings.length === revealed.size,
    `step ${closed.length}: the reveals are not the set that its lists give`,
  );
  return openings;
}

/**
 * @param {Facts} facts
 * @param {readonly ClosedStep[]} closed
 * @param {number} seat
 * @param {Uint8Array} payload Signed by the seat.
 * @returns {Opening}
 */
function openReveal(facts, closed, seat, payload) {
  const step = closed.length;
  const reveal = decode(REVEAL, payload, { name: `reveal of seat ${seat}`, bytesMax: BytesMax.PAYLOAD });
  checkSlot(reveal, facts.round, step);
  const { commit, salt, body } = reveal;
  const author = facts.committee.keys[seat];
  const sealed = hashParts("body", body);
  const prev = getPrevious(facts, closed);
  const expected = hashParts("commit", facts.network.id, facts.round, step, author, prev, salt, sealed);
  demand(
    salt.length === DIGEST_BYTES && areEqual(commit, expected),
    `step ${step}: seat ${seat} does not open its commit`,
  );
  const answer = step === 0 ? openAnswer(body, facts.question.tokensMax) : null;
  const votes = step === 0 ? [] : openBallot(body, seat, prev, closed[step - 1].deal);
  return { seat, commit, salt, answer, votes };
}

/**
 * Step 7: the precommits name the value's digest, in a view that there is; the round ends with the receipt.
 * @param {ClosedStep} closed
 * @param {SignedStep} signed
 * @param {boolean} isLast
 */
export function checkCertificate({ step, digest, next }, { vote }, isLast) {
  demand(areEqual(vote.value, digest), `step ${step}: the precommits are for another value`);
  demand(
    vote.view >= 0 && vote.view <= VIEW_MAX,
    `step ${step}: got view ${vote.view}, expected 0 to ${VIEW_MAX}`,
  );
  demand(!isLast || next !== Next.CONTINUE, `step ${step} goes on, but the receipt ends with it`);
}
