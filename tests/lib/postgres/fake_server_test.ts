/** Servers that stop in the middle, lie, or are none: what `connect` and `rows` make of them. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { connect } from "../../../lib/postgres/connection.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import {
  authOk,
  error,
  greeting,
  int32,
  intRow,
  joined,
  message,
  ready,
  silence,
  startFakeServer,
} from "./fake_server.ts";
import { intsOf, never } from "./rows.ts";
import { quiet, until } from "./server.ts";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";

const login = (...parts: Uint8Array[]) => [joined(parts)];
const auth = (kind: number, ...rest: (string | number[])[]) => message("R", int32(kind), ...rest);
const http = new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
const saslNames = "SCRAM-SHA-256\0\0";

const refused: [name: string, script: Uint8Array[], code: string, message: RegExp][] = [
  ["a server that closes at once", [], "UNAVAILABLE", /closed the connection/],
  ["a web server", login(http), "UNAVAILABLE", /not PostgreSQL's protocol/],
  ["half a message", login(authOk.slice(0, 6)), "UNAVAILABLE", /closed the connection/],
  ["Kerberos", login(auth(7)), "BAD_INPUT", /asks for GSSAPI/],
  ["a method of the future", login(auth(99)), "BAD_INPUT", /authentication method 99/],
  ["SASL without SCRAM", login(auth(10, "OAUTHBEARER\0\0")), "BAD_INPUT", /OAUTHBEARER/],
  [
    "a server that does not prove that it knows the password",
    [auth(10, saslNames), authOk],
    "UNAVAILABLE",
    /before the server's proof/,
  ],
  ["the end of a login that never began", login(auth(12, "v=AAAA")), "UNAVAILABLE", /login's end/],
  [
    "a full server",
    login(error("53300", "too many", "FATAL")),
    "UNAVAILABLE",
    /no connection left/,
  ],
  ["a starting server", login(error("57P03", "starting", "FATAL")), "UNAVAILABLE", /take conn/],
  [
    "a login that ends in an error",
    login(authOk, error("3D000", "no such", "FATAL")),
    "BAD_INPUT",
    /no database d/,
  ],
  ["rows before the login", login(intRow(1)), "UNAVAILABLE", /during the login/],
  [
    "a server older than 13",
    [
      greeting[0] ?? ready,
      joined([message("D", [0, 3], int32(3), "off", int32(1), "f", int32(6), "120022"), ready]),
    ],
    "BAD_INPUT",
    /older than 13/,
  ],
];

for (const [name, script, code, said] of refused) {
  Deno.test(`connect() refuses ${name} as ${code}`, async () => {
    const server = startFakeServer(script);
    await rejects(connect({ url: server.url }), (error: Error & { code?: string }) => {
      equal(error.code, code, error.stack);
      match(error.message, said);
      return true;
    });
    await server.close();
  });
}

Deno.test("connect() waits no longer than connectMsMax", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `postgres://u@127.0.0.1:${listener.addr.port}/d`;
  await rejects(connect({ url, ...quiet({ connectMsMax: 100 }) }), {
    code: "UNAVAILABLE",
    message: /within 100 ms/,
  });
  listener.close();
});

Deno.test("connect() reads the bytes that follow the answer to its question for TLS as an attack", async () => {
  const server = startFakeServer([joined([[0x53], authOk, ready])]);
  await rejects(connect({ url: server.url.replace("disable", "require") }), {
    code: "UNAVAILABLE",
    message: /not answered by S or N/,
  });
  await server.close();
});

Deno.test("connect() with sslmode=prefer goes without TLS where that fails", async () => {
  const server = startFakeServer((number) =>
    number === 0 ? [new TextEncoder().encode("S"), http] : greeting
  );
  const connection = await connect({ url: server.url.replace("disable", "prefer") });
  equal(connection.wire.stream.encrypted, false);
  connection.abandon();
  await server.close();
});

Deno.test("connect() with sslmode=require ends where TLS fails", async () => {
  const server = startFakeServer([new TextEncoder().encode("S"), http]);
  await rejects(connect({ url: server.url.replace("disable", "require") }), {
    code: "BAD_INPUT",
    message: /TLS with PostgreSQL at .* failed/,
  });
  await server.close();
});

Deno.test("connect() with sslmode=require refuses a server without TLS", async () => {
  const server = startFakeServer([new TextEncoder().encode("N")]);
  await rejects(connect({ url: server.url.replace("disable", "require") }), {
    code: "BAD_INPUT",
    message: /does not offer TLS/,
  });
  await server.close();
});

Deno.test("connect() takes a login that comes one byte at a time", async () => {
  const server = startFakeServer(
    greeting,
    (bytes) => [...bytes].map((byte) => Uint8Array.of(byte)),
  );
  const connection = await connect({ url: server.url });
  equal(connection.facts.version, 150000);
  connection.abandon();
  await server.close();
});

const complete = message("C", "SELECT\0");
const head = joined([message("1"), message("2")]);
const rows = (...numbers: number[]) => joined(numbers.map(intRow));

/** What a read makes of an answer: the values it was given, and how it ended. */
const answers: [name: string, answer: Uint8Array, values: number[], end: string][] = [
  ["whole", joined([head, rows(1, 2, 3), complete, ready]), [1, 2, 3], "well"],
  ["without rows", joined([head, complete, ready]), [], "well"],
  [
    "with a notice and a setting between the rows",
    joined([
      head,
      rows(1),
      message("N", "Mhm\0\0"),
      message("S", "a\0b\0"),
      rows(2),
      complete,
      ready,
    ]),
    [1, 2],
    "well",
  ],
  ["cut after some rows", joined([head, rows(1, 2)]), [1, 2], "UNAVAILABLE"],
  ["cut within a row", joined([head, rows(1), rows(2).slice(0, 8)]), [1], "UNAVAILABLE"],
  ["cut within a row's length", joined([head, rows(1), rows(2).slice(0, 3)]), [1], "UNAVAILABLE"],
  ["cut before its end", joined([head, rows(1), complete]), [1], "UNAVAILABLE"],
  ["with an error after rows", joined([head, rows(1), error("22P02"), ready]), [1], "INTERNAL"],
  ["cut after an error", joined([head, rows(1), error("57P01", "", "FATAL")]), [1], "UNAVAILABLE"],
  ["cut after an error of its own", joined([head, error("42501")]), [], "FORBIDDEN"],
  [
    "with a length that cannot be",
    joined([head, rows(1), [0x44], int32(2), [0, 0]]),
    [1],
    "UNAVAILABLE",
  ],
  ["with nonsense after rows", joined([head, rows(1), http]), [1], "UNAVAILABLE"],
];

