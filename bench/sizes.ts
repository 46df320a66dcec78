/** Bytes of the same rows as Arrow, plain and compressed, as JSON and as JSON in gzip. */

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
  readonly zstd: number;
  readonly lz4: number;
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
        const arrowBytes = async (compression: "lz4" | "zstd" | null) => {
          const before = await flightBytes(server.http);
          const ticket = JSON.stringify({ type: "GraphQLQuery", query, compression });
          const { rows } = await client.read({ url: server.flight, ticket });
          return { rows, bytes: await flightBytes(server.http) - before };
        };
        const { rows, bytes: arrow } = await arrowBytes(null);
        const { bytes: zstd } = await arrowBytes("zstd");
        const { bytes: lz4 } = await arrowBytes("lz4");
        const { bytes: json } = await readHttp({ url: server.http, query });
        const { bytes: gzip } = await readHttp({ url: server.http, query, gzip: true });
        samples.push({ data, rows, arrow, zstd, lz4, json, gzip });
      } finally {
        await server.stop();
      }
    }
    return { tables: [table(samples)], samples };
  } finally {
    await client.stop();
  }
}

/** What the server says it has sent over Flight; the call is counted when it has ended. */
async function flightBytes(http: string): Promise<number> {
  let seen = -1;
  for (;;) {
    const text = await (await fetch(new URL("/metrics", http))).text();
    const [, bytes = "0"] = /^fraiseql_bytes_total\{[^}]*flight[^}]*\} (\S+)$/m.exec(text) ?? [];
    if (Number(bytes) === seen) return seen;
    seen = Number(bytes);
    await new Promise((wake) => setTimeout(wake, settleMs));
  }
}

/** Longer than the end of a call takes to be counted. */
const settleMs = 300;

function table(samples: readonly Sample[]): Table {
  return {
    title: "Size of the same rows",
    columns: [
      ...["data", "rows", "Arrow", "Arrow, lz4", "Arrow, zstd", "JSON", "JSON in gzip"],
      ...["JSON / Arrow", "gzip / zstd"],
    ],
    rows: samples.map(({ data, rows, arrow, lz4, zstd, json, gzip }) => [
      data,
      rows.toLocaleString("en"),
      megabytes(arrow),
      megabytes(lz4),
      megabytes(zstd),
      megabytes(json),
      megabytes(gzip),
      (json / arrow).toFixed(2),
      (gzip / zstd).toFixed(2),
    ]),
  };
}
