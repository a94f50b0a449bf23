/** Pane 4: the receipt's checks, done here from its bytes; and what a changed byte does to them. */

import { verifyReceipt } from "../verifier/verify.js";
import { make, put } from "./dom.js";

const SIGNS = { ok: "✓", failed: "✗", skipped: "–", "not reached": "·" };
const SAID = { ok: "holds", failed: "failed", skipped: "skipped", "not reached": "not reached" };

/**
 * Show the receipt of a round.
 * @param {HTMLElement} pane
 * @param {import("./round.js").View} view
 * @param {{ save: () => void, savePage: (() => void) | null }} actions
 */
export function showChecks(pane, { verdict, bytes, trust }, { save, savePage }) {
  if (verdict === null) {
    put(pane, make("p", { class: "muted" }, "The receipt comes with the end of the round."));
    return;
  }
  const list = make("div", { "aria-live": "polite" }, makeList(verdict));
  const flip = make("button", { type: "button", "aria-pressed": "false" }, "Change one byte");
  flip.addEventListener("click", () => toggleFlip(flip, list, { verdict, bytes, trust }));
  put(
    pane,
    list,
    verdict.isConsistent
      ? make(
          "p",
          { class: "proves" },
          "This proves who signed and how the winner was computed, not that the answer is true.",
        )
      : null,
    make(
      "div",
      { class: "row" },
      make("button", { type: "button", onclick: save }, "Save receipt"),
      savePage && verdict.isConsistent
        ? make("button", { type: "button", onclick: savePage }, "Save as a page")
        : null,
      verdict.isConsistent ? flip : null,
    ),
    verdict.report === null ? null : makeDigests(verdict.report, bytes),
  );
}

function makeList({ checks, isConsistent, isTrusted, failedStep }) {
  const word = isConsistent ? "Consistent" : `Not consistent: check ${failedStep} failed.`;
  const trusted = isTrusted ? ", and of the network you trust." : ".";
  return [
    make(
      "p",
      { class: isConsistent ? "verdict is-ok" : "verdict is-failed" },
      word,
      isConsistent ? trusted : null,
    ),
    isConsistent && !isTrusted
      ? make(
          "p",
          { class: "muted small" },
          "Not trusted yet: its keys are self-declared. Open the network's .genesis file to name it.",
        )
      : null,
    make(
      "ol",
      { class: "checks" },
      checks.map(({ name, outcome, detail }) =>
        make(
          "li",
          { class: `check is-${outcome.replace(" ", "-")}` },
          make("span", { class: "sign", "aria-hidden": "true" }, SIGNS[outcome]),
          make(
            "span",
            {},
            make("span", { class: "name" }, name),
            make("span", { class: "unseen" }, `: ${SAID[outcome]}`),
            detail ? make("span", { class: "detail" }, detail) : null,
          ),
        ),
      ),
    ),
  ];
}

/** Check the same bytes with one of them changed, or the true ones again. */
function toggleFlip(button, list, { verdict, bytes, trust }) {
  const isFlipped = button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", String(!isFlipped));
  button.textContent = isFlipped ? "Change one byte" : "Change it back";
  if (isFlipped) {
    put(list, makeList(verdict));
    return;
  }
  const place = Math.floor(Math.random() * bytes.length);
  const changed = bytes.slice();
  changed[place] ^= 1 << Math.floor(Math.random() * 8);
  const where = `Byte ${place + 1} of ${bytes.length}`;
  const said = `${where} read as ${hex(changed[place])} instead of ${hex(bytes[place])}; the file is whole.`;
  put(
    list,
    make("p", { class: "small flipped" }, said),
    makeList(verifyReceipt(changed, { trustedNetwork: trust })),
  );
}

function hex(byte) {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

function makeDigests({ round, network, networkName, resultDigest, receiptDigest, standing }, bytes) {
  const rows = [
    ["Round", round],
    ["Network", `${network} (calls itself ${networkName})`],
    ["Result", resultDigest],
    ["Receipt", `${receiptDigest}, ${bytes.length.toLocaleString("en")} bytes`],
  ];
  if (standing !== null)
    rows.push(["Builds on", `${standing.rounds} rounds before, the last ${standing.round}`]);
  return make(
    "details",
    { class: "digests" },
    make("summary", {}, "Digests"),
    make(
      "dl",
      {},
      rows.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
    ),
  );
}
