/** Lines of a body that is still coming, and the two forms in which the gateway streams. */

const LINE_CHARS_MAX = 1 << 21;

/**
 * Yield a response's lines as they come.
 * @param {Response} response
 * @returns {AsyncGenerator<string>}
 */
export async function* readLines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (pending + value).split("\n");
      pending = parts.pop();
      if (pending.length > LINE_CHARS_MAX) throw new Error("a line of the answer is too long");
      yield* parts;
    }
    if (pending) yield pending;
  } finally {
    reader.cancel().catch(() => undefined); // an aborted body is over already
  }
}

/** Yield the objects of a stream of server-sent events, up to `[DONE]`. */
export async function* readEvents(response) {
  for await (const line of readLines(response)) {
    if (!line.startsWith("data: ")) continue; // comments and the blank lines between events
    const data = line.slice("data: ".length).trimEnd();
    if (data === "[DONE]") return;
    yield JSON.parse(data);
  }
}

/** Yield the objects of a stream of JSON Lines; empty lines are beats. */
export async function* readObjects(response) {
  for await (const line of readLines(response)) {
    if (line.trim()) yield JSON.parse(line);
  }
}
