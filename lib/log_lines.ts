/** Lines of the log on their way to standard error, several in one write. */

/** How long a line may be held; a person who follows the log does not see it. */
const heldMs = 20;

/** Lines are written before more than this is held. */
const heldCharsMax = 64 * 1024;

/**
 * Holds lines for a moment, since a write for each costs a request for a few rows a tenth of its
 * time. Whoever makes one calls `flush` when the program ends.
 */
export class HeldLines {
  #held = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly write: (text: string) => void) {}

  /** Adds a whole line; `atOnce` writes it, and what is held before it, now. */
  push(line: string, atOnce: boolean): void {
    this.#held += line;
    if (atOnce || this.#held.length > heldCharsMax) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), heldMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#held;
    this.#held = "";
    if (text !== "") this.write(text);
  }
}

const encoder = new TextEncoder();

let toStandardError: HeldLines | null = null;

/** The lines that all logs of the program share; written at its end at the latest. */
export function standardError(): HeldLines {
  if (toStandardError) return toStandardError;
  const lines = toStandardError = new HeldLines((text) => {
    let bytes = encoder.encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  });
  for (const end of ["unload", "error", "unhandledrejection"]) {
    addEventListener(end, () => lines.flush());
  }
  return lines;
}
