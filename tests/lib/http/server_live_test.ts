import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { auditServer } from "graphql-http";
import { testPostgres } from "../../services/postgres.ts";
import { MALFORMED, random } from "./malformed.ts";
import { serveDatabase } from "./real_engine.ts";
import { rawPost, Wire } from "./serve.ts";

const postgres = await testPostgres();
const shop = await postgres.shop();

const odd = await postgres.createDatabase();
await postgres.query(
  `create view numbers as select i as id, repeat('x', 1000) as pad from generate_series(1, 5000000) i;
   create view naps as select 1 as id, pg_sleep(600)::text as nothing;
   create view days as select i as id, repeat('x', 1000) as pad,
     case when i = 5000 then 'infinity' else date '2026-01-01' + i end as day
     from generate_series(1, 10000) i;
   create view faults as select i as id, repeat('x', 1000) as pad, 1 / (5000 - i) as inverse
     from generate_series(1, 10000) i`,
  odd,
);

/** Waits until no statement of the named sessions runs, so a test hangs where one goes on. */
async function noneRunning(name: string): Promise<void> {
  for (;;) {
    const rows = await postgres.query(
      `select 1 from pg_stat_activity where application_name = '${name}' and state <> 'idle'`,
    );
    if (rows.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function someRunning(name: string, condition = "true"): Promise<void> {
  for (;;) {
    const rows = await postgres.query(
      `select 1 from pg_stat_activity where application_name = '${name}' and state = 'active'
       and ${condition}`,
    );
    if (rows.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("serveHttp() with a real database passes every audit without a warning", async () => {
  await using http = await serveDatabase(shop, "audit");
  const results = await auditServer({ url: `${http.url}/graphql` });
  const failed = results.filter((result) => result.status !== "ok");
  equal(failed.map(({ id, name, status }) => `${status} ${id} ${name}`), []);
  for (const result of results) if ("response" in result) await result.response.body?.cancel();
});

Deno.test("serveHttp() gives all rows of a table, and those of several roots", async () => {
  await using http = await serveDatabase(shop, "rows");
  const response = await http.post(
    "{ orders { id } __typename none: orders(where: { id: { isNull: true } }) { id } }",
  );
  const { data } = await response.json();
  const rows = await postgres.query("select id::text from orders", shop);
  const ids = (list: { id: unknown }[]) => list.map((row) => String(row.id)).sort();
  equal(ids(data.orders), ids(rows as { id: unknown }[]));
  equal([data.__typename, data.none], ["Query", []]);
});

for (
  const [when, query] of [["in its middle", "{ numbers { id pad } }"], [
    "before its first row",
    "{ naps { id nothing } }",
  ]] as const
) {
  Deno.test(`serveHttp() ends the statement in PostgreSQL of a client that leaves ${when}`, async () => {
    await using http = await serveDatabase(odd, "leaving");
    const wire = await Wire.open(http.port);
    await wire.send(rawPost(query));
    if (when === "in its middle") await wire.read(1_000_000);
    else await someRunning("leaving");
    wire.close();
    await noneRunning("leaving");
    equal((await http.logged("request")).code, "CANCELLED");
  });
}

Deno.test("serveHttp() holds PostgreSQL back while the client does not read", async () => {
  await using http = await serveDatabase(odd, "slow reader");
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("{ numbers { id pad } }"));
  await wire.read(1_000_000);
  await someRunning("slow reader", "wait_event = 'ClientWrite'");
  // Once held back it goes on when the client does.
  equal((await wire.read(20_000_000)).length >= 20_000_000, true);
  wire.close();
  await noneRunning("slow reader");
});

Deno.test("serveHttp() ends the statement of a client that takes nothing for httpStallSecondsMax", async () => {
  await using http = await serveDatabase(odd, "stalling", { limits: { httpStallSecondsMax: 1 } });
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("{ numbers { id pad } }"));
  equal((await http.logged("request")).code, "CANCELLED");
  await noneRunning("stalling");
});

const late: [name: string, query: string, code: string, rows: number, column: string | null][] = [
  ["a value that JSON cannot hold", "{ days { id pad day } }", "UNREPRESENTABLE", 4999, "day"],
];
for (const [name, query, code, rows, column] of late) {
  Deno.test(`serveHttp() closes the document as valid JSON at ${name}`, async () => {
    await using http = await serveDatabase(odd, "late");
    const { data, errors } = await (await http.post(query)).json();
    const [root] = Object.keys(data);
    equal(data[root!].length, rows);
    equal(errors[0].extensions.code, code);
    equal(errors[0].path, column ? [root, rows, column] : [root, rows]);
  });
}

Deno.test("serveHttp() closes the document as valid JSON where PostgreSQL fails in its middle", async () => {
  await using http = await serveDatabase(odd, "failing");
  const response = await http.post("{ faults { id pad inverse } }");
  const { data, errors } = await response.json();
  equal(response.status, 200);
  ok(data.faults.length > 0 && data.faults.length < 5000);
  equal(errors.length, 1);
  equal(errors[0].path, ["faults", data.faults.length]);
});

Deno.test("serveHttp() closes the document as UNAVAILABLE where the session is ended, and lives on", async () => {
  await using http = await serveDatabase(odd, "ended");
  // Plain, since a gigabyte of this fits into the sockets' buffers when it is compressed.
  const plain = { "accept-encoding": "identity" };
  const response = await http.post("{ numbers { id pad } }", {}, plain);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? "";
  await postgres.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ended'",
  );
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text = (text + part.value).slice(-1000);
  }
  match(text, /\}\]\},"errors":\[\{[^]*"code":"UNAVAILABLE"[^]*\}\]\}$/);
  const again = await http.post("{ numbers(limit: 2) { id } }");
  equal((await again.json()).data.numbers.length, 2);
});

