/**
 * The one loop of every worker: pull, encode, park what cannot be encoded, write, park what the
 * destination refuses for good, and last the progress. Nothing is lost whenever it ends, since progress comes after all else; what was written
 * twice is the sink's to recognise.
 *
 * While one payload is being written the next is pulled and encoded, and no more: memory is two
 * pulls of each feed, however slow the destination is.
 */

import { AppError, type ErrorCode } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { park, REFUSALS_HEADER } from "../lib/events/dead.ts";
import { type Feed, type Pulled, rangeOf } from "../lib/events/feed.ts";
import { release } from "../lib/events/large_messages.ts";
import { CONTENT_TYPE, HEADER } from "../lib/events/names.ts";
import type { EventMessage } from "../lib/events/puller.ts";
import type { Log } from "../lib/log.ts";
import { pause } from "../lib/waiting.ts";
import {
  type Encode,
  type Encoded,
  type Part,
  PlaceLost,
  type RefusedPart,
  type Sink,
} from "./sink.ts";

export interface DeliverOptions<Payload> {
  /** The worker's name: what it refuses is parked under it. */
  readonly worker: string;
  readonly nats: Nats;
  /** Taken in turn, each in its own order: the worker's stream, and what is replayed to it. */
  readonly feeds: readonly Feed[];
  readonly encode: Encode<Payload>;
  readonly sink: Sink<Payload>;
  readonly log: Log;
  /** The longest wait between two tries. */
  readonly retryWaitMsMax: number;
  /** What is being written when the signal comes may take so long. */
  readonly drainMsMax: number;
  /** Ends the loop. */
  readonly signal: AbortSignal;
  readonly watch?: DeliverWatch;
}

/** Called back as things happen, for metrics and readiness. */
export interface DeliverWatch {
  /** A pull was stored, and is progress. */
  written?(done: {
    readonly feed: string;
    readonly lastSequence: number;
    readonly messages: number;
    readonly rows: number;
    readonly refused: number;
    /** What the stream holds behind it. */
    readonly pending: number;
  }): void;
  /** It waits: for whom, and why. Called for each try. */
  waiting?(whom: string, reason: string): void;
}

/**
 * Delivers until the signal is aborted. Throws what waiting cannot mend, such as a stream that is
 * another one than before.
 */
export async function deliver<Payload>(given: DeliverOptions<Payload>): Promise<void> {
  if (given.signal.aborted) return;
  // Also when a feed or the sink ends the loop, since the other feeds wait then.
  const over = new AbortController();
  const options = { ...given, signal: AbortSignal.any([given.signal, over.signal]) };
  const { feeds, sink, signal } = options;
  // The write under way may end; only one that takes too long is cut off.
  const drained = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onStop = () => timer = setTimeout(() => drained.abort(), options.drainMsMax);
  signal.addEventListener("abort", onStop, { once: true });
  try {
    await connectSink(options);
    const arrivals = new Arrivals<Arrived<Payload>>();
    for (const feed of feeds) arrivals.expect(new Lane(feed, options).next());
    while (!signal.aborted) {
      const { lane, taken } = await arrivals.next();
      if (signal.aborted) break;
      await lane.deliver(taken, drained.signal);
      arrivals.expect(lane.next());
    }
  } catch (error) {
    if (!signal.aborted || !(error instanceof AppError) || !isPassing(error)) throw error;
  } finally {
    over.abort();
    clearTimeout(timer);
    await Promise.all([...feeds.map((feed) => feed.close()), sink.close()]);
  }
}

/** A pull, and what the sink takes for it. */
interface Taken<Payload> {
  readonly pulled: Pulled;
  /** Those of the pull that could be encoded. */
  readonly messages: readonly EventMessage[];
  readonly encoded: Encoded<Payload>;
}

/** What came from a feed. */
interface Arrived<Payload> {
  readonly lane: Lane<Payload>;
  readonly taken: Taken<Payload>;
}

/**
 * Takes what several promises give, in the order in which it comes. `Promise.race` would keep all of
 * it in memory, for as long as one of the promises waits: a feed can be silent for days.
 */
class Arrivals<Value> {
  private readonly arrived: ({ readonly value: Value } | { readonly error: unknown })[] = [];
  private wake = () => {};

  expect(coming: Promise<Value>): void {
    const put = (one: { readonly value: Value } | { readonly error: unknown }) => {
      this.arrived.push(one);
      this.wake();
    };
    coming.then((value) => put({ value }), (error) => put({ error }));
  }

