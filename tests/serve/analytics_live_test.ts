import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { connectClickhouse } from "../../lib/clickhouse/client.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { limits } from "../../lib/limits.ts";
import { testNats } from "../services/nats.ts";
import { withClient } from "../services/postgres.ts";
import { command, commandLine, descendants, folder, post, serve, until } from "./serve.ts";

await testNats(); // which fetches the program

const ready = async (http: string) => await (await fetch(`${http}/readiness`)).json();
/** What answers there; null: nobody. */
const readyText = (url: string) =>
  fetch(`${new URL(url).origin}/ping`).then((answer) => answer.text(), () => null);
/** As if the test had said nothing. */
const noConfiguration = { FRAISEQL_SINKS: "" };

Deno.test("serve with no configuration has an UPDATE in fraiseql_events once it is ready, through a killed ClickHouse", async () => {
  await using dir = await folder();
  const env = { ...noConfiguration, FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  const { parts } = await until(() => ready(served.http), ({ ready }) => ready, 100);
  equal([parts.publisher, parts.bridge, parts.clickhouse], ["ok", "ok", "ok"]);
  const urls = JSON.parse(await Deno.readTextFile(`${dir.path}/data/services.json`));
  const clickhouse = connectClickhouse(readClickhouseUrl(urls.clickhouse), limits());
  const change = (status: string) =>
    withClient(
      urls.postgres,
      (sql) =>
        sql`update orders set status = ${status}::text::order_status
          where id = (select min(id::text)::uuid from orders)`,
    );
  const stored = () =>
    clickhouse.rows<{ type: string; status: string }>(
      `SELECT event_type AS type, JSONExtractString(data, 'status') AS status
       FROM fraiseql_events WHERE entity_type = 'Order' ORDER BY position`,
    ).catch(() => []); // it may be on its way back
  await change("cancelled");
  await until(stored, (rows) => rows.length > 0);
  equal(await stored(), [{ type: "Updated", status: "cancelled" }]);

  const engine = descendants(served.pid).find((pid) =>
    commandLine(pid).includes("clickhouse_program")
  );
  ok(engine !== undefined);
  Deno.kill(engine, "SIGKILL");
  await change("paid");
  await until(stored, (rows) => rows.length > 1);
  equal((await stored()).map(({ status }) => status), ["cancelled", "paid"]);
  await until(() => ready(served.http), ({ ready }) => ready);

  const { origin, username, password } = new URL(urls.clickhouse);
  const counted = await fetch(origin, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(`${username}:${password}`)}` },
    body: "SELECT entity_type, event_count FROM fraiseql.fraiseql_events_hourly",
  });
  equal(await counted.text(), "Order\t2\n", "as the README asks");

  const metrics = await (await fetch(`${served.http}/metrics`)).text();
  for (const stage of ["bridge", "clickhouse"]) {
    match(metrics, new RegExp(`^fraiseql_stage_up\\{stage="${stage}"\\} 1$`, "m"));
    match(metrics, new RegExp(`^fraiseql_stage_position\\{stage="${stage}"\\} [1-9]`, "m"));
    match(metrics, new RegExp(`^fraiseql_stage_lag_events\\{stage="${stage}"\\} 0$`, "m"));
  }
  const status = await command(["status"], env, dir.path);
  match(
    status.stdout,
    /^clickhouse +stored up to batch [1-9]\d*, behind by 0 batches and 0\.0 s, held by process \d+ on \S+ since/m,
  );
  const verified = await command(["verify"], env, dir.path);
  equal([verified.code, verified.stdout], [
    0,
    "2 events in the change log, 2 in NATS: the same\n" +
    "2 events of the last 90 days, 2 in ClickHouse: the same\n" +
    "2 events of the last 90 days, 2 in the embedded search: the same\n",
  ]);

  equal(await served.stop(), 0, served.stderr());
  equal(await readyText(urls.clickhouse), null, "the engine ended with it");
});

Deno.test("serve answers queries where no ClickHouse can be had, says what is missing, and tries again", async () => {
  await using dir = await folder();
  await Deno.mkdir(`${dir.path}/data`);
  await Deno.writeTextFile(`${dir.path}/data/clickhouse`, "no folder");
  const env = { ...noConfiguration, FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  await served.said(/no ClickHouse: cannot keep data in .*\nhint: /);
  equal((await post(served.http, "{ users(limit: 1) { id } }")).status, 200);
  const { ready: isReady, parts } = await until(
    () => ready(served.http),
    ({ parts }) => parts.publisher === "ok" && parts.bridge === "ok",
  );
  equal(isReady, false);
  match(parts.clickhouse, /cannot keep data/);
  await Deno.remove(`${dir.path}/data/clickhouse`);
  await until(() => ready(served.http), ({ ready }) => ready, 60);
});
