import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { testNats } from "../services/nats.ts";
import { testPostgres, withClient } from "../services/postgres.ts";
import { command, commandLine, descendants, folder, post, run, serve, until } from "./serve.ts";

const postgres = await testPostgres();
const nats = await testNats();

const ready = async (http: string) => await (await fetch(`${http}/readiness`)).json();

Deno.test("serve with no configuration captures the sample shop, and tail prints an UPDATE by others", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  await until(() => ready(served.http), ({ parts }) => parts.publisher === "ok");
  await using tail = run(["tail", "--entity", "Order", "--from", "first"], env, dir.path);
  const { postgres: url } = JSON.parse(await Deno.readTextFile(`${dir.path}/data/services.json`));
  await withClient(
    url,
    (sql) =>
      sql`update orders set status = 'cancelled' where id = (select min(id::text)::uuid from orders)`,
  );
  await until(() => Promise.resolve(tail.stdout()), (text) => text.includes("\n"));
  const [line = ""] = tail.stdout().split("\n");
  const event = JSON.parse(line);
  equal([event.event_type, event.entity_type, event.data.status], [
    "Updated",
    "Order",
    "cancelled",
  ]);

  const metrics = await (await fetch(`${served.http}/metrics`)).text();
  match(metrics, /^fraiseql_stage_up\{stage="publisher"\} 1$/m);
  match(metrics, /^fraiseql_stage_position\{stage="publisher"\} [1-9]/m);
  equal((await ready(served.http)).ready, true);
});

Deno.test("serve with a database of one's own starts nothing of events until it was asked for", async () => {
  const url = await postgres.createShop();
  const env = { DATABASE_URL: url, FRAISEQL_NATS_URL: await nats.createAccount() };
  await using served = await serve(env);
  equal(served.readyLine.topology, "full");
  await served.said(/no events yet: run fraiseql migrate/);
  const { ready: isReady, parts } = await ready(served.http);
  equal([isReady, parts.events], [
    true,
    "off: run fraiseql migrate, then fraiseql capture add <table>",
  ]);
  const [row] = await postgres.query(
    "select to_regnamespace('fraiseql') is not null as there",
    url,
  );
  equal(row?.there, false);
  equal(descendants(served.pid).map(commandLine).filter((line) => /nats/.test(line)), []);

  const migrated = await command(["migrate"], env);
  match(migrated.stdout, /made stream FRAISEQL_EVENTS/);
  equal((await command(["capture", "add", "orders"], env)).code, 0);
  await until(() => ready(served.http), ({ parts }) => parts.publisher === "ok");
  await using tail = run(["tail", "--from", "first"], env);
  await postgres.query(
    "update orders set status = 'cancelled' where id in (select id from orders limit 1)",
    url,
  );
  await until(() => Promise.resolve(tail.stdout()), (text) => text.includes('"Order"'));
});

Deno.test("serve starts a publisher that cannot go on again and again, and says why", async () => {
  const url = await postgres.createShop();
  const env = { DATABASE_URL: url, FRAISEQL_NATS_URL: await nats.createAccount() };
  await command(["migrate"], env);
  await command(["capture", "add", "orders"], env);
  await postgres.query(
    "update orders set status = status where id in (select id from orders limit 2)",
    url,
  );
  {
    await using observer = run(["observe"], env);
    await until(() => Promise.resolve(observer.stdout()), (text) => text.includes('"publishing"'));
    equal(await observer.stop(), 0);
  }
  await postgres.query("select setval('fraiseql.change_log_position', 1)", url);
  await using served = await serve(env);
  const { parts } = await until(
    () => ready(served.http),
    ({ parts }) => /not as it was/.test(parts.publisher ?? ""),
  );
  match(parts.publisher, /position 1, and 2 is published/);
  equal((await post(served.http, "{ __typename }")).status, 200);
  await until(
    async () => await (await fetch(`${served.http}/metrics`)).text(),
    (text) => /fraiseql_worker_restarts_total\{worker="publisher"\} [2-9]/.test(text),
  );
  ok(/--start-over/.test(served.stderr()));
  await postgres.query("select setval('fraiseql.change_log_position', 2)", url);
  await until(() => ready(served.http), ({ ready }) => ready);
});

Deno.test("serve answers queries where no nats-server can be had, says what is missing, and tries again", async () => {
  await using dir = await folder();
  await Deno.mkdir(`${dir.path}/data`);
  await Deno.writeTextFile(`${dir.path}/data/nats`, "no folder");
  await using served = await serve({ FRAISEQL_DATA_DIR: `${dir.path}/data` }, dir.path);
  await served.said(/no events: cannot keep data in .*\nhint: /);
  equal((await post(served.http, "{ users(limit: 1) { id } }")).status, 200);
  const { ready: isReady, parts } = await ready(served.http);
  equal(isReady, false);
  match(parts.events, /cannot keep data/);
  await Deno.remove(`${dir.path}/data/nats`);
  await until(() => ready(served.http), ({ ready }) => ready);
  equal(await served.stop(), 0);
});
