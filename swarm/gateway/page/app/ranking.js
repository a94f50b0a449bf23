/** Pane 3: strengths as dots; whiskers are the 95 % interval of the distance to the leader. */

import { draw, make, put } from "./dom.js";
import { excerpt, nameClass, share, signed } from "./words.js";

const Z_95 = 1.96;
const HEIGHT = 22; // pixels
const MARGIN = 3; // percent of the width, as all that is drawn across

/**
 * Show the ranking.
 * @param {HTMLElement} pane
 * @param {import("./round.js").Shown} shown
 */
export function showRanking(pane, { ranking, pBest, isRanked, hasAnswers }) {
  if (!isRanked) {
    const text =
      ranking.length === 1
        ? "All gave one answer: there is nothing to rank."
        : "No ballots have been counted yet.";
    put(pane, make("p", { class: "muted" }, text));
    return;
  }
  const rows = ranking.map((one) => ({ ...one, error: getError(one, ranking[0]) }));
  const scale = makeScale(rows);
  put(
    pane,
    make(
      "ol",
      { class: "ranking" },
      rows.map((row, place) =>
        make(
          "li",
          {},
          make("span", { class: "name" }, nameClass(row.authors)),
          drawRow(row, scale, place === 0),
          make(
            "span",
            { class: "strength num" },
            signed(row.strength),
            row.error === null
              ? null
              : make("span", { class: "muted" }, ` ± ${(Z_95 * row.error).toFixed(2)}`),
          ),
          hasAnswers && row.text !== null
            ? make("span", { class: "muted excerpt" }, excerpt(row.text, 60))
            : null,
        ),
      ),
    ),
    make(
      "p",
      { class: "muted small" },
      "Bradley-Terry log-strength in nats. Whiskers: 95 % interval of the distance to the leader.",
      pBest === null ? null : ` P(best) of the leader: ${share(pBest)}, if judges err independently.`,
    ),
  );
}

/** Return the standard error of an answer's distance to the leader; null where it is not known. */
function getError({ strength, lead }, leader) {
  const distance = leader.strength - strength;
  return lead === null || lead === undefined || lead <= 0 || distance <= 0 ? null : distance / lead;
}

function makeScale(rows) {
  const reach = rows.map(({ strength, error }) => (error === null ? 0 : Z_95 * error));
  const low = Math.min(0, ...rows.map(({ strength }, place) => strength - reach[place]));
  const high = Math.max(0, ...rows.map(({ strength }, place) => strength + reach[place]));
  const span = high - low || 1;
  return (value) => `${(MARGIN + ((value - low) / span) * (100 - 2 * MARGIN)).toFixed(2)}%`;
}

function drawRow({ strength, error }, scale, isLeader) {
  const middle = HEIGHT / 2;
  const line = (class_, x1, y1, x2, y2) => draw("line", { class: class_, x1, y1, x2, y2 });
  const parts = [line("zero", scale(0), 0, scale(0), HEIGHT)];
  if (error !== null) {
    const [low, high] = [scale(strength - Z_95 * error), scale(strength + Z_95 * error)];
    parts.push(line("whisker", low, middle, high, middle));
    parts.push(
      line("whisker", low, middle - 4, low, middle + 4),
      line("whisker", high, middle - 4, high, middle + 4),
    );
  }
  parts.push(
    draw("circle", {
      class: isLeader ? "dot is-leader" : "dot",
      cx: scale(strength),
      cy: middle,
      r: isLeader ? 6 : 5,
    }),
  );
  return draw("svg", { height: HEIGHT, "aria-hidden": "true", focusable: "false" }, parts);
}
