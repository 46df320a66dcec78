/** Back-fills while others write: what the events say at the end must be what the tables hold. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { AppError } from "../../../../lib/errors.ts";
import { FIRST_SNAPSHOT } from "../../../../lib/postgres/change_log.ts";
import type { BackfillProgress } from "../../../../lib/postgres/change_log/backfill.ts";
import { connect, type Connection } from "../../../../lib/postgres/connection.ts";
import { PostgresError } from "../../../../lib/postgres/errors.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { backfilled } from "./backfilled.ts";
import { captured, eventsSince, type Since } from "./captured.ts";
import { randomProgram, TABLES } from "./program.ts";
import { type Rebuilt, replay } from "./replay.ts";
import { Scene } from "./scene.ts";
import tablesSql from "./tables.sql" with { type: "text" };

const server = await testPostgres();
const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
const rounds = Math.ceil(Number(Deno.env.get("FRAISEQL_TEST_CASES") ?? 400) / 80);
const writers = 3;

/**
 * Some rows before anything is captured, a column for the rows' own times, and a table that is walked
 * in the order of the disk, since its index goes in two directions.
 */
const filled = `${tablesSql};
  alter table plain add at timestamptz
    default clock_timestamp() + (random() * 100 - 99) * interval '1 hour';
  insert into plain select n, n, 'before', n from generate_series(0, 60) n;
  alter table pairs drop constraint pairs_pkey, alter x set not null, alter y set not null;
  create unique index on pairs (x desc, y);
  insert into pairs select n % 7, n::text, repeat('x', 300) from generate_series(0, 60) n;
  insert into parted select n, (array['east', 'west', 'north'])[n % 3 + 1], 'before'
    from generate_series(0, 40) n;
  insert into parents select n, 'before' from generate_series(0, 9) n;
  insert into children select n, n % 10, n % 4, 'before' from generate_series(0, 30) n;
  insert into shifting select n * 3, 'before' from generate_series(0, 20) n;
  insert into noisy select n, n from generate_series(0, 20) n;
  insert into animals select n, 'before' from generate_series(0, 9) n;
  insert into dogs select 100 + n, 'before', 'woof' from generate_series(0, 9) n`;

for (let round = 0; round < rounds; round++) {
  Deno.test(`backfill() and ${writers} writers of random SQL leave events that rebuild the tables (${round})`, async () => {
    const url = await server.createDatabase();
    const connection = await connect({ url });
    const stop = new AbortController();
    let writing: Promise<number>[] = [];
    try {
      await connection.query(filled);
      const { plain: _, ...rest } = TABLES;
      await captured(url, ["plain"], { timestampColumn: "at" });
      await captured(url, Object.keys(rest));
      writing = Array.from(
        { length: writers },
        (_, n) => write(url, seed * 10_000 + round * 100 + n, stop.signal),
      );
      let rows = 0;
      for (const table of Object.keys(TABLES)) {
        rows += (await backfilled(url, table, { some: { backfillRowsMax: 3 } })).rowsDone;
      }
      stop.abort();
      const programs = (await Promise.all(writing)).reduce((sum, count) => sum + count, 0);
      ok(rows > 0 && programs > writers, `${rows} rows beside ${programs} programs`);
      const { events } = await eventsSince(connection, FIRST_SNAPSHOT);
      const wanted = await content(connection);
      deepEqual(inOrder(events), wanted);
      deepEqual(sorted(events), wanted);
    } finally {
      stop.abort();
      await Promise.allSettled(writing);
      await connection.close();
      await server.dropDatabase(url);
    }
  });
}

/** What SQL refuses by itself, whom a deadlock hits, and who meets a row on its way to a partition. */
const REFUSALS = /^(23...|27000|21000|22...|40P01|40001)$/;

/** Runs programs until the signal, and gives their number. */
async function write(url: string, from: number, signal: AbortSignal): Promise<number> {
  const connection = await connect({ url });
  try {
    let n = 0;
    for (; !signal.aborted; n++) {
      for (const { statements, ends } of randomProgram(from * 1000 + n).transactions) {
        await connection.query("begin");
        for (const statement of statements) {
          await connection.query("savepoint each");
          try {
            await connection.query(statement);
          } catch (error) {
            const cause = error instanceof AppError ? error.cause : error;
            if (!(cause instanceof PostgresError) || !REFUSALS.test(cause.sqlState)) throw error;
            await connection.query("rollback to each");
          }
        }
        await connection.query(ends);
      }
    }
    return n;
  } finally {
    await connection.close();
  }
}

/** By table and id, rows as JSON text. */
type Content = Record<string, Record<string, string>>;

async function content(connection: Connection): Promise<Content> {
  const tables: Content = {};
  for (const [table, key] of Object.entries(TABLES)) {
    const names = key.map((name) => `t.${name}::text`);
    const id = names.length === 1 ? names[0] : `array_to_json(array[${names}])::text`;
    const rows = await connection.query(
      `set timezone = 'UTC'; select ${id}, row_to_json(t.*)::text from ${table} t order by 1`,
    );
    tables[table] = Object.fromEntries(
      rows.map(([id, row]) => [id ?? "", JSON.stringify(JSON.parse(row ?? ""))]),
    );
  }
  return tables;
}

