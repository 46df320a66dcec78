/**
 * What every sink must hold to, on a real nats-server: nothing lost and nothing twice, whatever
 * stops in the middle, for each way of keeping progress that the sink works with.
 *
 * A sink's test calls `testSink()` before its own tests.
 */

import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { acknowledgedFeed } from "../../lib/events/acknowledged_feed.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { listDead, type ParkedDead, replayDead } from "../../lib/events/dead.ts";
import { type EntityEvent, writeEvent } from "../../lib/events/entity_event.ts";
import type { Feed, Pulled } from "../../lib/events/feed.ts";
import { STREAM, SUBJECT } from "../../lib/events/names.ts";
import { recordedFeed } from "../../lib/events/recorded_feed.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { untrackedFeed } from "../../lib/events/untracked_feed.ts";
import { createLog } from "../../lib/log.ts";
import { deliver, type DeliverWatch } from "../../sinks/deliver.ts";
import type { Encode, Sink } from "../../sinks/sink.ts";
import { event, events, publishEvents, publishLines } from "../lib/events/events.ts";
import { natsWithStreams, testNats } from "../services/nats.ts";

/** How a worker keeps its progress. */
export type ProgressKind = "acknowledged" | "recorded" | "untracked";

/** A destination that a test can look into and disturb. */
export interface Destination<Payload> {
  /** A connection of its own to the same destination. */
  sink(): Sink<Payload>;
  readonly encode: Encode<Payload>;
  /** Ids of the stored events, each as often as it is there. */
  storedIds(): Promise<string[]>;
  /** It does not answer, and answers again. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** For a sink whose destination tells how far it is: the last sequence it holds. */
  heldLast?(): Promise<number>;
  close(): Promise<void>;
}

export interface SinkContract<Payload> {
  readonly kinds: readonly ProgressKind[];
  /** A new destination with nothing in it. */
  make(): Promise<Destination<Payload>>;
  /** An event that the destination refuses for good, where there is such a one. */
  readonly refused?: (n: number) => EntityEvent;
}

