import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { post } from "../../../lib/clickhouse/post.ts";
import { makeCertificates } from "../postgres/certificates.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A server that gives the body back. */
async function echoed(
  work: (url: URL, seen: Seen[]) => Promise<void>,
  answer = async (request: Request) => new Response(await request.bytes()),
): Promise<void> {
  const seen: Seen[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      seen.push({ url: request.url, headers: Object.fromEntries(request.headers) });
      return answer(request);
    },
  );
  try {
    await work(new URL(`http://127.0.0.1:${server.addr.port}/?a=b%20c`), seen);
  } finally {
    await server.shutdown();
  }
}

const never = new AbortController().signal;

Deno.test("post() sends pieces of any size as one body of known length", async () => {
  await echoed(async (url, seen) => {
    const pieces = [bytes("a"), new Uint8Array(3_000_000).fill(98), new Uint8Array(), bytes("c")];
    const answer = await post(url, { headers: { "x-name": "value" }, pieces, signal: never });
    deepEqual(
      await answer.bytes(),
      new Uint8Array(3_000_002).fill(98).map((byte, i) =>
        i === 0 ? 97 : i === 3_000_001 ? 99 : byte
      ),
    );
    equal(seen[0]?.headers["content-length"], "3000002");
    equal(seen[0]?.headers["x-name"], "value");
    equal(new URL(seen[0]!.url).searchParams.get("a"), "b c");
  });
});

Deno.test("post() gives status and headers of an answer without a body", async () => {
  const empty = () => Promise.resolve(new Response(null, { status: 204, headers: { a: "b" } }));
  await echoed(async (url) => {
    const answer = await post(url, { headers: {}, pieces: [bytes("a")], signal: never });
    equal(answer.status, 204);
    equal(answer.headers.get("a"), "b");
    equal(await answer.text(), "");
  }, empty);
});

Deno.test("post() follows no redirection", async () => {
  const moved = () => Promise.resolve(Response.redirect("http://127.0.0.1:1/"));
  await echoed(async (url) => {
    const asked = post(url, { headers: {}, pieces: [bytes("a")], signal: never });
    await rejects(asked, /it redirects/);
  }, moved);
});

Deno.test("post() ends with the signal's reason, before and while it is answered", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const stopping = new AbortController();
  const silent = () => {
    stopping.abort(new Error("enough"));
    return promise;
  };
  await echoed(async (url) => {
    for (const signal of [AbortSignal.abort(new Error("enough")), stopping.signal]) {
      const asked = post(url, { headers: {}, pieces: [bytes("a")], signal });
      await rejects(asked, /enough/);
    }
    resolve(new Response());
  }, silent);
});

Deno.test("post() takes another connection where the server has closed the one that rested", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let connections = 0;
  const serving = (async () => {
    for await (const connection of listener) {
      connections++;
      await connection.read(new Uint8Array(1000));
      await connection.write(bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
      connection.close();
    }
  })();
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/`);
  for (let n = 1; n <= 3; n++) {
    const answer = await post(url, { headers: {}, pieces: [bytes("a")], signal: never });
    equal(await answer.text(), "ok");
    equal(connections, n);
    await new Promise((done) => setTimeout(done, 50)); // the end of the connection is on its way
  }
  listener.close();
  await serving;
});

Deno.test("post() trusts the authorities that DENO_CERT names, as fetch does, and no others", async () => {
  const certificates = await makeCertificates();
  const [cert, key] = await Promise.all([
    Deno.readTextFile(certificates.server.cert),
    Deno.readTextFile(certificates.server.key),
  ]);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, cert, key },
    async (request) => {
      const body = await request.bytes();
      return new Response(`${body.length} ${body.at(-1)}`);
    },
  );
  const child = fileURLToPath(new URL("post_child.ts", import.meta.url));
  const posted = async (env: Record<string, string>) => {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-net", child, `https://localhost:${server.addr.port}/`],
      env,
    }).output();
    return [success, new TextDecoder().decode(stdout).trim()];
  };
  try {
    deepEqual(await posted({ DENO_CERT: certificates.ca }), [true, "3000000 98"]);
    deepEqual(await posted({ DENO_CERT: certificates.otherCa }), [false, ""]);
  } finally {
    await server.shutdown();
    await certificates.remove();
  }
});
