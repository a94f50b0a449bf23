/**
 * Verify a receipt offline, by somebody who was not there: the numbered steps of docs/protocol.md, "Receipt
 * and what a stranger learns". This is a second verifier, written from that page; the first is
 * consensus/verify.py. It proves who signed and how the winner was computed, not that the answer is true.
 */

import { areEqual, fromAscii } from "./bytes.js";
import { checkCertificate, checkOpenings, checkSignatures } from "./checks.js";
import { drawCommittee } from "./committee.js";
import { decode } from "./decoding.js";
import { decideStep, Next } from "./decision.js";
import { atStep, demand, ReceiptError } from "./errors.js";
import { openGenesis } from "./genesis.js";
import { hashParts } from "./hashing.js";
import { openQuestion } from "./question.js";
import { computeTerms } from "./reputation.js";
import { createReport } from "./report.js";
import { BytesMax, RECEIPT, STANDING_RECEIPT, STEPS_MAX } from "./shapes.js";
import { SignatureChecker } from "./signatures.js";
import { openStanding } from "./standing.js";

/** @typedef {"ok" | "failed" | "skipped" | "not reached"} Outcome */
/** @typedef {{ number: number, name: string, outcome: Outcome, detail: string }} Check One numbered step. */

/**
 * @typedef {object} Verdict
 * @property {Check[]} checks All eight, in order.
 * @property {boolean} isConsistent Steps 1 and 3 to 7 hold, and the genesis is well formed.
 * @property {boolean} isTrusted It is also of the network that the reader named.
 * @property {number | null} failedStep
 * @property {import("./report.js").Report | null} report What it says; null where it is not consistent.
 */

/** @typedef {import("./decision.js").ClosedStep} ClosedStep */
/** @typedef {import("./decision.js").Facts} Facts */
/** @typedef {import("./shapes.js").Receipt} Receipt */

export const STEP_NAMES = Object.freeze({
  1: "decoding and bounds",
  2: "network and its trust root",
  3: "question, standing and drawing of seats",
  4: "signatures and slots",
  5: "openings, and the sets that count",
  6: "merging, pairs, scores and decision",
  7: "certificates, chain of values and status",
  8: "anchoring in a later header",
});

const MAGIC = fromAscii("peerage-receipt");
const ARRAY_OF_SIX = 0x96; // what a receipt that holds a standing begins with

/**
 * Verify a receipt's exact bytes.
 * @param {Uint8Array} data The receipt file.
 * @param {{ trustedNetwork?: Uint8Array | null }} [options] Exact bytes of a genesis that the reader trusts.
 *   Without one the receipt can be consistent, never trusted.
 * @returns {Verdict} Whatever the bytes; nothing is thrown for a bad receipt.
 */
export function verifyReceipt(data, { trustedNetwork = null } = {}) {
  const protocol = new Protocol();
  try {
    const { facts, closed, isTrusted } = runSteps(protocol, data, trustedNetwork);
    const report = createReport(facts, closed, hashParts("receipt", data));
    return { checks: protocol.checks, isConsistent: true, isTrusted, failedStep: null, report };
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
    protocol.fail(error);
    return {
      checks: protocol.checks,
      isConsistent: false,
      isTrusted: false,
      failedStep: error.step,
      report: null,
    };
  }
}

/** What became of each numbered step. */
class Protocol {
  constructor() {
    /** @type {Check[]} */
    this.checks = [];
  }

  /**
   * @param {number} number
   * @param {Outcome} outcome
   * @param {string} detail
   */
  note(number, outcome, detail) {
    const name = STEP_NAMES[/** @type {keyof typeof STEP_NAMES} */ (number)];
    this.checks.push({ number, name, outcome, detail });
  }

  /** @param {ReceiptError} error */
  fail({ step, message }) {
    // Steps 5 and 6 go hand in hand, one step of the round after another.
    if (step === 6) this.note(5, "ok", "up to the step of the round refused next");
    this.note(step, "failed", message);
    for (let number = step + 1; number <= 8; number += 1) this.note(number, "not reached", "");
  }
}

/**
 * @param {Protocol} protocol
 * @param {Uint8Array} data
 * @param {Uint8Array | null} trustedNetwork
 * @returns {{ facts: Facts, closed: ClosedStep[], isTrusted: boolean }}
 * @throws {ReceiptError} With the step that failed.
 */
