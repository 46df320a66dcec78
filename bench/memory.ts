/** Memory of each process at its peak, each in a process that was just started. */

import { spread, type Table } from "./figures.ts";
import { FlightClient } from "./flight_client.ts";
import { readHttp } from "./http_client.ts";
import type { Report } from "./main.ts";
import { startAdbcFlightServer } from "./peers/adbc_flight_server.ts";
import { startPostGraphile } from "./peers/postgraphile.ts";
import { memoryOf, resetPeak, type Running, startProgram } from "./processes.ts";
import { COLUMNS, ourQuery, peerQuery, sqlQuery } from "./queries.ts";
import { note, type Stage, startServer } from "./stage.ts";

/** A server to watch, and one read of it. */
interface Case {
  readonly transport: string;
  readonly server: string;
  readonly rows: number;
  readonly reader: "fast" | "slow";
  start(): Promise<Started>;
}

interface Started extends Running {
  /** The process that answers. */
  readonly watchedPid: number;
  /** Reads the rows to the end. */
  read(rows: number, slow: object): Promise<unknown>;
}

interface Sample {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  readonly error: string | null;
}

/** A reader that lags behind, long enough for everything to fill up. */
const slowly = { bytesPerSecond: 1e6, slowSeconds: 6 };

const columns = COLUMNS[12];

/** Measures ours with fast and slow readers, and the peers. */
export async function benchMemory(stage: Stage): Promise<Report> {
  const client = await FlightClient.start();
  const empty = await emptyProgram();
  try {
    const samples: { asked: Omit<Case, "start">; taken: Sample[] }[] = [];
    for (const { start, ...asked } of cases(stage, client)) {
      const taken: Sample[] = [];
      const rounds = stage.quick || asked.rows > stage.rows ? 1 : Math.min(3, stage.rounds);
      for (let round = 0; round < rounds; round++) taken.push(await measure(start, asked));
      samples.push({ asked, taken });
      note(`memory: ${asked.server}, ${asked.rows} rows, ${asked.reader} done`);
    }
    return { tables: [table(samples, empty)], samples: { empty, samples } };
  } finally {
    await client.stop();
  }
}

function cases(stage: Stage, client: FlightClient): Case[] {
  const ourHttp = async (): Promise<Started> => {
    const server = await startServer(stage.url);
    const query = (rows: number) => ourQuery(columns, ...from(rows));
    return {
      ...server,
      watchedPid: server.pid,
      read: (rows, slow) => readHttp({ url: server.http, query: query(rows), ...slow }),
    };
  };
  const ourFlight = async (): Promise<Started> => {
    const server = await startServer(stage.url);
    const ticket = (rows: number) => ourQuery(columns, ...from(rows));
    return {
      ...server,
      watchedPid: server.flightPid,
      read: (rows, slow) => client.read({ url: server.flight, ticket: ticket(rows), ...slow }),
    };
  };
  const postGraphile = async (): Promise<Started> => {
    const server = await startPostGraphile(stage.url);
    const query = (rows: number) => peerQuery(columns, rows);
    return {
      ...server,
      watchedPid: server.pid,
      read: (rows, slow) => readHttp({ url: server.http, query: query(rows), ...slow }),
    };
  };
  const adbc = async (): Promise<Started> => {
    const server = await startAdbcFlightServer(stage.url);
    const ticket = (rows: number) => sqlQuery(columns, rows < stage.rows ? rows : null);
    return {
      ...server,
      watchedPid: server.pid,
      read: (rows, slow) => client.read({ url: server.flight, ticket: ticket(rows), ...slow }),
    };
  };
  function from(rows: number): [rows: number | null, field: string] {
    if (rows > stage.rows) return [rows < stage.rows * 10 ? rows : null, "tenCopies"];
    return [rows < stage.rows ? rows : null, "people"];
  }
  const few = Math.min(10_000, stage.rows / 2);
  const most = stage.rows;
  // deno-fmt-ignore: a table reads best as one
  return [
    { transport: "HTTP", server: "fraiseql", rows: few, reader: "fast", start: ourHttp },
    { transport: "HTTP", server: "fraiseql", rows: most, reader: "fast", start: ourHttp },
    { transport: "HTTP", server: "fraiseql", rows: most * 10, reader: "fast", start: ourHttp },
    { transport: "HTTP", server: "fraiseql", rows: most, reader: "slow", start: ourHttp },
    { transport: "HTTP", server: "fraiseql", rows: most * 5, reader: "slow", start: ourHttp },
    { transport: "HTTP", server: "PostGraphile 5", rows: few, reader: "fast", start: postGraphile },
    { transport: "HTTP", server: "PostGraphile 5", rows: most / 10, reader: "fast", start: postGraphile },
    { transport: "HTTP", server: "PostGraphile 5", rows: most, reader: "fast", start: postGraphile },
    { transport: "Flight", server: "fraiseql", rows: few, reader: "fast", start: ourFlight },
    { transport: "Flight", server: "fraiseql", rows: most / 10, reader: "fast", start: ourFlight },
    { transport: "Flight", server: "fraiseql", rows: most, reader: "fast", start: ourFlight },
    { transport: "Flight", server: "fraiseql", rows: most * 10, reader: "fast", start: ourFlight },
    { transport: "Flight", server: "fraiseql", rows: most, reader: "slow", start: ourFlight },
    { transport: "Flight", server: "fraiseql", rows: most * 5, reader: "slow", start: ourFlight },
    { transport: "Flight", server: "pyarrow + ADBC", rows: few, reader: "fast", start: adbc },
    { transport: "Flight", server: "pyarrow + ADBC", rows: most, reader: "fast", start: adbc },
    { transport: "Flight", server: "pyarrow + ADBC", rows: most, reader: "slow", start: adbc },
  ];
}

