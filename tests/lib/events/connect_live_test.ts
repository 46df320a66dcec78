import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { connectNats } from "../../../lib/events/connect.ts";
import { writeEvent } from "../../../lib/events/entity_event.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { createLog } from "../../../lib/log.ts";
import { connectTo, testLimits, testNats } from "../../services/nats.ts";
import { event, publishEvents } from "./events.ts";

const server = await testNats();

Deno.test("connectNats() says why it does not get in", async () => {
  const { host } = new URL(await server.createAccount());
  await rejects(connectTo(`nats://nobody:wrong@${host}`), {
    code: "UNAUTHENTICATED",
    hint: /name a user of the server in FRAISEQL_NATS_URL/,
  });
  await rejects(connectTo(`tls://nobody:wrong@${host}`), { code: "UNSUPPORTED" });
});

Deno.test("connectNats() tells of a server that is down, and waits for it where it shall", async () => {
  await rejects(connectTo("nats://127.0.0.1:1"), { code: "UNAVAILABLE" });
  const stop = new AbortController();
  const lines: string[] = [];
  const logged: string[] = [];
  const connecting = connectNats({
    settings: readNatsUrl("nats://127.0.0.1:1"),
    name: "test",
    log: createLog("warn", (line) => logged.push(line)),
    signal: stop.signal,
    onWait: (line) => {
      lines.push(line);
      setTimeout(() => stop.abort(), 50);
    },
  });
  await rejects(connecting, { code: "CANCELLED" });
  deepEqual(lines.map((line) => line.split(":")[0]), ["waiting for NATS at 127.0.0.1"]);
  match(logged[0] ?? "", /waiting for nats/);
});

/** A server that says of itself what the test wants, and then lets anybody in. */
function fakeServer(info: Record<string, unknown>): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of listener) {
      const write = (text: string) => connection.write(new TextEncoder().encode(text));
      await write(`INFO ${JSON.stringify(info)}\r\n`);
      const buffer = new Uint8Array(4096);
      while (await connection.read(buffer).catch(() => null) !== null) {
        await write("PONG\r\n").catch(() => {}); // it has gone
      }
      connection.close();
    }
  })();
  return listener;
}

const unfit: [name: string, info: Record<string, unknown>, message: RegExp][] = [
  ["that is too old", { version: "2.11.4", jetstream: true }, /is version 2\.11\.4/],
  ["without JetStream", { version: "2.15.1" }, /has no JetStream/],
];

for (const [name, info, message] of unfit) {
  Deno.test(`connectNats() refuses a server ${name}`, async () => {
    const listener = fakeServer({ ...info, headers: true, max_payload: 1024 });
    await rejects(connectTo(`nats://127.0.0.1:${listener.addr.port}`), {
      code: "UNSUPPORTED",
      message,
    });
    listener.close();
  });
}

Deno.test("connectNats() lives through servers that cut the connection while it is made", async () => {
  const url = await server.createAccount();
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      fileURLToPath(new URL("./refused_logins.ts", import.meta.url)),
      `nats://nobody:wrong@${new URL(url).host}`,
    ],
    stderr: "inherit",
  }).output();
  ok(success);
  equal(new TextDecoder().decode(stdout), "200 refused\n");
});

Deno.test("connectNats() works in a worker that may reach the server and nothing else", async () => {
  const url = await server.createAccount();
  const nats = await connectTo(url);
  await migrateNats(nats, testLimits);
  await publishEvents(nats, [event(1)]);
  await nats.close();
  const worker = new Worker(new URL("./read_in_worker.ts", import.meta.url), {
    type: "module",
    deno: {
      permissions: {
        net: [new URL(url).host],
        read: false,
        write: false,
        env: false,
        run: false,
        sys: false,
        ffi: false,
        import: false,
      },
    },
  });
  const answer = new Promise((done, failed) => {
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = (event) => failed(new Error(event.message));
  });
  worker.postMessage(readNatsUrl(url));
  deepEqual(await answer, {
    read: `${writeEvent(event(1))}\n`,
    disk: true,
    environment: true,
    elsewhere: true,
  });
  worker.terminate();
});