/** Runs the suite for one sink. */
export function testSink<Payload>(name: string, contract: SinkContract<Payload>): void {
  for (const kind of contract.kinds) {
    const test = (sentence: string, run: (world: World<Payload>) => Promise<void>) =>
      Deno.test(`${name}, ${kind}: ${sentence}`, async () => {
        await testNats();
        const world = await openWorld(kind, contract);
        try {
          await run(world);
        } finally {
          await world.close();
        }
      });

    test("stores every event once", async (world) => {
      await publishEvents(world.nats, events(0, 500));
      const waits: string[] = [];
      const waiting = (whom: string, reason: string) => waits.push(`${whom}: ${reason}`);
      await world.deliverUntil(500, { watch: { waiting } });
      deepEqual(waits, [], "it waited for nobody");
      deepEqual(await world.stored(), ids(events(0, 500)));
    });

    test("stores events that come while it runs", async (world) => {
      const run = world.start();
      for (let n = 0; n < 5; n++) await publishEvents(world.nats, events(n * 20, n * 20 + 20));
      await run.until(() => world.hasStored(100));
      await run.stop();
      deepEqual(await world.stored(), ids(events(0, 100)));
    });

    for (const place of ["begin", "done"] as const) {
      test(`loses nothing and repeats nothing after an end ${where[place]}`, async (world) => {
        await publishEvents(world.nats, events(0, 300));
        // Three times in a row, since the second finds what the first left.
        for (const after of [1, 2, 1]) {
          await rejects(world.start({ crash: { place, after } }).ended, /crash/);
        }
        await world.deliverUntil(300);
        deepEqual(await world.stored(), ids(events(0, 300)));
      });
    }

    test("waits for a destination that is down, and goes on", async (world) => {
      await publishEvents(world.nats, events(0, 50));
      await world.destination.down();
      let waits = 0;
      const run = world.start({ watch: { waiting: () => void waits++ } });
      await run.until(() => waits >= 3);
      await world.destination.up();
      await run.until(() => world.hasStored(50));
      await run.stop();
      deepEqual(await world.stored(), ids(events(0, 50)));
    });

    test("goes on after the destination was down in the middle", async (world) => {
      await publishEvents(world.nats, events(0, 50));
      let waits = 0;
      const run = world.start({ watch: { waiting: () => void waits++ } });
      await run.until(() => world.hasStored(50));
      await world.destination.down();
      await publishEvents(world.nats, events(50, 90));
      await run.until(() => waits >= 2);
      await world.destination.up();
      await run.until(() => world.hasStored(90));
      await run.stop();
      deepEqual(await world.stored(), ids(events(0, 90)));
    });

    test("parks what is no event with its reason, and goes on", async (world) => {
      await publishLines(world.nats, [["no event"]]);
      await publishEvents(world.nats, events(0, 20));
      await world.deliverUntil(20);
      deepEqual(await world.stored(), ids(events(0, 20)));
      const [dead, ...others] = await world.dead();
      equal(others.length, 0);
      equal(dead?.reason, "no JSON object");
      equal(new TextDecoder().decode(dead?.data), "no event");
      equal(dead?.origin.subject, SUBJECT.event("Order"));
    });

    test("stops at once while there is nothing to do", async (world) => {
      const run = world.start();
      await run.stop();
      deepEqual(await world.stored(), []);
    });

    test("takes what is replayed to it, and keeps its place", async (world) => {
      await publishLines(world.nats, [["no event"]]);
      await publishEvents(world.nats, events(0, 5));
      await world.deliverUntil(5);
      const [dead] = await world.dead();
      ok(dead);
      const mended = new TextEncoder().encode(writeEvent(event(7)));
      await replayDead(world.nats, { ...dead, data: mended });
      await world.deliverUntil(6);
      deepEqual(await world.stored(), ids([...events(0, 5), event(7)]));
      deepEqual(await world.dead(), []);
      equal((await streamState(world.nats, STREAM.replay)).messages, 0, "it was taken");
    });

    const { refused } = contract;
    if (!refused) continue;
    test("parks what the destination refuses, and stores the rest", async (world) => {
      await publishEvents(world.nats, [...events(0, 15), refused(15), ...events(16, 30)]);
      await world.deliverUntil(29);
      deepEqual(await world.stored(), ids([...events(0, 15), ...events(16, 30)]));
      const [dead, ...others] = await world.dead();
      equal(others.length, 0);
      equal(dead?.eventId, refused(15).id);
      equal(dead?.entityType, "Order");
      equal(dead?.refusals, 1);
    });
  }
}

const where = {
  begin: "between the begin and the write",
  done: "between the write and the progress",
} as const;

export interface StartOptions {
  readonly crash?: { readonly place: "begin" | "done"; readonly after: number };
  readonly watch?: DeliverWatch;
  readonly max?: { readonly messages: number; readonly bytes: number };
  /** Sees every pull, and when it is done. */
  readonly onPulled?: (pulled: Pulled) => void;
  readonly onDone?: (pulled: Pulled) => void;
}

/** A destination, streams of its own, and a worker between them. */
export interface World<Payload> {
  readonly nats: Nats;
  readonly destination: Destination<Payload>;
  start(options?: StartOptions): Run;
  /** Runs until so many events are stored, then stops. */
  deliverUntil(count: number, options?: StartOptions): Promise<void>;
  hasStored(count: number): Promise<boolean>;
  stored(): Promise<string[]>;
  dead(): Promise<ParkedDead[]>;
  close(): Promise<void>;
}

