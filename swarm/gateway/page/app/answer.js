/** The answer, what is known of how sure it is, and what can be done with it. */

import { make, put } from "./dom.js";
import { renderMarkdown } from "./markdown.js";
import { count, listSeats, nameClass, share } from "./words.js";

/**
 * Show the winner of a verified round.
 * @param {HTMLElement} place
 * @param {import("./round.js").Shown} shown
 */
export function showAnswer(place, { report, isClosed }) {
  if (report === null || !isClosed || report.winner === null) {
    put(place);
    return;
  }
  const [winner, second] = report.ranking;
  put(
    place,
    make(
      "article",
      { class: "answer", "aria-label": "Answer" },
      renderMarkdown(winner.text),
      make(
        "footer",
        {},
        make(
          "p",
          { class: "facts" },
          listFacts(report, winner, second).flatMap((fact, index) => (index ? [" · ", fact] : [fact])),
        ),
        makeCopy(winner.text),
      ),
    ),
  );
}

/** Show what one peer alone has said; nothing of it is signed. */
export function showAlone(place, text) {
  put(
    place,
    make(
      "article",
      { class: "answer", "aria-label": "Answer" },
      renderMarkdown(text),
      make("footer", {}, make("p", { class: "facts" }), makeCopy(text)),
    ),
  );
}

function listFacts({ pBest, flipEstimate, isUnanimous }, winner, second) {
  const facts = [`by ${listSeats(winner.authors)}`];
  if (isUnanimous || pBest === null) return facts;
  facts.push(
    make(
      "span",
      {},
      make("abbr", { title: "Certified; it holds if judges err independently" }, "P(best)"),
      ` ${share(pBest)}`,
    ),
  );
  if (second) {
    const lead = (winner.strength - second.strength).toFixed(2);
    const errors = second.lead > 0 ? `, ${second.lead.toFixed(1)} standard errors` : "";
    facts.push(`leads ${nameClass(second.authors)} by ${lead} nats${errors}`);
  }
  facts.push(
    flipEstimate === 0
      ? "by estimate no removal of judges changes it"
      : `by estimate it would change without ${count(flipEstimate, "judge")}`,
  );
  return facts;
}

function makeCopy(text) {
  const button = make("button", { type: "button", class: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy by hand";
    }
  });
  return button;
}
