/** Named prepared statements of one connection, the longest unused forgotten first. */

import type { Messages } from "./messages.ts";

export class StatementCache {
  /** Name by text, in the order of their last use. */
  readonly #names = new Map<string, string>();
  /** Sent and not yet confirmed, in order. */
  #sent: { text: string; name: string }[] = [];
  /** Known to PostgreSQL and of no more use. */
  #outdated: string[] = [];
  #count = 0;

  constructor(readonly entriesMax: number) {}

  /**
   * The name of a statement; adds what makes it known to PostgreSQL where it is not, and then asks
   * what it gives. Asking once is enough: PostgreSQL refuses a known statement whose columns change.
   */
  use(text: string, messages: Messages, worthKeeping = true): string {
    const known = this.#names.get(text);
    if (known !== undefined) {
      this.#names.delete(text);
      this.#names.set(text, known);
      return known;
    }
    const sent = this.#sent.find((sent) => sent.text === text);
    if (sent && sent.name !== "") return sent.name;
    // The empty name is the statement that the next Parse replaces: for what is not worth keeping.
    const kept = worthKeeping && this.entriesMax > 0 && text.length <= textLengthMax;
    const name = kept ? `s${this.#count++}` : "";
    messages.parse(name, text).describeStatement(name);
    this.#sent.push({ text, name });
    return name;
  }

  /** Closes what is too many or out of date; called before a read's first `use`. */
  trim(messages: Messages): void {
    for (const name of this.#outdated) messages.closeStatement(name);
    this.#outdated = [];
    for (const [text, name] of this.#names) {
      if (this.#names.size < this.entriesMax) break;
      messages.closeStatement(name);
      this.#names.delete(text);
    }
  }

  /** PostgreSQL confirmed the oldest that was sent. */
  parsed(): void {
    const sent = this.#sent.shift();
    if (sent && sent.name !== "") this.#names.set(sent.text, sent.name);
  }

  /** What was sent behind an error was never taken. */
  settle(): void {
    this.#sent = [];
  }

  /** After PostgreSQL refused one as unknown or out of date: all are parsed anew. */
  forget(): void {
    this.#outdated.push(...this.#names.values());
    this.#names.clear();
  }
}

/** Longer texts have long lists of values in them, and are seldom asked twice. */
const textLengthMax = 64 * 1024;
