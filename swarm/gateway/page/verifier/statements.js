/** What seats signed together: groups of one payload with many signatures, and the set that q lists give. */

import { areEqual, compareBytes, toHex } from "./bytes.js";
import { decode } from "./decoding.js";
import { demand } from "./errors.js";
import { DIGEST_BYTES } from "./hashing.js";
import { BytesMax } from "./shapes.js";

/** @typedef {import("./committee.js").Committee} Committee */
/** @typedef {{ round: Uint8Array, step: import("./decoding.js").Integer }} Statement */

/**
 * @template {Statement} T
 * @typedef {{ content: T, seats: number[] }} Group A payload, and who signed it by rising seat.
 */

/**
 * Verify groups of co-signed statements: by rising payload, no seat twice, nobody's group refused.
 * @template {Statement} T
 * @param {readonly import("./shapes.js").CoSigned[]} groups
 * @param {object} expected
 * @param {import("./decoding.js").Shape<T>} expected.shape
 * @param {number} expected.kind
 * @param {string} expected.name For messages.
 * @param {Committee} committee
 * @param {import("./signatures.js").SignatureChecker} checker
 * @returns {Group<T>[]}
 * @throws {ReceiptError} A rule is broken, or they are not exactly a quorum's.
 */
export function openGroups(groups, { shape, kind, name }, committee, checker) {
  demand(
    groups.every(({ payload }, place) => place === 0 || compareBytes(groups[place - 1].payload, payload) < 0),
    `${name}s: got groups that are not in rising order`,
  );
  /** @type {Set<number>} */
  const present = new Set();
  const opened = groups.map(({ payload, signatures }) => {
    demand(
      payload.length <= BytesMax.PAYLOAD && signatures.length > 0,
      `${name}: too long, or signed by nobody`,
    );
    const seats = signatures.map(({ seat, signature }, place) => {
      const last = place === 0 ? -1 : signatures[place - 1].seat;
      demand(
        seat > last && seat < committee.n && !present.has(Number(seat)),
        `${name}: got a seat twice, out of order or unknown`,
      );
      const known = Number(seat);
      const isSigned = checker.isValid(committee.keys[known], kind, payload, signature);
      demand(isSigned, `${name}: got a signature that is not seat ${known}'s`);
      present.add(known);
      return known;
    });
    return { content: decode(shape, payload, { name, bytesMax: BytesMax.PAYLOAD }), seats };
  });
  demand(
    present.size === committee.q,
    `${name}s: got those of ${present.size} seats, expected ${committee.q}`,
  );
  return opened;
}

/**
 * Demand that a statement is of this round and step.
 * @param {Statement} content
 * @param {Uint8Array} round
 * @param {number} step
 */
export function checkSlot(content, round, step) {
  demand(
    areEqual(content.round, round) && content.step === step,
    "a statement belongs to another round or step",
  );
}

/** @typedef {{ seat: import("./decoding.js").Integer, commit: Uint8Array }} Entry */
/** @typedef {Statement & { entries: Entry[] }} SeatList */

/**
 * Derive the revealed set R: what at least f + 1 lists name.
 * @param {readonly Group<SeatList>[]} groups
 * @param {Committee} committee
 * @returns {Map<number, Uint8Array>} Seat to commit, by rising seat.
 * @throws {ReceiptError} A list is not well formed, or two commits of a seat count.
 */
export function computeRevealed(groups, committee) {
  /** @type {Map<string, { seat: number, commit: Uint8Array, lists: number }>} */
  const named = new Map();
  for (const { content, seats } of groups) {
    let last = -1;
    for (const { seat, commit } of content.entries) {
      demand(
        seat > last && seat < committee.n && commit.length === DIGEST_BYTES,
        "list: got entries that are not by rising, known seat with 32-byte commits",
      );
      last = Number(seat);
      const name = `${last} ${toHex(commit)}`;
      const entry = named.get(name) ?? { seat: last, commit, lists: 0 };
      entry.lists += seats.length;
      named.set(name, entry);
    }
  }
  /** @type {Map<number, Uint8Array>} */
  const revealed = new Map();
  const counted = [...named.values()].filter(({ lists }) => lists > committee.f);
  for (const { seat, commit } of counted.sort((a, b) => a.seat - b.seat)) {
    demand(!revealed.has(seat), `reveal lists: got two commits of seat ${seat}, named by f + 1 lists each`);
    revealed.set(seat, commit);
  }
  return revealed;
}