Deno.test("serveHttp() answers UNAVAILABLE with 503 and Retry-After where PostgreSQL fails before a row", async () => {
  await using http = await serveDatabase(odd, "killed");
  const answer = http.post("{ naps { id nothing } }");
  await someRunning("killed");
  await postgres.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'killed'",
  );
  const response = await answer;
  equal((await response.json()).errors[0].extensions.code, "UNAVAILABLE");
  equal([response.status, response.headers.has("retry-after")], [503, true]);
});

const malformed = {
  ...MALFORMED,
  "GraphQL with a character changed": (next: () => number) => {
    const query =
      "query Q($n: Int!) { orders(limit: $n, where: { id: { eq: 1 } }) { id user { name } } }";
    const at = Math.floor(next() * query.length);
    return JSON.stringify({ query: query.slice(0, at) + "§" + query.slice(at + 1) });
  },
  "GraphQL nested deep": (next: () => number) => {
    const depth = 250 + Math.floor(next() * 3000);
    const form = Math.floor(next() * 3);
    const query = form === 0
      ? "{ orders { " + "user { orders { ".repeat(depth) + "id" + " } }".repeat(depth) + " } }"
      : form === 1
      ? `{ orders(where: ${"{ not: ".repeat(depth)}{}${"}".repeat(depth)}) { id } }`
      : `{ orders(limit: ${"[".repeat(depth)}1${"]".repeat(depth)}) { id } }`;
    return JSON.stringify({ query });
  },
  "huge numbers in GraphQL": (next: () => number) => {
    const digits = "9".repeat(20 + next() * 2000);
    const number = [digits, `-${digits}`, `1e${digits.slice(0, 9)}`, `${digits}.5`][
      Math.floor(next() * 4)
    ];
    return JSON.stringify({ query: `{ orders(limit: ${number}) { id } }` });
  },
  "variables of wrong types": (_: () => number, i: number) =>
    JSON.stringify({
      query: "query($n: Int!, $w: OrderWhere) { orders(limit: $n, where: $w) { id } }",
      variables: [
        {},
        { n: "1" },
        { n: 1.5 },
        { n: 2 ** 40 },
        { n: -1 },
        { n: null },
        {
          n: 1,
          w: { nothing: 1 },
        },
        { n: 1, w: { id: { eq: { a: [] } } } },
        { n: 1, w: 3 },
        { n: 1, w: { id: { eq: "x" } } },
      ][
        i % 10
      ],
    }),
};

for (const [kind, make] of Object.entries(malformed)) {
  Deno.test(`serveHttp() with a real engine answers 1,000 requests of ${kind} with 4xx`, async () => {
    await using http = await serveDatabase(shop, "malformed");
    const next = random(11);
    const wrong = new Map<string, string>();
    for (let i = 0; i < 1000; i++) {
      const body = make(next, i) as BodyInit;
      const response = await fetch(`${http.url}/graphql`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/graphql-response+json",
        },
        body,
      });
      const { errors } = await response.json();
      const { code } = errors?.[0]?.extensions ?? {};
      if (response.status < 400 || response.status >= 500 || code === "INTERNAL") {
        wrong.set(`${response.status} ${code}`, String(body).slice(0, 300));
      }
    }
    equal(wrong, new Map());
    equal((await http.post("{ __typename }")).status, 200);
  });
}