  /** The next one; throws what a promise was rejected with. */
  async next(): Promise<Value> {
    for (;;) {
      const one = this.arrived.shift();
      if (one && "error" in one) throw one.error;
      if (one) return one.value;
      await new Promise<void>((resolve) => this.wake = resolve);
    }
  }
}

/** One feed: what was pulled of it next, and its way through the sink. */
class Lane<Payload> {
  /** Pulled while the one before is written; it fails with its feed, and is then pulled again. */
  private ahead: Promise<Taken<Payload>> | null = null;
  private isOpen = false;
  private readonly backOff: BackOff;

  constructor(
    private readonly feed: Feed,
    private readonly options: DeliverOptions<Payload>,
  ) {
    this.backOff = new BackOff(options);
  }

  /** What comes next; called again once it was delivered. */
  async next(): Promise<Arrived<Payload>> {
    return { lane: this, taken: await this.take() };
  }

  async deliver({ pulled, messages, encoded }: Taken<Payload>, drained: AbortSignal) {
    const { feed, options } = this;
    try {
      await feed.begin(pulled);
      this.ahead = this.pull();
      this.ahead.catch(() => {}); // looked at by `take`
      // Before the write, since that is the progress where the destination itself tells of it.
      for (const one of encoded.refused) await parkOne(options, one);
      const written = await write(options, messages, encoded, drained);
      for (const one of written) await parkOne(options, one);
      await feed.done(pulled);
      for (const { data } of pulled.messages) release(data);
      options.watch?.written?.({
        feed: feed.name,
        lastSequence: rangeOf(pulled).last,
        messages: pulled.messages.length,
        rows: encoded.rows,
        refused: encoded.refused.length + written.length,
        pending: pulled.messages.at(-1)?.pending ?? 0,
      });
    } catch (error) {
      // The feed goes back to where progress is, and what was taken ahead comes again.
      await this.reopenLater(error);
    }
  }

  /** Opens the feed where it is not open, until there is something. */
  private async take(): Promise<Taken<Payload>> {
    for (;;) {
      try {
        if (!this.isOpen) await this.feed.open(this.options.signal);
        this.isOpen = true;
        const ahead = this.ahead ?? this.pull();
        this.ahead = null;
        const taken = await ahead;
        this.backOff.reset();
        return taken;
      } catch (error) {
        await this.reopenLater(error);
      }
    }
  }

  private async pull(): Promise<Taken<Payload>> {
    const pulled = await this.feed.pull(this.options.signal);
    return { pulled, ...encodeAll(this.options, pulled.messages) };
  }

  private async reopenLater(error: unknown): Promise<void> {
    this.isOpen = false;
    await this.feed.close();
    await this.ahead?.catch(() => {}); // it ends with its feed
    this.ahead = null;
    await this.backOff.wait(this.feed.name, error);
  }
}

/** Encodes; a message that makes the encoder throw is refused by itself, and the rest goes on. */
function encodeAll<Payload>(
  { encode, log, worker }: DeliverOptions<Payload>,
  messages: readonly EventMessage[],
): Omit<Taken<Payload>, "pulled"> {
  try {
    return { messages, encoded: encode(messages) };
  } catch {
    // Below it is tried on each message alone, and told there.
  }
  const refused: RefusedPart[] = [];
  const good: EventMessage[] = [];
  for (const message of messages) {
    try {
      encode([message]);
      good.push(message);
    } catch (error) {
      log.error("a message cannot be encoded", { worker, sequence: message.sequence, error });
      refused.push({ part: wholeMessage(message), reason: reasonOf(error) });
    }
  }
  const encoded = good.length > 0
    ? encode(good)
    : { payload: null, rows: 0, refused: [], part: noPart };
  return { messages: good, encoded: { ...encoded, refused: [...refused, ...encoded.refused] } };
}

function noPart(): never {
  throw new Error("a payload without rows has no parts");
}

/**
 * Writes until it is stored, waiting while the sink is down. A payload that is refused as a whole is
 * written in halves, down to the message that is bad.
 */
