/** A database whose tables are captured, a NATS account, and publishers between them. */

import type { Nats } from "../../../lib/events/connect.ts";
import { eventLines } from "../../../lib/events/entity_event.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { readOrdered } from "../../../lib/events/ordered_reader.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { type Limits, limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { publish, type PublishOptions } from "../../../lib/observer/publish.ts";
import type { PublisherState } from "../../../lib/observer/state.ts";
import { currentSnapshot, FIRST_SNAPSHOT } from "../../../lib/postgres/change_log.ts";
import { connect, type Connection } from "../../../lib/postgres/connection.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { connectTo, testLimits, testNats } from "../../services/nats.ts";
import type { TestPostgres } from "../../services/postgres.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { readEvents } from "../postgres/change_log/read_events.ts";
import type { EventLine } from "../postgres/change_log/replay.ts";

export interface Running {
  /** All that it told, newest last. */
  readonly states: PublisherState[];
  /** Resolves when it tells of such a state. */
  until(wanted: (state: PublisherState) => boolean): Promise<PublisherState>;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface Stored extends EventLine {
  readonly sequence: number;
  readonly traceparent: string | null;
}

export class Observed {
  private constructor(
    readonly url: string,
    readonly natsUrl: string,
    readonly connection: Connection,
    readonly nats: Nats,
    readonly limits: Limits,
  ) {}

  static async run(
    server: TestPostgres,
    { sql, tables, some = {} }: {
      readonly sql: string;
      readonly tables: readonly string[];
      readonly some?: Partial<Limits>;
    },
    work: (observed: Observed) => Promise<void>,
  ): Promise<void> {
    const url = await server.createDatabase();
    const natsUrl = await (await testNats()).createAccount();
    const all = limits({ ...testLimits, ...some });
    const nats = await connectTo(natsUrl);
    await migrateNats(nats, all);
    const connection = await connect({ url });
    try {
      await connection.query(sql);
      await captured(url, tables);
      await work(new Observed(url, natsUrl, connection, nats, all));
    } finally {
      await connection.close();
      await nats.close();
      await server.dropDatabase(url);
    }
  }

  query(sql: string): Promise<(string | null)[][]> {
    return this.connection.query(sql);
  }

  /** Starts a publisher within this process. */
  start(some: Partial<PublishOptions> = {}): Running {
    const stopping = new AbortController();
    const states: PublisherState[] = [];
    const waiting = new Set<() => void>();
    const ended = publish({
      database: parseUrl(this.url),
      nats: readNatsUrl(this.natsUrl),
      limits: this.limits,
      log: createLog("error", () => {}),
      startOver: null,
      onState(state) {
        states.push(state);
        waiting.forEach((look) => look());
      },
      signal: stopping.signal,
      ...some,
    });
    ended.catch(() => {}); // the test looks
    return {
      states,
      ended,
      async until(wanted) {
        const found = Promise.withResolvers<PublisherState>();
        const look = () => {
          const state = states.findLast(wanted);
          if (state) found.resolve(state);
        };
        waiting.add(look);
        look();
        ended.catch(found.reject);
        try {
          return await found.promise;
        } finally {
          waiting.delete(look);
        }
      },
      async stop() {
        stopping.abort();
        await ended;
      },
    };
  }

  /** Publishes until the stream has all that the change log has. */
  async publishAll(some: Partial<PublishOptions> = {}): Promise<void> {
    const running = this.start(some);
    await running.until(({ kind }) => kind === "asleep");
    await running.stop();
  }

  logged(): Promise<string[]> {
    return loggedIds(this.connection);
  }

  stored(): Promise<Stored[]> {
    return storedEvents(this.nats);
  }
}

/** Ids in the change log, in order of their positions. */
export async function loggedIds(connection: Connection): Promise<string[]> {
  const to = await currentSnapshot(connection);
  const window = { from: FIRST_SNAPSHOT, to, position: 0n };
  const ids: string[] = [];
  for await (const { eventId } of readEvents(connection, window)) ids.push(eventId);
  return ids;
}

/** All events in the stream, in its order. */
export async function storedEvents(nats: Nats): Promise<Stored[]> {
  const { lastSequence, messages } = await streamState(nats, STREAM.events);
  const events: Stored[] = [];
  if (messages === 0) return events;
  const reader = await readOrdered({ nats, stream: STREAM.events, from: 1 });
  const decoder = new TextDecoder();
  for (let at = 0; at < lastSequence;) {
    const max = { messages: 1000, bytes: 8 << 20 };
    for (const message of await reader.pull(max, new AbortController().signal)) {
      at = message.sequence;
      if (message.subject === SUBJECT.checkpoint) continue;
      const traceparent = message.header("traceparent");
      for (const line of eventLines(message.data)) {
        events.push({ ...JSON.parse(decoder.decode(line)), sequence: at, traceparent });
      }
    }
  }
  reader.close();
  return events;
}
