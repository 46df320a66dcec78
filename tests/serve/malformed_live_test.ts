import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { auditServer } from "graphql-http";
import { encodeMessage, TICKET } from "../../flight/protobuf.ts";
import { CODES } from "../../lib/errors.ts";
import { RawClient } from "../flight/raw_client.ts";
import { testPostgres } from "../services/postgres.ts";
import { flightPid, post, residentBytes, serve } from "./serve.ts";

const postgres = await testPostgres();
const quiet = { FRAISEQL_LOG_LEVEL: "error" };

/** How many of each kind. */
const count = 1000;

/** Numbers that are the same in every run. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

type Make = (next: () => number, i: number) => string | Uint8Array;

const bytes: Make = (next) =>
  Uint8Array.from({ length: 2 + Math.floor(next() * 2000) }, () => Math.floor(next() * 256));

const query = (text: string, variables?: unknown) =>
  JSON.stringify({ query: text, ...variables !== undefined && { variables } });

function pick<Item>(next: () => number, items: readonly Item[]): Item {
  return items[Math.floor(next() * items.length)] as Item;
}

const good = "query A($n: Int = 3) { users(limit: $n, where: { isActive: { eq: true } }) { id } }";

/** A text that is no GraphQL. */
const brokenGraphql = (next: () => number): string => {
  const at = 1 + Math.floor(next() * (good.length - 1));
  return pick(next, [
    () => good.slice(0, at),
    () => "}" + '{}()$!@:"#[] \u0000'.repeat(next() * 100),
    () => good.slice(0, at) + pick(next, ["\u0001", "]", "^", "..", "%%", '"""']) + good.slice(at),
    () => `{ users { ${"x".repeat(next() * 9000)} } }`,
    () => `query A { users { id } } query A { users { id } }`,
    () => "{ users { ...A } } fragment A on User { ...B } fragment B on User { ...A }",
  ])();
};

const deep = (next: () => number): string => {
  const depth = 13 + Math.floor(next() * 4000);
  return pick(next, [
    () => `{ users ${"{ orders { user ".repeat(depth)}{ id }${"} }".repeat(depth)} }`,
    () => `{ users(where: ${"{ not: ".repeat(depth + 300)}{}${"}".repeat(depth + 300)}) { id } }`,
    () => `{ users(limit: ${"[".repeat(depth)}1${"]".repeat(depth)}) { id } }`,
    () => "{".repeat(depth * 100),
    () => `{ users { ${"...on User { ".repeat(depth + 300)} id ${"}".repeat(depth + 300)} } }`,
  ])();
};

const hugeNumbers = (next: () => number): string => {
  const digits = "9".repeat(20 + next() * 5000);
  return pick(next, [
    `{ users(limit: ${digits}) { id } }`,
    `{ users(offset: -${digits}) { id } }`,
    `{ users(limit: 1e${1 + Math.floor(next() * 1e9)}) { id } }`,
    `{ orders(where: { itemCount: { eq: ${digits} } }) { id } }`,
    `{ product(id: "${digits}") { id } }`,
    `{ orders(where: { total: { gt: "1e${999_999 + Math.floor(next() * 1e9)}" } }) { id } }`,
    `{ orders(where: { createdAt: { gt: "${digits}-01-01T00:00:00Z" } }) { id } }`,
    `{ orders(where: { orderedOn: { in: ["${digits}-01-01"] } }) { id } }`,
  ]);
};

const ask = "query A($n: Int!, $where: UserWhere) { users(limit: $n, where: $where) { id } }";
const wrongVariables = (next: () => number): unknown =>
  pick<unknown>(next, [
    {},
    { n: null },
    { n: "1" },
    { n: 1.5 },
    { n: 2 ** 40 },
    { n: -1 },
    { n: [1, 2] },
    { n: 1, where: { nothing: { eq: 1 } } },
    { n: 1, where: { name: { eq: 1 } } },
    { n: 1, where: { id: { eq: "no uuid" } } },
    { n: 1, where: { createdAt: { gt: "yesterday" } } },
    { n: 1, where: { preferences: { path: 3 } } },
    { n: 1, where: "x" },
  ]);

const httpKinds: Record<string, Make> = {
  "random bytes": bytes,
  "broken JSON": (next) => {
    const text = query(good, { n: 1 });
    const at = 1 + Math.floor(next() * (text.length - 2));
    return pick(next, [text.slice(0, at), text.slice(0, at) + '"}{' + text.slice(at) + "]"]);
  },
  "broken GraphQL": (next) => query(brokenGraphql(next)),
  "deep nesting": (next) =>
    pick(next, [
      () => query(deep(next)),
      () => `{"query":"{ users { id } }","variables":{"n":${"[".repeat(3000)}${"]".repeat(3000)}}}`,
    ])(),
  "huge numbers": (next) => query(hugeNumbers(next)),
  "wrong variables": (next) => query(ask, wrongVariables(next)),
};

const ticket = (value: string | Uint8Array) => {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return encodeMessage(TICKET, { ticket: bytes });
};

const flightKinds: Record<string, (next: () => number, i: number) => Uint8Array> = {
  "random bytes as ticket": (next, i) => ticket(bytes(next, i)),
  "random bytes as message": (next, i) => bytes(next, i) as Uint8Array,
  "truncated protobuf": (next) => {
    const whole = ticket(good);
    return whole.slice(0, Math.floor(next() * (whole.length - 1)));
  },
  "broken GraphQL": (next) => ticket(brokenGraphql(next)),
  "deep nesting": (next) => ticket(deep(next)),
  "huge numbers": (next) => ticket(hugeNumbers(next)),
  "wrong variables": (next) =>
    ticket(JSON.stringify({ type: "GraphQLQuery", query: ask, variables: wrongVariables(next) })),
  "broken JSON": (next) => {
    const text = JSON.stringify({ type: "OptimizedView", view: "va_orders", filter: { a: 1 } });
    return ticket(text.slice(0, 1 + Math.floor(next() * (text.length - 2))));
  },
};

