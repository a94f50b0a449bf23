/** The structs of a receipt, field by field, and their limits (docs/protocol.md, "Structs" and "Limits"). */

import { bytes, integer, list, struct } from "./decoding.js";

export const SEATS_MIN = 4;
export const SEATS_MAX = 31;
export const MEMBERS_MAX = 1_024;
export const TURNS_MAX = 64;
export const STEPS_MAX = 4; // the answers', and up to three of ballots

export const BytesMax = Object.freeze({
  RECEIPT: 8 * 1_024 * 1_024,
  GENESIS: 256 * 1_024,
  QUESTION: 64 * 1_024,
  STANDING: 64 * 1_024,
  PAYLOAD: 65 * 1_024,
  BODY: 64 * 1_024,
  ANSWER: 16_384,
  LABEL: 64,
});

// Seats rise strictly wherever they are listed, and no group of statements is empty: of more than SEATS_MAX
// items of a kind the first SEATS_MAX + 1 break a rule already.
const SEATS_KEPT = SEATS_MAX + 1;
const WITHIN_LIMIT = Number.MAX_SAFE_INTEGER; // the whole is short, and so is what it holds

export const GENESIS = struct({
  version: integer,
  name: bytes,
  beacon: bytes,
  members: list(struct({ key: bytes, label: bytes }), MEMBERS_MAX + 1),
});

export const QUESTION = struct({
  version: integer,
  network: bytes,
  asker: bytes,
  counter: integer,
  header: bytes,
  turns: list(struct({ role: integer, text: bytes }), TURNS_MAX + 1),
  temperatureMilli: integer,
  tokensMax: integer,
  seats: integer,
  callsPerPeer: integer,
  stepsMax: integer,
  answerMs: integer,
  ballotMs: integer,
  revealMs: integer,
  attestation: integer,
});

export const STANDING = struct({
  version: integer,
  network: bytes,
  rounds: integer,
  previous: bytes,
  round: bytes,
  result: bytes,
  truth: list(struct({ version: integer, family: bytes, level: integer, seed: bytes }), 2),
  numbers: list(list(integer, WITHIN_LIMIT), WITHIN_LIMIT),
});

export const ANSWER = struct({
  version: integer,
  text: bytes,
  model: bytes,
  sampling: integer,
  tokens: integer,
});

export const BALLOT = struct({
  engine: integer,
  prev: bytes,
  votes: list(struct({ left: integer, right: integer, outcome: integer }), WITHIN_LIMIT),
});

export const SEAT_LIST = struct({
  round: bytes,
  step: integer,
  entries: list(struct({ seat: integer, commit: bytes }), SEATS_KEPT),
});

export const REVEAL = struct({ round: bytes, step: integer, commit: bytes, salt: bytes, body: bytes });

export const PRECOMMIT = struct({ round: bytes, step: integer, view: integer, value: bytes });

const SEAT_SIGNATURE = struct({ seat: integer, signature: bytes });

const COSIGNED = struct({ payload: bytes, signatures: list(SEAT_SIGNATURE, SEATS_KEPT) });

const STEP = struct({
  reveals: list(struct({ payload: bytes, signature: SEAT_SIGNATURE }), SEATS_KEPT),
  revealLists: list(COSIGNED, SEATS_KEPT),
  value: bytes,
  precommits: COSIGNED,
});

const RECEIPT_FIELDS = {
  magic: bytes,
  version: integer,
  genesis: bytes,
  question: struct({ payload: bytes, signature: bytes }),
  steps: list(STEP, STEPS_MAX + 1),
};

export const RECEIPT = struct(RECEIPT_FIELDS);

export const STANDING_RECEIPT = struct({ ...RECEIPT_FIELDS, standing: bytes });

/** @typedef {ReturnType<typeof RECEIPT> & { standing?: Uint8Array }} Receipt */
/** @typedef {ReturnType<typeof STEP>} ReceiptStep */
/** @typedef {ReturnType<typeof COSIGNED>} CoSigned */
/** @typedef {ReturnType<typeof QUESTION>} Question */
/** @typedef {ReturnType<typeof STANDING>} Standing */
