/**
 * Markdown of strangers as elements. It never makes markup from text: every element is made by name here,
 * every text is a text node. Raw HTML is shown as it was written, an image is a link, and of addresses only
 * http, https and mailto are links, which show where they lead.
 */

import { make } from "./dom.js";

const DEPTH_MAX = 8; // of lists and quotations in each other
const INLINE_MAX = 20_000; // characters of a paragraph that are looked through; the rest is plain
const SCHEMES = new Set(["http:", "https:", "mailto:"]);

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*$/u;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/u;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/u;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)(.*)$/u;
const QUOTE = /^ {0,3}> ?(.*)$/u;
const DELIMITERS = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$|^ {0,3}\|\s*:?-+:?\s*\|\s*$/u;

/**
 * Return a text's elements.
 * @param {string} text
 * @returns {HTMLElement}
 */
export function renderMarkdown(text) {
  const lines = text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n");
  return make("div", { class: "prose" }, renderBlocks(lines, 0));
}

function renderBlocks(lines, depth) {
  const blocks = [];
  let place = 0;
  while (place < lines.length) {
    const line = lines[place];
    const [block, next] = readBlock(lines, place, depth, line);
    if (block !== null) blocks.push(block);
    place = next;
  }
  return blocks;
}

/** Return the block that begins at a line, or null for an empty line, and the line after it. */
function readBlock(lines, place, depth, line) {
  if (!line.trim()) return [null, place + 1];
  const fence = FENCE.exec(line);
  if (fence) return readFence(lines, place, fence[1]);
  const heading = HEADING.exec(line);
  // An answer stands under the page's own headings: its first level is the page's fourth.
  if (heading)
    return [make(`h${Math.min(6, heading[1].length + 3)}`, {}, renderInline(heading[2])), place + 1];
  if (RULE.test(line)) return [make("hr"), place + 1];
  if (depth < DEPTH_MAX && QUOTE.test(line)) return readQuote(lines, place, depth);
  if (depth < DEPTH_MAX && ITEM.test(line)) return readList(lines, place, depth);
  if (line.includes("|") && DELIMITERS.test(lines[place + 1] ?? "")) return readTable(lines, place);
  return readParagraph(lines, place, depth);
}

