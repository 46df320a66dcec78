import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { connectElasticsearch, type Elasticsearch } from "../../../lib/elasticsearch/client.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import { AppError } from "../../../lib/errors.ts";
import { limits } from "../../../lib/limits.ts";

/** A client on a server that answers so. */
async function answered(
  answer: (request: Request) => Response | Promise<Response>,
  work: (elasticsearch: Elasticsearch) => Promise<void>,
  some = {},
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const url = `http://u:p%40ss@127.0.0.1:${server.addr.port}/behind/`;
  const elasticsearch = connectElasticsearch(readElasticsearchUrl(url), limits(some));
  try {
    await work(elasticsearch);
  } finally {
    elasticsearch.close();
    await server.shutdown();
  }
}

Deno.test("json() says who asks, below the URL's path, and sends what is given as JSON", async () => {
  const seen: unknown[] = [];
  await answered(async (request) => {
    const { headers, method, url } = request;
    seen.push(method, new URL(url).pathname, await request.text());
    seen.push(headers.get("authorization"), headers.get("content-type"));
    return Response.json({ fine: true });
  }, async (elasticsearch) => {
    deepEqual(await elasticsearch.json("PUT", "/a/_doc", { body: { b: 1 } }), { fine: true });
  });
  const basic = `Basic ${btoa("u:p@ss")}`;
  deepEqual(seen, ["PUT", "/behind/a/_doc", '{"b":1}', basic, "application/json"]);
});

Deno.test("bytes() sends bytes as they are, as lines of JSON", async () => {
  await answered(async (request) => {
    equal(request.headers.get("content-type"), "application/x-ndjson");
    return new Response(await request.bytes());
  }, async (elasticsearch) => {
    const body = new TextEncoder().encode("{}\n{}\n");
    deepEqual(await elasticsearch.bytes("POST", "/_bulk", { body }), body);
  });
});

const refusals: [status: number, body: string, code: string, message: RegExp][] = [
  [400, '{"error":{"type":"parsing_exception","reason":"odd"}}', "BAD_INPUT", /parsing_exc.*: odd/],
  [
    400,
    '{"error":{"type":"a","reason":"b","caused_by":{"caused_by":{"type":"c","reason":"below"}}}}',
    "BAD_INPUT",
    /a: b \(below\)/,
  ],
  [
    400,
    '{"error":{"type":"a","reason":"all failed","root_cause":[{"type":"c","reason":"too long"}]}}',
    "BAD_INPUT",
    /a: all failed \(too long\)/,
  ],
  [400, '{"error":"no handler found for uri"}', "BAD_INPUT", /no handler found/],
  [400, '{"error":{"type":"index_closed_exception","reason":"closed"}}', "UNAVAILABLE", /closed/],
  [401, '{"error":{"type":"security_exception","reason":"who"}}', "UNAUTHENTICATED", /who/],
  [403, '{"error":{"type":"security_exception","reason":"no"}}', "FORBIDDEN", /no/],
  [403, '{"error":{"type":"cluster_block_exception","reason":"full"}}', "UNAVAILABLE", /full/],
  [404, '{"error":{"type":"index_not_found_exception","reason":"none"}}', "NOT_FOUND", /none/],
  [413, "", "TOO_LARGE", /nothing more/],
  [429, '{"error":{"type":"es_rejected_execution_exception"}}', "UNAVAILABLE", /no reason/],
  [500, '{"error":{"type":"null_pointer_exception","reason":"x"}}', "INTERNAL", /x/],
  [502, "<html>bad gateway</html>", "UNAVAILABLE", /<html>/],
  [503, "{}", "UNAVAILABLE", /\{\}/],
];

for (const [status, body, code, message] of refusals) {
  Deno.test(`json() throws ${code} for ${status} ${body.slice(0, 60)}`, async () => {
    await answered(() => new Response(body, { status }), async (elasticsearch) => {
      await rejects(elasticsearch.json("GET", "/"), { name: "AppError", code, message });
    });
  });
}

Deno.test("find() gives null for what is not there, and throws all else", async () => {
  await answered(
    ({ url }) => Response.json({}, { status: url.endsWith("none") ? 404 : 401 }),
    async (elasticsearch) => {
      equal(await elasticsearch.find("/none"), null);
      await rejects(elasticsearch.find("/some"), { code: "UNAUTHENTICATED" });
    },
  );
});

for (const body of ["<html>", "null", '"fine"', '{"items":[']) {
  Deno.test(`json() says where another server answers ${body}`, async () => {
    await answered(() => new Response(body), async (elasticsearch) => {
      await rejects(elasticsearch.json("GET", "/"), {
        code: "UNAVAILABLE",
        message: /is no Elasticsearch/,
        hint: /FRAISEQL_ELASTICSEARCH_URL/,
      });
    });
  });
}

Deno.test("bytes() takes an answer of elasticsearchAnswerBytesMax, and none of one more", async () => {
  const some = { elasticsearchAnswerBytesMax: 65_536 };
  await answered(
    ({ url }) => new Response(new Uint8Array(65_536 + (url.endsWith("more") ? 1 : 0))),
    async (elasticsearch) => {
      equal((await elasticsearch.bytes("GET", "/just")).length, 65_536);
      await rejects(elasticsearch.bytes("GET", "/more"), { code: "TOO_LARGE" });
    },
    some,
  );
});

Deno.test("bytes() waits elasticsearchAnswerMsMax for an answer, its body included", async () => {
  const some = { elasticsearchAnswerMsMax: 100 };
  const ended = Promise.withResolvers<void>();
  await answered(
    ({ url }) => {
      if (!url.endsWith("begun")) return ended.promise.then(() => new Response());
      const begun = new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1)) });
      return new Response(begun);
    },
    async (elasticsearch) => {
      for (const path of ["/silent", "/begun"]) {
        await rejects(elasticsearch.bytes("GET", path), {
          code: "UNAVAILABLE",
          message: /does not answer in time/,
        });
      }
      ended.resolve();
    },
    some,
  );
});

Deno.test("bytes() ends with the reason of its signal", async () => {
  await answered(() => new Response(), async (elasticsearch) => {
    const reason = new AppError("TIMEOUT", "enough");
    const signal = AbortSignal.abort(reason);
    await rejects(elasticsearch.bytes("GET", "/", { signal }), reason);
  });
});

Deno.test("json() throws UNAVAILABLE where nobody listens, without user or password", async () => {
  const settings = readElasticsearchUrl("http://u:secret@127.0.0.1:9");
  const elasticsearch = connectElasticsearch(settings, limits());
  await rejects(elasticsearch.json("GET", "/"), (error: AppError) => {
    equal(error.code, "UNAVAILABLE");
    match(error.message, /^Elasticsearch at http:\/\/127\.0\.0\.1:9 cannot be reached/);
    equal(Deno.inspect(error).includes("secret"), false);
    return true;
  });
  elasticsearch.close();
});
