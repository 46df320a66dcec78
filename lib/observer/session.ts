/** One stretch of publishing, from both connections being there to the first that fails. */

import { AppError } from "../errors.ts";
import { dataBytesMax, publishPage } from "../events/atomic_publish.ts";
import type { Nats } from "../events/connect.ts";
import { holderHere } from "../events/holder.ts";
import {
  FIRST_SNAPSHOT,
  prepareReader,
  readState,
  readWindow,
  type Snapshot,
  snapshotToPublish,
  type Window,
} from "../postgres/change_log.ts";
import { EventRow } from "../postgres/change_log/event_row.ts";
import type { Connection } from "../postgres/connection.ts";
import { pause } from "../waiting.ts";
import { align, type Aligned, type Known, nextEpoch, readPlace, startOver } from "./align.ts";
import { Buffers } from "./buffers.ts";
import { type Checkpoint, encodeCheckpoint, nextWindow } from "./checkpoint.ts";
import { confirmedBySinks } from "./confirmed.ts";
import { type DatabaseIdentity, readIdentity } from "./database_identity.ts";
import { writeRecord } from "./database_record.ts";
import { startIngest } from "./ingest.ts";
import { Janitor } from "./janitor.ts";
import { PageBuilder, type PageMax } from "./page.ts";
import { type PublisherProgress, writeProgress } from "./progress.ts";
import type { Publisher } from "./publish.ts";
import { forgetPurged } from "./purged_events.ts";
import { adoptRestoredRows } from "./restored_rows.ts";
import { StreamPurge } from "./stream_purge.ts";
import type { Sleeper } from "./wake.ts";

export interface SessionOptions {
  readonly publisher: Publisher;
  readonly nats: Nats;
  readonly connection: Connection;
  readonly sleeper: Sleeper;
  /** Called when it is at work: what failed before has passed. */
  readonly onProgress: () => void;
}

/** Publishes until the signal is aborted, or something fails. */
export async function runSession(options: SessionOptions): Promise<void> {
  await standBy(options);
  await new Session(options).run();
}

/** Of two publishers of one database one works, and the other waits for its connection to end. */
async function standBy({ publisher, connection }: SessionOptions): Promise<void> {
  const { signal, log } = publisher.options;
  for (let tries = 0; !signal.aborted; tries++) {
    const [row] = await connection.query(`select pg_catalog.pg_try_advisory_lock(${lockKey})`);
    if (row?.[0] === "t") {
      if (tries > 0) log.info("publisher takes over");
      return;
    }
    if (tries === 0) log.info("publisher stands by: another one works");
    publisher.level();
    publisher.tell({ kind: "standing by", reason: "another publisher works" });
    await pause(standByMs, signal);
  }
}

/** Of whom publishes; `fraiseql` in ASCII. */
export const lockKey = "7382069844749152620";
const standByMs = 500;

class Session {
  readonly #publisher: Publisher;
  readonly #holder: ReturnType<typeof holderHere>;
  readonly #nats: Nats;
  readonly #connection: Connection;
  #aligned: Aligned | null = null;
  #purge: StreamPurge | null = null;
  #identity: DatabaseIdentity = { systemIdentifier: "", timeline: 0, oid: "" };
  #last: Checkpoint | null = null;
  #sequence = 0;
  /** The last position that a writer had drawn when the window was chosen. */
  #drawn = 0n;
  /** As FRAISEQL_PROGRESS says it. */
  #emptied: Snapshot | null = null;
  #saidAt = 0;
  #saidSequence = -1;
  readonly #max: PageMax;
  readonly #buffers: Buffers;

