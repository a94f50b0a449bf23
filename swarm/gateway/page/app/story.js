/**
 * What has happened in a round so far, from its events (docs/events.md). The same tale is told live, from a
 * log, from a simulated trace, and, coarsely, from a receipt alone. What is certified is in the receipt.
 */

const Q16 = 65_536;
export const PHASES = ["committing", "revealing", "voting", "closed"];

/** @typedef {"thinking"|"sealed"|"revealing"|"voting"|"judging"|"done"|"halted"|"silent"} Doing */

/**
 * @typedef {object} SeatStory
 * @property {number} seat
 * @property {string | null} peer Public key, hexadecimal.
 * @property {Doing} doing
 * @property {number} step In which it is.
 * @property {number | null} tokens Of its answer, once written.
 * @property {string} reason Why a call of its model failed, or why it halted; empty where none did.
 */

/**
 * @typedef {object} StepStory
 * @property {number} step
 * @property {"full" | "partial" | "failed"} status
 * @property {number[]} missing
 * @property {number[][]} classes Authors by class.
 * @property {number[]} strengths Nats by class; empty where nothing was ranked.
 * @property {number | null} pBest
 */

/**
 * @typedef {object} Story
 * @property {string | null} round
 * @property {SeatStory[]} seats By seat.
 * @property {number} quorum 0 where nobody has said.
 * @property {number} heard Answers that some seat has heard of.
 * @property {number} atStep In which the seat is that is furthest; ballots begin at 1.
 * @property {StepStory[]} steps Decided so far.
 * @property {"running" | "full" | "partial" | "failed" | "halted"} status
 * @property {number} startMs
 * @property {number} nowMs
 */

/**
 * Tell a round up to its last event given.
 * @param {readonly object[]} events Of one round, in order.
 * @returns {Story}
 */
export function tellStory(events) {
  const story = {
    round: null,
    seats: [],
    quorum: 0,
    heard: 0,
    atStep: 0,
    steps: [],
    status: "running",
    startMs: events[0]?.t_ms ?? 0,
    nowMs: events.at(-1)?.t_ms ?? 0,
  };
  const seatOf = new Map();
  for (const event of events) tellEvent(story, seatOf, event);
  return story;
}

function tellEvent(story, seatOf, event) {
  story.round ??= event.round;
  if (event.event === "round_opened") openSeats(story, seatOf, event);
  const seat = seatOf.get(event.peer);
  if (event.event === "step_decided") decideStep(story, event);
  if (event.event === "round_closed") story.status = event.status;
  if (seat === undefined) return;
  switch (event.event) {
    case "answer_written":
      Object.assign(seat, { doing: "sealed", tokens: event.tokens });
      break;
    case "call_failed":
      Object.assign(seat, { doing: seat.step === 0 ? "silent" : seat.doing, reason: event.reason });
      break;
    case "phase_reached":
      reachPhase(story, seat, event);
      break;
    case "pairs_judged":
      seat.doing = "sealed";
      break;
    case "round_closed":
      seat.doing = "done";
      break;
    case "round_halted":
      Object.assign(seat, { doing: "halted", reason: event.reason });
      break;
    default: // events that are new, or say nothing of a seat's work
  }
}

function openSeats(story, seatOf, { peer, seat, seats, quorum }) {
  story.quorum = quorum;
  for (let place = story.seats.length; place < seats; place += 1) {
    story.seats.push({ seat: place, peer: null, doing: "silent", step: 0, tokens: null, reason: "" });
  }
  Object.assign(story.seats[seat], { peer, doing: "thinking" });
  seatOf.set(peer, story.seats[seat]);
}

function reachPhase(story, seat, { step, phase, seats }) {
  seat.step = step;
  story.atStep = Math.max(story.atStep, phase === "closed" ? step + 1 : step);
  if (step === 0 && phase === "revealing") story.heard = Math.max(story.heard, seats);
  if (phase === "revealing" || phase === "voting") seat.doing = phase;
  else if (phase === "committing" && step > 0) seat.doing = "judging";
}

function decideStep(story, event) {
  if (story.steps.length > event.step) return; // all peers write the same
  story.steps.push({
    step: event.step,
    status: event.status,
    missing: event.missing,
    classes: event.classes.map((authors) => authors.split(",").map(Number)),
    strengths: event.scores.map((score) => score / Q16),
    pBest: event.scores.length ? event.p_best_q16 / Q16 : null,
  });
}

/**
 * Tell a finished round as events, from its receipt: who answered and what each step decided, without times.
 * @param {import("../verifier/report.js").Report} report
 * @returns {object[]}
 */
export function makeEvents(report) {
  const { seats, quorum, round } = report;
  const classes = [...report.ranking]
    .sort((a, b) => a.index - b.index)
    .map(({ authors }) => authors.join(","));
  const events = seats.map(({ seat, key }) => ({
    event: "round_opened",
    peer: key,
    seat,
    seats: seats.length,
    quorum,
  }));
  for (const { key, answer, tokens } of seats) {
    if (answer !== null) events.push({ event: "answer_written", peer: key, tokens });
  }
  for (const { step, logStrengthsQ16, pBestQ16 } of report.steps) {
    const missing = report.missing.filter((gone) => gone.step === step).map(({ seat }) => seat);
    events.push({
      event: "step_decided",
      peer: seats[0].key,
      step,
      missing,
      classes,
      status: report.status,
      scores: logStrengthsQ16,
      p_best_q16: pBestQ16,
    });
  }
  for (const { key } of seats) events.push({ event: "round_closed", peer: key, status: report.status });
  return events.map((event, seq) => ({ round, seq, t_ms: null, ...event }));
}
