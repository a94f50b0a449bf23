/** What the page asks of the gateway: OpenAI's interface and the rounds beside it, let in by a cookie. */

import { readEvents, readObjects } from "./lines.js";

/** A refusal, in the gateway's own words. */
export class Refused extends Error {
  constructor(status, { message, code, remedy, round_id: round } = {}) {
    super(remedy ? `${message}; ${remedy}` : (message ?? `the gateway answered ${status}`));
    this.status = status;
    this.code = code ?? null;
    this.round = round ?? null;
  }
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { message: "the gateway does not answer", remedy: "is `peerage serve` still up?" });
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(response.status, body.error);
}

async function getJson(path) {
  return (await call(path)).json();
}

function post(path, value, signal) {
  const headers = { "content-type": "application/json" };
  return call(path, { method: "POST", headers, body: JSON.stringify(value), signal });
}

/** Exchange a code or a key for this browser's session. */
export async function signIn(shown) {
  await post("/session", shown);
}

export async function signOut() {
  await call("/session", { method: "DELETE" });
}

export async function listModels() {
  return (await getJson("/v1/models")).data;
}

/** Return whether questions are taken, and why not; null where nobody answers. */
export async function getReadiness() {
  const response = await fetch("/readyz", { cache: "no-store" }).catch(() => null);
  return response === null ? null : response.json();
}

export function listRounds({ search = "", after = null } = {}) {
  const query = new URLSearchParams({ limit: "20" });
  if (search) query.set("search", search);
  if (after) query.set("after", after);
  return getJson(`/v1/rounds?${query}`);
}

export function getRound(id) {
  return getJson(`/v1/rounds/${id}`);
}

export async function getReceipt(id) {
  return new Uint8Array(await (await call(`/v1/rounds/${id}/receipt`)).arrayBuffer());
}

/** Return the page as one file, with a place for a receipt. */
export async function getShell() {
  return (await call("/one-file.html")).text();
}

/** Yield a round's events; of one under way also those to come. */
export async function* followEvents(id, signal) {
  yield* readObjects(await call(`/v1/rounds/${id}/events?follow=true`, { signal }));
}

/** Yield the chunks of an answer, progress among them. */
export async function* ask(model, question, signal) {
  const response = await post(
    "/v1/chat/completions",
    {
      model,
      messages: [{ role: "user", content: question }],
      stream: true,
      swarm: { progress: "events", provenance: true, banner: false },
    },
    signal,
  );
  for await (const chunk of readEvents(response)) {
    if (chunk.error) throw new Refused(response.status, chunk.error);
    yield chunk;
  }
}
