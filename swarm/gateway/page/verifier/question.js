/** What is asked, of how many seats, within which limits; signed by its asker. */

import { areEqual, isText } from "./bytes.js";
import { decode } from "./decoding.js";
import { demand } from "./errors.js";
import { DIGEST_BYTES } from "./hashing.js";
import { BytesMax, QUESTION, SEATS_MAX, SEATS_MIN, TURNS_MAX } from "./shapes.js";
import { KEY_BYTES, Kind } from "./signatures.js";

/** @typedef {import("./shapes.js").Question} Question */

const USER = 1;
const ROLE_MAX = 2;

/**
 * @param {{ payload: Uint8Array, signature: Uint8Array }} signed
 * @param {import("./genesis.js").Network} network
 * @param {import("./signatures.js").SignatureChecker} checker
 * @returns {Question}
 * @throws {ReceiptError} It breaks a limit, or its asker did not sign it.
 */
export function openQuestion(signed, network, checker) {
  const question = decode(QUESTION, signed.payload, { name: "question", bytesMax: BytesMax.QUESTION });
  demand(question.version === 1, `question: got version ${question.version}, expected 1`);
  demand(areEqual(question.network, network.id), "question: got another network's question");
  demand(question.header.length === DIGEST_BYTES, "question: got a header that is not 32 bytes");
  demand(question.asker.length === KEY_BYTES, "question: got an asker key that is not 32 bytes");
  checkTurns(question.turns);
  checkBounds(question, network.members.length);
  demand(
    checker.isValid(question.asker, Kind.QUESTION, signed.payload, signed.signature),
    "question: got a signature that is not the asker's",
  );
  return question;
}

/** @param {Question["turns"]} turns */
function checkTurns(turns) {
  demand(
    turns.length >= 1 && turns.length <= TURNS_MAX,
    `question: got ${turns.length} turns, expected 1 to ${TURNS_MAX}`,
  );
  for (const { role, text } of turns) {
    demand(role >= 0 && role <= ROLE_MAX, `question: got role ${role}, expected 0, 1 or 2`);
    demand(isText(text), "question: got a turn that is empty or not UTF-8");
  }
  demand(turns[turns.length - 1].role === USER, "question: got a last turn that is not the user's");
}

/**
 * @param {Question} question
 * @param {number} members
 */
function checkBounds(question, members) {
  const { counter, temperatureMilli, tokensMax, seats, callsPerPeer, stepsMax, attestation } = question;
  const deadlines = { answerMs: question.answerMs, ballotMs: question.ballotMs, revealMs: question.revealMs };
  checkWithin({ counter }, 0, 2 ** 53);
  checkWithin({ temperatureMilli }, 0, 4_000);
  checkWithin({ tokensMax }, 1, 4_096);
  checkWithin({ seats }, SEATS_MIN, Math.min(SEATS_MAX, members));
  checkWithin({ callsPerPeer }, 4, 30);
  checkWithin({ stepsMax }, 1, 3);
  checkWithin(deadlines, 100, 86_400_000);
  checkWithin({ attestation }, 0, 0);
}

/**
 * @param {Record<string, import("./decoding.js").Integer>} fields
 * @param {number} low
 * @param {number} high
 */
function checkWithin(fields, low, high) {
  for (const [name, got] of Object.entries(fields)) {
    demand(got >= low && got <= high, `question: got ${name} ${got}, expected ${low} to ${high}`);
  }
}
