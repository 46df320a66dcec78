/** The history of events over Flight beside ClickHouse's own HTTP interface with the same rows. */

import { connectClickhouse } from "../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../lib/clickhouse/migrate.ts";
import { EVENTS, EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import { readClickhouseUrl } from "../lib/clickhouse/url.ts";
import { startClickhouse } from "../lib/embedded/clickhouse.ts";
import { limits } from "../lib/limits.ts";
import { createLog } from "../lib/log.ts";
import { ratios, ratioText, seconds, short, spread, type Table } from "./figures.ts";
import { FlightClient } from "./flight_client.ts";
import type { Report } from "./main.ts";
import { note, type Stage, startServer } from "./stage.ts";

interface Sample {
  readonly seconds: number;
  readonly firstSeconds: number;
}

/** Measures by turns, in the same engine. */
export async function benchEvents(stage: Stage): Promise<Report> {
  const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-bench-" });
  const engine = await startClickhouse({
    dataDir,
    log: createLog("warn"),
    limits: limits(),
    onProgress: note,
  });
  const client = await FlightClient.start();
  try {
    const clickhouse = connectClickhouse(readClickhouseUrl(engine.url), limits());
    await migrateClickhouse(clickhouse, { retentionDays: 90 });
    for (let from = 0; from < stage.rows; from += rowsPerInsert) {
      await clickhouse.command(insert(from, Math.min(rowsPerInsert, stage.rows - from)));
    }
    const server = await startServer(stage.url, { FRAISEQL_CLICKHOUSE_URL: engine.url });
    const cases: Record<string, () => Promise<Sample>> = {
      "FraiseQL: ObserverEvents, by position": async () => {
        const ticket = '{"type":"ObserverEvents"}';
        const read = await client.read({ url: server.flight, ticket });
        if (read.rows !== stage.rows) throw new Error(`${read.rows} of ${stage.rows} events`);
        return read;
      },
      "ClickHouse: ArrowStream, in no order": () =>
        drained(clickhouse.arrow(`SELECT ${columns} FROM ${EVENTS}`)),
      "ClickHouse: ArrowStream, by position": () =>
        drained(clickhouse.arrow(`SELECT ${columns} FROM ${EVENTS} ORDER BY position`)),
    };
    try {
      const samples: Record<string, Sample[]> = {};
      for (let round = 0; round < stage.rounds + 1; round++) {
        for (const [name, read] of Object.entries(cases)) {
          const sample = await read();
          // The first round warms everything up.
          if (round > 0) (samples[name] ??= []).push(sample);
        }
      }
      return { tables: [table(samples, stage.rows)], samples };
    } finally {
      await server.stop();
    }
  } finally {
    await client.stop();
    await engine.stop();
    await Deno.remove(dataDir, { recursive: true });
  }
}

const rowsPerInsert = 50_000;

const columns = "toString(event_id) AS event_id, event_type, entity_type, entity_id, timestamp, " +
  "data, user_id, org_id, position";

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

async function drained(pieces: AsyncIterable<Uint8Array>): Promise<Sample> {
  const began = performance.now();
  let firstSeconds = 0;
  for await (const _ of pieces) firstSeconds ||= (performance.now() - began) / 1000;
  return { seconds: (performance.now() - began) / 1000, firstSeconds };
}

function table(samples: Readonly<Record<string, readonly Sample[]>>, rows: number): Table {
  const rates = (name: string) => (samples[name] ?? []).map((one) => rows / one.seconds);
  const [ours = ""] = Object.keys(samples);
  return {
    title: `History of ${rows.toLocaleString("en")} events`,
    columns: ["", "events/s", "first batch", "ours to it"],
    rows: Object.entries(samples).map(([name, taken]) => [
      name,
      spread(rates(name), short),
      spread(taken.map(({ firstSeconds }) => firstSeconds), seconds),
      name === ours ? "" : ratioText(ratios(rates(ours), rates(name))),
    ]),
    notes: ["ClickHouse's own answers are read to their end and not looked at; ours by pyarrow."],
  };
}
