/** Files from disk: receipts, event logs (of a testnet's run or of a swarm), and networks to trust. */

const FILE_BYTES_MAX = 64 << 20;
const EVENTS_MAX = 200_000;
const SEATS_MAX = 31;
const SCHEMA = "peerage.event/1";
const BRACE = 0x7b; // how a log begins, and a receipt never does
const HEX_64 = /^[0-9a-f]{64}$/u;

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isText = (value) => typeof value === "string";
const isList = (value, isItem, most) => Array.isArray(value) && value.length <= most && value.every(isItem);
const isSeat = (value) => isCount(value) && value < SEATS_MAX;
const isStatus = (value) => ["full", "partial", "failed"].includes(value);

/** What the fields that this page reads must be, by event; other events pass as they are. */
const FIELDS = {
  round_opened: ({ seat, seats, quorum }) =>
    isSeat(seat) && isCount(seats) && seat < seats && seats <= SEATS_MAX && isCount(quorum),
  answer_written: ({ tokens }) => isCount(tokens),
  phase_reached: ({ step, phase }) => isCount(step) && isText(phase),
  call_failed: ({ reason }) => isText(reason),
  round_halted: ({ reason }) => isText(reason),
  round_closed: ({ status }) => isStatus(status),
  step_decided: ({ step, status, missing, classes, scores, p_best_q16: pBest }) =>
    isCount(step) &&
    isStatus(status) &&
    isList(missing, isSeat, SEATS_MAX) &&
    isCount(pBest) &&
    isList(classes, (seats) => isText(seats) && /^\d{1,2}(,\d{1,2})*$/u.test(seats), SEATS_MAX) &&
    isList(scores, Number.isSafeInteger, SEATS_MAX) &&
    (scores.length === 0 || scores.length === classes.length),
};

/** Say whether a value is an event of a round that this page can tell. */
export function isRoundEvent(value) {
  return (
    value !== null &&
    typeof value === "object" &&
    value.schema === SCHEMA &&
    isText(value.event) &&
    isText(value.round) &&
    HEX_64.test(value.round) &&
    Number.isFinite(value.t_ms) &&
    (value.peer === null || isText(value.peer)) &&
    (Object.hasOwn(FIELDS, value.event) ? FIELDS[value.event](value) : true)
  );
}

/**
 * @typedef {object} Opened
 * @property {{ name: string, bytes: Uint8Array }[]} receipts
 * @property {Map<string, object[]>} events By round, in the order of their log.
 * @property {Uint8Array | null} trust
 * @property {string[]} troubles What could not be read, for people.
 */

/**
 * Read files that were chosen or dropped.
 * @param {Iterable<File>} files
 * @returns {Promise<Opened>}
 */
export async function readFiles(files) {
  const opened = { receipts: [], events: new Map(), trust: null, troubles: [] };
  for (const file of files) {
    if (file.size > FILE_BYTES_MAX) {
      opened.troubles.push(`${file.name} has more than ${FILE_BYTES_MAX >> 20} MiB`);
      continue;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (file.name.endsWith(".genesis")) opened.trust = bytes;
    else if (bytes[0] === BRACE) readLog(file.name, bytes, opened);
    else opened.receipts.push({ name: file.name, bytes });
  }
  return opened;
}

function readLog(name, bytes, { events, troubles }) {
  let taken = 0;
  let refused = 0;
  for (const line of new TextDecoder().decode(bytes).split("\n")) {
    if (!line.trim()) continue;
    const event = parse(line);
    if (event === null || taken >= EVENTS_MAX) refused += 1;
    else if (isRoundEvent(event)) {
      taken += 1;
      if (!events.has(event.round)) events.set(event.round, []);
      events.get(event.round).push(event);
    } else if (event.schema !== SCHEMA || isText(event.round)) refused += 1; // others are of no round
  }
  if (refused) troubles.push(`${name}: ${refused} lines are no events of a round, and were left out`);
}

function parse(line) {
  try {
    const value = JSON.parse(line);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

const SLOT = '"receipt"></';

/** Return the bytes that a file of one round holds; null where this page is no such file. */
export function readHeld() {
  const held = document.getElementById("receipt");
  return held === null
    ? null
    : Uint8Array.from(atob(held.textContent.trim()), (character) => character.charCodeAt(0));
}

/** Put a receipt into the page's one file. */
export function fillShell(shell, bytes) {
  const text = btoa(bytes.reduce((said, byte) => said + String.fromCharCode(byte), ""));
  return shell.replace(`id=${SLOT}`, () => `id=${SLOT.replace("<", `${text}<`)}`);
}

/** Have the browser save some data under a name. */
export function saveAs(name, type, data) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the download has begun by then
}
