/**
 * Which answers are one candidate: merge key version 1, as the text of ranking/merge.py defines it. The key
 * looks at bytes through ASCII only; bytes above 0x7f are kept as they are.
 */

import { toCharacters } from "./bytes.js";

const FILLERS = [
  "**final answer:**",
  "**final answer**:",
  "**answer:**",
  "**answer**:",
  "so the answer is",
  "the final answer is",
  "the correct answer is",
  "the answer is",
  "the result is",
  "my final answer is",
  "my answer is",
  "the final answer:",
  "the answer:",
  "final answer:",
  "answer:",
  "answer is",
  "result:",
  "it is",
  "it's",
  "that is",
  "that's",
];
const FRONT = ":= ";
const BACK = ".,;: ";
const PAIRED = "\"'`*_~";
const LETTERS_IN_PARENTHESES = /^\(([a-z]+)\)$/;
const NUMBER = /^([+-]?) *(?:([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]*))?|\.([0-9]+))$/;

/**
 * Return the key under which a text is merged: texts are one candidate exactly if their keys are equal.
 * @param {Uint8Array} text UTF-8.
 * @returns {string} One character a byte.
 */
export function computeKey(text) {
  const lower = toCharacters(text).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const core = unwrap(lower.replace(/[ \t\n\v\f\r]+/g, " ").replace(/^ | $/g, ""));
  return toPlainNumber(core) ?? core;
}

/**
 * Group answers with equal keys.
 * @param {readonly { seat: number, text: Uint8Array }[]} answers By rising seat.
 * @returns {number[][]} Authors of each class by rising seat, classes by lowest author.
 */
export function mergeAnswers(answers) {
  /** @type {Map<string, number[]>} */
  const authors = new Map(); // in the order of first authors
  for (const { seat, text } of answers) {
    const key = computeKey(text);
    const seats = authors.get(key);
    if (seats === undefined) authors.set(key, [seat]);
    else seats.push(seat);
  }
  return [...authors.values()];
}

/**
 * Take off marks, wrappings and fillers until nothing applies any more (rule 3). Only the bounds move, so the
 * time is linear in the length.
 * @param {string} text
 * @returns {string}
 */
function unwrap(text) {
  let [start, end] = [0, text.length];
  for (;;) {
    const before = end - start;
    [start, end] = skipMarks(text, start, end);
    const isPaired = end - start > 2 && text[start] === text[end - 1] && PAIRED.includes(text[start]);
    if (isPaired) [start, end] = [start + 1, end - 1];
    start = skipFiller(text, start, end);
    if (end - start === before) break;
  }
  const core = text.slice(start, end);
  return LETTERS_IN_PARENTHESES.exec(core)?.[1] ?? core;
}

/**
 * @param {string} text
 * @param {number} start
 * @param {number} end
 * @returns {[number, number]} The bounds without outer marks; as given, if nothing would remain.
 */
function skipMarks(text, start, end) {
  let [low, high] = [start, end];
  while (low < high && FRONT.includes(text[low])) low += 1;
  while (low < high && BACK.includes(text[high - 1])) high -= 1;
  return low < high ? [low, high] : [start, end];
}

/**
 * @param {string} text
 * @param {number} start
 * @param {number} end
 * @returns {number} The start behind one filler and the marks after it; as given, if nothing would remain.
 */
function skipFiller(text, start, end) {
  for (const filler of FILLERS) {
    let after = start + filler.length;
    if (after >= end || !text.startsWith(filler, start)) continue;
    if (/[a-z]$/.test(filler) && text[after] !== " " && text[after] !== ":") continue;
    while (after < end && FRONT.includes(text[after])) after += 1;
    return after < end ? after : start;
  }
  return start;
}

/**
 * @param {string} text
 * @returns {string | null} The number written plainly (rule 4), null if the text is none.
 */
function toPlainNumber(text) {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const whole = (match[2] ?? "").replace(/,/g, "").replace(/^0+/, "") || "0";
  const fraction = (match[3] ?? match[4] ?? "").replace(/0+$/, "");
  const number = fraction === "" ? whole : `${whole}.${fraction}`;
  return match[1] === "-" && number !== "0" ? `-${number}` : number;
}
