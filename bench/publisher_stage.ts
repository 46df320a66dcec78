/** A captured table, a nats-server of its own, and the publisher between them as a process. */

import { startNats } from "../lib/embedded/nats.ts";
import { lastCheckpoint } from "../lib/events/atomic_publish.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { STREAM } from "../lib/events/names.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { migrateNats, storeBytesMax } from "../lib/events/streams.ts";
import { limits } from "../lib/limits.ts";
import { createLog } from "../lib/log.ts";
import { decodeCheckpoint } from "../lib/observer/checkpoint.ts";
import { lockKey } from "../lib/observer/session.ts";
import { connect, type Connection } from "../lib/postgres/connection.ts";
import { captured } from "../tests/lib/postgres/change_log/captured.ts";
import {
  childrenOf,
  commandOf,
  cpuSeconds,
  familyCpuSeconds,
  type Running,
  startProgram,
} from "./processes.ts";
import { note, type Stage, taskArguments } from "./stage.ts";

/** CPU seconds of the three programs. */
export interface Cpu {
  readonly publisher: number;
  readonly postgres: number;
  readonly nats: number;
}

/** A publisher that is about to begin. */
export interface Waiting extends Running {
  go(): Promise<number>;
}

export class PublisherStage {
  private constructor(
    readonly stage: Stage,
    readonly url: string,
    /** Of the publisher, and of the administrator. */
    readonly natsUrl: string,
    readonly adminUrl: string,
    readonly natsPid: number,
    readonly nats: Nats,
    readonly connection: Connection,
    readonly stop: () => Promise<void>,
  ) {}

  static async open(stage: Stage): Promise<PublisherStage> {
    const first = await connect({ url: stage.url });
    await first.query("create database publisher");
    await first.close();
    const url = new URL("/publisher", stage.url).href;
    const connection = await connect({ url });
    await connection.query(await Deno.readTextFile(new URL("capture_tables.sql", import.meta.url)));
    await captured(url, ["captured"], { entityType: "Order" });

    const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-bench-" });
    const log = createLog("warn");
    const server = await startNats({
      dataDir,
      log,
      storeBytesMax: storeBytesMax(limits()),
      messageBytesMax: limits().natsMessageBytesMax,
      onProgress: note,
    });
    const nats = await connectNats({ settings: readNatsUrl(server.url), name: "bench", log });
    const stop = async () => {
      await connection.close();
      await nats.close();
      await server.stop();
      await Deno.remove(dataDir, { recursive: true });
    };
    const made = new PublisherStage(
      stage,
      url,
      server.urls.publisher,
      server.url,
      server.pid,
      nats,
      connection,
      stop,
    );
    await made.emptyStreams();
    return made;
  }

  /** Streams without a message, which a publisher fills from the change log's first event on. */
  async emptyStreams(): Promise<void> {
    for (const stream of Object.values(STREAM)) {
      await this.nats.manager.streams.delete(stream).catch(() => {}); // the first time there is none
    }
    await migrateNats(this.nats, limits());
  }

  /** Writes so many events by statements of this many rows, or by one alone. */
  async fill(events: number, rowsOfStatement: number): Promise<void> {
    for (let left = events; left > 0; left -= rowsOfStatement) {
      await this.connection.query(
        "insert into captured (user_id, status, total, notes) select gen_random_uuid(), 'paid', " +
          `n, 'to be left at the door' from generate_series(1, ${
            Math.min(left, rowsOfStatement)
          }) n`,
      );
    }
  }

  /** The publisher as `deno task observe` runs it; it publishes when it has told so. */
  start(): Promise<Running> {
    return startProgram(Deno.execPath(), {
      args: taskArguments("observe"),
      env: {
        DATABASE_URL: this.url,
        FRAISEQL_NATS_URL: this.natsUrl,
        // What the log holds must stay for the next round.
        FRAISEQL_LIMITS_CHANGE_LOG_KEEP_HOURS: "24",
      },
      find: (line) => line.startsWith('{"event":"publishing"') ? line : null,
    });
  }

  /**
   * Starts a publisher that stands by until `go`, so that what is measured is neither the start of
   * Deno nor the loading of modules. `go` gives the moment at which it began.
   */
  async startWaiting(): Promise<Waiting> {
    const keeper = await connect({ url: this.url });
    await keeper.query(`select pg_advisory_lock(${lockKey})`);
    const running = this.start();
    running.catch(() => {}); // whoever waits for it is told
    const stop = async () => await (await running).stop();
    await this.#until(`select 1 from pg_stat_activity where application_name = 'fraiseql observe'
      and query like '%try_advisory_lock%' and state = 'idle'`);
    const pid = childrenOf(Deno.pid).find((pid) => / observe( |$)/.test(commandOf(pid)));
    if (pid === undefined) throw new Error("the publisher's process was not found");
    return {
      pid,
      stop,
      go: async () => {
        await keeper.close();
        await this.#until(`select 1 from pg_locks l join pg_stat_activity a using (pid)
          where l.locktype = 'advisory' and a.application_name = 'fraiseql observe'`);
        return performance.now();
      },
    };
  }

  async #until(sql: string): Promise<void> {
    while ((await this.connection.query(sql)).length === 0) await delay(2);
  }

  /** Waits until the stream holds all that the log holds; gives the moment. */
  async untilPublished(): Promise<number> {
    const [row] = await this.connection.query(
      "select last_value from fraiseql.change_log_position",
    );
    const wanted = BigInt(row?.[0] ?? 0);
    for (;;) {
      const last = await lastCheckpoint(this.nats);
      if (last && decodeCheckpoint(last.data).positionMax >= wanted) return performance.now();
      await delay(5);
    }
  }

  /** So far; `publisher` is the process in that part. */
  cpu(publisher: number): Cpu {
    return {
      publisher: cpuSeconds(publisher),
      postgres: familyCpuSeconds(this.stage.postgresPid),
      nats: cpuSeconds(this.natsPid),
    };
  }
}

/** Waits. */
export function delay(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