async function write<Payload>(
  options: DeliverOptions<Payload>,
  messages: readonly EventMessage[],
  encoded: Encoded<Payload>,
  drained: AbortSignal,
): Promise<RefusedPart[]> {
  const { sink, encode, log, worker } = options;
  if (encoded.payload === null) return [];
  const backOff = new BackOff(options);
  for (;;) {
    try {
      const refusals = await sink.write(encoded.payload, drained);
      return refusals.map(({ row, reason }) => ({ part: encoded.part(row), reason }));
    } catch (error) {
      if (error instanceof PlaceLost) throw error;
      if (error instanceof AppError && isPassing(error)) {
        await backOff.wait(sink.name, error);
        await connectSink(options);
        continue;
      }
      if (drained.aborted) throw stopped(error);
      if (messages.length === 1) {
        log.error("a message is refused", { worker, sequence: messages[0]?.sequence, error });
        return wholeOf(encoded, messages, reasonOf(error));
      }
    }
    const middle = Math.ceil(messages.length / 2);
    const refused: RefusedPart[] = [];
    for (const half of [messages.slice(0, middle), messages.slice(middle)]) {
      // What the encoder refused of them was told with the whole.
      refused.push(...await write(options, half, encode(half), drained));
    }
    return refused;
  }
}

/** Every row of a message that the sink refuses as a whole, so that each can be replayed. */
function wholeOf<Payload>(
  encoded: Encoded<Payload>,
  messages: readonly EventMessage[],
  reason: string,
): RefusedPart[] {
  if (encoded.rows === 0) {
    return messages.map((message) => ({ part: wholeMessage(message), reason }));
  }
  return Array.from({ length: encoded.rows }, (_, row) => ({ part: encoded.part(row), reason }));
}

function wholeMessage(message: EventMessage): Part {
  return {
    message,
    index: 0,
    data: message.data,
    contentType: message.header(HEADER.contentType) ?? CONTENT_TYPE.lines,
  };
}

/** Parks what was refused, waiting while there is no room for it. */
async function parkOne<Payload>(
  options: DeliverOptions<Payload>,
  { part, reason }: RefusedPart,
): Promise<void> {
  const { nats, worker } = options;
  const { message, index, data, contentType, entityType = null, eventId = null } = part;
  const backOff = new BackOff(options);
  const refusals = Number(message.header(REFUSALS_HEADER) ?? 0) + 1;
  const { subject, sequence } = message;
  const origin = { subject, sequence, index };
  for (;;) {
    try {
      return await park(nats, {
        worker,
        reason,
        data,
        contentType,
        origin,
        entityType,
        eventId,
        refusals,
      });
    } catch (error) {
      await backOff.wait("FRAISEQL_DEAD", error);
    }
  }
}

async function connectSink<Payload>(options: DeliverOptions<Payload>): Promise<void> {
  const { sink, signal } = options;
  const backOff = new BackOff(options);
  for (;;) {
    try {
      return await sink.connect(signal);
    } catch (error) {
      await backOff.wait(sink.name, error);
    }
  }
}

/** Waits longer from try to try, up to a limit, each time by chance a little other. */
class BackOff {
  private tries = 0;

  constructor(
    private readonly options: Pick<
      DeliverOptions<never>,
      "log" | "worker" | "retryWaitMsMax" | "signal" | "watch"
    >,
  ) {}

  /** Waits, where the error is one that passes; else throws it, and when the loop shall end. */
  async wait(whom: string, error: unknown): Promise<void> {
    const { log, worker, retryWaitMsMax, signal, watch } = this.options;
    if (signal.aborted) throw stopped(error);
    if (!(error instanceof AppError) || !isPassing(error)) throw error;
    watch?.waiting?.(whom, error.message);
    if (this.tries % sayEveryTries === 0) {
      log.warn("waiting", { worker, whom, reason: error.message, hint: error.hint });
    }
    const longest = Math.min(firstWaitMs * 2 ** this.tries++, retryWaitMsMax);
    // Half of it at least, so that many who wait do not come at once.
    const waitMs = longest * (0.5 + Math.random() / 2);
    await pause(waitMs, signal);
    if (signal.aborted) throw stopped(error);
  }

  reset(): void {
    this.tries = 0;
  }
}

const firstWaitMs = 100;
const sayEveryTries = 10;

/** What may be otherwise at the next try. A stream that is not there is made by `migrate`. */
const PASSING: readonly ErrorCode[] = [
  "UNAVAILABLE",
  "TIMEOUT",
  "RATE_LIMITED",
  "TOO_MANY_STREAMS",
  "CANCELLED",
  "NOT_FOUND",
];

function isPassing({ code }: AppError): boolean {
  return PASSING.includes(code);
}

function stopped(cause: unknown): AppError {
  return new AppError("CANCELLED", "delivery was stopped", { cause });
}

function reasonOf(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${error.message}`;
  return `INTERNAL: ${error instanceof Error ? error.message : String(error)}`;
}
