/** JSON over HTTP: ours beside PostGraphile, and beside PostgreSQL's own json_agg as the floor. */

import { median, ratios, ratioText, seconds, short, spread, type Table } from "./figures.ts";
import { inTurn } from "./flight.ts";
import { type HttpResult, readData, readHttp } from "./http_client.ts";
import type { Report } from "./main.ts";
import { prepareNode, preparePsql } from "./peers/packages.ts";
import { startPostGraphile } from "./peers/postgraphile.ts";
import { timeQuery } from "./peers/psql.ts";
import { cpuSeconds, familyCpuSeconds, runProgram } from "./processes.ts";
import { connect } from "../lib/postgres/connection.ts";
import { COLUMNS, keySql, ourQuery, peerQuery, SMALL, sqlQuery } from "./queries.ts";
import { note, type Stage, startServer } from "./stage.ts";

interface Side {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

/** One round of one size: the median of several answers, CPU of each. */
interface Sample extends HttpResult {
  readonly serverCpuSeconds: number;
  readonly postgresCpuSeconds: number;
}

interface Size {
  readonly rows: number;
  readonly columns: 0 | 7 | 12;
  readonly sides: readonly [ours: Sample[], peer: Sample[]];
  /** Seconds of json_agg, a median a round; empty without psql. */
  readonly floor: number[];
}

interface Load {
  readonly query: string;
  readonly sides: readonly [ours: LoadSample[], peer: LoadSample[]];
}

interface LoadSample {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Measures single answers of growing size, then many small ones at once. */
export async function benchHttp(stage: Stage): Promise<Report> {
  const psql = await preparePsql();
  const server = await startServer(stage.url);
  const peer = await startPostGraphile(stage.url);
  const sides: [ours: Side, peer: Side] = [
    { name: "fraiseql", url: server.http, pid: server.pid },
    { name: "PostGraphile", url: peer.http, pid: peer.pid },
  ];
  try {
    await checkEqual(sides);
    const sizes = [await measureSize(stage, sides, null, 0, 0)];
    for (const rows of [100, 1000, 10_000, 100_000].filter((rows) => rows <= stage.rows)) {
      for (const columns of [7, 12] as const) {
        sizes.push(await measureSize(stage, sides, psql, rows, columns));
        note(`http: ${rows} rows x ${columns} columns done`);
      }
    }
    const loads: Load[] = [];
    const key = await keyOf(stage.url);
    for (const [query, { ours, peer }] of Object.entries(SMALL)) {
      const [mine, theirs] = [ours.replace("KEY", key), peer.replace("KEY", key)];
      await checkAnswer(sides[0], mine);
      await checkAnswer(sides[1], theirs);
      loads.push(await measureLoad(stage, sides, query, [mine, theirs]));
      note(`http: ${query} done`);
    }
    return {
      tables: [answerTable(sizes, psql), cpuTable(sizes), loadTable(loads)],
      samples: { sizes, loads },
    };
  } finally {
    await peer.stop();
    await server.stop();
  }
}

/** Both sides answer the same keys in the same order, or the comparison is worth nothing. */
async function checkEqual([ours, peer]: readonly [Side, Side]): Promise<void> {
  const mine = await readData(ours.url, ourQuery(COLUMNS[12], 1000));
  const theirs = await readData(peer.url, peerQuery(COLUMNS[12], 1000));
  const keys = (rows: readonly Record<string, unknown>[], name: string) =>
    rows.map((row) => row[name]).join();
  const { nodes } = theirs.allPeople as { nodes: Record<string, unknown>[] };
  if (keys(mine.people as Record<string, unknown>[], "id") !== keys(nodes, "rowId")) {
    throw new Error("the two servers answer different rows");
  }
}

async function keyOf(url: string): Promise<string> {
  const connection = await connect({ url });
  try {
    return (await connection.query(keySql))[0]?.[0] ?? "";
  } finally {
    await connection.close();
  }
}

/** An error is answered fast. */
async function checkAnswer({ name, url }: Side, query: string): Promise<void> {
  const data = await readData(url, query);
  if (Object.values(data).some((value) => value === null)) throw new Error(`${name}: no ${query}`);
}

async function measureSize(
  stage: Stage,
  sides: readonly [Side, Side],
  psql: string | null,
  rows: number,
  columns: 0 | 7 | 12,
): Promise<Size> {
  const names = columns === 0 ? [] : COLUMNS[columns];
  const queries = columns === 0
    ? ["{ __typename }", "{ __typename }"] // what HTTP and GraphQL cost without any data
    : [ourQuery(names, rows), peerQuery(names, rows)];
  const times = stage.quick ? 2 : Math.min(20, Math.ceil(50_000 / Math.max(1, rows)));
  const taken: [Sample[], Sample[]] = [[], []];
  const floor: number[] = [];
  for (let round = 0; round <= stage.rounds; round++) {
    for (const side of inTurn(round)) {
      const sample = await measure(stage, sides[side], queries[side]!, times);
      if (round > 0) taken[side].push(sample);
    }
    if (psql === null || round === 0) continue;
    const sql = `select json_agg(r) from (${sqlQuery(names, rows)}) r`;
    floor.push(median(await timeQuery(psql, stage.url, sql, times)));
  }
  return { rows, columns, sides: taken, floor };
}

async function measure(stage: Stage, side: Side, query: string, times: number): Promise<Sample> {
  const serverBefore = cpuSeconds(side.pid);
  const postgresBefore = familyCpuSeconds(stage.postgresPid);
  const results: HttpResult[] = [];
  for (let n = 0; n < times; n++) results.push(await readHttp({ url: side.url, query }));
  return {
    seconds: median(results.map((result) => result.seconds)),
    firstSeconds: median(results.map((result) => result.firstSeconds)),
    bytes: results[0]!.bytes,
    serverCpuSeconds: (cpuSeconds(side.pid) - serverBefore) / times,
    postgresCpuSeconds: (familyCpuSeconds(stage.postgresPid) - postgresBefore) / times,
  };
}

/** Connections that each ask again as soon as they were answered. */
const connections = 16;

async function measureLoad(
  stage: Stage,
  sides: readonly [Side, Side],
  name: string,
  queries: readonly [string, string],
): Promise<Load> {
  const taken: [LoadSample[], LoadSample[]] = [[], []];
  for (let round = 0; round <= stage.rounds; round++) {
    for (const side of inTurn(round)) {
      const sample = await autocannon(sides[side].url, queries[side], stage.quick ? 1 : 4);
      if (round > 0) taken[side].push(sample);
    }
  }
  return { query: name, sides: taken };
}

async function autocannon(url: string, query: string, seconds: number): Promise<LoadSample> {
  const { node, folder } = await prepareNode();
  const output = await runProgram(node, [
    `${folder}/node_modules/autocannon/autocannon.js`,
    ...["--json", "--connections", String(connections), "--duration", String(seconds)],
    ...["--method", "POST", "--headers", "content-type=application/json"],
    ...["--body", JSON.stringify({ query }), url],
  ]);
  const { requests, latency, errors, non2xx } = JSON.parse(output);
  if (errors + non2xx > 0) throw new Error(`${url}: ${errors} errors, ${non2xx} not 2xx`);
  return { requestsPerSecond: requests.average, p50Ms: latency.p50, p99Ms: latency.p99 };
}

function answerTable(sizes: readonly Size[], psql: string | null): Table {
  const rows = sizes.map(({ rows, columns, sides: [ours, peer], floor }) => {
    const [mine, theirs] = [ours.map(({ seconds }) => seconds), peer.map(({ seconds }) => seconds)];
    return [
      rows.toLocaleString("en"),
      String(columns),
      spread(mine, seconds),
      spread(theirs, seconds),
      spread(floor, seconds),
      ratioText(ratios(theirs, mine)),
      floor.length > 0 ? ratioText(ratios(floor, mine)) : "-",
      rows === 0 ? "-" : spread(mine.map((value) => rows / value), short),
      spread(ours.map(({ firstSeconds }) => firstSeconds), seconds),
      `${short(ours[0]!.bytes)}, ${short(peer[0]!.bytes)}`,
    ];
  });
  return {
    title: "HTTP: one answer as JSON, request to last byte",
    columns: [
      ...["rows", "columns", "fraiseql", "PostGraphile 5", "json_agg in psql"],
      ...["times as fast as PostGraphile", "as json_agg", "our rows/s", "our first byte"],
      "bytes (ours, PostGraphile)",
    ],
    rows,
    notes: [
      "Zero rows is `{ __typename }`: what HTTP and GraphQL cost without PostgreSQL. psql has neither, " +
      "on a connection that is open already.",
      ...psql ? [] : ["There was no psql to be had, so the floor is missing."],
    ],
  };
}

function cpuTable(sizes: readonly Size[]): Table {
  const rows = sizes.filter(({ rows }) => rows >= 10_000).map(({ rows, columns, sides }) => {
    const [ours, peer] = sides;
    const of = (samples: readonly Sample[], read: (sample: Sample) => number) =>
      spread(samples.map(read), seconds);
    const both = (sample: Sample) => sample.serverCpuSeconds + sample.postgresCpuSeconds;
    return [
      rows.toLocaleString("en"),
      String(columns),
      of(ours, (sample) => sample.serverCpuSeconds),
      of(peer, (sample) => sample.serverCpuSeconds),
      of(ours, (sample) => sample.postgresCpuSeconds),
      of(peer, (sample) => sample.postgresCpuSeconds),
      ratioText(ratios(peer.map(both), ours.map(both))),
    ];
  });
  return {
    title: "HTTP: CPU of one answer",
    columns: [
      ...["rows", "columns", "fraiseql", "PostGraphile 5"],
      ...["PostgreSQL under fraiseql", "PostgreSQL under PostGraphile", "times less CPU in all"],
    ],
    rows,
  };
}

function loadTable(loads: readonly Load[]): Table {
  const rows = loads.map(({ query, sides: [ours, peer] }) => {
    const rate = (samples: readonly LoadSample[]) =>
      samples.map(({ requestsPerSecond }) => requestsPerSecond);
    const latency = (samples: readonly LoadSample[]) =>
      `${median(samples.map(({ p50Ms }) => p50Ms))} / ${
        median(samples.map(({ p99Ms }) => p99Ms))
      } ms`;
    return [
      query,
      spread(rate(ours), short),
      spread(rate(peer), short),
      ratioText(ratios(rate(ours), rate(peer))),
      latency(ours),
      latency(peer),
    ];
  });
  return {
    title: `HTTP: small queries, ${connections} connections`,
    columns: [
      ...["query", "fraiseql requests/s", "PostGraphile 5 requests/s", "ratio"],
      ...["fraiseql p50 / p99", "PostGraphile p50 / p99"],
    ],
    rows,
  };
}
