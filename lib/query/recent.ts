/** What was made of a text, kept for those who ask with the same; the least recently used goes first. */
export class Recent<Value> {
  readonly #values = new Map<string, Value>();

  constructor(private readonly entriesMax: number) {}

  find(text: string): Value | undefined {
    const known = this.#values.get(text);
    if (known === undefined) return undefined;
    this.#values.delete(text);
    this.#values.set(text, known);
    return known;
  }

  keep(text: string, value: Value): void {
    // A long text is hardly asked twice, and a thousand of them would be a gigabyte.
    if (text.length > keptTextMax) return;
    this.#values.set(text, value);
    if (this.#values.size <= this.entriesMax) return;
    const oldest = this.#values.keys().next();
    if (!oldest.done) this.#values.delete(oldest.value);
  }
}

const keptTextMax = 16 * 1024;
