/** The producer and the consumer of docs/events.md, as they stand there, by users with few rights. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { keepNats } from "../../lib/embedded/nats_keep.ts";
import { STREAM } from "../../lib/events/names.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { migrateNats, storeBytesMax } from "../../lib/events/streams.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { publish } from "../../lib/observer/publish.ts";
import { parseUrl } from "../../lib/postgres/url.ts";
import { preparePython, python } from "../clients/python.ts";
import { captured } from "../lib/postgres/change_log/captured.ts";
import { storedEvents } from "../lib/observer/observed.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { type Example, fencedBlocks } from "./examples.ts";

const server = await testPostgres();
await testNats(); // which fetches the program
const log = createLog("error", () => {});

const examples = fencedBlocks(
  await Deno.readTextFile(new URL("../../docs/events.md", import.meta.url)),
).filter(({ language }) => language === "python");

/** The program whose first line names it so. */
async function program(folder: string, name: string): Promise<string> {
  const found = examples.filter(({ text }: Example) => text.startsWith(`# ${name}:`));
  equal(found.length, 1, name);
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, found[0]?.text ?? "");
  return path;
}

/** Starts the consumer, which goes on until it is stopped; gives its lines as they come. */
async function consume(path: string, args: readonly string[]) {
  const child = new Deno.Command(await preparePython(), {
    args: [path, ...args],
    env: { PYTHONDONTWRITEBYTECODE: "1", PYTHONUTF8: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const chunks = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async lines(count: number): Promise<string[]> {
      while (text.split("\n").length <= count) {
        const { value, done } = await chunks.read();
        if (done) throw new Error(`the consumer ended after: ${text}`);
        text += value;
      }
      return text.trim().split("\n");
    },
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await chunks.cancel();
      await child.status;
    },
  };
}

Deno.test("docs/events.md's producer sends what its consumer receives, once, through repeats and redelivery", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql-docs-" });
  const database = await server.createDatabase();
  await captured(database, []);
  const all = limits({ ...testLimits });
  const nats = await keepNats({
    dataDir: folder,
    log,
    programs: natsPrograms,
    storeBytesMax: storeBytesMax(all),
    messageBytesMax: all.natsMessageBytesMax,
  });
  const admin = await connectTo(nats.url);
  await migrateNats(admin, all);
  const stopping = new AbortController();
  const publishing = publish({
    database: parseUrl(database),
    nats: readNatsUrl(nats.urls.publisher),
    limits: all,
    log,
    startOver: null,
    onState: () => {},
    signal: stopping.signal,
  });
  try {
    const consumerArgs = [nats.urls.reader, `${folder}/orders.db`];
    const path = await program(folder, "consumer.py");
    const producer = await program(folder, "producer.py");
    await python(producer, [nats.urls.ingest]);
    const first = await consume(path, consumerArgs);
    deepEqual(await first.lines(3), ["Created 1", "Created 2", "Created 3"]);
    await first.kill();

    // The producer runs again, and the consumer has lost its place: all of it comes again to both.
    await python(producer, [nats.urls.ingest]);
    await admin.manager.consumers.delete(STREAM.events, "orders-example");
    const insert = `{"id":"00000000-0000-4000-8000-000000000004","event_type":"Updated",` +
      `"entity_type":"ShopOrder","entity_id":"2","timestamp":"2026-01-01T00:00:00Z",` +
      `"data":{"id":2,"total":"21.00"}}`;
    await admin.connection.request("fraiseql.ingest.ShopOrder", insert);
    const second = await consume(path, consumerArgs);
    deepEqual(await second.lines(1), ["Updated 2"]);
    await second.kill();

    const rows = await python("-c", [
      "import json, sqlite3, sys\n" +
      "print(json.dumps(sqlite3.connect(sys.argv[1]).execute('select * from orders order by id').fetchall()))",
      `${folder}/orders.db`,
    ]);
    deepEqual(JSON.parse(rows), [["1", "10.00"], ["2", "21.00"], ["3", "0.99"]]);
    const stored = await storedEvents(admin);
    deepEqual(stored.map(({ entity_id, data }) => [entity_id, data.total]), [
      ["1", "10.00"],
      ["2", "20.50"],
      ["3", "0.99"],
      ["2", "21.00"],
    ]);
    deepEqual(stored[0]?.data, { id: 1, total: "10.00", note: "made in Zürich" });
  } finally {
    stopping.abort();
    await publishing;
    await admin.close();
    await nats.stop();
    await server.dropDatabase(database);
    await Deno.remove(folder, { recursive: true });
  }
});
