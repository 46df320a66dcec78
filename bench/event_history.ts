/**
 * The history of events over Flight beside ClickHouse's own HTTP interface with the same rows, both
 * read by pyarrow.
 */

// deno-lint-ignore-file camelcase -- the names are ClickHouse's and the ticket's

import { fileURLToPath } from "node:url";
import { connectClickhouse } from "../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../lib/clickhouse/migrate.ts";
import { EVENTS, EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import { readClickhouseUrl } from "../lib/clickhouse/url.ts";
import { startClickhouse } from "../lib/embedded/clickhouse.ts";
import { limits } from "../lib/limits.ts";
import { createLog } from "../lib/log.ts";
import { preparePython } from "../tests/clients/python.ts";
import { AskedProgram } from "./asked_program.ts";
import { megabytes, ratios, ratioText, seconds, short, spread, type Table } from "./figures.ts";
import { FlightClient, type FlightResult } from "./flight_client.ts";
import type { Report } from "./main.ts";
import { cpuSeconds, familyCpuSeconds, memoryOf, resetPeak } from "./processes.ts";
import { note, type Stage, startServer } from "./stage.ts";

type Read = Pick<FlightResult, "seconds" | "firstSeconds" | "rows">;

interface Sample extends Read {
  /** Of the Flight process and of ClickHouse's. */
  readonly cpuSeconds: number;
  /** The most that the Flight process held. */
  readonly peakBytes: number;
}

interface ArrowRead {
  readonly url: string;
  readonly sql: string;
  readonly settings: Readonly<Record<string, string | number>>;
}

/** Measures by turns, in the same engine. */
export async function benchEventHistory(stage: Stage): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-bench-" });
  stack.defer(() => Deno.remove(dataDir, { recursive: true }));
  const engine = await startClickhouse({
    dataDir,
    log: createLog("warn"),
    limits: limits(),
    onProgress: note,
  });
  stack.defer(() => engine.stop());
  const clickhouse = connectClickhouse(readClickhouseUrl(engine.url), limits());
  await migrateClickhouse(clickhouse, { retentionDays: 90 });
  note(`storing ${stage.rows.toLocaleString("en")} events`);
  for (let from = 0; from < stage.rows; from += rowsPerInsert) {
    await clickhouse.command(insert(from, Math.min(rowsPerInsert, stage.rows - from)));
  }
  const half = await middle(clickhouse);
  const server = await startServer(stage.url, { FRAISEQL_CLICKHOUSE_URL: engine.url });
  stack.defer(() => server.stop());
  const flight = await FlightClient.start();
  stack.defer(() => flight.stop());
  const script = fileURLToPath(new URL("arrow_http_client.py", import.meta.url));
  const http = new AskedProgram<ArrowRead, Read>(await preparePython(note), [script]);
  stack.defer(() => http.stop());

  const ours = (more: object) => () =>
    flight.read({
      url: server.flight,
      ticket: JSON.stringify({ type: "ObserverEvents", ...more }),
    });
  const theirs = (rest: string) => () =>
    http.ask({ url: engine.url, sql: `SELECT ${columns} FROM ${EVENTS} ${rest}`, settings });
  const cases: readonly [name: string, read: () => Promise<Read>, ours: string | null][] = [
    [allOurs, ours({}), null],
    ["ClickHouse, by position", theirs("ORDER BY position"), allOurs],
    ["ClickHouse, by time", theirs("ORDER BY timestamp"), allOurs],
    ["ClickHouse, in no order", theirs(""), allOurs],
    [halfOurs, ours({ start_date: half.replace(" ", "T") + "Z" }), null],
    [
      "ClickHouse, from a time on, by position",
      theirs(`WHERE ${since(half)} ORDER BY position`),
      halfOurs,
    ],
    [
      "ClickHouse, from a time on, by time",
      theirs(`WHERE ${since(half)} ORDER BY timestamp`),
      halfOurs,
    ],
  ];
  const samples: Record<string, Sample[]> = {};
  for (let round = 0; round < stage.rounds + 1; round++) {
    const turns = round % 2 === 0 ? cases : cases.toReversed();
    for (const [name, read] of turns) {
      resetPeak(server.flightPid);
      const used = () => cpuSeconds(server.flightPid) + familyCpuSeconds(engine.pid);
      const before = used();
      const { seconds, firstSeconds, rows } = await read();
      const sample = {
        seconds,
        firstSeconds,
        rows,
        cpuSeconds: used() - before,
        peakBytes: memoryOf(server.flightPid).peak,
      };
      // The first round warms everything up.
      if (round > 0) (samples[name] ??= []).push(sample);
    }
  }
  for (const [name, , same] of cases) {
    if (same === null) continue;
    const counts = new Set(
      [...samples[name] ?? [], ...samples[same] ?? []].map(({ rows }) => rows),
    );
    if (counts.size !== 1) throw new Error(`${name} and ${same} gave ${[...counts]} rows`);
  }
  return { tables: [table(cases, samples, stage.rows)], samples };
}

