import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { type Clickhouse, connectClickhouse } from "../../../lib/clickhouse/client.ts";
import { clickhouseError } from "../../../lib/clickhouse/errors.ts";
import { readClickhouseUrl } from "../../../lib/clickhouse/url.ts";
import { limits } from "../../../lib/limits.ts";

/** A client on a server that answers so. */
async function answered(
  answer: (request: Request, url: URL) => Response | Promise<Response>,
  work: (clickhouse: Clickhouse) => Promise<void>,
  some = {},
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => answer(request, new URL(request.url)),
  );
  const url = `http://u:p%40ss@127.0.0.1:${server.addr.port}/db`;
  try {
    await work(connectClickhouse(readClickhouseUrl(url), limits(some)));
  } finally {
    await server.shutdown();
  }
}

const end = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);
const bytes = (text: string) => new TextEncoder().encode(text);

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let count = 0;
  for await (const piece of pieces) count += piece.length;
  return count;
}

Deno.test("insertArrow() names table, token and the plain way of inserting, and sends the bytes", async () => {
  const seen: unknown[] = [];
  await answered(async (request, { searchParams }) => {
    seen.push(Object.fromEntries(searchParams), request.headers.get("X-ClickHouse-User"));
    seen.push(request.headers.get("X-ClickHouse-Key"), await request.text());
    return new Response();
  }, async (clickhouse) => {
    await clickhouse.insertArrow("t`x", [bytes("a"), bytes("bc")], {
      token: "1-2",
      settings: { max_threads: 1 },
    });
  });
  deepEqual(seen, [
    {
      query: "INSERT INTO `db`.`t\\`x` FORMAT ArrowStream",
      max_threads: "1",
      async_insert: "0",
      insert_deduplicate: "1",
      insert_deduplication_token: "1-2",
    },
    "u",
    "p@ss",
    "abc",
  ]);
});

Deno.test("rows() sends parameters beside the statement, escaped", async () => {
  await answered(async (request, { searchParams }) => {
    equal(await request.text(), "SELECT {a:String}");
    equal(searchParams.get("param_a"), "x\\ty\\\\z\\n");
    return new Response('{"a":"1"}\n{"a":"2"}\n');
  }, async (clickhouse) => {
    const rows = await clickhouse.rows("SELECT {a:String}", { params: { a: "x\ty\\z\n" } });
    deepEqual(rows, [{ a: "1" }, { a: "2" }]);
  });
});

const block = (tag: string, text: string) =>
  `\r\n__exception__\r\n${tag}\r\n${text}\n${text.length + 1} ${tag}\r\n__exception__\r\n`;
const text = "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)";

const cut: [name: string, body: Uint8Array<ArrayBuffer>[], tag: string | null, code: string][] = [
  ["an error behind the tag", [bytes("rows"), bytes(block("abc", text))], "abc", "UNAVAILABLE"],
  [
    "an error behind the tag, in pieces of one byte",
    [...bytes(`rows${block("abc", text)}`)].map((byte) => Uint8Array.of(byte)),
    "abc",
    "UNAVAILABLE",
  ],
  [
    "an error behind the tag, behind what looks like the end",
    [end, bytes(block("abc", text))],
    "abc",
    "UNAVAILABLE",
  ],
  [
    "an error without a tag, as older servers write it",
    [bytes(`rows${text}`)],
    null,
    "UNAVAILABLE",
  ],
  [
    "an error for good without a tag",
    [bytes("rowsCode: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)")],
    null,
    "NOT_FOUND",
  ],
  ["nothing of the end", [bytes("rows")], null, "UNAVAILABLE"],
  ["half of the end", [bytes("rows"), end.slice(0, 7)], null, "UNAVAILABLE"],
  ["nothing at all", [], null, "UNAVAILABLE"],
];

for (const [name, body, tag, code] of cut) {
  Deno.test(`arrow() takes no answer for whole that has ${name}`, async () => {
    const headers: HeadersInit = tag === null ? {} : { "X-ClickHouse-Exception-Tag": tag };
    await answered(
      () => new Response(ReadableStream.from(body), { headers }),
      async (clickhouse) => {
        await rejects(readAll(clickhouse.arrow("SELECT 1")), { name: "AppError", code });
      },
    );
  });
}

Deno.test("arrow() gives an answer whose data speaks of errors", async () => {
  const data = bytes(`${text} __exception__`);
  await answered(
    () => new Response(ReadableStream.from([data, end])),
    async (clickhouse) => {
      equal(await readAll(clickhouse.arrow("SELECT 1")), data.length + end.length);
    },
  );
});

Deno.test("arrow() gives what has come before all has", async () => {
  const { promise: seen, resolve } = Promise.withResolvers<void>();
  await answered(
    () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new Uint8Array(100_000));
            await seen;
            controller.enqueue(end);
            controller.close();
          },
        }),
      ),
    async (clickhouse) => {
      const pieces = clickhouse.arrow("SELECT 1");
      await pieces.next();
      resolve();
      await readAll(pieces);
    },
  );
});

Deno.test("arrow() throws UNAVAILABLE where the connection breaks in the middle", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(10_000));
    await connection.write(
      bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nrows\r\n"),
    );
  };
  const served = serve();
  const url = `http://127.0.0.1:${listener.addr.port}/db`;
  const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
  await rejects(readAll(clickhouse.arrow("SELECT 1")), { code: "UNAVAILABLE" });
  await served;
});

