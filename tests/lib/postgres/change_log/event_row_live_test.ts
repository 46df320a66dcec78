/** Lines that the publisher writes, against those that PostgreSQL's own JSON functions write. */

// deno-lint-ignore-file camelcase -- the names are columns

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FIRST_SNAPSHOT } from "../../../../lib/postgres/change_log.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { readEvents } from "./read_events.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();

/** The promised form, by PostgreSQL. */
const ORACLE = `
  select concat(
    '{"id":"', coalesce(event_id, fraiseql.event_id(recorded_at, position, s.database_bits)),
    '","event_type":"', event_type,
    '","entity_type":', to_json(entity_type), ',"entity_id":', to_json(entity_id),
    ',"timestamp":"', fraiseql.event_time(recorded_at), '","data":', data,
    ',"user_id":', coalesce(to_json(user_id)::text, 'null'),
    ',"org_id":', coalesce(to_json(org_id)::text, 'null'), ',"changes":' || changes, '}')
  from fraiseql.change_log, fraiseql.capture_settings s order by position`;

type Columns = Readonly<Record<string, string | null>>;

/** Columns of a row that differ from a plain one's, as SQL's values. */
const ODD: readonly [name: string, columns: Columns][] = [
  ["a plain row", {}],
  ["every character below space", {
    entity_id: Array.from({ length: 31 }, (_, n) => String.fromCharCode(n + 1)).join(""),
  }],
  ["quotes and backslashes", { user_id: '"\\"', org_id: "\\", entity_type: 'a"b\\c' }],
  ["delete, and characters of two, three and four bytes", {
    entity_id: "\x7f\x80é\u2028\uFEFF漢😀",
    user_id: "\uFEFF",
  }],
  ["empty texts", { entity_id: "", user_id: "", org_id: "", entity_type: "" }],
  ["long texts", { entity_id: '"'.repeat(5000), user_id: "\x01".repeat(5000) }],
  ["no user, no organisation, no changes", { user_id: null, org_id: null, changes: null }],
  ["large data and changes", { data: `{"v":"${"x".repeat(70_000)}"}`, changes: "{}" }],
  ["a time on the second", { recorded_at: "2026-01-01 00:00:00+00" }],
  ["a microsecond before", { recorded_at: "2025-12-31 23:59:59.999999+00" }],
  ["a time before 2000", { recorded_at: "1999-12-31 23:59:59.000001+00" }],
  ["a time before 1970", { recorded_at: "1969-12-31 23:59:59.999999+00" }],
  ["a leap day", { recorded_at: "2024-02-29 12:34:56.7+00" }],
  ["the last microsecond that a double holds", { recorded_at: "2272-01-01 00:00:00.123457+00" }],
  ["a time beyond", { recorded_at: "2285-06-05 23:47:34.740993+00" }],
  ["a time far before", { recorded_at: "1582-10-04 01:02:03.4+00" }],
  ["the year 1", { recorded_at: "0001-01-01 00:00:00+00" }],
  ["before the year 1", { recorded_at: "0044-03-15 12:00:00.5+00 BC" }],
  ["the first day that PostgreSQL has", { recorded_at: "4713-11-24 00:00:00+00 BC" }],
  ["the year 10000", { recorded_at: "10000-02-29 23:59:59.999999+00" }],
  ["the last year that PostgreSQL has", { recorded_at: "294276-12-31 23:59:59.999999+00" }],
  ["a position of 48 bits", { position: "281474976710655" }],
];

/** event_id() has no id for these: no write that is so far away is captured. */
const FAR = [
  "0001-01-01 00:00:00+00",
  "0044-03-15 12:00:00.5+00 BC",
  "4713-11-24 00:00:00+00 BC",
  "10000-02-29 23:59:59.999999+00",
  "294276-12-31 23:59:59.999999+00",
];

for (const isComputed of [false, true]) {
  const what = isComputed ? "and computes the id where there is none" : "for each kind of row";
  Deno.test(`EventRow writes PostgreSQL's own JSON, ${what}`, async () => {
    const rows = isComputed
      ? ODD.filter(([, { recorded_at: at }]) => !FAR.includes(at ?? ""))
      : ODD;
    await Scene.run(server, { sql: "create table t (id int)", tables: [] }, async (scene) => {
      await scene.query("alter table fraiseql.change_log alter event_id drop not null");
      for (const [index, [, odd]] of rows.entries()) {
        const columns: Columns = {
          slot: "0",
          position: String(index + 1),
          xid: "1000",
          key_hash: "1",
          event_id: isComputed ? null : "01980000-ffff-7abc-8def-0123456789ab",
          event_type: "Updated",
          entity_type: "Order",
          entity_id: "1",
          recorded_at: "2026-01-01 00:00:00.123456+00",
          data: '{"id":1,"v":"é"}',
          changes: '{"v":{"old":null,"new":"é"}}',
          user_id: "u",
          org_id: "o",
          ...odd,
        };
        const names = Object.keys(columns);
        await scene.connection.query(
          `insert into fraiseql.change_log (${names}) values (${names.map((_, n) => `$${n + 1}`)})`,
          Object.values(columns),
        );
      }
      const window = { from: FIRST_SNAPSHOT, to: "2000:2000:", position: 0n };
      const lines = (await Array.fromAsync(readEvents(scene.connection, window)))
        .map(({ line }) => line);
      const wanted = (await scene.query(ORACLE)).flat();
      equal(lines.length, rows.length);
      for (const [index, [name]] of rows.entries()) equal(lines[index], wanted[index], name);
    });
  });
}

Deno.test("EventRow writes an infinite time as to_char does, which is not at all", async () => {
  await Scene.run(server, { sql: "create table t (id int)", tables: [] }, async (scene) => {
    await scene.query(`
      insert into fraiseql.change_log
        (slot, position, xid, key_hash, event_id, event_type, entity_type, entity_id, recorded_at, data)
      select 0, n, '1000', 1, gen_random_uuid(), 'Created', 'Order', '1', at::timestamptz, '{}'
      from (values (1, 'infinity'), (2, '-infinity')) as t (n, at)`);
    const window = { from: FIRST_SNAPSHOT, to: "2000:2000:", position: 0n };
    const events = await Array.fromAsync(readEvents(scene.connection, window));
    deepEqual(events.map(({ line }) => line), (await scene.query(ORACLE)).flat());
  });
});
