/** Every example of docs/tickets.md and docs/flight.md, against the sample shop and by pyarrow. */

import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { storedEvent, toArrowStream } from "../lib/clickhouse/arrow_events.ts";
import { python } from "../clients/python.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testPostgres } from "../services/postgres.ts";
import { columnExamples, type Example, fencedBlocks } from "./examples.ts";
import { serve } from "../serve/serve.ts";

const postgres = await testPostgres();
const clickhouses = await testClickhouse();

interface Told {
  readonly fault?: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly printed?: string;
}

/** What a program makes of an example; one in another language fails here. */
const KINDS: Readonly<Record<string, "ticket" | "python">> = {
  json: "ticket",
  graphql: "ticket",
  ticket: "ticket",
  python: "python",
};

for (const [name, least] of [["tickets", 8], ["flight", 1]] as const) {
  Deno.test(`serve answers every example of docs/${name}.md with rows`, async () => {
    const text = await Deno.readTextFile(new URL(`../../docs/${name}.md`, import.meta.url));
    const examples: Example[] = [...columnExamples(text, "example"), ...fencedBlocks(text)];
    ok(examples.length >= least, `${examples.length} examples were found`);
    deepEqual(examples.filter(({ language }) => !KINDS[language]), []);
    const url = await withOrders();
    await using served = await serve({
      DATABASE_URL: await postgres.shop(),
      FRAISEQL_CLICKHOUSE_URL: url,
      FRAISEQL_LOG_LEVEL: "warn",
    });
    const input = examples.map(({ language, text }) =>
      JSON.stringify({ kind: KINDS[language], text }) + "\n"
    );
    const program = new URL("../clients/flight_examples.py", import.meta.url);
    const lines = (await python(program, [served.flight], input.join(""))).trim().split("\n");
    const told: Told[] = lines.map((line) => JSON.parse(line));
    for (const [i, { text, line }] of examples.entries()) {
      const { fault, rows = 0, bytes = 0, printed = "" } = told[i] ?? { fault: "no answer" };
      const place = `docs/${name}.md:${line}\n${text}\n`;
      ok(fault === undefined, `${place}${fault}`);
      ok(rows > 0 || bytes > 0 || printed.length > 0, `${place}gave nothing`);
    }
  });
}

/** A ClickHouse database with a few events; gives its URL. */
async function withOrders(): Promise<string> {
  const clickhouse = await clickhouses.createDatabase();
  await migrateClickhouse(clickhouse, { retentionDays: 90 });
  const events = [1n, 2n, 3n, 4n, 5n].map((position) => storedEvent({ position }));
  await clickhouse.insertArrow(EVENTS_DATA, toArrowStream(events), { token: "orders" });
  const { origin, user, password, database } = clickhouse.settings;
  const url = new URL(`${origin}/${database}`);
  [url.username, url.password] = [user, password];
  return String(url);
}
