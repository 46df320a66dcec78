/** How many of something a second, of a count that only grows. */
export class Rate {
  #since = { at: performance.now(), count: 0 };

  /** Of the time since the last answer of its own; within a second of that the one it is given. */
  perSecond(count: number, known: number): number {
    const now = performance.now();
    const seconds = (now - this.#since.at) / 1000;
    if (seconds < 1) return known;
    const rate = Math.round((count - this.#since.count) / seconds);
    this.#since = { at: now, count };
    return rate;
  }
}
