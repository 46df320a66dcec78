/** Many readers at once: whether all are served, and how evenly. */

import { median, seconds, spread, type Table } from "./figures.ts";
import { FlightClient } from "./flight_client.ts";
import { readHttp } from "./http_client.ts";
import type { Report } from "./main.ts";
import { COLUMNS, ourQuery } from "./queries.ts";
import { type Stage, startServer } from "./stage.ts";

interface Sample {
  /** Of each reader, from the common start to its last row. */
  readonly each: readonly number[];
  readonly seconds: number;
}

const flightReaders = 64;
const httpReaders = 200;

/** Each reads the first rows of the table; one that fails ends the bench. */
export async function benchCrowd(stage: Stage): Promise<Report> {
  const server = await startServer(stage.url);
  const client = await FlightClient.start();
  const [flightRows, httpRows] = [Math.min(20_000, stage.rows), Math.min(5000, stage.rows)];
  try {
    const flight: Sample[] = [];
    const http: Sample[] = [];
    for (let round = 0; round <= stage.rounds; round++) {
      const ticket = ourQuery(COLUMNS[12], flightRows);
      const streams = await client.read({ url: server.flight, ticket, readers: flightReaders });
      if (streams.rows !== flightReaders * flightRows) throw new Error(`${streams.rows} rows`);
      const answers = await readAll(server.http, ourQuery(COLUMNS[12], httpRows));
      if (round > 0) {
        flight.push(streams);
        http.push(answers);
      }
    }
    const rows = [
      row(`Flight, ${flightReaders} streams of ${flightRows.toLocaleString("en")} rows`, flight),
      row(`HTTP, ${httpReaders} answers of ${httpRows.toLocaleString("en")} rows`, http),
    ];
    return { tables: [table(rows)], samples: { flight, http } };
  } finally {
    await client.stop();
    await server.stop();
  }
}

async function readAll(url: string, query: string): Promise<Sample> {
  const began = performance.now();
  const each = await Promise.all(
    Array.from({ length: httpReaders }, async () => (await readHttp({ url, query })).seconds),
  );
  return { each, seconds: (performance.now() - began) / 1000 };
}

function row(name: string, samples: readonly Sample[]): string[] {
  const share = ({ each }: Sample) => median(each) / Math.max(...each);
  return [
    name,
    spread(samples.map((sample) => sample.seconds), seconds),
    spread(samples.map(({ each }) => median(each)), seconds),
    spread(samples.map(({ each }) => Math.max(...each)), seconds),
    spread(samples.map(share), (value) => value.toFixed(2)),
  ];
}

function table(rows: readonly (readonly string[])[]): Table {
  return {
    title: "Many readers at once",
    columns: ["readers", "all done", "median reader", "slowest reader", "slowest / median speed"],
    rows,
    notes: ["None failed, or there would be no table."],
  };
}