const allOurs = "FraiseQL, ObserverEvents";
const halfOurs = "FraiseQL, ObserverEvents from a time on";
const rowsPerInsert = 50_000;

/** The same bytes on the way as ours: texts as texts, nothing compressed. */
const settings = {
  default_format: "ArrowStream",
  output_format_arrow_compression_method: "none",
  output_format_arrow_string_as_string: 1,
};

const columns = "toString(event_id) AS event_id, event_type, entity_type, entity_id, timestamp, " +
  "data, user_id, org_id, position";

const since = (time: string) => `timestamp >= toDateTime64('${time}', 6, 'UTC')`;

/** The time behind which half of the events lie. */
async function middle(clickhouse: ReturnType<typeof connectClickhouse>): Promise<string> {
  const [row] = await clickhouse.rows<{ time: string }>(
    `SELECT toString(quantileExact(0.5)(timestamp)) AS time FROM ${EVENTS_DATA}`,
  );
  if (!row) throw new Error("no events");
  return row.time;
}

/** Some 260 bytes each, an event each millisecond, batches of 10,000. */
function insert(from: number, rows: number): string {
  return `INSERT INTO ${EVENTS_DATA}
SELECT generateUUIDv7(), ['Created', 'Updated', 'Deleted'][1 + rand() % 3],
  ['Order', 'User', 'Product', 'OrderItem'][1 + rand(2) % 4], toString(rand(3) % 100000),
  now64(6, 'UTC') - toIntervalDay(1) + toIntervalMillisecond(n),
  concat('{"id":', toString(n), ',"status":"paid","total":"', toString(rand(4) % 100000),
    '","note":"', hex(randomString(60)), '"}'),
  if(rand(5) % 3 = 0, NULL, toString(rand(6) % 1000)), ['acme', 'initech', NULL][1 + rand(7) % 3],
  bitShiftLeft(toUInt64(1), 54) + bitShiftLeft(toUInt64(1 + intDiv(n, 10000)), 14) + n % 10000
FROM (SELECT ${from} + number AS n FROM numbers(${rows}))`;
}

function table(
  cases: readonly (readonly [name: string, read: unknown, ours: string | null])[],
  samples: Readonly<Record<string, readonly Sample[]>>,
  rows: number,
): Table {
  const of = <Value>(name: string, take: (sample: Sample) => Value) =>
    (samples[name] ?? []).map(take);
  const rates = (name: string) => of(name, (one) => one.rows / one.seconds);
  return {
    title: `History of ${rows.toLocaleString("en")} events`,
    columns: ["", "events/s", "first batch", "CPU of both servers", "Flight's peak", "ours to it"],
    rows: cases.map(([name, , ours]) => [
      name,
      spread(rates(name), short),
      spread(of(name, ({ firstSeconds }) => firstSeconds), seconds),
      spread(of(name, (one) => one.cpuSeconds), seconds),
      ours === null ? spread(of(name, ({ peakBytes }) => peakBytes), megabytes) : "",
      ours === null ? "" : ratioText(ratios(rates(ours), rates(name))),
    ]),
  };
}
