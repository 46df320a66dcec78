/** From a commit in PostgreSQL until the event can be read in ClickHouse, through the whole line. */

import { EVENTS } from "../lib/clickhouse/tables.ts";
import { connect } from "../lib/postgres/connection.ts";
import { captured } from "../tests/lib/postgres/change_log/captured.ts";
import { LineStage } from "./line_stage.ts";
import { runProgram, startProgram } from "./processes.ts";
import { delay } from "./publisher_stage.ts";
import { type Stage, taskArguments } from "./stage.ts";

/** Milliseconds from the answer to each commit. */
export async function measureVisible(
  stage: Stage,
  perSecond: number,
  seconds: number,
): Promise<number[]> {
  const url = await capturedDatabase(stage);
  const line = await LineStage.open();
  try {
    await line.empty();
    const workers = await line.startWaiting();
    await line.go();
    const publisher = await startProgram(Deno.execPath(), {
      args: taskArguments("observe"),
      env: { DATABASE_URL: url, FRAISEQL_NATS_URL: line.server.urls.publisher },
      find: (said) => said.startsWith('{"event":"publishing"') ? said : null,
    });
    try {
      await follow(line, url, perSecond, perSecond); // the first second loads code
      return await follow(line, url, perSecond, Math.round(perSecond * seconds));
    } finally {
      await publisher.stop();
      await workers.stop();
    }
  } finally {
    await line.stop();
  }
}

/** A new database with the table `captured`; its URL. */
export async function capturedDatabase(stage: Stage): Promise<string> {
  const first = await connect({ url: stage.url });
  await first.query("drop database if exists line with (force)");
  await first.query("create database line");
  await first.close();
  const url = new URL("/line", stage.url).href;
  const connection = await connect({ url });
  await connection.query(await Deno.readTextFile(new URL("capture_tables.sql", import.meta.url)));
  await captured(url, ["captured"], { entityType: "Order" });
  await connection.close();
  return url;
}

/** A program writes, and this one asks ClickHouse again and again for what is there. */
async function follow(
  { clickhouse }: LineStage,
  url: string,
  perSecond: number,
  count: number,
): Promise<number[]> {
  const [last] = await clickhouse.rows<{ position: string }>(
    `SELECT max(position) AS position FROM ${EVENTS}`,
  );
  let position = last?.position ?? "0";
  const program = new URL("publisher_writer.ts", import.meta.url);
  const args = ["run", "--allow-all", program.pathname, url, String(perSecond), String(count)];
  let isLate = false;
  const writing = runProgram(Deno.execPath(), args).finally(() =>
    void delay(lateMs).then(() => isLate = true)
  );
  writing.catch(() => {}); // it is awaited below
  const seen = new Map<string, number>();
  while (seen.size < count) {
    if (isLate) throw new Error(`${seen.size} of ${count} events came`);
    const rows = await clickhouse.rows<{ note: string; position: string }>(
      `SELECT JSONExtractString(data, 'notes') AS note, position FROM ${EVENTS}
        WHERE position > {after:UInt64} ORDER BY position`,
      { params: { after: position } },
    );
    const now = performance.timeOrigin + performance.now();
    for (const { note } of rows) seen.set(note, now);
    position = rows.at(-1)?.position ?? position;
    await delay(askEveryMs);
  }
  const written: [id: string, sentAt: number, committedAt: number][] = JSON.parse(await writing);
  return written.map(([id, , committedAt]) => (seen.get(id) ?? NaN) - committedAt);
}

/** So much at most is added to what is measured, and the question itself. */
const askEveryMs = 10;
const lateMs = 30_000;
