/** Bytes of the same rows as Arrow, as JSON and as JSON in gzip. */

import { megabytes, type Table } from "./figures.ts";
import { FlightClient } from "./flight_client.ts";
import { readHttp } from "./http_client.ts";
import type { Report } from "./main.ts";
import { COLUMNS, ourQuery } from "./queries.ts";
import { type Stage, startServer } from "./stage.ts";

interface Sample {
  readonly data: string;
  readonly rows: number;
  readonly arrow: number;
  readonly json: number;
  readonly gzip: number;
}

const orders = "{ orders { id userId status errorCode region total itemCount isGift orderedOn " +
  "createdAt shippedAt notes } }";

const orderNumbers = "{ orders { status region total itemCount isGift orderedOn createdAt } }";

/** Measures the sample shop's orders and the bench's own table. */
export async function benchSize(stage: Stage): Promise<Report> {
  const client = await FlightClient.start();
  const samples: Sample[] = [];
  try {
    const asked: [data: string, url: string, query: string][] = [
      ["the sample shop's orders, all 12 columns", stage.shopUrl, orders],
      ["the same without ids and texts, 7 columns", stage.shopUrl, orderNumbers],
      ["the bench's table, 12 columns", stage.url, ourQuery(COLUMNS[12], stage.rows / 10)],
    ];
    for (const [data, url, query] of asked) {
      const server = await startServer(url);
      try {
        const { rows, wireBytes } = await client.read({
          url: server.flight,
          ticket: query,
          wire: true,
        });
        const { bytes: json } = await readHttp({ url: server.http, query });
        const { bytes: gzip } = await readHttp({ url: server.http, query, gzip: true });
        samples.push({ data, rows, arrow: wireBytes, json, gzip });
      } finally {
        await server.stop();
      }
    }
    return { tables: [table(samples)], samples };
  } finally {
    await client.stop();
  }
}

function table(samples: readonly Sample[]): Table {
  return {
    title: "Size of the same rows",
    columns: ["data", "rows", "Arrow", "JSON", "JSON in gzip", "JSON / Arrow", "gzip / Arrow"],
    rows: samples.map(({ data, rows, arrow, json, gzip }) => [
      data,
      rows.toLocaleString("en"),
      megabytes(arrow),
      megabytes(json),
      megabytes(gzip),
      (json / arrow).toFixed(2),
      (gzip / arrow).toFixed(2),
    ]),
  };
}
