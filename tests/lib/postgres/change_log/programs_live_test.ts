/**
 * Random programs of SQL: what the events say must be all that happened. Another seed and more
 * programs: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_CASES=2000.
 */

import { ok, strictEqual as equal } from "node:assert/strict";
import { AppError } from "../../../../lib/errors.ts";
import { currentSnapshot } from "../../../../lib/postgres/change_log.ts";
import { connect, type Connection } from "../../../../lib/postgres/connection.ts";
import { PostgresError } from "../../../../lib/postgres/errors.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { captured, eventsSince } from "./captured.ts";
import { type Program, programText, randomProgram, TABLES } from "./program.ts";
import { type Rebuilt, replay } from "./replay.ts";
import tablesSql from "./tables.sql" with { type: "text" };

const server = await testPostgres();
const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
const programs = Number(Deno.env.get("FRAISEQL_TEST_CASES") ?? 400);

Deno.test("capture rebuilds every table from its events, whatever SQL was run", async () => {
  const url = await server.createDatabase();
  const connection = await connect({ url });
  try {
    await connection.query(tablesSql);
    await captured(url, Object.keys(TABLES));
    let snapshot = await currentSnapshot(connection);
    const rebuilt: Rebuilt = new Map();
    let position = 0n;
    let count = 0;
    for (let n = 0; n < programs; n++) {
      const program = randomProgram(seed * 100_000 + n);
      await runProgram(connection, program);
      try {
        const { events, to } = await eventsSince(connection, snapshot);
        snapshot = to;
        for (const event of events) {
          if (event.position <= position) throw new Error(`position ${event.position} came twice`);
          position = event.position;
          count++;
          replay(rebuilt, event.line);
        }
        await compare(connection, rebuilt);
      } catch (error) {
        throw new Error(`${programText(program)}${error instanceof Error ? error.message : error}`);
      }
    }
    ok(count > programs, "the programs write something");
  } finally {
    await connection.close();
    await server.dropDatabase(url);
  }
});

/** What SQL refuses by itself: constraints, a row that is written twice in a statement. */
const REFUSALS = /^(23...|27000|21000|22...)$/;

/** MERGE is of PostgreSQL 15. */
const [found] = await server.query("select current_setting('server_version_num')::int as version");
const hasMerge = Number(found?.version) >= 150_000;

async function runProgram(connection: Connection, program: Program): Promise<void> {
  for (const { statements, ends } of program.transactions) {
    await connection.query("begin");
    for (const statement of statements) {
      await connection.query("savepoint each");
      try {
        await connection.query(statement);
      } catch (error) {
        const cause = error instanceof AppError ? error.cause : error;
        const isRefused = cause instanceof PostgresError && (REFUSALS.test(cause.sqlState) ||
          !hasMerge && cause.sqlState === "42601" && /merge into/.test(statement));
        if (!isRefused) {
          throw new Error(`${programText(program)}${statement}`, { cause });
        }
        await connection.query("rollback to each");
      }
    }
    await connection.query(ends);
  }
}

async function compare(connection: Connection, rebuilt: Rebuilt): Promise<void> {
  for (const [table, key] of Object.entries(TABLES)) {
    const names = key.map((name) => `t.${name}::text`);
    const id = names.length === 1 ? names[0] : `array_to_json(array[${names}])::text`;
    const rows = await connection.query(
      `select ${id}, row_to_json(t.*)::text from ${table} t order by 1`,
    );
    const wanted = rows.map(([id, row]) => [id, JSON.stringify(JSON.parse(row ?? ""))]);
    const found = [...rebuilt.get(table) ?? []].sort(([a], [b]) => a < b ? -1 : 1);
    equal(
      JSON.stringify(found),
      JSON.stringify(wanted.sort(([a = ""], [b = ""]) => (a ?? "") < (b ?? "") ? -1 : 1)),
      table,
    );
  }
}
