/** One question from the form to its end: what comes live, and what the receipt says of it. */

import { Refused, ask, followEvents, getReceipt } from "./server.js";

/**
 * Ask, and say what becomes of it.
 * @param {{ model: string, question: string, signal: AbortSignal }} request
 * @param {object} listeners
 * @param {(ahead: number) => void} listeners.onQueued
 * @param {(round: string) => void} listeners.onRound
 * @param {(event: object) => void} listeners.onEvent
 * @param {(peer: string, text: string) => void} listeners.onAnswer A peer's first digits, and what it said.
 * @returns {Promise<{ round: string | null, text: string }>}
 */
export async function askQuestion({ model, question, signal }, { onQueued, onRound, onEvent, onAnswer }) {
  const following = new AbortController();
  const stop = () => following.abort();
  signal.addEventListener("abort", stop, { once: true });
  let round = null;
  let text = "";
  try {
    for await (const { choices, swarm_progress: progress } of ask(model, question, signal)) {
      if (progress?.event === "queued") onQueued(progress.ahead);
      if (progress?.event === "round.asked") {
        round = progress.round_id;
        onRound(round);
        follow(round, following.signal, onEvent);
      }
      if (progress?.event === "answer.revealed") onAnswer(progress.peer, progress.text);
      text += choices.map(({ delta }) => delta.content ?? "").join("");
    }
  } finally {
    stop();
    signal.removeEventListener("abort", stop);
  }
  return { round, text };
}

/** Hand on a round's events; that they end early spoils the picture, never the answer. */
async function follow(round, signal, onEvent) {
  try {
    for await (const event of followEvents(round, signal)) onEvent(event);
  } catch (error) {
    if (error.name !== "AbortError") console.warn("the round's events ended early:", error.message);
  }
}

/** Return all events of a round that has ended; none where its log is gone. */
export async function readEvents(round) {
  const events = [];
  try {
    for await (const event of followEvents(round)) events.push(event);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  return events;
}

/** Return a round's receipt; null where it has none. */
export async function readReceipt(round) {
  try {
    return await getReceipt(round);
  } catch (error) {
    if (error instanceof Refused && error.code === "receipt_not_found") return null;
    throw error;
  }
}
