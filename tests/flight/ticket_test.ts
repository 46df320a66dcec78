import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { decodeTicket, encodeTicket, type Ticket } from "../../flight/ticket.ts";
import { limits } from "../../lib/limits.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const decode = (text: string) => decodeTicket(bytes(text), limits());

const query = (some: object): Ticket => ({
  kind: "query",
  text: "{ users { id } }",
  variables: null,
  operationName: null,
  field: null,
  partitions: null,
  partition: null,
  compression: null,
  ...some,
});
const view = (some: object): Ticket => ({
  kind: "view",
  view: "va_orders",
  filter: null,
  orderBy: null,
  limit: null,
  offset: null,
  compression: null,
  ...some,
});

const taken: [name: string, text: string, ticket: Ticket][] = [
  ["GraphQL text", "{ users { id } }", query({})],
  [
    "GraphQL text with a name",
    "query Q { users { id } }",
    query({ text: "query Q { users { id } }" }),
  ],
  [
    "GraphQL text behind blank lines",
    "\n { users { id } }",
    query({ text: "\n { users { id } }" }),
  ],
  ["text that begins with a comment", '# {"type"\n{a}', query({ text: '# {"type"\n{a}' })],
  ["a plain word", "users", { kind: "word", word: "users" }],
  ["a plain word with a line feed", "users\n", { kind: "word", word: "users" }],
  ["the least GraphQLQuery", '{"type":"GraphQLQuery","query":"{ users { id } }"}', query({})],
  [
    "a GraphQLQuery with every key null",
    '{"type":"GraphQLQuery","query":"{ users { id } }","variables":null,"operationName":null,"field":null,"partitions":null,"compression":null}',
    query({}),
  ],
  [
    "a GraphQLQuery with all that is served",
    ' { "type":"GraphQLQuery","query":"{ users { id } }","variables":{"n":10},"operationName":"Q","field":"users"}',
    query({ variables: { n: 10 }, operationName: "Q", field: "users" }),
  ],
  [
    "a GraphQLQuery with compression",
    '{"type":"GraphQLQuery","query":"{ users { id } }","compression":"lz4"}',
    query({ compression: "lz4" }),
  ],
  [
    "a GraphQLQuery with partitions",
    '{"type":"GraphQLQuery","query":"{ users { id } }","partitions":4}',
    query({ partitions: 4 }),
  ],
  [
    "a GraphQLQuery that is a partition",
    '{"type":"GraphQLQuery","query":"{ users { id } }","partition":{"snapshot":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","from":7,"to":null}}',
    query({
      partition: { snapshot: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", from: 7, to: null },
    }),
  ],
  [
    "an OptimizedView with compression",
    '{"type":"OptimizedView","view":"va_orders","compression":"zstd"}',
    view({ compression: "zstd" }),
  ],
  ["the least OptimizedView", '{"type":"OptimizedView","view":"va_orders"}', view({})],
  [
    "an OptimizedView with every key",
    '{"type":"OptimizedView","view":"va_orders","filter":{"status":{"eq":"paid"}},"order_by":"created_at DESC","limit":1000,"offset":0}',
    view({
      filter: { status: { eq: "paid" } },
      orderBy: "created_at DESC",
      limit: 1000,
      offset: 0,
    }),
  ],
  [
    "BatchedQueries",
    '{"type":"BatchedQueries","queries":["{ a }","{ b }"],"compression":null}',
    { kind: "batch", queries: ["{ a }", "{ b }"], compression: null },
  ],
  [
    "the least BulkExport",
    '{"type":"BulkExport","table":"orders"}',
    {
      kind: "export",
      table: "orders",
      filter: null,
      limit: null,
      format: "arrow",
      compression: null,
    },
  ],
  [
    "a BulkExport with every key",
    '{"type":"BulkExport","table":"public.orders","filter":{"id":{"gt":1}},"limit":5,"format":"csv","compression":"lz4"}',
    {
      kind: "export",
      table: "public.orders",
      filter: { id: { gt: 1 } },
      limit: 5,
      format: "csv",
      compression: "lz4",
    },
  ],
  [
    "an OptimizedView with every key null",
    '{"type":"OptimizedView","view":"va_orders","filter":null,"order_by":null,"limit":null,"offset":null}',
    view({}),
  ],
];

for (const [name, text, ticket] of taken) {
  Deno.test(`decodeTicket() takes ${name}`, () => deepEqual(decode(text), ticket));

  Deno.test(`encodeTicket() writes ${name} so that it is read as the same`, () => {
    deepEqual(decodeTicket(encodeTicket(ticket, limits()), limits()), ticket);
  });
}

const snapshot = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
const part = (from: unknown, to: unknown) => JSON.stringify({ snapshot, from, to });

const nested = (levels: number) =>
  `{"type":"OptimizedView","view":"v","filter":{"a":${"[".repeat(levels)}${"]".repeat(levels)}}}`;

const refused: [name: string, text: string | Uint8Array, code: string, says: RegExp][] = [
  ["no bytes", "", "BAD_TICKET", /empty/],
  ["blanks alone", " \n", "BAD_TICKET", /empty/],
  ["bytes that are not UTF-8", Uint8Array.of(0xff), "BAD_TICKET", /UTF-8/],
  ["half a letter", bytes("é").subarray(0, 1), "BAD_TICKET", /UTF-8/],
  ["one byte more than 256 KiB", new Uint8Array(262_145), "TOO_LARGE", /262145/],
  ["JSON that ends too soon", '{"type":"GraphQLQuery"', "BAD_TICKET", /no JSON/],
  ["JSON with a control character", '{"type":"\u0000"}', "BAD_TICKET", /no JSON/],
  ["JSON with something behind it", '{"type":"x"} x', "BAD_TICKET", /no JSON/],
  ["an empty object", "{}", "BAD_TICKET", /no "type"/],
  ["JSON without a type", '{"query":"{ a }"}', "BAD_TICKET", /no "type"/],
  ["a type that is no text", '{"type":1}', "BAD_TICKET", /no "type"/],
  ["an unknown type", '{"type":"GraphQLQuerry"}', "BAD_TICKET", /did you mean GraphQLQuery\?/],
  ["a type from the prototype", '{"type":"constructor"}', "BAD_TICKET", /no ticket type/],
  ["a GraphQLQuery without a query", '{"type":"GraphQLQuery"}', "BAD_TICKET", /query/],
  [
    "an unknown key",
    '{"type":"GraphQLQuery","query":"{a}","variable":{}}',
    "BAD_TICKET",
    /"variable", did you mean variables\?/,
  ],
  [
    "the key __proto__",
    '{"type":"GraphQLQuery","query":"{a}","__proto__":{}}',
    "BAD_TICKET",
    /__proto__/,
  ],
  [
    "variables in a list",
    '{"type":"GraphQLQuery","query":"{a}","variables":[1]}',
    "BAD_TICKET",
    /variables/,
  ],
  [
    "a field that is no text",
    '{"type":"GraphQLQuery","query":"{a}","field":1}',
    "BAD_TICKET",
    /field/,
  ],
  [
    "a partition that has partitions",
    `{"type":"GraphQLQuery","query":"{a}","partitions":4,"partition":${part(0, 1)}}`,
    "BAD_TICKET",
    /a partition has no partitions/,
  ],
  [
    "a partition's page that is a text",
    `{"type":"GraphQLQuery","query":"{a}","partition":${part("0')", null)}}`,
    "BAD_TICKET",
    /partition\.from/,
  ],
  [
    "a partition's page beyond 32 bits",
    `{"type":"GraphQLQuery","query":"{a}","partition":${part(0, 2 ** 32)}}`,
    "BAD_TICKET",
    /partition\.to/,
  ],
  [
    "a partition of a snapshot that no id names",
    `{"type":"GraphQLQuery","query":"{a}","partition":{"snapshot":"00000003-1","from":0,"to":1}}`,
    "BAD_TICKET",
    /partition\.snapshot/,
  ],
  [
    "no partitions",
    '{"type":"GraphQLQuery","query":"{a}","partitions":0}',
    "BAD_TICKET",
    /partitions/,
  ],
  [
    "more than partitionsMax partitions",
    '{"type":"GraphQLQuery","query":"{a}","partitions":65}',
    "TOO_LARGE",
    /partitions is 65, at most 64/,
  ],
  [
    "an unknown compression",
    '{"type":"GraphQLQuery","query":"{a}","compression":"br"}',
    "BAD_TICKET",
    /compression/,
  ],
  ["an OptimizedView without a view", '{"type":"OptimizedView"}', "BAD_TICKET", /view/],
  ["a negative limit", '{"type":"OptimizedView","view":"v","limit":-1}', "BAD_TICKET", /limit/],
  ["half a row", '{"type":"OptimizedView","view":"v","limit":0.5}', "BAD_TICKET", /limit/],
  [
    "a limit beyond whole numbers",
    '{"type":"OptimizedView","view":"v","limit":1e300}',
    "BAD_TICKET",
    /limit/,
  ],
  ["a limit in a text", '{"type":"OptimizedView","view":"v","limit":"1"}', "BAD_TICKET", /limit/],
  ["JSON nested too deep", nested(64), "BAD_TICKET", /64 levels/],
  ["JSON nested as deep as a ticket is long", nested(100_000), "BAD_TICKET", /64 levels/],
  [
    "ObserverEvents from no moment",
    '{"type":"ObserverEvents","start_date":"2026-02-30"}',
    "BAD_TICKET",
    /start_date is no moment: "2026-02-30"/,
  ],
  [
    "ObserverEvents to a moment without a zone",
    '{"type":"ObserverEvents","end_date":"2026-01-01T00:00:00"}',
    "BAD_TICKET",
    /end_date is no moment/,
  ],
  [
    "ObserverEvents that end before they begin",
    '{"type":"ObserverEvents","start_date":"2026-01-02","end_date":"2026-01-01"}',
    "BAD_TICKET",
    /end_date 2026-01-01 is before start_date/,
  ],
  [
    "ObserverEvents after no position",
    '{"type":"ObserverEvents","after":"18446744073709551616"}',
    "BAD_TICKET",
    /after is no position/,
  ],
  [
    "ObserverEvents in partitions",
    '{"type":"ObserverEvents","partitions":4}',
    "BAD_TICKET",
    /unknown key "partitions"/,
  ],
  [
    "ObserverEvents of half an event",
    '{"type":"ObserverEvents","limit":0.5}',
    "BAD_TICKET",
    /limit/,
  ],
  [
    "a BulkExport as parquet",
    '{"type":"BulkExport","table":"orders","format":"parquet"}',
    "UNSUPPORTED",
    /parquet/,
  ],
  [
    "a BulkExport in an unknown format",
    '{"type":"BulkExport","table":"orders","format":"xml"}',
    "BAD_TICKET",
    /format/,
  ],
  ["a BulkExport without a table", '{"type":"BulkExport"}', "BAD_TICKET", /table/],
  ["BatchedQueries without queries", '{"type":"BatchedQueries"}', "BAD_TICKET", /queries/],
  ["no queries", '{"type":"BatchedQueries","queries":[]}', "BAD_TICKET", /queries/],
  ["queries that are no texts", '{"type":"BatchedQueries","queries":[1]}', "BAD_TICKET", /queries/],
];

for (const [name, input, code, says] of refused) {
  Deno.test(`decodeTicket() refuses ${name} as ${code}`, () => {
    const ticket = typeof input === "string" ? bytes(input) : input;
    throws(() => decodeTicket(ticket, limits()), { name: "AppError", code, message: says });
  });
}

Deno.test("decodeTicket() takes exactly partitionsMax partitions", () => {
  const text = '{"type":"GraphQLQuery","query":"{ users { id } }","partitions":64}';
  deepEqual(decode(text), query({ partitions: 64 }));
});

Deno.test("decodeTicket() takes a ticket of exactly ticketBytesMax", () => {
  const text = "{ a" + " ".repeat(262_140) + "}";
  equal(decode(text).kind, "query");
});

Deno.test("decodeTicket() takes JSON nested exactly ticketLevelsMax deep", () => {
  // The ticket and its filter are two levels.
  equal(decode(nested(62)).kind, "view");
  throws(() => decode(nested(63)), { code: "BAD_TICKET" });
});

Deno.test("decodeTicket() shows of a long unknown key only its beginning", () => {
  const key = "k".repeat(100_000);
  throws(
    () => decode(`{"type":"GraphQLQuery","query":"{a}","${key}":1}`),
    (error: Error) => error.message.length < 300,
  );
});

Deno.test("encodeTicket() writes a query without anything else as its text", () => {
  equal(new TextDecoder().decode(encodeTicket(query({}), limits())), "{ users { id } }");
});

Deno.test("encodeTicket() refuses what JSON makes longer than a ticket may be as TOO_LARGE", () => {
  const text = '"'.repeat(200_000);
  throws(() => encodeTicket(query({ text, field: "a" }), limits()), { code: "TOO_LARGE" });
});
