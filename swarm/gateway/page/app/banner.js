/** What stands above every answer: how whole it is, and who is missing. It never looks better than it is. */

import { make } from "./dom.js";
import { count, joinWords, letter, listSeats } from "./words.js";

/** @typedef {"full" | "partial" | "failed" | "running" | "alone"} Kind */
/** @typedef {{ kind: Kind, title: string, text: string }} Banner */

const SIGNS = { full: "✓", partial: "◐", failed: "✗", running: "…", alone: "–" };
const STEP_NAMES = ["the answers", "the first ballots", "the second ballots", "the third ballots"];

/** Return a banner as an element. */
export function makeBanner({ kind, title, text }) {
  return make(
    "div",
    { class: `banner is-${kind}` },
    make("span", { class: "sign", "aria-hidden": "true" }, SIGNS[kind]),
    make("p", {}, make("strong", {}, title), " ", text),
  );
}

/**
 * Say how whole a verified round is.
 * @param {import("../verifier/report.js").Report} report
 * @returns {Banner}
 */
export function describeReport(report) {
  const { status, seats, quorum, missing, isUnanimous, steps } = report;
  const agreed = isUnanimous ? " All gave the same answer, so nothing was ranked." : "";
  if (status === "full") {
    const text = `All ${seats.length} seats took part; a quorum of ${quorum} certified the result.${agreed}`;
    return { kind: "full", title: "Full.", text };
  }
  const gone = new Set(missing.map(({ seat }) => seat));
  const names = listMissing(missing, steps.length - 1);
  const lack = `${gone.size} of ${count(seats.length, "seat")} missing: ${names}.`;
  if (status === "partial") {
    const text = `${lack} A quorum of ${quorum} certified the rest, which may be no fair sample.${agreed}`;
    return { kind: "partial", title: "Partial.", text };
  }
  const text = `${lack} Too few seats took part, and no answer was chosen.`;
  return { kind: "failed", title: "Failed.", text };
}

function listMissing(missing, last) {
  const bySeat = new Map();
  for (const { seat, step } of missing) bySeat.set(seat, [...(bySeat.get(seat) ?? []), step]);
  const each = [...bySeat].map(([seat, steps]) => {
    const isToTheEnd = steps.length > 1 && steps.length === last - steps[0] + 1;
    const named = isToTheEnd ? steps.slice(0, 1) : steps;
    const from = joinWords(named.map((step) => STEP_NAMES[step] ?? `step ${step}`));
    return `${letter(seat)} from ${from}${isToTheEnd ? " on" : ""}`;
  });
  return joinWords(each);
}

/** Say that a file is not to be believed, and which rule says so. */
export function describeRefusal({ number, name, detail }) {
  const text = `Check ${number}, ${name}: ${detail}. Nothing else in it is shown: nothing in it is proven.`;
  return { kind: "failed", title: "This receipt does not hold.", text };
}

/**
 * Say how far a round is that has not ended, or has not ended yet at the moment shown.
 * @param {import("./story.js").Story} story
 * @param {boolean} isLive Its receipt is still to come.
 * @returns {Banner}
 */
export function describeStory(story, isLive) {
  if (story.seats.length === 0) {
    return { kind: "running", title: "Asked.", text: "No peer has taken the question yet." };
  }
  const { seats, steps, quorum } = story;
  if (story.status !== "running" && isLive) {
    return { kind: "running", title: "Decided.", text: "The receipt is being fetched and checked." };
  }
  if (story.status !== "running") return describeEnd(story);
  const written = Math.max(story.heard, seats.filter(({ tokens }) => tokens !== null).length);
  if (steps.length === 0 && story.atStep > 0) {
    return { kind: "running", title: "Peers are judging.", text: "All answers that count are in." };
  }
  if (steps.length === 0) {
    const many = `${written} of ${seats.length} peers have answered`;
    const text = `${many}; answers stay sealed until they are in. Quorum ${quorum}.`;
    return { kind: "running", title: "Peers are answering.", text };
  }
  const missing = steps.at(-1).missing;
  const lack = missing.length ? ` Missing so far: ${listSeats(missing)}.` : "";
  const many = count(steps[0].classes.length, "different answer");
  const text = `${many} revealed; ballots of step ${steps.length} are being cast.${lack}`;
  return { kind: "running", title: "Peers are judging.", text };
}

function describeEnd({ status, seats, steps, quorum }) {
  const gone = [...new Set(steps.flatMap(({ missing }) => missing))];
  const lack = gone.length ? ` Missing: ${listSeats(gone)}.` : ` All ${seats.length} seats took part.`;
  const title = `${status[0].toUpperCase()}${status.slice(1)}.`;
  const text = `By the event log; a receipt would prove it. Quorum ${quorum}.${lack}`;
  return { kind: status, title, text };
}
