/** `searchEvents` over Flight, read by pyarrow: a row for each event, the total in the metadata. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { python } from "../clients/python.ts";
import { eventId, indexed } from "../contracts/search_events.ts";
import { searchEngine } from "../lib/query/search_engine.ts";
import { startFlight } from "./serve.ts";

interface Told {
  readonly schema: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** What pyarrow reads of each ticket. */
async function read(count: number, tickets: readonly unknown[]): Promise<Told[]> {
  const { engine } = await searchEngine(
    Array.from(
      { length: count },
      (_, n) =>
        indexed(n, `{"note":"word ${n}","big":12345678901234567890}`, {
          userId: n % 2 === 0 ? null : "user-1",
        }),
    ),
  );
  const server = await startFlight(engine, { limits: limits(), log: createLog("error", () => {}) });
  try {
    const script = new URL("search.py", import.meta.url);
    return JSON.parse(await python(script, [server.url, JSON.stringify(tickets)]));
  } finally {
    await server.stop(0);
  }
}

const query = (text: string) => ({ type: "GraphQLQuery", query: text });

Deno.test("a search gives pyarrow a row for each event with the columns that were asked for", async () => {
  const [told] = await read(2, [query(`{
    searchEvents(text: "word") {
      total
      edges {
        highlights { path text }
        node {
          eventId eventType entityType entityId timestamp data userId orgId position
          big: data(path: ["big"]) __typename
        }
      }
      pageInfo { hasNextPage }
    }
  }`)]);
  deepEqual(told?.schema, [
    "highlights: list<item: struct<path: list<item: string not null> not null, " +
    "text: string not null> not null> not null",
    "eventId: string not null",
    "eventType: string not null",
    "entityType: string not null",
    "entityId: string not null",
    "timestamp: timestamp[us, tz=UTC] not null",
    "data: extension<arrow.json> not null",
    "userId: string",
    "orgId: string",
    "position: int64",
    "big: extension<arrow.json>",
    "__typename: string not null",
  ]);
  deepEqual(told?.metadata, { total: "2" });
  deepEqual(told?.rows[0], {
    highlights: [{ path: ["note"], text: "<em>word</em> 1" }],
    eventId: eventId(1),
    eventType: "Created",
    entityType: "Order",
    entityId: "1",
    timestamp: "2026-01-15T00:00:01+00:00",
    data: '{"note":"word 1","big":12345678901234567890}',
    userId: "user-1",
    orgId: null,
    position: null,
    big: "12345678901234567890",
    __typename: "EntityEvent",
  });
  equal(told?.rows[1]?.userId, null);
});

Deno.test("a search gives pyarrow its total without rows, and more rows than a store gives at once", async () => {
  const rows = "edges { cursor node { entityId cursor: eventType } }";
  const [none, many, rest, only, plain] = await read(2300, [
    query(`{ searchEvents(text: "nothing") { total ${rows} } }`),
    query(`{ searchEvents(text: "word", first: 2200) { total ${rows} } }`),
    { ...query(`{ orders { id } a: searchEvents(first: 3) { x: total ${rows} } }`), field: "a" },
    query(`{ searchEvents(text: "word") { total } }`),
    query(`{ searchEvents(text: "word") { edges { node { entityId } } } }`),
  ]);
  deepEqual([none?.metadata, none?.rows], [{ total: "0" }, []]);
  deepEqual(many?.metadata, { total: "2300" });
  deepEqual(
    many?.rows.map(({ entityId }) => Number(entityId)),
    Array.from({ length: 2200 }, (_, i) => 2299 - i),
  );
  // Columns of one name are told apart.
  deepEqual(many?.schema, [
    "cursor: string not null",
    "entityId: string not null",
    "cursor_2: string not null",
  ]);
  deepEqual([rest?.metadata, rest?.rows.length], [{ total: "2300" }, 3]);
  deepEqual([only?.metadata, only?.schema, only?.rows], [{ total: "2300" }, [], []]);
  deepEqual([plain?.metadata, plain?.rows.length], [{}, 20]);
});

Deno.test("searches of one schema go together in BatchedQueries", async () => {
  const search = (text: string) =>
    `{ searchEvents(text: "${text}") { total edges { node { entityId } } } }`;
  const [told] = await read(5, [{
    type: "BatchedQueries",
    queries: [search('\\"word 1\\"'), search("word"), search("nothing")],
  }]);
  deepEqual(told?.rows.map(({ entityId }) => entityId), ["1", "4", "3", "2", "1", "0"]);
});
