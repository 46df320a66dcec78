/**
 * What capture costs the writer: the same commits with and without it, beside two other ways, and
 * beside the least that a trigger can do which keeps each row.
 */

import { connect, type Connection } from "../lib/postgres/connection.ts";
import { captured } from "../tests/lib/postgres/change_log/captured.ts";
import { ratios, ratioText, seconds, short, spread, type Table } from "./figures.ts";
import type { Report } from "./main.ts";
import { familyCpuSeconds } from "./processes.ts";
import type { Stage } from "./stage.ts";

interface Sample {
  readonly commitsPerSecond: number;
  /** Of PostgreSQL with all its processes. */
  readonly cpuPerCommit: number;
}

const TABLES: Readonly<Record<string, string>> = {
  plain: "no capture",
  captured: "fraiseql",
  floor: "rows' JSON, stored",
  outboxed: "outbox by row trigger",
  notified: "NOTIFY by row trigger",
};

/** Statements on a table; `n` counts a writer's commits, and each writer has rows of its own. */
const WRITES: Readonly<Record<string, (table: string, writer: number, n: number) => string>> = {
  "INSERT of 1 row": (table) => `insert into ${table} (status, total) values ('paid', 20)`,
  "UPDATE of 1 row": (table, writer, n) =>
    `update ${table} set status = 'paid ${n}' where id = ${firstId(writer) + n % idsOfWriter}`,
  "INSERT of 100 rows": (table) =>
    `insert into ${table} (status, total) select 'paid', n from generate_series(1, 100) n`,
  "UPDATE of 100 rows": (table, writer, n) => {
    const first = firstId(writer) + n * 100 % idsOfWriter;
    return `update ${table} set status = 'paid ${n}' where id between ${first} and ${first + 99}`;
  },
};

const writers = 4;
const idsOfWriter = 20_000 / writers;
const firstId = (writer: number) => 1 + writer * idsOfWriter;

/** Long enough that the kernel's ticks of CPU, 10 ms, do not matter. */
const secondsOfSample = 1;

/** Fewer do not tell what is noise. */
const roundsMin = 9;

/** Measures each kind of write on each table, one after the other in every round. */
export async function benchCapture(stage: Stage): Promise<Report> {
  const url = await makeTables(stage);
  const connections = await Promise.all(Array.from({ length: writers }, () => connect({ url })));
  try {
    const samples: Record<string, Record<string, Sample[]>> = {};
    const rounds = stage.quick ? stage.rounds : Math.max(stage.rounds, roundsMin);
    for (let round = 0; round <= rounds; round++) {
      for (const write of Object.keys(WRITES)) {
        for (const table of rotated(Object.keys(TABLES), round)) {
          await connections[0]!.query("truncate fraiseql.change_log, outbox, floor_log");
          const sample = await measure(stage, connections, write, table);
          // The first round fills caches and plans.
          if (round > 0) ((samples[write] ??= {})[table] ??= []).push(sample);
        }
      }
    }
    return { tables: [table(samples)], samples };
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

async function makeTables(stage: Stage): Promise<string> {
  const first = await connect({ url: stage.url });
  await first.query("create database capture");
  await first.close();
  const url = new URL("/capture", stage.url).href;
  const connection = await connect({ url });
  await connection.query(await Deno.readTextFile(new URL("capture_tables.sql", import.meta.url)));
  await connection.close();
  await captured(url, ["captured"], { entityType: "Order" });
  return url;
}

/** So that none is always measured after the same other. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

async function measure(
  { postgresPid, quick }: Stage,
  connections: readonly Connection[],
  write: string,
  table: string,
): Promise<Sample> {
  const cpuBefore = familyCpuSeconds(postgresPid);
  const began = performance.now();
  const end = began + (quick ? 0.1 : secondsOfSample) * 1000;
  const counts = await Promise.all(connections.map(async (connection, writer) => {
    let n = 0;
    while (performance.now() < end) await connection.query(WRITES[write]!(table, writer, n++));
    return n;
  }));
  const commits = counts.reduce((sum, count) => sum + count, 0);
  return {
    commitsPerSecond: commits / (performance.now() - began) * 1000,
    cpuPerCommit: (familyCpuSeconds(postgresPid) - cpuBefore) / commits,
  };
}

function table(samples: Readonly<Record<string, Readonly<Record<string, Sample[]>>>>): Table {
  const rates = (of: readonly Sample[] = []) => of.map((sample) => sample.commitsPerSecond);
  return {
    title: "Commits with and without capture",
    columns: ["commit", "heard of by", "commits/s", "of no capture", "CPU of PostgreSQL"],
    rows: Object.entries(samples).flatMap(([write, ofTables]) =>
      Object.entries(TABLES).map(([table, name]) => [
        write,
        name,
        spread(rates(ofTables[table]), short),
        table === "plain" ? "1" : ratioText(ratios(rates(ofTables[table]), rates(ofTables.plain))),
        spread((ofTables[table] ?? []).map((sample) => sample.cpuPerCommit), seconds),
      ])
    ),
    notes: [
      `${writers} connections that write as fast as they can, each commit on disk (fsync); nobody ` +
      "listens or reads.",
    ],
  };
}
