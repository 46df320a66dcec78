/**
 * Events of other producers: FRAISEQL_INGEST -> change log, from where they go on as captured writes
 * do. The place in the stream is written with the events, so nothing is lost or written twice, whoever
 * is killed; then the messages leave the stream. What is no event is parked, and comes again when it
 * is replayed.
 *
 * It has a connection of its own, so that a long window that is being published holds nobody up.
 */

import { abortError, AppError } from "../errors.ts";
import { acknowledgedFeed } from "../events/acknowledged_feed.ts";
import { ask } from "../events/ask.ts";
import type { Nats } from "../events/connect.ts";
import { park, REFUSALS_HEADER } from "../events/dead.ts";
import { CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../events/names.ts";
import { natsError } from "../events/nats_errors.ts";
import { readOrdered } from "../events/ordered_reader.ts";
import type { EventMessage } from "../events/puller.ts";
import { streamState } from "../events/stream_state.ts";
import { checkStream } from "../events/streams.ts";
import {
  forgetIngestIds,
  ingest,
  type IngestedEvent,
  type IngestPlace,
  noIngestTables,
  readIngestProgress,
  sayIngestWaits,
} from "../postgres/change_log/ingest.ts";
import { connect, type Connection } from "../postgres/connection.ts";
import { pause } from "../waiting.ts";
import { type ForeignMax, readForeignEvents } from "./foreign_events.ts";
import type { Publisher } from "./publish.ts";
import type { IngestState } from "./state.ts";

/** Copies until it is disposed of, which waits for the transaction under way. */
export function startIngest(publisher: Publisher, nats: Nats): AsyncDisposable {
  const stopping = new AbortController();
  const signal = AbortSignal.any([publisher.options.signal, stopping.signal]);
  // What is no AppError is a fault of ours: unheard, it ends the worker with its stack.
  const running = new Ingest(publisher, nats, signal).run();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

class Ingest {
  constructor(
    private readonly publisher: Publisher,
    private readonly nats: Nats,
    private readonly signal: AbortSignal,
  ) {}

  async run(): Promise<void> {
    const { limits, log } = this.publisher.options;
    for (let failures = 0; !this.signal.aborted;) {
      try {
        await this.#stretch(() => failures = 0);
      } catch (error) {
        if (this.signal.aborted) return;
        if (!(error instanceof AppError)) throw error;
        const waitsFor = reasonOf(error);
        if (failures % sayEveryTries === 0) log.warn("ingest waits", { reason: waitsFor });
        this.#tell({ waitsFor });
        const waitMs = Math.min(100 * 2 ** failures++, limits.retryWaitMsMax);
        await pause(waitMs, this.signal);
      }
    }
  }

  /** From everything being there to the first failure. */
  async #stretch(onProgress: () => void): Promise<void> {
    const { database, limits, log } = this.publisher.options;
    await checkStream(this.nats, STREAM.ingest);
    const connection = await connect({
      url: database,
      limits,
      log,
      applicationName: "fraiseql ingest",
      signal: this.signal,
    });
    const ending = new AbortController();
    const signal = AbortSignal.any([this.signal, ending.signal]);
    const copier = new Copier(this.nats, connection, this.publisher, signal, (some) => {
      onProgress();
      this.#tell({ waitsFor: null, ...some });
    });
    try {
      await copier.open();
      const lanes = [copier.copyStream(), copier.copyReplays()];
      try {
        await Promise.race(lanes); // neither ends by itself
      } finally {
        ending.abort();
        await Promise.allSettled(lanes);
      }
    } catch (error) {
      const isIdle = connection.unanswered === 0 && !connection.closed;
      if (error instanceof AppError && isIdle && copier.isOpen && !this.signal.aborted) {
        await sayIngestWaits(connection, reasonOf(error));
      }
      throw error;
    } finally {
      await connection.close();
    }
  }

  #tell(some: Partial<IngestState>): void {
    this.publisher.tell({ ingest: { ...this.publisher.state.ingest, ...some } });
  }
}

function reasonOf({ message, hint }: AppError): string {
  return hint ? `${message} (${hint})` : message;
}

const sayEveryTries = 10;

/** Works on one connection, which its two lanes use in turn. */
class Copier {
  isOpen = false;
  #place: IngestPlace = { created: "", sequence: 0, timeMs: 0 };
  #max: ForeignMax = { eventBytes: 0, refusedEvents: 0 };
  #turn: Promise<unknown> = Promise.resolve();
  #mayForgetAt = performance.now() + forgetFirstMs;

  constructor(
    private readonly nats: Nats,
    private readonly connection: Connection,
    private readonly publisher: Publisher,
    private readonly signal: AbortSignal,
    private readonly onProgress: (some: Partial<IngestState>) => void,
  ) {}

