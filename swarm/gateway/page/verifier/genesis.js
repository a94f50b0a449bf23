/** A network's first block: who its members are. */

import { compareBytes } from "./bytes.js";
import { decode } from "./decoding.js";
import { demand } from "./errors.js";
import { DIGEST_BYTES, hashParts } from "./hashing.js";
import { BytesMax, GENESIS, MEMBERS_MAX, SEATS_MIN } from "./shapes.js";
import { KEY_BYTES } from "./signatures.js";

/** @typedef {{ key: Uint8Array, label: Uint8Array }} Member */
/** @typedef {{ id: Uint8Array, name: Uint8Array, beacon: Uint8Array, members: Member[] }} Network */

/**
 * @param {Uint8Array} data Exact bytes.
 * @returns {Network}
 * @throws {ReceiptError} They are no well-formed genesis.
 */
export function openGenesis(data) {
  const { version, name, beacon, members } = decode(GENESIS, data, {
    name: "genesis",
    bytesMax: BytesMax.GENESIS,
  });
  demand(version === 1, `genesis: got version ${version}, expected 1`);
  demand(beacon.length === DIGEST_BYTES, `genesis: got a beacon of ${beacon.length} bytes, expected 32`);
  demand(
    members.length >= SEATS_MIN && members.length <= MEMBERS_MAX,
    `genesis: got ${members.length} members, expected ${SEATS_MIN} to ${MEMBERS_MAX}`,
  );
  demand(
    members.every(({ key }) => key.length === KEY_BYTES),
    "genesis: got a member key that is not 32 bytes",
  );
  demand(
    members.every(({ key }, place) => place === 0 || compareBytes(members[place - 1].key, key) < 0),
    "genesis: got members that are not sorted by distinct keys",
  );
  demand(
    [name, ...members.map(({ label }) => label)].every((label) => label.length <= BytesMax.LABEL),
    `genesis: got a label of more than ${BytesMax.LABEL} bytes`,
  );
  return { id: hashParts("genesis", data), name, beacon, members };
}