Deno.test("rows() and command() take no cut answer for whole either", async () => {
  await answered(() => new Response('{"a":1}\n{"a":'), async (clickhouse) => {
    await rejects(clickhouse.rows("SELECT 1"), { code: "UNAVAILABLE", message: /was cut$/ });
  });
  await answered(() => new Response(text), async (clickhouse) => {
    await rejects(clickhouse.command("SELECT 1"), { code: "UNAVAILABLE" });
  });
});

Deno.test("insertArrow() takes no answer for a stored insert that has an error in it", async () => {
  await answered(() => new Response(text), async (clickhouse) => {
    await rejects(clickhouse.insertArrow("t", end, { token: "1" }), { code: "UNAVAILABLE" });
  });
});

Deno.test("insertArrow() does not wait longer than clickhouseAnswerMsMax", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await answered(() => promise, async (clickhouse) => {
    await rejects(clickhouse.insertArrow("t", end, { token: "1" }), {
      code: "UNAVAILABLE",
      message: /does not answer in time$/,
    });
    resolve(new Response());
  }, { clickhouseAnswerMsMax: 100 });
});

Deno.test("a signal ends what is asked, as CANCELLED", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const stopping = new AbortController();
  await answered(() => {
    stopping.abort();
    return promise;
  }, async (clickhouse) => {
    const { signal } = stopping;
    await rejects(clickhouse.command("SELECT 1", { signal }), { code: "CANCELLED" });
    resolve(new Response());
  });
});

Deno.test("a server that is not there is UNAVAILABLE, and no statement is in the message", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  const url = `http://u:secret@127.0.0.1:${listener.addr.port}/db`;
  const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
  for (
    const asked of [
      clickhouse.ping(),
      clickhouse.command("SELECT 'mine'"),
      clickhouse.insertArrow("t", end, { token: "mine" }),
    ]
  ) {
    await rejects(asked, (error: Error) => {
      match(error.message, /cannot be reached/);
      equal(/mine|secret/.test(error.message), false, error.message);
      return true;
    });
  }
});

const answers: [status: number, body: string, exception: number | null, code: string][] = [
  [503, "busy", null, "UNAVAILABLE"],
  [502, "<html>bad gateway", null, "UNAVAILABLE"],
  [429, "slowly", null, "UNAVAILABLE"],
  [401, "who?", null, "UNAUTHENTICATED"],
  [404, "nginx", null, "INTERNAL"],
  [500, "Code: 252. DB::Exception: Too many parts (300). (TOO_MANY_PARTS)", 252, "UNAVAILABLE"],
  [
    500,
    "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)",
    242,
    "UNAVAILABLE",
  ],
  [500, "Code: 999. DB::Exception: Keeper. (KEEPER_EXCEPTION)", 999, "UNAVAILABLE"],
  [408, "Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)", 159, "TIMEOUT"],
  [
    403,
    "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)",
    516,
    "UNAUTHENTICATED",
  ],
  [403, "Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)", 497, "FORBIDDEN"],
  [404, "Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)", 60, "NOT_FOUND"],
  [404, "Code: 81. DB::Exception: Database db does not exist. (UNKNOWN_DATABASE)", 81, "NOT_FOUND"],
  [400, "Code: 117. DB::Exception: Bad data. (INCORRECT_DATA)", 117, "BAD_INPUT"],
  [500, "Code: 49. DB::Exception: A bug. (LOGICAL_ERROR)", 49, "INTERNAL"],
];

for (const [status, body, exception, code] of answers) {
  Deno.test(`an answer ${status} ${JSON.stringify(body.slice(0, 60))} is ${code}`, async () => {
    const headers: HeadersInit = exception === null
      ? {}
      : { "X-ClickHouse-Exception-Code": String(exception) };
    await answered(() => new Response(body, { status, headers }), async (clickhouse) => {
      await rejects(clickhouse.command("SELECT 1"), { name: "AppError", code });
    });
  });
}

Deno.test("an insert that ClickHouse ends for its time may be tried again", async () => {
  const headers = { "X-ClickHouse-Exception-Code": "159" };
  await answered(() => new Response("late", { status: 408, headers }), async (clickhouse) => {
    await rejects(clickhouse.insertArrow("t", end, { token: "1" }), { code: "UNAVAILABLE" });
  });
});

Deno.test("clickhouseError() tells too many months in one insert from too many parts", () => {
  const months =
    "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100).";
  equal(clickhouseError(months).code, "BAD_INPUT");
  equal(clickhouseError("Code: 252. DB::Exception: Too many parts").code, "UNAVAILABLE");
});

Deno.test("clickhouseError() is TOO_LARGE for a statement that is too long or too deep", () => {
  for (const number of [167, 168, 306]) {
    equal(clickhouseError(`Code: ${number}. DB::Exception: AST is too big.`).code, "TOO_LARGE");
  }
});

Deno.test("rows() refuses a result that is no small one", async () => {
  const line = bytes(`${"x".repeat(1024 * 1024 - 1)}\n`);
  await answered(
    () => new Response(ReadableStream.from(Array.from({ length: 65 }, () => line))),
    async (clickhouse) => {
      await rejects(clickhouse.rows("SELECT 1"), { code: "TOO_LARGE" });
    },
  );
});
