/** A table to pyarrow: ours beside a pyarrow Flight server fed by the ADBC PostgreSQL driver. */

import { megabytes, ratios, ratioText, seconds, short, spread, type Table } from "./figures.ts";
import { FlightClient, type FlightResult } from "./flight_client.ts";
import type { Report } from "./main.ts";
import { startAdbcFlightServer } from "./peers/adbc_flight_server.ts";
import { cpuSeconds, familyCpuSeconds } from "./processes.ts";
import { COLUMNS, ourQuery, sqlQuery } from "./queries.ts";
import { note, type Stage, startServer } from "./stage.ts";

interface Sample extends FlightResult {
  readonly serverCpuSeconds: number;
  readonly postgresCpuSeconds: number;
}

interface Side {
  readonly name: string;
  readonly url: string;
  readonly pids: readonly number[];
  ticket(rows: number | null): string;
}

/** Measures a whole table, and the first 100,000 and 10,000 rows of it. */
export async function benchFlight(stage: Stage): Promise<Report> {
  const server = await startServer(stage.url);
  const peer = await startAdbcFlightServer(stage.url);
  const client = await FlightClient.start();
  const columns = COLUMNS[12];
  const sides: [ours: Side, peer: Side] = [
    {
      name: "fraiseql",
      url: server.flight,
      pids: [server.pid, server.flightPid],
      ticket: (rows) => ourQuery(columns, rows),
    },
    {
      name: "pyarrow + ADBC",
      url: peer.flight,
      pids: [peer.pid],
      ticket: (rows) => sqlQuery(columns, rows),
    },
  ];
  try {
    const samples: Record<string, Sample[][]> = {};
    const sizes = [null, 100_000, 10_000].filter((rows) => rows === null || rows < stage.rows);
    for (const rows of sizes) {
      const times = rows === null ? 1 : Math.ceil(200_000 / rows);
      const taken: Sample[][] = [[], []];
      // Round 0 warms both servers, PostgreSQL's cache and the client up.
      for (let round = 0; round <= stage.rounds; round++) {
        for (const side of inTurn(round)) {
          const sample = await measure(client, sides[side]!, stage, rows, stage.quick ? 1 : times);
          if (round > 0) taken[side]!.push(sample);
        }
      }
      samples[String(rows ?? stage.rows)] = taken;
      note(`flight: ${rows ?? stage.rows} rows done`);
    }
    const parts = await measureParts(client, sides[0], stage);
    return { tables: [...tables(sides, samples), partsTable(parts)], samples: { samples, parts } };
  } finally {
    await client.stop();
    await peer.stop();
    await server.stop();
  }
}

/** Who comes first changes, so that nobody profits from the other's end. */
export function inTurn(round: number): (0 | 1)[] {
  return round % 2 === 0 ? [0, 1] : [1, 0];
}

/** Several streams as one sample, where one is too short for the kernel's count of CPU. */
async function measure(
  client: FlightClient,
  side: Side,
  stage: Stage,
  rows: number | null,
  times: number,
): Promise<Sample> {
  const serverBefore = cpuSeconds(...side.pids);
  const postgresBefore = familyCpuSeconds(stage.postgresPid);
  const results: FlightResult[] = [];
  for (let n = 0; n < times; n++) {
    const result = await client.read({ url: side.url, ticket: side.ticket(rows) });
    if (result.rows !== (rows ?? stage.rows)) throw new Error(`${side.name}: ${result.rows} rows`);
    results.push(result);
  }
  const mean = (read: (result: FlightResult) => number) =>
    results.reduce((sum, result) => sum + read(result), 0) / times;
  return {
    seconds: mean((result) => result.seconds),
    firstSeconds: mean((result) => result.firstSeconds),
    rows: results[0]!.rows,
    bytes: results[0]!.bytes,
    batches: results[0]!.batches,
    clientCpuSeconds: mean((result) => result.clientCpuSeconds),
    each: [],
    serverCpuSeconds: (cpuSeconds(...side.pids) - serverBefore) / times,
    postgresCpuSeconds: (familyCpuSeconds(stage.postgresPid) - postgresBefore) / times,
  };
}

/** The whole table as one stream and in parts of one snapshot, in turn. */
async function measureParts(
  client: FlightClient,
  side: Side,
  stage: Stage,
): Promise<[whole: number[], parts: number[]]> {
  const taken: [number[], number[]] = [[], []];
  for (let round = 0; round <= stage.rounds; round++) {
    for (const way of inTurn(round)) {
      const asked = { url: side.url, ticket: side.ticket(null) };
      const result = await client.read(way === 0 ? asked : { ...asked, partitions });
      if (result.rows !== stage.rows) throw new Error(`partitions: ${result.rows} rows`);
      if (round > 0) taken[way].push(result.seconds);
    }
  }
  return taken;
}

const partitions = 4;

function partsTable([whole, parts]: [number[], number[]]): Table {
  return {
    title: `Flight: the whole table in ${partitions} partitions, read in as many threads`,
    columns: ["read as", "time, GetFlightInfo included", "times as fast"],
    rows: [
      ["one stream", spread(whole, seconds), "1"],
      [`${partitions} partitions`, spread(parts, seconds), ratioText(ratios(whole, parts))],
    ],
  };
}

function tables(sides: readonly Side[], samples: Record<string, Sample[][]>): Table[] {
  const rows: string[][] = [];
  for (const [size, taken] of Object.entries(samples)) {
    sides.forEach((side, index) => {
      const of = (read: (sample: Sample) => number) => taken[index]!.map(read);
      rows.push([
        Number(size).toLocaleString("en"),
        side.name,
        spread(of(({ seconds }) => seconds), seconds),
        spread(of(({ rows, seconds }) => rows / seconds), short),
        spread(of(({ bytes, seconds }) => bytes / seconds), megabytes) + "/s",
        spread(of(({ firstSeconds }) => firstSeconds), seconds),
        spread(of((sample) => sample.serverCpuSeconds), seconds),
        spread(of((sample) => sample.postgresCpuSeconds), seconds),
      ]);
    });
    const [ours = [], peers = []] = taken;
    const ratio = (read: (sample: Sample) => number) =>
      ratioText(ratios(ours.map(read), peers.map(read)));
    rows.push([
      "",
      "ratio",
      ratio(({ seconds }) => seconds),
      ratio(({ seconds }) => 1 / seconds),
      ratio(({ bytes, seconds }) => bytes / seconds),
      ratio(({ firstSeconds }) => firstSeconds),
      ratio((sample) => sample.serverCpuSeconds),
      ratio((sample) => sample.postgresCpuSeconds),
    ]);
  }
  const bytes = Object.values(samples).at(-1)!.map(([sample]) => megabytes(sample!.bytes));
  return [{
    title: "Flight: a table of 12 columns to a pyarrow client",
    columns: [
      "rows",
      "server",
      "time",
      "rows/s",
      "Arrow bytes/s",
      "first batch",
      "CPU of the server",
      "CPU of PostgreSQL",
    ],
    rows,
    notes: [
      `The whole table is ${bytes[0]} in our columns and ${
        bytes[1]
      } in the peer's: it gives a UUID ` +
      "as 16 bytes where ours is text, and numeric as text where ours is decimal128.",
    ],
  }];
}
