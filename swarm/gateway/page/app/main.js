/** The page: who is let in, what is asked, which round is looked at. */

import { verifyReceipt } from "../verifier/verify.js";
import { showAlone } from "./answer.js";
import { askQuestion, readEvents, readReceipt } from "./asking.js";
import { fillShell, isRoundEvent, readFiles, readHeld, saveAs } from "./files.js";
import { get, make, put } from "./dom.js";
import { startHistory } from "./history.js";
import { endReplay, offerReplay } from "./replay.js";
import { createView, readTurns, showRound } from "./round.js";
import {
  Refused,
  followEvents,
  getReadiness,
  getRound,
  getShell,
  listModels,
  signIn,
  signOut,
} from "./server.js";
import { makeEvents } from "./story.js";
import { count } from "./words.js";

const READY_MS = 10_000;
const ENDS = {
  unanswered: "The swarm came to no certified result.",
  cancelled: "Nobody waited for it any more.",
  interrupted: "The gateway went down meanwhile.",
  failed: "The round failed.",
};

/** @type {import("./round.js").View} */
let view = createView();
/** @type {AbortController | null} */
let asking = null;
let trust = null;

// -- what is shown -----------------------------------------------------------------------------------

function notice(error = null) {
  const text = error === null ? null : (error.message ?? String(error));
  put(get("notice"), text === null ? null : make("p", { class: "notice" }, text));
}

const actions = {
  save: () => saveAs(`${nameFile()}.receipt`, "application/octet-stream", view.bytes),
  savePage: readHeld() === null ? savePage : null,
};

function nameFile() {
  return (view.verdict?.report?.round ?? "round").slice(0, 16);
}

async function savePage() {
  try {
    saveAs(`${nameFile()}.html`, "text/html", fillShell(await getShell(), view.bytes));
  } catch (error) {
    notice(error);
  }
}

function show() {
  showRound(view, actions);
}

/** Show a round that has ended, with its slider. */
function showEnded() {
  show();
  const report = view.verdict?.report ?? null;
  const events = view.events.length || report === null ? view.events : makeEvents(report);
  const source = view.events.length ? "" : "From the receipt: no event log is at hand.";
  offerReplay(events, { source, onMove: (moment) => showRound(view, actions, moment) });
}

/** Take a receipt's bytes into the view, checked here. */
function takeReceipt(bytes) {
  const verdict = verifyReceipt(bytes, { trustedNetwork: trust });
  const { report } = verdict;
  Object.assign(view, { bytes, verdict, trust, isLive: false, id: report?.round ?? view.id });
  if (report !== null) view.turns = readTurns(report);
}

function lookAt(more) {
  view = createView({ trust, ...more });
  notice();
  endReplay();
  put(get("answer"));
}

// -- asking ------------------------------------------------------------------------------------------

async function onAsk(event) {
  event.preventDefault();
  const question = get("question").value.trim();
  if (!question || asking !== null) return;
  const model = get("model").value;
  asking = new AbortController();
  setAsking(true);
  lookAt({ turns: [{ role: "user", text: question }], isLive: true });
  const asked = view;
  show();
  try {
    const request = { model, question, signal: asking.signal };
    const { round, text } = await askQuestion(request, makeListeners(asked));
    if (view !== asked) notice("Your question was answered meanwhile; History has the round.");
    else if (round === null) showAnswerOfOne(text);
    else await finishRound(round);
  } catch (error) {
    if (view === asked) showFailure(error);
    else notice(error);
  } finally {
    asking = null;
    setAsking(false);
  }
}

function setAsking(isAsking) {
  get("stop").hidden = !isAsking;
  get("send").disabled = isAsking;
  get("round").setAttribute("aria-busy", String(isAsking));
}

/** Return what keeps a view up to date while its round goes on; it is drawn as long as it is looked at. */
function makeListeners(asked) {
  const showAsked = () => view === asked && show();
  return {
    onQueued: (ahead) => {
      asked.banner = {
        kind: "running",
        title: "Waiting.",
        text: `${count(ahead, "question")} before this one.`,
      };
      showAsked();
    },
    onRound: (round) => {
      Object.assign(asked, { banner: null, id: round });
      if (view === asked) history.pushState(null, "", `#round=${round}`);
      showAsked();
    },
    onEvent: (event) => onLiveEvent(asked, event),
    onAnswer: (peer, text) => {
      asked.revealed.set(peer, text);
      drawSoon();
    },
  };
}

let isDue = false; // one drawing does for all that comes together

/** Take an event into a view that is still live. */
function onLiveEvent(live, event) {
  if (!isRoundEvent(event) || event.round !== live.id || !live.isLive) return;
  live.events.push(event);
  drawSoon();
}

function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    if (view.isLive) show();
  });
}

async function finishRound(round) {
  const asked = view;
  const [bytes, events] = await Promise.all([readReceipt(round), readEvents(round)]);
  if (view !== asked) return;
  view.events = events.filter(isRoundEvent);
  if (bytes === null) throw new Error("the round has ended, and its receipt is gone");
  takeReceipt(bytes);
  showEnded();
}

function showAnswerOfOne(text) {
  const said = "No round, no ballots, no receipt: nothing here is certified.";
  view.banner = { kind: "alone", title: "One peer answered alone.", text: said };
  show();
  showAlone(get("answer"), text);
}

function showFailure(error) {
  const isStopped = error.name === "AbortError";
  view.isLive = false;
  view.banner = isStopped
    ? { kind: "failed", title: "Stopped.", text: "The question was taken back from every peer." }
    : { kind: "failed", title: "No answer.", text: `${error.message}.` };
  if (error.status === 401) showSignIn();
  show();
}

