/**
 * Random schemas, rows and queries: HTTP's JSON, Flight's Arrow and plain SQL give one answer.
 *
 * `FRAISEQL_TEST_SEED=123 FRAISEQL_TEST_CASES=5000 deno task test tests/property` for other cases, and
 * more of them. A failure says the seed of its schema, with which the run begins at it.
 */

import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { startLines } from "../clients/lines.ts";
import { randomOf } from "../lib/query/random_query.ts";
import { serve } from "../serve/serve.ts";
import { testPostgres } from "../services/postgres.ts";
import { REQUIRED_FEATURES } from "./features.ts";
import type { Unrepresentable } from "./answers.ts";
import type { Fault } from "./compare.ts";
import { worldSql } from "./ddl.ts";
import { explain } from "./explain.ts";
import type { Case } from "./model.ts";
import { randomQuery } from "./random_query.ts";
import { randomWorld } from "./random_world.ts";
import { openRig, type Rig } from "./rig.ts";
import { shrink } from "./shrink.ts";

const server = await testPostgres();

const seed = wholeNumber("FRAISEQL_TEST_SEED", 1);
const cases = wholeNumber("FRAISEQL_TEST_CASES", 2000);

/** A schema takes as long to make and to read as some forty queries to ask. */
const queriesPerWorld = 40;

/** Most of them ask no new schema; a minute at the most. */
const shrinkTriesMax = 1500;

Deno.test(`serve answers ${cases} random queries on random schemas alike over HTTP, Flight and plain SQL`, () =>
  run("error", cases));

const fewer = Math.ceil(cases / 10);

Deno.test(`serve has null for what the formats cannot hold in ${fewer} random queries, where FRAISEQL_UNREPRESENTABLE=null`, () =>
  run("null", fewer));

async function run(unrepresentable: Unrepresentable, cases: number): Promise<void> {
  const url = await server.createDatabase();
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_UNREPRESENTABLE: unrepresentable,
    FRAISEQL_LIMITS_QUERY_COST_MAX: "100000000",
    // So that a few rows are several batches.
    FRAISEQL_LIMITS_BATCH_ROWS_MAX: "3",
    // The next schema waits until a held snapshot lets go of the tables.
    FRAISEQL_LIMITS_PARTITION_SNAPSHOT_SECONDS: "1",
    FRAISEQL_LOG_LEVEL: "warn",
  });
  const script = new URL("../clients/flight_rows.py", import.meta.url);
  await using reader = await startLines(script, [served.flight]);
  await using rig = await openRig({ url, http: served.http, reader, unrepresentable });
  equal(REQUIRED_FEATURES.filter((name) => !rig.features.has(name)), []);
  let done = 0;
  let withRows = 0;
  for (let worldSeed = seed; done < cases; worldSeed++) {
    const random = randomOf(worldSeed);
    const world = randomWorld(random, unrepresentable === "null" || undefined);
    const faults = await rig.schemaFaults(world);
    equal(faults, [], `FRAISEQL_TEST_SEED=${worldSeed}: ${faults.join("; ")}\n${worldSql(world)}`);
    for (let i = 0; i < queriesPerWorld && done < cases; i++, done++) {
      const each: Case = { world, query: randomQuery(world, rig.features, random) };
      const { fault, rows } = await rig.judge(each);
      if (fault) await fail(rig, each, fault, `FRAISEQL_TEST_SEED=${worldSeed}, query ${i}`);
      if (rows > 0) withRows++;
    }
  }
  // Cases that find nothing show little.
  ok(withRows > cases / 2, `only ${withRows} of ${cases} cases had rows`);
}

/** Throws with the smallest case that fails in the same way. */
async function fail(rig: Rig, found: Case, fault: Fault, place: string): Promise<never> {
  // A case that lacks what another part of it needs can fail anywhere, and is none.
  const same = (smaller: Case) =>
    rig.judge(smaller).then((verdict) => verdict.fault?.kind === fault.kind, () => false);
  if (!await same(found)) {
    throw new Error(`${place} failed once, and not again: ${await explain(rig, found, fault)}`);
  }
  // The query first, which needs no other schema.
  const query = await shrink(
    found.query,
    (query) => same({ world: found.world, query }),
    shrinkTriesMax,
  );
  const world = await shrink(found.world, (world) => same({ world, query }), shrinkTriesMax / 5);
  const smallest = { world, query };
  const last = await rig.judge(smallest);
  throw new Error(`${place}: ${await explain(rig, smallest, last.fault ?? fault)}`);
}

/** A number of the environment; a mistake in it must not become a run of no cases. */
function wholeNumber(name: string, otherwise: number): number {
  const text = Deno.env.get(name) ?? String(otherwise);
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new Error(`${name} is ${text}: write a whole number from 1`);
}