function readFence(lines, place, mark) {
  const end = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}\\s*$`, "u");
  let next = place + 1;
  while (next < lines.length && !end.test(lines[next])) next += 1;
  const code = lines.slice(place + 1, next).join("\n");
  return [make("pre", { tabindex: 0 }, make("code", {}, code)), next + 1];
}

function readQuote(lines, place, depth) {
  const inner = [];
  let next = place;
  for (let match; next < lines.length && (match = QUOTE.exec(lines[next])); next += 1) inner.push(match[1]);
  return [make("blockquote", {}, renderBlocks(inner, depth + 1)), next];
}

function readList(lines, place, depth) {
  const first = ITEM.exec(lines[place]);
  const isOrdered = /\d/u.test(first[2]);
  const items = [];
  let next = place;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]);
    if (!match || /\d/u.test(match[2]) !== isOrdered || RULE.test(lines[next])) break;
    const indent = match[1].length + match[2].length + Math.min(match[3].length, 4);
    const inner = [match[4]];
    next += 1;
    while (next < lines.length && belongsToItem(lines, next, indent)) {
      inner.push(lines[next].slice(Math.min(indent, lines[next].search(/\S|$/u))));
      next += 1;
    }
    items.push(make("li", {}, loosen(renderBlocks(inner, depth + 1))));
  }
  const start = isOrdered ? Number.parseInt(first[2], 10) : 1;
  return [make(isOrdered ? "ol" : "ul", { start: start === 1 ? null : start }, items), next];
}

function belongsToItem(lines, place, indent) {
  const line = lines[place];
  if (!line.trim()) return /^ {2,}\S/u.test(lines[place + 1] ?? "");
  return line.search(/\S/u) >= Math.min(indent, 2) || !(ITEM.test(line) || startsBlock(lines, place, 0));
}

/** Take the paragraph away from an item that is nothing else. */
function loosen(blocks) {
  return blocks[0]?.localName === "p" ? [...blocks[0].childNodes, ...blocks.slice(1)] : blocks;
}

function readTable(lines, place) {
  const head = splitRow(lines[place]);
  const rows = [];
  let next = place + 2;
  for (; next < lines.length && lines[next].includes("|") && lines[next].trim(); next += 1) {
    rows.push(splitRow(lines[next]).slice(0, head.length));
  }
  const cells = (row, name, attributes) => row.map((cell) => make(name, attributes, renderInline(cell)));
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, cells(head, "th", { scope: "col" }))),
    make(
      "tbody",
      {},
      rows.map((row) => make("tr", {}, cells(row, "td", {}))),
    ),
  );
  return [make("div", { class: "scroll", tabindex: 0 }, table), next];
}

function splitRow(line) {
  return line
    .trim()
    .replace(/^\||\|$/gu, "")
    .split("|")
    .map((cell) => cell.trim());
}

function readParagraph(lines, place, depth) {
  let next = place + 1;
  while (next < lines.length && lines[next].trim() && !startsBlock(lines, next, depth)) next += 1;
  const parts = [];
  for (const line of lines.slice(place, next)) {
    if (parts.length) parts.push(make("br"));
    parts.push(...renderInline(line.trim()));
  }
  return [make("p", {}, parts), next];
}

function startsBlock(lines, place, depth) {
  const line = lines[place];
  const isNested = depth < DEPTH_MAX && (QUOTE.test(line) || ITEM.test(line));
  return isNested || FENCE.test(line) || HEADING.test(line) || RULE.test(line);
}

// What can begin at a place within a line; each is tried at that place only, so no text takes long.
const INLINE = [
  [/\\([\\`*_{}[\]()#+\-.!|>~<])/uy, ([, character]) => character],
  [/(`+)(?!`)(.{1,2000}?)(?<!`)\1(?!`)/uy, ([, , code]) => make("code", {}, code.trim() || code)],
  [/!?\[([^[\]]{0,1000})\]\(\s*<?([^\s()<>]{1,2000})>?(?:\s+"[^"]{0,500}")?\s*\)/uy, makeLink],
  [/<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/uy, ([, address]) => makeLink([address, address, address])],
  [
    /https?:\/\/[^\s<>()[\]"'`*]{1,2000}[^\s<>()[\]"'`*.,;:!?]/uy,
    ([address]) => makeLink([address, address, address]),
  ],
  [/\*\*(?=\S)([^*]{1,2000}?)(?<=\S)\*\*/uy, ([, inner]) => make("strong", {}, renderInline(inner))],
  [
    /(?<![\p{L}\p{N}])__(?=\S)([^_]{1,2000}?)(?<=\S)__(?![\p{L}\p{N}])/uy,
    ([, inner]) => make("strong", {}, renderInline(inner)),
  ],
  [/(?<![\p{L}\p{N}])\*(?=\S)([^*]{1,2000}?)(?<=\S)\*/uy, ([, inner]) => make("em", {}, renderInline(inner))],
  [
    /(?<![\p{L}\p{N}])_(?=\S)([^_]{1,2000}?)(?<=\S)_(?![\p{L}\p{N}])/uy,
    ([, inner]) => make("em", {}, renderInline(inner)),
  ],
  [/~~(?=\S)([^~]{1,2000}?)(?<=\S)~~/uy, ([, inner]) => make("del", {}, renderInline(inner))],
];
const SPECIAL = /[\\`!\[<h*_~]/gu;

function renderInline(text) {
  const parts = [];
  let plain = "";
  let place = 0;
  while (place < Math.min(text.length, INLINE_MAX)) {
    SPECIAL.lastIndex = place;
    const special = SPECIAL.exec(text);
    if (special === null) break;
    plain += text.slice(place, special.index);
    place = special.index;
    const found = matchInline(text, place);
    if (found === null) {
      plain += text[place];
      place += 1;
    } else {
      if (typeof found.part === "string") plain += found.part;
      else (parts.push(plain, found.part), (plain = ""));
      place = found.end;
    }
  }
  parts.push(plain + text.slice(place));
  return parts.filter((part) => part !== "");
}

function matchInline(text, place) {
  for (const [pattern, render] of INLINE) {
    pattern.lastIndex = place;
    const match = pattern.exec(text);
    if (match !== null) return { part: render(match), end: place + match[0].length };
  }
  return null;
}

/** Return a link that shows where it leads; an address that is no link's is shown as text. */
function makeLink([whole, label, address]) {
  const target = readAddress(address);
  if (target === null) return whole;
  const shown = label.trim() || target.href;
  const link = make("a", { href: target.href, rel: "noopener noreferrer nofollow", target: "_blank" }, shown);
  if (shown === target.href || shown === address) return link;
  return make(
    "span",
    {},
    link,
    " ",
    make("small", { class: "target" }, `(${target.host || target.pathname})`),
  );
}

function readAddress(address) {
  let target;
  try {
    target = new URL(address);
  } catch {
    return null; // relative, or none: nothing here is a stranger's to link to
  }
  return SCHEMES.has(target.protocol) && !target.username && !target.password ? target : null;
}
