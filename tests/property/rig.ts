/** A running server, PostgreSQL beside it, and a case that is asked of them. */

import postgres from "postgres";
import type { LineProgram } from "../clients/lines.ts";
import { introspect } from "../serve/queries.ts";
import { type Answer, fromOracle, overFlight, overHttp, type Unrepresentable } from "./answers.ts";
import { compare, type Fault } from "./compare.ts";
import { connectionFault } from "./connection.ts";
import { worldSql } from "./ddl.ts";
import { type Features, featuresOf, PARTED_READ, SHOWING_TABLE } from "./features.ts";
import { type GraphqlText, toGraphql, toPage, toTicket, toViewTicket } from "./graphql_text.ts";
import { type Case, IncompleteCase, type Query, type World } from "./model.ts";
import { ask } from "./oracle.ts";
import { schemaFaults } from "./schema_fault.ts";
import type { Shape } from "./shape.ts";

export interface Verdict {
  /** Null where the answers agree. */
  readonly fault: Fault | null;
  readonly rows: number;
}

/** What each gave. */
export interface Answers {
  /** What was asked, for people. */
  readonly texts: readonly string[];
  readonly sql: string;
  readonly http: Answer;
  readonly flight: Answer;
  readonly oracle: Answer;
}

export interface Rig extends AsyncDisposable {
  /** The parts of the query surface that the server has. */
  readonly features: Features;
  judge(each: Case): Promise<Verdict>;
  /** What of the GraphQL schema is not as promised. */
  schemaFaults(world: World): Promise<string[]>;
  answers(each: Case): Promise<Answers>;
}

export interface RigOptions {
  readonly url: string;
  readonly http: string;
  readonly reader: LineProgram;
  /** As the server has it configured. */
  readonly unrepresentable: Unrepresentable;
}

/** Settings in which PostgreSQL's own texts are the documented ones. */
const connection = { TimeZone: "UTC", IntervalStyle: "iso_8601", DateStyle: "ISO" };

export async function openRig({ url, http, reader, unrepresentable }: RigOptions): Promise<Rig> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection });
  const refresh = async () => {
    const answer = JSON.parse(await reader.ask(JSON.stringify({ action: "RefreshSchema" })));
    if (!answer.done) throw new Error(`RefreshSchema failed: ${answer.message}`);
  };
  await sql.unsafe(await Deno.readTextFile(new URL("oracle_functions.sql", import.meta.url)));
  await sql.unsafe(SHOWING_TABLE);
  await refresh();
  const schema = await introspect(http);
  const parted = await overFlight(reader, { info: PARTED_READ });
  const options = { unrepresentable };

  let loaded: World | null = null;
  /** False where PostgreSQL refuses it, as it can what the shrinker made. */
  const load = async (world: World): Promise<boolean> => {
    if (loaded === world) return true;
    loaded = null;
    const isMade = await sql.begin((tx) => tx.unsafe(worldSql(world))).then(
      () => true,
      () => false,
    );
    if (isMade) await refresh();
    if (isMade) loaded = world;
    return isMade;
  };

  const answers = async (each: Case): Promise<Answers> => {
    const { world, query } = each;
    if (!await load(world)) throw new IncompleteCase("PostgreSQL refuses the schema or its rows");
    const asked = ask(world, query, options);
    if (query.kind === "view") {
      const ticket = toViewTicket(world, query);
      const [ofFlight, oracle] = await Promise.all([
        overFlight(reader, { ticket }),
        fromOracle(sql, asked.sql, unrepresentable),
      ]);
      // There is no such thing over HTTP.
      return { texts: [ticket], sql: asked.sql, http: oracle, flight: ofFlight, oracle };
    }
    const text = query.kind === "connection" ? toPage(world, query, null) : toGraphql(world, query);
    const [ofHttp, ofFlight, oracle] = await Promise.all([
      overHttp(http, text),
      overFlight(reader, toRequest(text)),
      fromOracle(sql, asked.sql, unrepresentable),
    ]);
    return {
      texts: [text.text, JSON.stringify(text.variables)],
      sql: asked.sql,
      http: ofHttp,
      flight: ofFlight,
      oracle,
    };
  };

  const judge = async (each: Case): Promise<Verdict> => {
    const { query, world } = each;
    const all = await answers(each);
    const { shape } = ask(world, query, options);
    const fault = query.kind === "connection"
      ? await connectionFault(each.world, query, shape, all.oracle, {
        http: (text) => overHttp(http, text),
        flight: (text) => overFlight(reader, toRequest(text)),
      })
      : compare(
        withParts(query, shape),
        all.oracle,
        all.http,
        all.flight,
        query.kind === "aggregate",
      );
    const { oracle } = all;
    const rows = oracle.kind === "value" && Array.isArray(oracle.value) ? oracle.value.length : 1;
    return { fault, rows };
  };

  return {
    features: featuresOf(schema, parted.kind === "value"),
    answers,
    schemaFaults: async (world) =>
      await load(world) ? schemaFaults(world, await introspect(http), options) : [],
    judge: (each) =>
      judge(each).catch((error): Verdict => {
        if (!(error instanceof IncompleteCase)) throw error;
        return { fault: null, rows: 0 };
      }),
    [Symbol.asyncDispose]: () => sql.end({ timeout: 5 }),
  };
}

function toRequest(text: GraphqlText): { readonly ticket: string } | { readonly info: string } {
  return text.parts > 0 ? { info: toTicket(text) } : { ticket: toTicket(text) };
}

/** Parts that are read one after the other have no order between them. */
function withParts(query: Query, shape: Shape): Shape {
  const isParted = "style" in query && query.style.parts > 1;
  return isParted && shape.kind === "list" ? { ...shape, ordered: false } : shape;
}
