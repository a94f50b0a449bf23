/** The drawer with earlier rounds, and what is sought in them. */

import { get, make, put } from "./dom.js";
import { listRounds } from "./server.js";
import { count, excerpt, share } from "./words.js";

const TYPING_MS = 200;

/**
 * Make the drawer work.
 * @param {{ onOpen: (id: string) => void, onError: (error: Error) => void }} options
 */
export function startHistory({ onOpen, onError }) {
  const [drawer, search, list, more, found] = ["history", "search", "rounds", "more", "found"].map(get);
  let next = null;
  let asked = 0;
  let typing = 0;

  async function load(isMore) {
    const number = (asked += 1);
    try {
      const page = await listRounds({ search: search.value.trim(), after: isMore ? next : null });
      if (number !== asked) return; // something else has been typed since
      next = page.has_more ? page.last_id : null;
      more.hidden = next === null;
      const rows = page.data.map((card) =>
        makeRow(card, (id) => {
          drawer.close();
          onOpen(id);
        }),
      );
      if (isMore) list.append(...rows);
      else put(list, rows);
      const shown = count(list.children.length, "round");
      put(
        found,
        list.children.length
          ? `${shown}${next === null ? "" : ", and older ones"}`
          : "No round is like that.",
      );
    } catch (error) {
      drawer.close();
      onError(error);
    }
  }

  get("open-history").addEventListener("click", () => {
    drawer.showModal();
    search.focus();
    load(false);
  });
  get("close-history").addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (event) => event.target === drawer && drawer.close()); // beside the drawer
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => load(false), TYPING_MS);
  });
  more.addEventListener("click", () => load(true));
}

function makeRow({ id, created, model, status, question, answer, p_best: pBest }, onOpen) {
  const facts = [new Date(created * 1000).toLocaleString(), model];
  if (pBest !== null) facts.push(`P(best) ${share(pBest)}`);
  return make(
    "li",
    {},
    make(
      "button",
      { type: "button", class: "past", onclick: () => onOpen(id) },
      make(
        "span",
        { class: "question" },
        question === null ? `Round ${id.slice(0, 8)}` : excerpt(question, 140),
      ),
      answer === null ? null : make("span", { class: "said" }, excerpt(answer, 100)),
      make(
        "span",
        { class: "muted small" },
        make("span", { class: `status is-${status}` }, status),
        ` · ${facts.join(" · ")}`,
      ),
    ),
  );
}
