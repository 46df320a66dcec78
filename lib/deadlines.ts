/** Deadlines of the same length, many at a time, on one timer of the system. */

interface Deadline {
  readonly at: number;
  readonly act: () => void;
}

/** Those of one length: the oldest is the first to pass, so one timer does for all. */
class Queue {
  readonly #deadlines = new Set<Deadline>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ms: number) {}

  add(act: () => void): () => void {
    const deadline = { at: performance.now() + this.ms, act };
    this.#deadlines.add(deadline);
    this.#timer ??= setTimeout(() => this.#pass(), this.ms);
    return () => {
      this.#deadlines.delete(deadline);
      if (this.#deadlines.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  #pass(): void {
    this.#timer = undefined;
    const passed: Deadline[] = [];
    for (const deadline of this.#deadlines) {
      const left = deadline.at - performance.now();
      if (left > 0) {
        this.#timer = setTimeout(() => this.#pass(), Math.ceil(left));
        break;
      }
      passed.push(deadline);
    }
    // Last, since it may set a new one, which must not be taken for the first to pass.
    for (const deadline of passed) if (this.#deadlines.delete(deadline)) deadline.act();
  }
}

const queues = new Map<number, Queue>();

/** Lengths come from the configuration: there are a few, and never many. */
const queuesMax = 64;

/** PostgreSQL and timers count with 32 bits. */
export const timerMsMax = 2 ** 31 - 1;

/**
 * Calls `act` when so many milliseconds have passed, unless the function that it gives was called
 * before. For what is awaited thousands of times a second and hardly ever comes too late: a timer of
 * its own for each costs more than the waiting.
 */
export function deadline(ms: number, act: () => void): () => void {
  const length = Math.min(ms, timerMsMax);
  let queue = queues.get(length);
  if (!queue) {
    queue = new Queue(length);
    if (queues.size < queuesMax) queues.set(length, queue);
  }
  return queue.add(act);
}
