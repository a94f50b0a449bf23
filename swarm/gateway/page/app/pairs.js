/** Pane 2: every pair of answers in both orders, as a table; a cell opens the votes behind it. */

import { make, put } from "./dom.js";
import { count, excerpt, letter, nameClass, share } from "./words.js";

const TINTS = 10;

/** @typedef {{ step: number, judge: number, outcome: number, isFirst: boolean }} Vote P(row better), 0..1. */

/**
 * Show the matrix.
 * @param {HTMLElement} pane
 * @param {import("./round.js").Shown} shown
 */
export function showPairs(pane, { report, hasAnswers, stepsShown, ranking }) {
  if (report === null || !hasAnswers) {
    put(
      pane,
      make("p", { class: "muted" }, "Ballots are sealed until the round is over and its receipt is here."),
    );
    return;
  }
  if (ranking.length < 2) {
    put(pane, make("p", { class: "muted" }, "There is one answer, so there was nothing to compare."));
    return;
  }
  const votes = collectVotes(report.pairs, stepsShown);
  const details = make("div", { class: "votes", id: "votes", "aria-live": "polite" });
  const head = ranking.map((one) =>
    make("th", { scope: "col", title: excerpt(one.text) }, nameClass(one.authors)),
  );
  const rows = ranking.map((row) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", title: excerpt(row.text) }, nameClass(row.authors)),
      ranking.map((column) => makeCell(row, column, votes, details)),
    ),
  );
  put(
    pane,
    make(
      "p",
      { class: "muted small" },
      "How often judges found the row's answer better than the column's: shown first / shown second.",
    ),
    make(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Pair matrix" },
      make(
        "table",
        { class: "matrix" },
        make("caption", { class: "unseen" }, "Pairs of answers, best first, in both orders"),
        make("thead", {}, make("tr", {}, make("td", {}), head)),
        make("tbody", {}, rows),
      ),
    ),
    details,
  );
}

/** Return the votes on each pair as the row's answer sees them, by "row column". */
function collectVotes(pairs, stepsShown) {
  const votes = new Map();
  const add = (row, column, vote) => {
    const name = `${row} ${column}`;
    votes.set(name, [...(votes.get(name) ?? []), vote]);
  };
  for (const { left, right, verdicts } of pairs) {
    for (const { step, judge, outcome } of verdicts) {
      if (step >= stepsShown) continue;
      add(left, right, { step, judge, outcome, isFirst: true });
      add(right, left, { step, judge, outcome: 1 - outcome, isFirst: false });
    }
  }
  return votes;
}

function makeCell(row, column, votes, details) {
  if (row === column) return make("td", { class: "self" }, make("span", { "aria-hidden": "true" }, "·"));
  const found = votes.get(`${row.index} ${column.index}`) ?? [];
  if (!found.length) return make("td", { class: "none" }, make("span", { class: "muted" }, "–"));
  const [first, second] = [true, false].map((isFirst) =>
    mean(found.filter((vote) => vote.isFirst === isFirst)),
  );
  const isSplit = first !== null && second !== null && (first - 0.5) * (second - 0.5) < 0;
  const all = mean(found);
  const show = (value) => (value === null ? "–" : share(value));
  const names = `${nameClass(row.authors)} against ${nameClass(column.authors)}`;
  const button = make(
    "button",
    {
      type: "button",
      "aria-expanded": "false",
      "aria-controls": "votes",
      onclick: () => toggleVotes(button, details, names, found),
    },
    make("span", { class: "unseen" }, `${names}, shown first / second: `),
    `${show(first)} / ${show(second)}`,
    isSplit ? make("span", { class: "split", "aria-hidden": "true" }, "⇄") : null,
    make("span", { class: "unseen" }, `${isSplit ? ", order matters" : ""}, ${count(found.length, "vote")}`),
  );
  return make("td", { class: `tint-${Math.round(all * TINTS)}` }, button);
}

function mean(votes) {
  return votes.length ? votes.reduce((total, { outcome }) => total + outcome, 0) / votes.length : null;
}

function toggleVotes(button, details, names, votes) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  for (const other of button.closest("table").querySelectorAll("[aria-expanded=true]")) {
    other.setAttribute("aria-expanded", "false");
  }
  button.setAttribute("aria-expanded", String(!isOpen));
  put(details, isOpen ? null : makeVotes(names, votes));
}

/** Return a table with a line for each judge and step: what it said in either order. */
function makeVotes(names, votes) {
  const lines = new Map();
  for (const { step, judge, outcome, isFirst } of votes) {
    const line = lines.get(`${step} ${judge}`) ?? { step, judge, first: null, second: null };
    lines.set(`${step} ${judge}`, { ...line, [isFirst ? "first" : "second"]: outcome });
  }
  const sorted = [...lines.values()].sort((a, b) => a.step - b.step || a.judge - b.judge);
  const show = (outcome) => make("td", { class: "num" }, outcome === null ? "–" : share(outcome));
  const rows = sorted.map(({ step, judge, first, second }) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, letter(judge)),
      make("td", { class: "num" }, step),
      show(first),
      show(second),
    ),
  );
  const heads = ["Judge", "Step", "Shown first", "Shown second"];
  return make(
    "table",
    {},
    make("caption", {}, `${names}: ${count(votes.length, "vote")}`),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        heads.map((name, place) => make("th", { scope: "col", class: place ? "num" : null }, name)),
      ),
    ),
    make("tbody", {}, rows),
  );
}
