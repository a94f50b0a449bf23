/** Numbers and names as they are shown. */

/** Return a seat's letter: seats are drawn, so letters tell nothing of who sits there. */
export function letter(seat) {
  const last = String.fromCharCode(65 + (seat % 26));
  return seat < 26 ? last : letter(Math.floor(seat / 26) - 1) + last;
}

/** Return the letters of some seats as a sentence has them: A, B and C. */
export function listSeats(seats) {
  return joinWords(seats.map(letter));
}

/** Return a candidate's short name: its authors' letters, or the first one and how many more. */
export function nameClass(authors) {
  return authors.length <= 3 ? authors.map(letter).join(" ") : `${letter(authors[0])} +${authors.length - 1}`;
}

export function joinWords(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** Return a strength in nats with its sign; a real minus. */
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/** Return a share of 1; what is not certain is never shown as certain. */
export function share(value) {
  if (value > 0.995 && value < 1) return "> 0.99";
  if (value < 0.005 && value > 0) return "< 0.01";
  return value.toFixed(2);
}

export function seconds(ms) {
  if (ms < 950) return `${Math.round(ms)} ms`;
  return ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Return the first line of a text, cut to a length. */
export function excerpt(text, most = 90) {
  const [line] = text.trim().split(/\n/u);
  const letters = [...line];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : line;
}