/** In the order of the log, each event held against what is known of its row by then. */
function inOrder(events: Since["events"]): Content {
  const rebuilt: Rebuilt = new Map(Object.keys(TABLES).map((table) => [table, new Map()]));
  const seen = new Set<string>();
  for (const { line, origin } of events) {
    const { entity_type: table, entity_id: id, data } = line;
    const rows = rebuilt.get(table)!;
    const there = rows.get(id);
    const isKnown = seen.has(`${table} ${id}`);
    seen.add(`${table} ${id}`);
    if (origin === "backfill") {
      equal(line.event_type, "Created");
      if (isKnown) equal(JSON.stringify(data), there, `${table} ${id} is not so`);
      rows.set(id, JSON.stringify(data));
    } else if (isKnown || line.event_type === "Created") replay(rebuilt, line);
    else if (line.event_type === "Deleted") rows.delete(id);
    else rows.set(id, JSON.stringify(data));
  }
  return toContent(rebuilt);
}

/** In the order that consumers sort by: time, then id. The last one of a row tells what it is. */
function sorted(events: Since["events"]): Content {
  const rebuilt: Rebuilt = new Map(Object.keys(TABLES).map((table) => [table, new Map()]));
  const order = ({ line }: Since["events"][number]) => line.timestamp + line.id;
  const byTime = events.map((event) => ({ at: order(event), line: event.line }))
    .sort((a, b) => a.at < b.at ? -1 : 1);
  for (const { line } of byTime) {
    const rows = rebuilt.get(line.entity_type)!;
    if (line.event_type === "Deleted") rows.delete(line.entity_id);
    else rows.set(line.entity_id, JSON.stringify(line.data));
  }
  return toContent(rebuilt);
}

const toContent = (rebuilt: Rebuilt): Content =>
  Object.fromEntries([...rebuilt].map(([table, rows]) => [table, Object.fromEntries(rows)]));

const ten =
  "create table t (id int primary key, v int); insert into t select generate_series(1, 10)";

Deno.test("backfill() waits for a row that is being written, and gives what it became", async () => {
  await Scene.run(server, { tables: ["t"], sql: ten }, async (scene) => {
    await scene.query("begin; update t set v = 7 where id = 5; delete from t where id = 6");
    const waits = Promise.withResolvers<BackfillProgress>();
    const filling = backfilled(scene.url, "t", {
      onProgress: (step) => step.kind === "rows are locked" && waits.resolve(step),
    });
    await Promise.race([waits.promise, filling]);
    await scene.query("commit");
    equal((await filling).rowsDone, 9);
    const last = new Map((await scene.events()).map((event) => [event.line.entity_id, event]));
    deepEqual([last.get("5")?.origin, last.get("5")?.line.data.v], ["backfill", 7]);
    equal(last.get("6")?.line.event_type, "Deleted");
  });
});

Deno.test("backfill() comes to the row that is held by smaller steps, and holds none while it waits", async () => {
  await Scene.run(server, { tables: ["t"], sql: ten }, async (scene) => {
    await scene.query("begin; update t set v = 7 where id = 6");
    const before = Promise.withResolvers<void>();
    const steps: BackfillProgress[] = [];
    const filling = backfilled(scene.url, "t", {
      onProgress: (step) => {
        steps.push(step);
        const tries = steps.filter(({ kind }) => kind === "rows are locked").length;
        if (step.rowsDone === 5 && tries > 6) before.resolve();
      },
    });
    await Promise.race([before.promise, filling]);
    equal(steps.at(-1)?.rowsDone, 5);
    // One of a chunk that is done, and one of a later chunk.
    const writer = await connect({ url: scene.url });
    await writer.query("set statement_timeout = 5000; update t set v = 1 where id in (2, 9)");
    await writer.close();
    await scene.query("rollback");
    equal((await filling).rowsDone, 10);
  });
});

Deno.test("backfill() gives up its chunk, and the writer goes on, where they wait for each other", async () => {
  await Scene.run(server, { tables: ["t"], sql: ten }, async (scene) => {
    // It holds what the chunk comes to last, and then wants what the chunk holds.
    await scene.query("begin; update t set v = 7 where id = 10");
    let isWriting: Promise<unknown> | null = null;
    const filling = backfilled(scene.url, "t", {
      onProgress: ({ kind }) => {
        if (kind === "begins") {
          isWriting = scene.query("select pg_sleep(0.05); update t set v = 7 where id = 1; commit");
        }
      },
    });
    equal((await filling).rowsDone, 10);
    await isWriting;
    const [row] = await scene.query("select count(*) from t where v = 7");
    equal(row?.[0], "2");
  });
});

Deno.test("backfill() holds up no writer of a row that is in another chunk", async () => {
  await Scene.run(server, { tables: ["t"], sql: ten }, async (scene) => {
    // A chunk that is under way: its transaction stays open.
    const connection = await connect({ url: scene.url });
    await connection.query("select fraiseql.begin_backfill('t')");
    await connection.query("begin");
    await connection.query(
      "select fraiseql.backfill_chunk('t', 3, 1000000, interval '90 days', 50)",
    );
    await scene.query("set statement_timeout = 5000; update t set v = 1 where id > 3");
    await scene.query("insert into t values (11)");
    await connection.query("commit");
    await connection.close();
    deepEqual(
      (await scene.events()).map(({ line }) => line.event_type).slice(0, 3),
      ["Created", "Created", "Created"],
    );
  });
});
