import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { publisherPermissions, startPublisherWorker } from "../../../lib/observer/start_worker.ts";
import { workerPermissions } from "../../../lib/start_worker.ts";
import type { PublisherState } from "../../../lib/observer/state.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { testNats } from "../../services/nats.ts";
import { testPostgres } from "../../services/postgres.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const table = { sql: "create table t (id int primary key)", tables: ["t"] };

const startOf = (observed: Observed) => ({
  database: parseUrl(observed.url),
  nats: readNatsUrl(observed.natsUrl),
  limits: observed.limits,
  logLevel: "error" as const,
  startOver: null,
});

Deno.test("startPublisherWorker() publishes from a worker that may reach its two servers alone", async () => {
  await Observed.run(server, table, async (observed) => {
    const asleep = Promise.withResolvers<PublisherState>();
    const worker = startPublisherWorker(startOf(observed), (state) => {
      if (state.kind === "asleep" && state.events === 2) asleep.resolve(state);
    });
    await observed.query("insert into t values (1), (2)");
    await asleep.promise;
    await worker.stop(10_000);
    await worker.ended;
    equal((await observed.stored()).length, 2);
  });
});

Deno.test("startPublisherWorker() gives why the publisher cannot go on", async () => {
  await Observed.run(server, table, async (observed) => {
    const start = startOf(observed);
    const wrong = { ...start, database: { ...start.database, database: "nowhere" } };
    await rejects(startPublisherWorker(wrong, () => {}).ended, { name: "AppError" });
  });
});

Deno.test("publisherPermissions() let a worker reach PostgreSQL and NATS, and nothing else", async () => {
  await Observed.run(server, table, async (observed) => {
    const { database, nats } = startOf(observed);
    const worker = new Worker(new URL("./confined.ts", import.meta.url), {
      type: "module",
      deno: { permissions: workerPermissions(publisherPermissions(database, nats)) },
    });
    const answer = new Promise((done, failed) => {
      worker.onmessage = ({ data }) => done(data);
      worker.onerror = (event) => failed(new Error(event.message));
    });
    worker.postMessage({
      postgres: new URL(observed.url).host,
      nats: new URL(observed.natsUrl).host,
    });
    deepEqual(await answer, {
      postgres: false,
      nats: false,
      elsewhere: true,
      environment: true,
      disk: true,
      write: true,
      run: true,
    });
    worker.terminate();
  });
});