async function measure(start: Case["start"], asked: Omit<Case, "start">): Promise<Sample> {
  const server = await start();
  try {
    resetPeak(server.watchedPid);
    const before = memoryOf(server.watchedPid).now;
    let error: string | null = null;
    try {
      await server.read(asked.rows, asked.reader === "slow" ? slowly : {});
    } catch (cause) {
      if (asked.server === "fraiseql") throw cause;
      error = cause instanceof Error ? cause.message.slice(0, 200) : String(cause);
    }
    const { now, peak } = memoryOf(server.watchedPid);
    return { before, peak, after: now, error };
  } finally {
    await server.stop();
  }
}

/** What Deno takes by itself: a program that only waits. */
export async function emptyProgram(): Promise<number> {
  const program = await startProgram(Deno.execPath(), {
    args: ["eval", "console.log('ready'); setInterval(() => {}, 1000);"],
    find: (line) => line === "ready" ? line : null,
  });
  const { peak } = memoryOf(program.pid);
  await program.stop();
  return peak;
}

function table(
  samples: readonly { asked: Omit<Case, "start">; taken: readonly Sample[] }[],
  empty: number,
): Table {
  const mebibytes = (bytes: number) => String(Math.round(bytes / 2 ** 20));
  const rows = samples.map(({ asked, taken }) => [
    asked.transport,
    asked.server,
    asked.rows.toLocaleString("en"),
    asked.reader,
    spread(taken.map(({ before }) => before), mebibytes),
    spread(taken.map(({ peak }) => peak), mebibytes),
    spread(taken.map(({ before, peak }) => peak - before), mebibytes),
    asked.server === "fraiseql"
      ? spread(taken.map(({ peak }) => peak - empty), mebibytes)
      : taken.find(({ error }) => error)?.error ?? "",
  ]);
  return {
    title: "Memory of the answering process, MiB resident",
    columns: [
      ...["transport", "server", "rows of 12 columns", "reader", "idle", "peak", "grown by"],
      "peak above an empty Deno program",
    ],
    rows,
    notes: [
      `An empty Deno program holds ${mebibytes(empty)} MiB. A slow reader takes 1 MB/s for ` +
      `${slowly.slowSeconds} s and the rest as fast as it can.`,
    ],
  };
}
