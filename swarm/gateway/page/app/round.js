/** A round as a whole: banner, question, answer and the four panes, at the end or at a moment before it. */

import { showAnswer } from "./answer.js";
import { describeRefusal, describeReport, describeStory, makeBanner } from "./banner.js";
import { showChecks } from "./checks.js";
import { get, make, put } from "./dom.js";
import { showPairs } from "./pairs.js";
import { showRanking } from "./ranking.js";
import { showSeats } from "./seats.js";
import { makeEvents, tellStory } from "./story.js";
import { excerpt } from "./words.js";

/**
 * @typedef {object} View A round that is looked at.
 * @property {string | null} id
 * @property {{ role: string, text: string }[]} turns
 * @property {object[]} events
 * @property {import("../verifier/verify.js").Verdict | null} verdict
 * @property {Uint8Array | null} bytes Of the receipt.
 * @property {Uint8Array | null} trust Genesis that the reader trusts.
 * @property {import("./banner.js").Banner | null} banner Stands in the place of what follows from the rest.
 * @property {boolean} isLive Its receipt is still to come.
 * @property {Map<string, string>} revealed Answers of a live round, by the first digits of the peer's key.
 */

/**
 * @typedef {object} Candidate A class of equal answers, as far as it is known.
 * @property {number} index
 * @property {number[]} authors
 * @property {string | null} text
 * @property {number | null} strength
 * @property {number | null} lead
 */

/**
 * @typedef {object} Shown What a moment of a round shows.
 * @property {import("./story.js").Story} story
 * @property {import("../verifier/report.js").Report | null} report
 * @property {boolean} hasAnswers
 * @property {Map<string, string>} revealed See `View`; empty once the receipt is here.
 * @property {boolean} isClosed
 * @property {number} stepsShown Steps that are decided.
 * @property {Candidate[]} ranking Best first.
 * @property {boolean} isRanked
 * @property {number | null} pBest
 */

const ROLES = ["system", "user", "assistant"];

/** Return an empty view. */
export function createView(more = {}) {
  return {
    id: null,
    turns: [],
    events: [],
    verdict: null,
    bytes: null,
    trust: null,
    banner: null,
    isLive: false,
    revealed: new Map(),
    ...more,
  };
}

/** Return the turns of a verified receipt. */
export function readTurns(report) {
  return report.turns.map(({ role, text }) => ({ role: ROLES[role] ?? "other", text }));
}

/**
 * Show a round.
 * @param {View} view
 * @param {object} actions See `showChecks`.
 * @param {number | null} [moment] How many of its events have happened; all when null.
 */
export function showRound(view, actions, moment = null) {
  const events = view.events.length || !view.verdict?.report ? view.events : makeEvents(view.verdict.report);
  const story = tellStory(moment === null ? events : events.slice(0, moment));
  const shown = makeShown(view.verdict?.report ?? null, story, view.isLive ? view.revealed : new Map());
  const isRefused = view.verdict !== null && !view.verdict.isConsistent;
  get("round").hidden = false;
  get("panes").classList.toggle("is-refused", isRefused);
  showBanner(view, shown);
  showQuestion(view.turns, isRefused ? "A receipt that does not hold" : "A round without its receipt");
  showAnswer(get("answer"), shown);
  get("panes").hidden = story.seats.length === 0 && view.verdict === null;
  for (const id of ["seats", "pairs", "ranking"]) get(id).hidden = isRefused;
  if (!isRefused) {
    showSeats(get("seats").lastElementChild, shown);
    showPairs(get("pairs").lastElementChild, shown);
    showRanking(get("ranking").lastElementChild, shown);
  }
  if (moment === null) showChecks(get("receipt-pane").lastElementChild, view, actions);
}

/** @returns {Shown} */
function makeShown(report, story, revealed) {
  const isClosed = ["full", "partial", "failed"].includes(story.status);
  const stepsShown = story.steps.length;
  const last = story.steps.at(-1) ?? null;
  const isFinal = isClosed && report !== null;
  const ranking = isFinal ? report.ranking : rankClasses(report, last);
  const isRanked = isFinal
    ? ranking.length > 0 && ranking[0].strength !== null
    : Boolean(last?.strengths.length);
  return {
    story,
    report,
    isClosed,
    stepsShown,
    ranking,
    revealed,
    hasAnswers: report !== null && stepsShown > 0,
    isRanked: isRanked && ranking.length > 1,
    pBest: isFinal ? report.pBest : (last?.pBest ?? null),
  };
}

/** Return the candidates as a step left them; their margins are known at the end only. */
function rankClasses(report, step) {
  if (step === null) return [];
  const texts = new Map(report?.ranking.map(({ index, text }) => [index, text]) ?? []);
  const candidates = step.classes.map((authors, index) => ({
    index,
    authors,
    text: texts.get(index) ?? null,
    strength: step.strengths[index] ?? null,
    lead: null,
  }));
  return candidates.sort((a, b) => (b.strength ?? 0) - (a.strength ?? 0) || a.index - b.index);
}

function showBanner(view, { report, isClosed, story }) {
  const failed = view.verdict?.checks.find(({ outcome }) => outcome === "failed");
  const banner =
    view.banner ??
    (failed ? describeRefusal(failed) : null) ??
    (report !== null && isClosed ? describeReport(report) : describeStory(story, view.isLive));
  const element = makeBanner(banner);
  const place = get("banner");
  if (!place.firstChild?.isEqualNode(element)) put(place, element); // what has not changed is not said again
}

function showQuestion(turns, otherwise) {
  const asked = turns.at(-1)?.text ?? otherwise;
  const [head, rest] =
    asked.length > 220 || asked.includes("\n") ? [excerpt(asked, 160), asked] : [asked, null];
  put(get("asked"), head);
  const before = turns.slice(0, -1);
  put(
    get("before"),
    rest === null
      ? null
      : make("details", {}, make("summary", {}, "The whole question"), make("p", { class: "turn" }, rest)),
    before.length === 0
      ? null
      : make(
          "details",
          {},
          make("summary", {}, "What was said before"),
          before.map(({ role, text }) => make("p", { class: "turn" }, make("b", {}, `${role} `), text)),
        ),
  );
}