// -- rounds from before, and files -------------------------------------------------------------------

async function openRound(id) {
  lookAt({ id });
  const opened = view;
  try {
    const card = await getRound(id);
    if (view === opened && card.status === "running") {
      await watchRound(opened);
      return;
    }
    const [bytes, events] = await Promise.all([card.receipt_url && readReceipt(id), readEvents(id)]);
    if (view !== opened) return; // something else is looked at by now
    Object.assign(view, { turns: card.turns ?? [], events: events.filter(isRoundEvent) });
    if (bytes !== null) takeReceipt(bytes);
    else view.banner = { kind: "failed", title: "No answer.", text: card.reason ?? ENDS[card.status] ?? "" };
    showEnded();
    get("asked").focus();
  } catch (error) {
    notice(error);
    if (error.status === 401) showSignIn();
  }
}

/** Follow a round that somebody has asked and that still goes on, then open it. */
async function watchRound(opened) {
  opened.isLive = true;
  show();
  for await (const event of followEvents(opened.id)) {
    if (view !== opened) return;
    onLiveEvent(opened, event);
  }
  if (view === opened) await openRound(opened.id);
}

async function openFiles(files) {
  const opened = await readFiles(files);
  if (opened.trust !== null) trust = opened.trust;
  notice(opened.troubles.length ? opened.troubles.join("; ") : null);
  const rounds = new Map([...opened.events].map(([id, events]) => [id, { events, bytes: null }]));
  for (const { name, bytes } of opened.receipts) {
    const id = verifyReceipt(bytes).report?.round ?? name;
    rounds.set(id, { events: rounds.get(id)?.events ?? [], bytes });
  }
  listTraces(rounds);
  if (rounds.size) openTrace(...rounds.entries().next().value);
  else if (opened.trust !== null && view.bytes !== null) {
    takeReceipt(view.bytes);
    showEnded();
  }
}

function openTrace(id, { events, bytes }) {
  const { message } = get("notice").textContent ? { message: get("notice").textContent } : { message: null };
  lookAt({ id, events });
  notice(message);
  if (bytes !== null) takeReceipt(bytes);
  showEnded();
  get("asked").focus();
}

function listTraces(rounds) {
  const place = get("traces");
  place.hidden = rounds.size < 2;
  put(
    place,
    place.hidden
      ? null
      : [
          make("label", { for: "trace" }, `${count(rounds.size, "round")} in these files`),
          make(
            "select",
            { id: "trace", onchange: ({ target }) => openTrace(target.value, rounds.get(target.value)) },
            [...rounds].map(([id, { bytes }]) =>
              make(
                "option",
                { value: id },
                `${id.slice(0, 16)}${bytes === null ? "" : ", with its receipt"}`,
              ),
            ),
          ),
        ],
  );
}

// -- coming in ---------------------------------------------------------------------------------------

function showSignIn() {
  get("sign-in").hidden = false;
  get("ask").hidden = true;
  get("open-history").hidden = get("sign-out").hidden = true;
}

async function enter() {
  const models = await listModels();
  get("sign-in").hidden = true;
  get("ask").hidden = get("open-history").hidden = get("sign-out").hidden = false;
  put(
    get("model"),
    models.map(({ id, description }) => make("option", { value: id, "data-about": description }, id)),
  );
  showAbout();
  showReadiness();
}

function showAbout() {
  put(get("model-about"), get("model").selectedOptions[0]?.dataset.about ?? "");
}

async function showReadiness() {
  const ready = await getReadiness();
  const text = ready === null ? "The gateway does not answer." : (ready.reason ?? "The swarm is ready.");
  put(get("swarm"), make("span", { class: ready?.status === "ready" ? "is-up" : "is-down" }, text));
}

async function onSignIn(event) {
  event.preventDefault();
  try {
    await signIn({ key: get("key").value.trim() });
    get("key").value = "";
    notice();
    await enter();
    get("question").focus();
  } catch (error) {
    notice(error);
  }
}

/** Show the round that this file holds; there is no gateway to ask. */
function startAlone(bytes) {
  get("open-history").hidden = true;
  lookAt({});
  takeReceipt(bytes);
  showEnded();
}

async function start() {
  const held = readHeld();
  if (held !== null) {
    startAlone(held);
    return;
  }
  const words = new URLSearchParams(location.hash.slice(1));
  const code = words.get("code");
  if (code !== null) history.replaceState(null, "", "/"); // a code is nobody's bookmark
  try {
    if (code !== null) await signIn({ code }).catch(notice);
    await enter();
    get("question").focus();
    if (words.has("round")) await openRound(words.get("round"));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status !== 401) notice(error);
    showSignIn();
  }
}

function listen() {
  get("ask").addEventListener("submit", onAsk);
  get("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) get("ask").requestSubmit();
  });
  get("stop").addEventListener("click", () => asking?.abort());
  get("model").addEventListener("change", showAbout);
  get("sign-in").addEventListener("submit", onSignIn);
  get("sign-out").addEventListener("click", () => signOut().then(showSignIn, notice));
  get("open-file").addEventListener("click", () => get("files").click());
  get("files").addEventListener("change", ({ target }) =>
    openFiles([...target.files]).then(() => (target.value = "")),
  );
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) openFiles([...event.dataTransfer.files]);
  });
  addEventListener("popstate", () => {
    const round = new URLSearchParams(location.hash.slice(1)).get("round");
    if (round !== null && round !== view.id) openRound(round);
  });
  startHistory({
    onOpen: (id) => {
      history.pushState(null, "", `#round=${id}`);
      openRound(id);
    },
    onError: notice,
  });
  setInterval(() => get("ask").hidden || document.hidden || showReadiness(), READY_MS);
}

listen();
start();
