/** What tests ask of the verifier's modules, in the page under test. Byte strings come and go as hexadecimal. */

import { isText, toHex } from "/verifier/bytes.js";
import { dealPairs } from "/verifier/deals.js";
import { ReceiptError } from "/verifier/errors.js";
import { computeKey } from "/verifier/merging.js";
import { computeTerms, openNumbers } from "/verifier/reputation.js";
import { computeScores } from "/verifier/scores.js";
import { isValidSignature } from "/verifier/signatures.js";
import { verifyReceipt } from "/verifier/verify.js";

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
const toTerms = ([weight, position, own, allies]) => ({ weightQ16: BigInt(weight), position, own, allies });

async function load(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function verify(file, trusted) {
  const trustedNetwork = trusted === null ? null : await load(`/vectors/${trusted}`);
  return verifyReceipt(await load(`/vectors/${file}`), { trustedNetwork });
}

const summarise = ({ isConsistent, failedStep }) => ({ isConsistent, failedStep });

async function verifyAll(rows) {
  const verdicts = [];
  for (const [file, trusted] of rows) verdicts.push(await verify(file, trusted));
  return verdicts;
}

/** Verify a file with one byte changed, for every [position, bits]. */
async function verifyFlips(file, flips) {
  const data = await load(`/vectors/${file}`);
  return flips.map(([position, bits]) => {
    const changed = data.slice();
    changed[position] ^= bits;
    return summarise(verifyReceipt(changed));
  });
}

/** Verify a head, an item many times over, and a tail: too long to be sent from outside. */
function verifyRepeated(head, item, count, tail) {
  const [before, middle, after] = [head, item, tail].map(fromHex);
  const data = new Uint8Array(before.length + count * middle.length + after.length);
  data.set(before);
  for (let place = 0; place < count; place += 1) data.set(middle, before.length + place * middle.length);
  data.set(after, data.length - after.length);
  return summarise(verifyReceipt(data));
}

/** Time the verification of a file, in milliseconds; the best of several. */
async function time(file, runs) {
  const data = await load(`/vectors/${file}`);
  const times = [];
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    verifyReceipt(data);
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}

function score({ classes, votes, terms, seed }) {
  const rows = votes.map(([judge, left, right, outcome]) => ({ judge, left, right, outcome }));
  const known = [];
  for (const [seat, ...numbers] of terms) known[seat] = toTerms(numbers);
  return computeScores(classes, rows, known, fromHex(seed));
}

function deal(facts) {
  const assignments = dealPairs({ ...facts, seed: fromHex(facts.seed) });
  return assignments.map(({ judge, left, right }) => [judge, left, right]);
}

/** Terms by seat from a standing's numbers, which come as decimal digits; null where they are refused. */
function judge({ rows, peers }) {
  try {
    const reputation = openNumbers(rows.map((row) => row.map(BigInt)), peers.length);
    return computeTerms(reputation, peers).map(({ weightQ16, position, own }) => [Number(weightQ16), position, own]);
  } catch (error) {
    if (error instanceof ReceiptError) return null;
    throw error;
  }
}

globalThis.harness = {
  verifyAll,
  verifyFlips,
  verifyRepeated,
  verifyHex: (texts) => texts.map((text) => summarise(verifyReceipt(fromHex(text)))),
  time,
  score: (cases) => cases.map(score),
  deal,
  judge: (cases) => cases.map(judge),
  checkTexts: (texts) => texts.map((text) => ({
    key: toHex(Uint8Array.from(computeKey(fromHex(text)), (character) => character.charCodeAt(0))),
    isText: isText(fromHex(text)),
  })),
  checkSignatures: (rows) => rows.map((row) => isValidSignature(...row.map(fromHex))),
};