function runSteps(protocol, data, trustedNetwork) {
  const receipt = atStep(1, () => openReceipt(data));
  protocol.note(1, "ok", `${data.length} bytes, ${receipt.steps.length} steps`);

  const network = atStep(2, () => openGenesis(receipt.genesis));
  if (trustedNetwork === null) {
    protocol.note(2, "skipped", "keys are self-declared: no trusted network was given");
  } else {
    const isTrusted = areEqual(trustedNetwork, receipt.genesis);
    atStep(2, () => demand(isTrusted, "the receipt's network is not the trusted one"));
    protocol.note(2, "ok", "the network is the trusted one");
  }

  const checker = new SignatureChecker(network.id);
  const facts = atStep(3, () => openFacts(receipt, network, checker));
  const { n, q } = facts.committee;
  const history = facts.standing === null ? "" : `, on a standing of ${facts.standing.rounds} rounds`;
  protocol.note(3, "ok", `${n} seats drawn, quorum ${q}${history}`);

  const signed = receipt.steps.map((shown, step) =>
    atStep(4, () => checkSignatures(facts, checker, shown, step)),
  );
  const reveals = signed.reduce((total, step) => total + step.reveals.length, 0);
  protocol.note(4, "ok", `${reveals + 2 * q * signed.length} signatures of distinct seats`);

  /** @type {ClosedStep[]} */
  const closed = [];
  receipt.steps.forEach(({ value }, step) => {
    const isOpen = step === 0 || closed[step - 1].next === Next.CONTINUE;
    atStep(6, () => demand(isOpen, `step ${step} follows a step that ended the round`));
    const openings = atStep(5, () => checkOpenings(facts, closed, signed[step]));
    const decided = decideStep(facts, closed, openings);
    const isSame = areEqual(decided.value, value);
    atStep(6, () => demand(isSame, `step ${step}: the value does not follow from the revealed set`));
    closed.push(decided);
  });
  protocol.note(5, "ok", `${reveals} openings`);
  const ranked = closed.filter(({ scores }) => scores !== null).length;
  protocol.note(6, "ok", `${closed[0].classes.length} candidates, ${ranked} rankings recomputed`);

  closed.forEach((one, step) => {
    atStep(7, () => checkCertificate(one, signed[step], step === closed.length - 1));
  });
  protocol.note(7, "ok", `${closed.length} certificates of ${q} seats`);
  protocol.note(8, "skipped", "a private network has no later headers");
  return { facts, closed, isTrusted: trustedNetwork !== null };
}

/**
 * Decode a receipt; nothing in it is believed yet.
 * @param {Uint8Array} data
 * @returns {Receipt}
 */
function openReceipt(data) {
  const hasStanding = data[0] === ARRAY_OF_SIX;
  const expected = { name: "receipt", bytesMax: BytesMax.RECEIPT };
  /** @type {Receipt} */
  const receipt = hasStanding ? decode(STANDING_RECEIPT, data, expected) : decode(RECEIPT, data, expected);
  const version = hasStanding ? 2 : 1;
  demand(areEqual(receipt.magic, MAGIC), "receipt: got a file that is not a Peerage receipt");
  demand(receipt.version === version, `receipt: got version ${receipt.version}, expected ${version}`);
  demand(receipt.standing?.length !== 0, "receipt: got version 2 without a standing");
  const steps = receipt.steps.length;
  demand(steps >= 1 && steps <= STEPS_MAX, `receipt: got ${steps} steps or more, expected 1 to ${STEPS_MAX}`);
  return receipt;
}

/**
 * @param {Receipt} receipt
 * @param {import("./genesis.js").Network} network
 * @param {SignatureChecker} checker
 * @returns {Facts}
 */
function openFacts(receipt, network, checker) {
  const question = openQuestion(receipt.question, network, checker);
  const standing = openStanding(receipt.standing ?? null, question.header, network);
  const committee = drawCommittee(network, question);
  const terms = standing === null ? null : computeTerms(standing.reputation, committee.members);
  const round = hashParts("question", receipt.question.payload);
  return { network, question, round, committee, standing, terms };
}