const splits: [name: string, split: (bytes: Uint8Array) => Iterable<Uint8Array>][] = [
  ["at once", (bytes) => [bytes]],
  ["one byte at a time", (bytes) => [...bytes].map((byte) => Uint8Array.of(byte))],
];

for (const [name, answer, values, end] of answers) {
  for (const [how, split] of splits) {
    Deno.test(`rows() reads an answer ${name}, ${how}`, async () => {
      const server = startFakeServer([...greeting, answer], split);
      const database = await openDatabase({ url: server.url, ...quiet() });
      const found: number[] = [];
      let ended = "well";
      try {
        const statements = [{ text: "select", parameters: [] }];
        // The session's own timeout, so that it is not sent along.
        const options = { signal: never, statementTimeoutMs: 300_000 };
        for await (const chunk of database.rows(statements, options)) {
          found.push(...intsOf(chunk).map(([, value]) => value));
        }
      } catch (error) {
        ended = (error as { code?: string }).code ?? String(error);
      }
      deepEqual(found, values);
      equal(ended, end);
      await server.close();
      await database.close();
    });
  }
}

const one = [{ text: "select", parameters: [] }];
const patient = { signal: never, statementTimeoutMs: 300_000 };

async function valuesOf(chunks: AsyncIterable<RowChunk>): Promise<number[]> {
  const found: number[] = [];
  for await (const chunk of chunks) found.push(...intsOf(chunk).map(([, value]) => value));
  return found;
}

Deno.test("rows() throws UNAVAILABLE for silence beyond silenceMsMax and the statement timeout", async () => {
  const server = startFakeServer([...greeting, silence]);
  const database = await openDatabase({ url: server.url, ...quiet({ silenceMsMax: 100 }) });
  const options = { signal: never, statementTimeoutMs: 50 };
  await rejects(valuesOf(database.rows(one, options)), { code: "UNAVAILABLE", message: /silent/ });
  await database.close();
  await server.close();
});

Deno.test("rows() does not take a slow reader for PostgreSQL's silence", async () => {
  const answer = joined([head, rows(1)]);
  const server = startFakeServer([...greeting, joined([answer, rows(2), complete, ready])]);
  const limits = { silenceMsMax: 100, statementSecondsMax: 1 };
  const database = await openDatabase({ url: server.url, ...quiet(limits) });
  const chunks = database.rows(one, { signal: never, statementTimeoutMs: 1000 });
  for await (const _ of chunks) await new Promise((resolve) => setTimeout(resolve, 1300));
  await database.close();
  await server.close();
});

Deno.test("rows() left early is given up after recoverMsMax where nothing more comes", async () => {
  // The second connection is the cancel, which nobody answers either.
  const server = startFakeServer((connection) => {
    if (connection === 1) return [silence];
    const answer = connection === 0 ? [rows(1), silence] : [joined([rows(2), complete, ready])];
    return [...greeting, ...answer];
  });
  const limits = { recoverMsMax: 100, poolConnectionsMax: 1 };
  const database = await openDatabase({ url: server.url, ...quiet(limits) });
  for await (const _ of database.rows(one, patient)) break;
  deepEqual(await valuesOf(database.rows(one, patient)), [2]);
  equal(server.accepted(), 3);
  await database.close();
  await server.close();
});

Deno.test("rows() aborted does not wait for PostgreSQL", async () => {
  const server = startFakeServer((number) => number === 0 ? [...greeting, silence] : [silence]);
  const database = await openDatabase({ url: server.url, ...quiet({ recoverMsMax: 100 }) });
  const stop = new AbortController();
  const reading = valuesOf(database.rows(one, { ...patient, signal: stop.signal }));
  stop.abort(new DOMException("", "TimeoutError"));
  await rejects(reading, { code: "TIMEOUT" });
  await database.close();
  await server.close();
});

Deno.test("rows() does not ask again where PostgreSQL closed the connection in order", async () => {
  const server = startFakeServer([...greeting, new Uint8Array(0)]);
  const database = await openDatabase({ url: server.url, ...quiet() });
  await rejects(valuesOf(database.rows(one, patient)), { code: "UNAVAILABLE" });
  equal(server.accepted(), 1);
  await database.close();
  await server.close();
});

Deno.test("rows() goes past connections that were closed while they lay idle", async () => {
  const server = startFakeServer((number) =>
    number === 0 ? greeting : [...greeting, joined([rows(5), complete, ready])]
  );
  const database = await openDatabase({ url: server.url, ...quiet() });
  await until(async () => {
    const found = await valuesOf(database.rows(one, patient)).catch(() => []);
    return found[0] === 5;
  });
  await database.close();
  await server.close();
});