export interface Run {
  readonly ended: Promise<void>;
  /** Waits for the condition; throws what ended the run before. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}

/** Everything that a test of delivery needs. */
export async function openWorld<Payload>(
  kind: ProgressKind,
  contract: Pick<SinkContract<Payload>, "make">,
  given?: Nats,
): Promise<World<Payload>> {
  const nats = given ?? await natsWithStreams();
  const destination = await contract.make();
  const { created } = await streamState(nats, STREAM.events);
  const runs: Run[] = [];

  const start = (options: StartOptions = {}): Run => {
    const stopping = new AbortController();
    const main = crashing(feedOf(kind, nats, destination, created, options), options);
    const replays = acknowledgedFeed({
      nats,
      stream: STREAM.replay,
      worker,
      subject: SUBJECT.replay(worker),
      max: defaultMax,
    });
    const ended = deliver({
      worker,
      nats,
      feeds: [main, replays],
      encode: destination.encode,
      sink: destination.sink(),
      log: createLog("error", () => {}),
      retryWaitMsMax: 100,
      drainMsMax: 10_000,
      signal: stopping.signal,
      ...options.watch && { watch: options.watch },
    });
    let failure: { error: unknown } | null = null;
    ended.catch((error) => failure = { error });
    const run: Run = {
      ended,
      async until(condition) {
        while (!await condition()) {
          if (failure) throw failure.error;
          await new Promise((done) => setTimeout(done, 10));
        }
      },
      async stop() {
        stopping.abort();
        await ended;
      },
    };
    runs.push(run);
    return run;
  };
  const storedIds = async () => (await destination.storedIds()).sort();
  const hasStored = async (count: number) => (await destination.storedIds()).length >= count;
  return {
    nats,
    destination,
    start,
    async deliverUntil(count, options) {
      const run = start(options);
      await run.until(() => hasStored(count));
      await run.stop();
    },
    hasStored,
    stored: storedIds,
    dead: () => Array.fromAsync(listDead(nats, { worker }, 1000)),
    async close() {
      for (const run of runs) await run.stop().catch(() => {}); // a test that ended it looked
      await destination.close();
      if (!given) await nats.close();
    },
  };
}

const worker = "elasticsearch";
const defaultMax = { messages: 7, bytes: 1024 * 1024 };

function feedOf<Payload>(
  kind: ProgressKind,
  nats: Nats,
  destination: Destination<Payload>,
  created: string,
  { max = defaultMax }: StartOptions,
): Feed {
  const stream = STREAM.events;
  switch (kind) {
    case "acknowledged":
      // A deadline that is over when the next worker comes, as it is after a real crash.
      return acknowledgedFeed({
        nats,
        stream,
        worker,
        subject: SUBJECT.allEvents,
        max,
        deadlineMs: 500,
      });
    case "recorded":
      return recordedFeed({ nats, stream, worker, max, standByMs: 50 });
    case "untracked": {
      const heldLast = async () => ({ created, sequence: await destination.heldLast?.() ?? 0 });
      return untrackedFeed({ nats, stream, worker, max, heldLast });
    }
    default:
      return kind satisfies never;
  }
}

/** A feed whose worker ends at that place, as if it were killed: nothing is said to anybody. */
function crashing(feed: Feed, { crash, onPulled, onDone }: StartOptions): Feed {
  let count = 0;
  let hasCrashed = false;
  const maybe = (place: "begin" | "done") => {
    if (crash?.place !== place || ++count < crash.after) return;
    hasCrashed = true;
    throw new Error("crash");
  };
  return {
    name: feed.name,
    open: (signal) => feed.open(signal),
    async pull(signal) {
      const pulled = await feed.pull(signal);
      onPulled?.(pulled);
      return pulled;
    },
    async begin(pulled) {
      await feed.begin(pulled);
      maybe("begin");
    },
    async done(pulled) {
      maybe("done");
      await feed.done(pulled);
      onDone?.(pulled);
    },
    close: () => hasCrashed ? forget(feed) : feed.close(),
  };
}

/** Ends what would keep the test running, without a word of progress. */
async function forget(feed: Feed): Promise<void> {
  await feed.open(AbortSignal.abort()).catch(() => {}); // it gives up what it holds, and no more
}

function ids(all: readonly EntityEvent[]): string[] {
  return all.map(({ id }) => id).sort();
}