  constructor(private readonly options: SessionOptions) {
    this.#publisher = options.publisher;
    this.#holder = holderHere(this.#publisher.options.host ?? "");
    this.#nats = options.nats;
    this.#connection = options.connection;
    const { publishPageBytesMax, publishMessageBytesMax } = this.#publisher.options.limits;
    const messageBytes = Math.min(publishMessageBytesMax, dataBytesMax(this.#nats));
    this.#max = { pageBytes: publishPageBytesMax, messageBytes };
    // One page is on its way while the next one is made.
    this.#buffers = new Buffers(messageBytes + lineRoomBytes, 2 * publishPageBytesMax);
  }

  async run(): Promise<void> {
    const { sleeper, onProgress } = this.options;
    const { signal, limits, log } = this.#publisher.options;
    const row = new EventRow(await this.#readSettings());
    await prepareReader(this.#connection);
    await sleeper.listen(this.#connection);
    this.#identity = await readIdentity(this.#connection);
    const restored = await adoptRestoredRows(this.#connection);
    if (restored > 0) log.warn("the change log has events of a restored dump", { restored });
    const aligned = await this.#align();
    const { timeline } = this.#last?.database ?? this.#identity;
    if (timeline !== this.#identity.timeline) {
      log.info("the database is on another timeline", {
        was: timeline,
        is: this.#identity.timeline,
      });
    }
    const janitor = new Janitor(this.#connection, limits, log, aligned);
    await using _ingest = startIngest(this.#publisher, this.#nats);
    await forgetPurged(this.#connection, aligned.streamCreated, aligned.sequence);
    const { streamCreated: created, epoch } = aligned;
    await using purge = new StreamPurge(this.#publisher, this.#nats, { created, epoch });
    this.#purge = purge;
    let { from, to, position } = nextWindow(this.#last);
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const end = to ?? await this.#nextEnd(from);
      const events = await this.#publishWindow({ from, to: end, position }, row);
      [from, to, position] = [end, null, 0n];
      this.#publisher.level();
      if (isFirst) {
        onProgress();
        this.#publisher.tell({ kind: "publishing", reason: "", epoch: aligned.epoch });
      }
      const isDue = janitor.isDue();
      if (isDue) janitor.look(end, this.#sequence, await this.#confirmed(aligned));
      if (events > 0 || isDue) await this.#say(janitor, isDue);
      if (isDue) await janitor.clean();
      const wasAsleep = sleeper.asleep;
      await sleeper.pause(events > 0, signal);
      if (sleeper.asleep !== wasAsleep) {
        if (sleeper.asleep) await this.#say(janitor, true);
        const kind = sleeper.asleep ? "asleep" : "publishing";
        this.#publisher.tell({ kind, reason: "", ...sleeper.asleep && { eventsPerSecond: 0 } });
      }
    }
  }

  /** Where a record cannot be read, nothing counts as confirmed: events must not wait for it. */
  async #confirmed({ streamCreated: created, epoch }: Aligned): Promise<number> {
    try {
      return await confirmedBySinks(this.#nats, { created, epoch });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#publisher.options.log.warn("what sinks have is not known", { error });
      return 0;
    }
  }

  /** The snapshot now, all that it shows being on PostgreSQL's disk. */
  async #nextEnd(from: Snapshot): Promise<Snapshot> {
    const { snapshot, isOnDisk, lastPosition } = await snapshotToPublish(this.#connection);
    this.#drawn = lastPosition;
    if (!isOnDisk && snapshot !== from) await this.options.sleeper.flush();
    return snapshot;
  }

  async #align(): Promise<Aligned> {
    const publisher = this.#publisher;
    const { log } = publisher.options;
    const how = publisher.startOver;
    if (how !== null) await this.#startOver(how);
    const aligned = await align({
      nats: this.#nats,
      connection: this.#connection,
      identity: this.#identity,
      known: publisher.known,
      log,
    });
    this.#aligned = aligned;
    this.#last = aligned.checkpoint;
    this.#sequence = aligned.sequence;
    this.#emptied = aligned.emptied;
    publisher.tell({
      sequence: aligned.sequence,
      position: String(aligned.checkpoint?.positionMax ?? 0),
    });
    return aligned;
  }

  /** By a checkpoint without events, which every later start goes on from. */
  async #startOver(how: "first" | "now"): Promise<void> {
    const publisher = this.#publisher;
    const { sequence, epoch, streamCreated } = await readPlace(
      this.#nats,
      this.#connection,
      this.#identity,
    );
    const raised = nextEpoch(epoch);
    // First: what is known of the other history must not empty the log of this one.
    await this.#record({ sequence, epoch, streamCreated, emptied: null, samples: [] });
    const checkpoint = startOver(how, {
      now: await this.#nextEnd(FIRST_SNAPSHOT),
      publisher: publisher.id,
      identity: this.#identity,
      epoch: raised,
      streamCreated,
      lastPosition: (await readState(this.#connection)).lastPosition,
    });
    await this.#publish([], checkpoint, sequence);
    publisher.options.log.warn("publishing starts over", { from: how, epoch: raised });
    publisher.startOver = null;
  }

  /** Gives the number of events. */
  async #publishWindow(window: Window, row: EventRow): Promise<number> {
    const { signal } = this.#publisher.options;
    const torn = this.#aligned?.torn ?? new Set();
    let page = new PageBuilder(this.#max, this.#buffers);
    // While one page is on its way the next is read; never two, since each names the one before.
    let onItsWay: Promise<number> = Promise.resolve(0);
    const send = async (done: boolean): Promise<number> => {
      const before = await onItsWay;
      const sent = page;
      page = new PageBuilder(this.#max, this.#buffers);
      onItsWay = this.#publishEvents(sent, window, done).then((count) => before + count);
      onItsWay.catch(() => {}); // whoever sends the next page, or ends the window, is told
      return before;
    };
    for await (const { bytes, start, end } of readWindow(this.#connection, window)) {
      for (let at = start; at < end;) {
        const next = row.read(bytes, at);
        if (page.add(row, torn)) {
          at = next;
          continue;
        }
        await send(false);
        if (signal.aborted) return await onItsWay;
      }
    }
    if (page.last !== null) await send(true);
    return await onItsWay;
  }

  async #publishEvents(page: PageBuilder, { from, to }: Window, done: boolean): Promise<number> {
    const { last, count } = page;
    if (last === null || this.#aligned === null) return 0;
    const before = this.#last?.positionMax ?? 0n;
    const checkpoint: Checkpoint = {
      epoch: this.#aligned.epoch,
      publisher: this.#publisher.id,
      database: this.#identity,
      from,
      to,
      done,
      position: last.position,
      eventId: last.id,
      positionMax: last.position > before ? last.position : before,
      streamCreated: this.#aligned.streamCreated,
      emptied: this.#emptied,
    };
    await this.#publish(page.messages(), checkpoint, this.#sequence);
    page.free();
    // Also within a long window: it can end by a full stream again and again.
    this.options.onProgress();
    const { state } = this.#publisher;
    this.#publisher.tell({
      kind: "publishing",
      reason: "",
      sequence: this.#sequence,
      position: String(checkpoint.positionMax),
      events: state.events + count,
      lagEvents: Math.max(0, Number(this.#drawn - checkpoint.positionMax)),
    });
    return count;
  }

  async #publish(
    messages: ReturnType<PageBuilder["messages"]>,
    checkpoint: Checkpoint,
    expected: number,
  ): Promise<void> {
    const page = { messages, checkpoint: encodeCheckpoint(checkpoint), expected };
    let published = await publishPage(this.#nats, page);
    // Once more as long as something leaves: a window that is read anew is sorted anew.
    while (published.kind === "full" && await this.#purge?.makesRoom()) {
      published = await publishPage(this.#nats, page);
    }
    switch (published.kind) {
      case "published":
        this.#sequence = published.sequence;
        this.#last = checkpoint;
        this.#publisher.known = {
          streamCreated: checkpoint.streamCreated,
          sequence: published.sequence,
          epoch: checkpoint.epoch,
          emptied: checkpoint.emptied,
        };
        return;
      case "full":
        throw new NoRoom(published.reason);
      // The checkpoint that is there tells whose it is and where to go on: read again. It is this
      // publisher's own where a page came after its answer was given up.
      case "fenced":
      case "unknown":
        throw new AppError("UNAVAILABLE", `a page was not confirmed: ${published.reason}`);
      case "gone":
        throw new AppError("UNAVAILABLE", `FRAISEQL_EVENTS takes no pages: ${published.reason}`, {
          hint: "run fraiseql migrate, which makes the streams",
        });
      default:
        published satisfies never;
    }
  }

  /** The record in FRAISEQL_PROGRESS, at most once a second unless it must be. */
  async #say(janitor: Janitor, must: boolean): Promise<void> {
    const now = performance.now();
    const isNews = this.#saidSequence !== this.#sequence || janitor.hasNews;
    if (!isNews || !must && now - this.#saidAt < sayMs) return;
    [this.#saidAt, this.#saidSequence] = [now, this.#sequence];
    const { known } = this.#publisher;
    const emptied = this.#emptied = janitor.emptied;
    if (known) this.#publisher.known = { ...known, emptied };
    await this.#record({
      streamCreated: this.#aligned?.streamCreated ?? "",
      sequence: this.#sequence,
      epoch: this.#aligned?.epoch ?? 1,
      emptied,
      samples: janitor.samples,
    });
    janitor.hasNews = false;
  }

  async #record(place: Known & Pick<PublisherProgress, "samples">): Promise<void> {
    const { state } = this.#publisher;
    await writeRecord(this.#connection, this.#identity, place);
    await writeProgress(this.#nats, {
      ...place,
      state: state.kind,
      events: state.events,
      lastError: state.lastError,
      at: new Date().toISOString(),
      holder: this.#holder,
    });
  }

  /** Gives the database's bits; an event that no message can hold would stop everything behind it. */
  async #readSettings(): Promise<number> {
    const [row] = await this.#connection.query(
      "select event_bytes_max, database_bits from fraiseql.capture_settings",
    );
    const [eventBytesMax, room] = [Number(row?.[0]), dataBytesMax(this.#nats)];
    if (eventBytesMax < room) return Number(row?.[1]);
    throw new AppError(
      "BAD_INPUT",
      `an event may have ${eventBytesMax} bytes, a message on this NATS ${room}`,
      {
        hint:
          "raise max_payload of the NATS server to 8MB, or lower the limit event_bytes_max and " +
          "run fraiseql migrate",
      },
    );
  }
}

/** The stream is full: what is in the change log stays there until there is room. */
export class NoRoom extends AppError {
  constructor(reason: string) {
    super("UNAVAILABLE", `FRAISEQL_EVENTS is full: ${reason}`, {
      hint: "raise event_stream_bytes_max and run fraiseql migrate; nothing is lost meanwhile",
    });
  }
}

/** For the line that is written before it is known that the message is full. */
const lineRoomBytes = 16 * 1024;
const sayMs = 1000;
