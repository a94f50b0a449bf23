/** What past rounds taught, in bytes that a header names. That rounds led to them is not checked. */

import { areEqual, toText } from "./bytes.js";
import { decode } from "./decoding.js";
import { demand, ReceiptError } from "./errors.js";
import { DIGEST_BYTES, hashParts } from "./hashing.js";
import { openNumbers } from "./reputation.js";
import { BytesMax, STANDING } from "./shapes.js";

const FAMILIES = ["arithmetic", "counting", "dates", "logic", "ordering", "units"];
const ROUNDS_MAX = 2 ** 53;
const LEVEL_MAX = 3;

/**
 * @typedef {object} OpenedStanding
 * @property {import("./decoding.js").Integer} rounds Rounds that it sums up.
 * @property {Uint8Array} digest
 * @property {Uint8Array} round Id of the round applied last.
 * @property {import("./reputation.js").Reputation} reputation
 */

/**
 * @param {Uint8Array | null} data Null where the receipt holds none.
 * @param {Uint8Array} header The question's.
 * @param {import("./genesis.js").Network} network
 * @returns {OpenedStanding | null} Null where the header is the network id: all judges weigh the same.
 * @throws {ReceiptError} There is one too many or none, or it is not the one named, or not well formed.
 */
export function openStanding(data, header, network) {
  if (areEqual(header, network.id)) {
    demand(data === null, "standing: got one beside a question that builds on none");
    return null;
  }
  if (data === null) throw new ReceiptError("standing: got none, expected the one that the header names");
  const standing = decode(STANDING, data, { name: "standing", bytesMax: BytesMax.STANDING });
  const digest = hashParts("standing", data);
  demand(areEqual(digest, header), "standing: got another than the one that the header names");
  checkFields(standing, network);
  const reputation = openNumbers(standing.numbers, network.members.length);
  return { rounds: standing.rounds, digest, round: standing.round, reputation };
}

/**
 * @param {import("./shapes.js").Standing} standing
 * @param {import("./genesis.js").Network} network
 */
function checkFields(standing, network) {
  const { version, rounds, previous, round, result, truth } = standing;
  demand(version === 1, `standing: got version ${version}, expected 1`);
  demand(areEqual(standing.network, network.id), "standing: got another network's standing");
  demand(rounds >= 1 && rounds <= ROUNDS_MAX, `standing: got ${rounds} rounds, expected 1 to ${ROUNDS_MAX}`);
  const expected = rounds === 1 ? 0 : DIGEST_BYTES;
  demand(
    previous.length === expected,
    `standing: got ${previous.length} bytes of the one before, expected ${expected}`,
  );
  demand(
    round.length === DIGEST_BYTES && result.length === DIGEST_BYTES,
    "standing: got a digest that is not 32 bytes",
  );
  demand(truth.length <= 1, "standing: got several truths of one round");
  for (const { version: gold, family, level, seed } of truth) {
    demand(
      gold === 1 && FAMILIES.includes(toText(family)),
      "gold: got a version or family that does not exist",
    );
    demand(level >= 1 && level <= LEVEL_MAX, `gold: got level ${level}, expected 1 to ${LEVEL_MAX}`);
    demand(seed.length === DIGEST_BYTES, `gold: got a seed of ${seed.length} bytes, expected 32`);
  }
}
