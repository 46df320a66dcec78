/** Words for people, on standard error; standard output is for what programs read. */

const encoder = new TextEncoder();

/** Writes a line for people. */
export function say(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}

/** Writes what was asked for to standard output, whole. */
export function answer(text: string): void {
  answerBytes(encoder.encode(text));
}

/** The same for bytes, one after the other. */
export function answerBytes(...parts: readonly Uint8Array[]): void {
  for (let bytes of parts) {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
  }
}

/**
 * A progress line that is written over in a terminal, and at most every few seconds elsewhere.
 * `what` is said in front: `sample shop: 250,000 of 1,000,000 rows (25%)`.
 */
export function progress(what: string, unit = "rows"): (done: number, total: number) => void {
  const terminal = Deno.stderr.isTerminal();
  const everyMs = terminal ? 100 : 3000;
  let last = 0;
  return (done, total) => {
    const now = Date.now();
    if (done < total && now - last < everyMs) return;
    last = now;
    const percent = Math.floor(100 * done / Math.max(1, total));
    const text = `${what}: ${count(done)} of ${count(total)} ${unit} (${percent}%)`;
    Deno.stderr.writeSync(
      encoder.encode(terminal ? `\r${text}${done < total ? "" : "\n"}` : `${text}\n`),
    );
  };
}

const count = (number: number) => number.toLocaleString("en");
