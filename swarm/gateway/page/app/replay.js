/** A slider over a round's events, from the first to the last. */

import { get, make, put } from "./dom.js";
import { count, letter, seconds } from "./words.js";

const PLAY_MS = 12_000; // a whole round, whatever it took
const TICK_MS_MIN = 60;

/**
 * Offer a round's events for replay; fewer than two are none.
 * @param {object[]} events
 * @param {{ source: string, onMove: (moment: number | null) => void }} options Given how many have happened.
 */
export function offerReplay(events, { source, onMove }) {
  const place = get("replay");
  stop(place);
  place.hidden = events.length < 2;
  if (place.hidden) {
    put(place);
    return;
  }
  const seatOf = new Map(
    events.filter(({ event }) => event === "round_opened").map(({ peer, seat }) => [peer, seat]),
  );
  const slider = make("input", {
    type: "range",
    id: "moment",
    min: 1,
    max: events.length,
    step: 1,
    value: events.length,
  });
  const said = make("output", { for: "moment" });
  const play = make("button", { type: "button" }, "Play");
  const move = () => {
    const moment = Number(slider.value);
    const text = describe(events[moment - 1], events[0], seatOf);
    put(said, text);
    slider.setAttribute("aria-valuetext", text);
    onMove(moment === events.length ? null : moment);
  };
  const halt = () => {
    stop(place);
    play.textContent = "Play";
  };
  slider.addEventListener("input", () => (halt(), move()));
  play.addEventListener("click", () => {
    if (place.dataset.timer) {
      halt();
      return;
    }
    if (slider.value === slider.max) slider.value = slider.min;
    play.textContent = "Pause";
    place.dataset.timer = String(
      setInterval(
        () => {
          slider.value = String(Number(slider.value) + 1);
          move();
          if (slider.value === slider.max) halt();
        },
        Math.max(TICK_MS_MIN, PLAY_MS / events.length),
      ),
    );
    move();
  });
  put(
    place,
    make("div", { class: "row" }, make("label", { for: "moment" }, "Replay"), play, slider),
    make("p", { class: "small muted" }, said, ` ${source}`),
  );
  put(said, describe(events.at(-1), events[0], seatOf));
}

/** Take the slider away. */
export function endReplay() {
  const place = get("replay");
  stop(place);
  place.hidden = true;
  put(place);
}

function stop(place) {
  clearInterval(Number(place.dataset.timer));
  delete place.dataset.timer;
}

function describe(event, first, seatOf) {
  const who = seatOf.has(event.peer) ? `${letter(seatOf.get(event.peer))}: ` : "";
  const when = event.t_ms === null || first.t_ms === null ? "" : `${seconds(event.t_ms - first.t_ms)}, `;
  const what = event.event.replaceAll("_", " ");
  const more =
    {
      answer_written: () => `, ${count(event.tokens, "token")}`,
      phase_reached: () => ` ${event.phase} of step ${event.step}`,
      step_decided: () => ` ${event.step}, ${event.status}`,
      round_closed: () => `, ${event.status}`,
    }[event.event]?.() ?? "";
  return `${when}${who}${what}${more}.`;
}
