/** Pane 1: who thinks, how long the sealed answers are, and their texts once they are revealed. */

import { make, put } from "./dom.js";
import { renderMarkdown } from "./markdown.js";
import { count, excerpt, letter } from "./words.js";

const DOING = {
  thinking: "thinking",
  sealed: "sealed",
  revealing: "revealing",
  voting: "agreeing on the set",
  judging: "judging",
  done: "done",
  halted: "left the round",
  silent: "no word of it",
};
const PEER_DIGITS = 16; // by which progress names a peer
const OPEN_CHARS_MAX = 160; // shorter answers need no fold

/**
 * Show the seats.
 * @param {HTMLElement} pane
 * @param {import("./round.js").Shown} shown
 */
export function showSeats(pane, { story, report, hasAnswers, isClosed, revealed }) {
  const open = new Set([...pane.querySelectorAll("details[open]")].map(({ dataset }) => dataset.seat));
  const winners = isClosed && report?.winner !== null ? (report?.ranking[0].authors ?? []) : [];
  const rows = story.seats.map((told) => {
    const seat = report?.seats[told.seat] ?? null;
    const text = hasAnswers
      ? (seat?.answer ?? null)
      : (revealed.get(told.peer?.slice(0, PEER_DIGITS)) ?? null);
    const isWinner = winners.includes(told.seat);
    return make(
      "li",
      { class: isWinner ? "seat is-winner" : "seat" },
      make(
        "div",
        { class: "line" },
        make("span", { class: "letter", "aria-hidden": "true" }, letter(told.seat)),
        make(
          "span",
          { class: "who" },
          make("span", { class: "unseen" }, `Seat ${letter(told.seat)}: `),
          isClosed && seat ? nameSeat(seat) : describeDoing(told, report, isClosed),
        ),
        make(
          "span",
          { class: "tokens" },
          isWinner ? make("span", { class: "won" }, "★ won ") : null,
          told.tokens === null ? null : count(told.tokens, "token"),
        ),
      ),
      text === null ? makeReason(told) : showText(text, told.seat, open.has(String(told.seat))),
    );
  });
  const note = revealed.size ? "Revealed, not certified yet." : null;
  put(pane, note && make("p", { class: "muted small" }, note), make("ol", { class: "seats" }, rows));
}

function describeDoing(told, report, isClosed) {
  const word = DOING[told.doing];
  const isBusy = ["thinking", "judging"].includes(told.doing) && !isClosed;
  return make("span", { class: isBusy ? "doing is-busy" : "doing" }, word);
}

function nameSeat({ label, key, weight, answer }) {
  const facts = [`key ${key.slice(0, 8)}`];
  if (weight !== 1) facts.push(`weight ${weight.toFixed(2)}`);
  if (answer === null) facts.push("no answer counted");
  return [
    make("span", { class: "label" }, label),
    " ",
    make("span", { class: "muted small" }, facts.join(" · ")),
  ];
}

function makeReason({ reason }) {
  return reason ? make("p", { class: "reason small" }, excerpt(reason, 200)) : null;
}

function showText(text, seat, isOpen) {
  if (text.length <= OPEN_CHARS_MAX && !text.trim().includes("\n")) return renderMarkdown(text);
  return make(
    "details",
    { "data-seat": seat, open: isOpen },
    make("summary", {}, excerpt(text, 120)),
    renderMarkdown(text),
  );
}
