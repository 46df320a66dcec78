import { match, ok, strictEqual as equal } from "node:assert/strict";
import { type Clickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { fileURLToPath } from "node:url";
import { LIMITS } from "../../lib/limits.ts";
import { linesOf } from "../../lib/embedded/ports_and_lines.ts";
import { preparePython } from "../clients/python.ts";
import { RawClient } from "../flight/raw_client.ts";
import { ticketBytes } from "../flight/serve.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testPostgres } from "../services/postgres.ts";
import { flightCall } from "./flight_calls.ts";
import { flightPid, residentBytes, serve, until } from "./serve.ts";

const postgres = await testPostgres();
const clickhouse = await (await testClickhouse()).createDatabase();
await migrateClickhouse(clickhouse, { retentionDays: 90 });
const events = 1_000_000;
/** Rows from one on, each with so many random bytes. */
async function fill(from: number, rows: number, bytes: number): Promise<void> {
  await clickhouse.command(
    `INSERT INTO ${EVENTS_DATA} SELECT generateUUIDv7(), 'Created', 'Order', toString(number),
       now64(6, 'UTC'), concat('{"note":"', hex(randomString(${bytes})), '"}'), NULL, 'acme',
       bitShiftLeft(toUInt64(1), 54) + bitShiftLeft(toUInt64(1 + intDiv(number, 10000)), 14)
         + number % 10000
     FROM (SELECT ${from} + number AS number FROM numbers(${rows}))`,
  );
}

await fill(0, 20_000, 40);
// More than all buffers on the way can hold, so that a reader who holds there stands within the rows.
await fill(20_000, 80_000, 1000);
for (let from = 100_000; from < events; from += 100_000) await fill(from, 100_000, 40);

const ticket = '{"type":"ObserverEvents"}';
const fewEvents = '{"type":"ObserverEvents","limit":1000}';
const environment = async () => ({
  DATABASE_URL: await postgres.createDatabase(),
  FRAISEQL_CLICKHOUSE_URL: urlOf(clickhouse),
  FRAISEQL_LOG_LEVEL: "warn",
});

function urlOf({ settings: { origin, user, password, database } }: Clickhouse): string {
  const url = new URL(`${origin}/${database}`);
  [url.username, url.password] = [user, password];
  return String(url);
}

/** Statements of this database that ClickHouse runs just now. */
async function running(): Promise<number> {
  const [row] = await clickhouse.rows<{ count: number }>(
    `SELECT toInt32(count()) AS count FROM system.processes
     WHERE position(query, 'splitByChar') > 0 AND position(query, 'system.processes') = 0`,
  );
  return row?.count ?? 0;
}

/** A Python that holds streams at their first batch, then reads all of them. */
async function hold(flight: string, streams = 1) {
  const script = fileURLToPath(new URL("../clients/flight_hold.py", import.meta.url));
  const child = new Deno.Command(await preparePython(), {
    args: [script, flight, ticket, String(streams)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const said = linesOf(child.stdout);
  equal((await said.next()).value, "reading");
  const writer = child.stdin.getWriter();
  const leave = async () => {
    await writer.close();
    await child.status;
    await said.return(undefined);
  };
  return {
    leave,
    async readOn() {
      await writer.write(new TextEncoder().encode("on\n"));
      const rows = Number((await said.next()).value);
      await leave();
      return rows;
    },
  };
}

Deno.test("serve reads no further while a client holds, keeps no statement and its memory, and sends all", async () => {
  await using served = await serve(await environment());
  const pid = flightPid(served);
  equal((await flightCall(served.flight, { call: "get", ticket })).rows, events);
  const before = residentBytes(pid);
  const { readOn } = await hold(served.flight);
  await until(running, (count) => count === 0);
  equal(await readOn(), events);
  const grown = residentBytes(pid) - before;
  ok(grown < 64e6, `grown by ${grown} bytes`);
});

Deno.test("serve answers a reader of events while more hold theirs than ClickHouse runs statements", async () => {
  const holding = LIMITS.clickhouseQueriesMax.value + 4;
  // Small, so that the test itself takes little memory.
  const small = { FRAISEQL_LIMITS_EVENT_HELD_BYTES_MAX: "1000000" };
  await using served = await serve({ ...await environment(), ...small });
  const { leave } = await hold(served.flight, holding);
  await until(running, (count) => count === 0);
  equal((await flightCall(served.flight, { call: "get", ticket: fewEvents })).rows, 1000);
  await leave();
});

Deno.test("serve ends ClickHouse's statement when the client is gone", async () => {
  await using served = await serve(await environment());
  const client = new RawClient(served.flight);
  const answer = await client.call("DoGet", ticketBytes(ticket), {
    onMessage: (_message, cancel) => cancel(),
  });
  equal(answer.code, 1);
  await until(running, (count) => count === 0);
  client.close();
});

Deno.test("serve answers ObserverEvents with UNAVAILABLE while ClickHouse is down", async () => {
  const down = { ...await environment(), FRAISEQL_CLICKHOUSE_URL: "http://127.0.0.1:9/fraiseql" };
  await using served = await serve(down);
  const client = new RawClient(served.flight);
  const answer = await client.call("DoGet", ticketBytes(ticket));
  equal(answer.code, 14);
  match(answer.message, /ClickHouse/);
  client.close();
});
