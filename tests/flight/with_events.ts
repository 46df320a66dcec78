/** A Flight server over a database of events, programs that follow it, and what stores events. */

import { fileURLToPath } from "node:url";
import { openEventSources } from "../../commands/event_sources.ts";
import type { FlightServer } from "../../flight/server.ts";
import type { Clickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { linesOf } from "../../lib/embedded/ports_and_lines.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { STREAM } from "../../lib/events/names.ts";
import { recordedFeed } from "../../lib/events/recorded_feed.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { preparePython, python } from "../clients/python.ts";
import {
  type StoredEvent,
  storedEvent,
  toArrowStream,
  today,
} from "../lib/clickhouse/arrow_events.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { FakeEngine } from "./fake_engine.ts";
import { RawClient } from "./raw_client.ts";
import { startFlight } from "./serve.ts";

const server = await testClickhouse();
const interpreter = await preparePython();
const log = createLog("error");

export interface Told {
  readonly schema: string[];
  readonly rows: Record<string, string | null>[];
  readonly positions: string[];
}

export interface Events {
  readonly url: string;
  readonly flight: FlightServer;
  readonly clickhouse: Clickhouse;
  readonly client: RawClient;
  insert(events: readonly StoredEvent[]): Promise<void>;
  read(...tickets: object[]): Promise<Told[]>;
}

/** A Flight server over a database of events. */
export async function withEvents(
  test: (events: Events) => Promise<void>,
  { natsUrl = null, some = {}, of }: {
    readonly natsUrl?: string | null;
    readonly some?: Partial<Limits>;
    /** Somebody else's database. */
    readonly of?: Clickhouse;
  } = {},
): Promise<void> {
  const all = limits(some);
  const clickhouse = of ?? await server.createDatabase(some);
  await migrateClickhouse(clickhouse, { retentionDays: 90 });
  const { origin, user, password, database } = clickhouse.settings;
  const sources = openEventSources({
    clickhouseUrl: `${origin}/${database}`,
    clickhouseUser: user,
    clickhousePassword: password,
    clickhouseDatabase: database,
    natsUrl,
    dataDir: "/nowhere",
    limits: all,
  }, log);
  const flight = await startFlight(new FakeEngine(), { limits: all, log, events: sources });
  const client = new RawClient(flight.url);
  try {
    await test({
      url: flight.url,
      flight,
      clickhouse,
      client,
      insert: (events) =>
        clickhouse.insertArrow(EVENTS_DATA, toArrowStream(events), { token: crypto.randomUUID() }),
      read: async (...tickets) =>
        JSON.parse(
          await python(new URL("./events.py", import.meta.url), [
            flight.url,
            JSON.stringify(tickets.map((ticket) => ({ type: "ObserverEvents", ...ticket }))),
          ]),
        ),
    });
  } finally {
    client.close();
    await flight.stop(0);
    await sources.close();
    if (!of) await clickhouse.command(`DROP DATABASE ${database} SYNC`, { inDatabase: false });
  }
}

export const epoch = 1n << 54n;

/** Events in three batches whose times are not in the order of their positions. */
export function someEvents(count: number): StoredEvent[] {
  return Array.from({ length: count }, (_, i) =>
    storedEvent({
      event_type: (["Created", "Updated", "Deleted"] as const)[i % 3]!,
      entity_type: ["Order", "User", "It's \\ ö"][i % 7 % 3]!,
      entity_id: `${i}`,
      timestamp: today - 40n * 86_400_000_000n + BigInt((i * 7919) % count) * 3_000_000_000n +
        123_457n,
      data: JSON.stringify({ id: i, name: "日本 😀".slice(0, i % 5) }),
      user_id: i % 3 === 0 ? null : `u${i % 10}`,
      org_id: i % 4 === 0 ? null : ["acme", ""][i % 2]!,
      position: epoch + (BigInt(1 + Math.floor(i / 400)) << 14n) + BigInt(i % 400),
    }));
}

export const shown = ({ position: _, timestamp, ...rest }: StoredEvent) => ({
  ...rest,
  timestamp: String(timestamp),
});

/** What the ClickHouse sink does, as far as followers see it. */
export async function insertAll(
  nats: Nats,
  clickhouse: Clickhouse,
  signal: AbortSignal,
): Promise<void> {
  const max = { messages: 3, bytes: 1e6 };
  const feed = recordedFeed({ nats, stream: STREAM.batches, worker: "clickhouse", max });
  await feed.open(signal);
  try {
    while (!signal.aborted) {
      const pulled = await feed.pull(signal);
      await feed.begin(pulled);
      for (const { data, sequence } of pulled.messages) {
        const token = String(sequence);
        await clickhouse.insertArrow(EVENTS_DATA, data as Uint8Array<ArrayBuffer>, { token });
      }
      await feed.done(pulled);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await feed.close();
  }
}

/** A batch that a program read; `after` is its position. */
export interface ReadBatch {
  readonly ids: readonly string[];
  readonly after: string;
}

/** Why its stream ended: `well`, or the name of pyarrow's error. */
export interface StreamEnd {
  readonly ended: string;
  readonly message: string;
}

/** A program of a user's that follows events. */
export class Follower implements AsyncDisposable {
  private readonly child: Deno.ChildProcess;
  private readonly lines: AsyncGenerator<string>;

  constructor(url: string, after: string, more: object = {}) {
    const program = fileURLToPath(new URL("../clients/follow_events.py", import.meta.url));
    this.child = new Deno.Command(interpreter, {
      args: [program, url, after, JSON.stringify(more)],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.lines = linesOf(this.child.stdout);
  }

  /** The next batch, or the end of its stream. */
  async next(): Promise<ReadBatch | StreamEnd> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error("the program ended without a word");
    return JSON.parse(value);
  }

  /** Each batch until one is enough, which ends the program; throws where its stream ends before. */
  async read(take: (ids: readonly string[], after: string) => boolean): Promise<void> {
    await using _ = this;
    for (;;) {
      const said = await this.next();
      if ("ended" in said) throw new Error(`it ended by itself: ${JSON.stringify(said)}`);
      if (!take(said.ids, said.after)) return;
    }
  }

  /** Each batch, then why the stream ended. */
  async toEnd(take: (ids: readonly string[], after: string) => void = () => {}) {
    await using _ = this;
    for (;;) {
      const said = await this.next();
      if ("ended" in said) return said;
      take(said.ids, said.after);
    }
  }

  /** Stops reading, as a program that is busy or asleep, or goes on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.child.status;
    await this.lines.return(undefined);
  }
}