  async open(): Promise<void> {
    const { connection } = this;
    // Messages leave the stream after the commit, which must be on the disk then.
    await connection.query(`
      select pg_catalog.set_config('synchronous_commit', 'local', false)
      where pg_catalog.current_setting('synchronous_commit') = 'off'`);
    const progress = await readIngestProgress(connection);
    if (progress === null) throw noIngestTables();
    if (progress.waitsFor !== null) await sayIngestWaits(connection, null);
    const [row] = await connection.query("select event_bytes_max from fraiseql.capture_settings");
    this.#place = progress;
    this.#max = {
      eventBytes: Number(row?.[0]),
      refusedEvents: this.publisher.options.limits.ingestRefusedEventsMax,
    };
    this.isOpen = true;
    this.onProgress({ sequence: progress.sequence });
  }

  async copyStream(): Promise<never> {
    const { pullMessagesMax: messages, pullBytesMax: bytes } = this.publisher.options.limits;
    const { created } = await streamState(this.nats, STREAM.ingest);
    // From whatever is there: what was taken before a crash has not left the stream yet.
    const reader = await readOrdered({ nats: this.nats, stream: STREAM.ingest, from: 1 });
    try {
      for (;;) {
        const pulled = await reader.pull({ messages, bytes }, this.signal);
        await this.#inTurn(() => this.#takePulled(created, pulled));
        await this.#purge(created, pulled.at(-1)?.sequence ?? 0);
      }
    } finally {
      reader.close();
    }
  }

  async copyReplays(): Promise<never> {
    const { limits } = this.publisher.options;
    const feed = acknowledgedFeed({
      nats: this.nats,
      stream: STREAM.replay,
      worker: "publisher",
      subject: SUBJECT.replay("publisher"),
      max: { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax },
    });
    try {
      await feed.open(this.signal);
      for (;;) {
        const pulled = await feed.pull(this.signal);
        await this.#inTurn(async () => {
          for (const some of this.#transactions(pulled.messages)) await this.#write(some, null);
        });
        await feed.done(pulled);
      }
    } finally {
      await feed.close();
    }
  }

  async #takePulled(created: string, pulled: readonly EventMessage[]): Promise<void> {
    const fresh = pulled.filter(({ sequence, timeMs }) => {
      const place = this.#place;
      const isBehind = sequence > place.sequence || timeMs > place.timeMs;
      return created !== place.created || isBehind;
    });
    for (const some of this.#transactions(fresh)) {
      const { sequence, timeMs, pending } = some.last;
      const to = { created, sequence, timeMs };
      await this.#write(some, { from: this.#place, to });
      this.#place = to;
      this.onProgress({ sequence, backlog: pending });
    }
    if (performance.now() < this.#mayForgetAt) return;
    while (await forgetIngestIds(this.connection, this.#dedupHours) && !this.signal.aborted);
    this.#mayForgetAt = performance.now() + forgetEveryMs;
  }

  get #dedupHours(): number {
    return this.publisher.options.limits.ingestDedupHours;
  }

  /** Whole messages, as many as go into one transaction. */
  *#transactions(messages: readonly EventMessage[]): Generator<Transaction> {
    const { ingestRowsMax } = this.publisher.options.limits;
    let some: Transaction | null = null;
    for (const message of messages) {
      const { subject, data } = message;
      const { taken, refused } = readForeignEvents({
        data,
        entityType: subject.startsWith(ingestPrefix) ? subject.slice(ingestPrefix.length) : null,
        traceparent: message.header(HEADER.traceparent),
      }, this.#max);
      if (some !== null && some.events.length + taken.length > ingestRowsMax) {
        yield some;
        some = null;
      }
      some ??= { events: [], refused: [], last: message };
      for (const event of taken) some.events.push(event);
      for (const one of refused) some.refused.push({ ...one, message });
      some.last = message;
    }
    if (some !== null) yield some;
  }

  /** Parks first: what comes again then is known by its number, for a while. */
  async #write(
    { events, refused }: Transaction,
    move: { readonly from: IngestPlace; readonly to: IngestPlace } | null,
  ): Promise<void> {
    for (const { message, index, data, reason, entityType, eventId } of refused) {
      await park(this.nats, {
        worker: "publisher",
        reason,
        data,
        contentType: message.header(HEADER.contentType) ?? CONTENT_TYPE.lines,
        origin: {
          subject: message.subject,
          sequence: message.sequence,
          index,
          timeMs: message.timeMs,
        },
        entityType,
        eventId,
        refusals: Number(message.header(REFUSALS_HEADER) ?? 0) + 1,
      });
    }
    const count = refused.reduce((sum, { events }) => sum + events, 0);
    // A replay that was taken and not acknowledged comes again, however late.
    const dedupHours = move === null ? null : this.#dedupHours;
    const done = await ingest(this.connection, events, { move, dedupHours, refused: count });
    if (done.kind === "moved") {
      throw new AppError("UNAVAILABLE", "another publisher has taken the same events");
    }
    if (done.kind === "full") {
      throw new AppError("UNAVAILABLE", "the change log has no room for events of others", {
        hint: "they wait in FRAISEQL_INGEST, and a quarter of change_log_bytes_max is left to " +
          "captured writes; see that fraiseql observe publishes, or raise the limit",
      });
    }
    const { ingest: told } = this.publisher.state;
    this.onProgress({
      taken: told.taken + done.written,
      repeated: told.repeated + done.repeated,
      refused: told.refused + count,
    });
  }

  /** The messages up to that one leave the stream, if it still is the same. */
  async #purge(created: string, sequence: number): Promise<void> {
    const state = await streamState(this.nats, STREAM.ingest);
    if (state.created !== created || state.lastSequence < sequence) {
      throw new AppError("UNAVAILABLE", `${STREAM.ingest} was made anew, or lost its end`);
    }
    try {
      const purge = { seq: sequence + 1 };
      await ask(this.nats, () => this.nats.manager.streams.purge(STREAM.ingest, purge));
    } catch (error) {
      throw natsError(`emptying ${STREAM.ingest}`, error);
    }
  }

  /** One at a time, and none after the end. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.catch(() => {}).then(() => {
      if (this.signal.aborted) throw abortError(this.signal);
      return work();
    });
    this.#turn = turn;
    turn.catch(() => {}); // whose turn it was is told
    return turn;
  }
}

interface Transaction {
  readonly events: IngestedEvent[];
  readonly refused: (ReturnType<typeof readForeignEvents>["refused"][number] & {
    readonly message: EventMessage;
  })[];
  last: EventMessage;
}

const ingestPrefix = SUBJECT.ingest.slice(0, -1);
/** A replay whose acknowledgement was lost has come again by then. */
const forgetFirstMs = 120_000;
const forgetEveryMs = 60_000;
