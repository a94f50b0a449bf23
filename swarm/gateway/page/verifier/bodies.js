/** What is sealed in a commit: an answer in step 0, a ballot afterwards. */

import { areEqual, isText } from "./bytes.js";
import { decode } from "./decoding.js";
import { demand } from "./errors.js";
import { DIGEST_BYTES } from "./hashing.js";
import { ANSWER, BALLOT, BytesMax } from "./shapes.js";

/** @typedef {import("./strengths.js").Vote} Vote */
/** @typedef {{ text: Uint8Array, model: Uint8Array, sampling: number, tokens: number }} Answer */

export const ENGINE_VERSION = 3;

const OUTCOME_MIN = 3_277;
const OUTCOME_MAX = 62_259;
const SAMPLING_MAX = 1;

/**
 * @param {Uint8Array} body
 * @param {import("./decoding.js").Integer} tokensMax The question's.
 * @returns {Answer}
 * @throws {ReceiptError} It is malformed, or a field is out of bounds.
 */
export function openAnswer(body, tokensMax) {
  const answer = decode(ANSWER, body, { name: "answer", bytesMax: BytesMax.BODY });
  const { version, text, model, sampling, tokens } = answer;
  demand(version === 1, `answer: got version ${version}, expected 1`);
  demand(
    text.length <= BytesMax.ANSWER && isText(text),
    `answer: got ${text.length} bytes, expected 1 to ${BytesMax.ANSWER} of UTF-8 that is not blank`,
  );
  demand(model.length === DIGEST_BYTES, `answer: got a model digest of ${model.length} bytes, expected 32`);
  demand(sampling >= 0 && sampling <= SAMPLING_MAX, `answer: got sampling ${sampling}, expected 0 or 1`);
  demand(tokens >= 0 && tokens <= tokensMax, `answer: got ${tokens} tokens, expected at most ${tokensMax}`);
  return { text, model, sampling: Number(sampling), tokens: Number(tokens) };
}

/**
 * @param {Uint8Array} body
 * @param {number} seat
 * @param {Uint8Array} prev Digest of the value before.
 * @param {readonly import("./deals.js").Assignment[]} dealt In this step, to all.
 * @returns {Vote[]}
 * @throws {ReceiptError} It is malformed, of another engine or value, too certain, or votes on a pair that
 *   was not dealt to the seat, or out of order.
 */
export function openBallot(body, seat, prev, dealt) {
  const ballot = decode(BALLOT, body, { name: "ballot", bytesMax: BytesMax.BODY });
  demand(ballot.engine === ENGINE_VERSION, `ballot: got engine ${ballot.engine}, expected ${ENGINE_VERSION}`);
  demand(areEqual(ballot.prev, prev), "ballot: got votes on another value than the one decided before");
  let open = dealt.filter(({ judge }) => judge === seat);
  return ballot.votes.map(({ left, right, outcome }) => {
    const place = open.findIndex((pair) => pair.left === left && pair.right === right);
    demand(place >= 0, `ballot: got pair ${left}:${right}, not dealt or out of order`);
    open = open.slice(place + 1);
    demand(
      outcome >= OUTCOME_MIN && outcome <= OUTCOME_MAX,
      `ballot: got outcome ${outcome}, expected ${OUTCOME_MIN} to ${OUTCOME_MAX}`,
    );
    return { judge: seat, left: Number(left), right: Number(right), outcome: Number(outcome) };
  });
}