/** What may be said to them: never that we have a fault. */
const refusals = [
  CODES.BAD_TICKET.grpc,
  CODES.NOT_FOUND.grpc,
  CODES.TOO_LARGE.grpc,
  CODES.UNSUPPORTED.grpc,
] as const;

/** Works on the numbers below `count`, a few at a time. */
async function several(work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 4 }, lane));
}

async function httpBurst(http: string, make: Make): Promise<string[]> {
  const next = random(7);
  const faults: string[] = [];
  await several(async (i) => {
    const body = make(next, i);
    const response = await fetch(`${http}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json",
      },
      body: body as BodyInit,
    });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    const code = JSON.parse(text).errors?.[0]?.extensions?.code;
    const good = response.status >= 400 && response.status < 500 && code in CODES &&
      code !== "INTERNAL" && type.startsWith("application/graphql-response+json");
    if (!good) faults.push(`${String(body).slice(0, 200)}: ${response.status} ${text}`);
  });
  return faults;
}

async function flightBurst(
  client: RawClient,
  make: (next: () => number, i: number) => Uint8Array,
): Promise<string[]> {
  const next = random(7);
  const faults: string[] = [];
  await several(async (i) => {
    const message = make(next, i);
    const { code, message: said } = await client.call("DoGet", message);
    if ((refusals as readonly number[]).includes(code)) return;
    faults.push(`${new TextDecoder().decode(message).slice(0, 200)}: ${code} ${said}`);
  });
  return faults;
}

/**
 * Runs the burst until the process has the size it keeps, since V8 compiles and malloc takes its
 * room meanwhile, and then compares equal bursts. What is resident right after one depends on when
 * garbage was collected last, by 4% either way, while what leaks adds up: so the least of the last
 * five stands beside the middle one of the three before, and 4% more with each burst is found.
 */
async function keepsMemory(pid: number, burst: () => Promise<void>): Promise<void> {
  const sizes: number[] = [];
  for (let bursts = 0; bursts < 12; bursts++) {
    await burst();
    sizes.push(residentBytes(pid));
  }
  const before = sizes.slice(4, 7).sort((a, b) => a - b)[1] as number;
  const after = Math.min(...sizes.slice(7));
  ok(after < before * 1.05, `${before} and then ${after} bytes, after ${sizes}`);
}

Deno.test(`serve refuses ${count} malformed HTTP requests of each kind with 4xx and keeps its memory`, async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  await keepsMemory(served.pid, async () => {
    for (const [kind, make] of Object.entries(httpKinds)) {
      equal([kind, (await httpBurst(served.http, make)).slice(0, 3)], [kind, []]);
    }
  });
  equal((await post(served.http, "{ users(limit: 1) { id } }")).status, 200);
  equal(served.stderr().includes("INTERNAL"), false);
});

Deno.test(`serve refuses ${count} malformed Flight tickets of each kind and keeps its memory`, async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const client = new RawClient(served.flight);
  const pid = flightPid(served);
  try {
    await keepsMemory(pid, async () => {
      for (const [kind, make] of Object.entries(flightKinds)) {
        equal([kind, (await flightBurst(client, make)).slice(0, 3)], [kind, []]);
      }
    });
    equal((await client.call("DoGet", ticket("{ users(limit: 1) { id } }"))).code, 0);
  } finally {
    client.close();
  }
  equal(flightPid(served), pid);
  equal(served.stderr().includes("INTERNAL"), false);
});

const methods = ["Handshake", "ListFlights", "GetFlightInfo", "PollFlightInfo", "GetSchema"];
methods.push("DoGet", "DoPut", "DoExchange", "DoAction", "ListActions");

Deno.test(`serve answers ${count} random messages of each Flight method, never with a fault of ours`, async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const client = new RawClient(served.flight);
  const pid = flightPid(served);
  try {
    for (const method of methods) {
      const next = random(11);
      const codes = new Set<number>();
      await several(async (i) => {
        const message = pick(next, [
          () => bytes(next, i) as Uint8Array,
          () => Uint8Array.of(10, 2 + Math.floor(next() * 200), ...bytes(next, i) as Uint8Array),
          () => Uint8Array.of(8, 2, 18, 3, 123, 34, 97), // a command that is a piece of JSON
          () => new Uint8Array(),
        ])();
        const messages = pick(next, [[message], [message, message], []]);
        codes.add((await client.call(method, messages)).code);
      });
      const faults = [...codes].filter((code) => ![0, ...refusals].includes(code));
      equal([method, faults], [method, []]);
    }
  } finally {
    client.close();
  }
  equal(flightPid(served), pid);
  equal(served.stderr().includes("INTERNAL"), false);
});

Deno.test("serve passes every audit of the GraphQL-over-HTTP specification, without a warning", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const results = await auditServer({ url: `${served.http}/graphql` });
  const failed = results.filter((result) => result.status !== "ok");
  equal(failed.map(({ id, name, status }) => `${status} ${id} ${name}`), []);
  ok(results.length > 50);
  for (const result of results) if ("response" in result) await result.response.body?.cancel();
});
