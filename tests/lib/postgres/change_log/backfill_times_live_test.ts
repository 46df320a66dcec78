import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "../../../services/postgres.ts";
import { backfilled } from "./backfilled.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();
const timed = { tables: ["t"], how: { timestampColumn: "at" } };

/** Values of the column, and the event's time: as it is written, `now`, or none. */
const TIMES: [type: string, rows: [value: string, time: string | null][]][] = [
  ["timestamptz", [
    ["now() - interval '1 day'", "own"],
    ["now() - interval '89 days'", "own"],
    ["now() - interval '91 days'", null],
    ["'1970-01-01 00:00+00'", null],
    ["null", "now"],
    ["'infinity'", "now"],
    ["'-infinity'", "now"],
    ["now() + interval '1 hour'", "now"],
    ["'1969-12-31 23:59+00'", "now"],
    ["'0001-01-01 00:00+00'", "now"],
    ["'200000-01-01 00:00+00'", "now"],
  ]],
  ["timestamp", [
    ["(now() at time zone 'UTC') - interval '1 hour'", "own"],
    ["(now() at time zone 'UTC') + interval '1 hour'", "now"],
    ["'infinity'", "now"],
    ["'4000-01-01 BC'", "now"],
    ["'2000-01-01'", null],
  ]],
  ["date", [
    ["(now() at time zone 'UTC')::date - 2", "own"],
    ["(now() at time zone 'UTC')::date + 2", "now"],
    ["'infinity'", "now"],
    ["'5874897-12-31'", "now"],
    ["'4000-01-01 BC'", "now"],
  ]],
  ["moment", [["now() - interval '1 minute'", "own"], ["null", "now"]]],
];

for (const [type, rows] of TIMES) {
  Deno.test(`backfill() gives an event the row's own ${type}, where it is one that can be`, async () => {
    const values = rows.map(([value], n) => `(${n}, (${value})::${type})`).join(", ");
    const sql = `create domain moment as timestamptz check (value > '2000-01-01');
      create table t (id int primary key, at ${type}); insert into t values ${values}`;
    await Scene.run(server, { ...timed, sql }, async (scene) => {
      const done = await backfilled(scene.url, "t");
      equal(done.rowsDone, rows.length);
      equal(done.rowsOld, rows.filter(([, time]) => time === null).length);
      const own = rows.flatMap(([, time], n) => time === "own" ? [n] : []);
      const found = await scene.query(`
        set timezone = 'UTC';
        select t.id, case when l.position is null then null
          when t.id = any ('{${own}}') and l.recorded_at = t.at::timestamptz then 'own'
          when l.recorded_at between c.captured_since and now() then 'now'
          else l.recorded_at::text end
        from fraiseql.captured_tables c, t
        left join fraiseql.change_log l on l.entity_id = t.id::text order by 1`);
      deepEqual(
        found.map(([id, time]) => [Number(id), time]),
        rows.map(([, time], n) => [n, time]),
      );
    });
  });
}

Deno.test("backfill() takes as old what the retention says", async () => {
  const sql = `create table t (id int primary key, at timestamptz);
    insert into t select n, now() - n * interval '1 day' from generate_series(0, 9) n`;
  await Scene.run(server, { ...timed, sql }, async (scene) => {
    const done = await backfilled(scene.url, "t", { retentionDays: 3 });
    deepEqual([done.rowsDone, done.rowsOld], [10, 7]);
    equal((await scene.events()).length, 3);
  });
});

Deno.test("backfill() gives ids of the rows' own times, which end in their positions", async () => {
  const sql = `create table t (id int primary key, at timestamptz);
    insert into t select n, now() - n * interval '1 hour' from generate_series(1, 50) n`;
  await Scene.run(server, { ...timed, sql }, async (scene) => {
    await backfilled(scene.url, "t");
    const events = await scene.events();
    for (const { line, position } of events) {
      equal(BigInt(`0x${line.id.slice(-12)}`), position);
      const ms = Number.parseInt(line.id.replaceAll("-", "").slice(0, 12), 16);
      equal(ms, Date.parse(line.timestamp));
    }
    const byId = [...events].sort((a, b) => a.line.id < b.line.id ? -1 : 1);
    deepEqual(
      byId.map(({ line }) => line.timestamp),
      byId.map(({ line }) => line.timestamp).sort(),
    );
  });
});

Deno.test("backfill() makes no event that sorts behind a later write of its row", async () => {
  const sql = `create table t (id int primary key, at timestamptz, v int default 0);
    insert into t select n, now() + (n - 10) * interval '1 hour' from generate_series(1, 20) n`;
  await Scene.run(server, { ...timed, sql }, async (scene) => {
    await backfilled(scene.url, "t");
    await scene.query("update t set v = 1");
    const events = await scene.events();
    const order = ({ line }: typeof events[number]) => line.timestamp + line.id;
    for (let id = 1; id <= 20; id++) {
      const [first, second] = events.filter(({ line }) => line.entity_id === String(id))
        .sort((a, b) => order(a) < order(b) ? -1 : 1);
      deepEqual([first?.line.event_type, second?.line.event_type], ["Created", "Updated"]);
    }
    ok(events.length === 40);
  });
});
