import { deepStrictEqual as equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { testNats } from "../services/nats.ts";
import { withClient } from "../services/postgres.ts";
import { command, folder, serve, until } from "./serve.ts";

await testNats(); // which fetches the program

const ready = async (http: string) => await (await fetch(`${http}/readiness`)).json();

Deno.test("serve with the embedded search stores an UPDATE, tells how far it is, and leaves the folder at its end", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_SINKS: "elasticsearch", FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  const { parts } = await until(() => ready(served.http), ({ ready }) => ready, 100);
  equal([parts.publisher, parts.elasticsearch, parts.bridge, parts.clickhouse], [
    "ok",
    "ok",
    undefined,
    undefined,
  ]);
  const urls = JSON.parse(await Deno.readTextFile(`${dir.path}/data/services.json`));
  equal(fileURLToPath(urls.search), `${await Deno.realPath(dir.path)}/data/search`);
  const printed = await command(["url", "search"], env, dir.path);
  equal(printed.stdout, `${urls.search}\n`);

  await withClient(
    urls.postgres,
    (sql) =>
      sql`update orders set status = 'cancelled'
        where id = (select min(id::text)::uuid from orders)`,
  );
  const verified = await command(["verify"], env, dir.path);
  equal([verified.code, verified.stdout], [
    0,
    "1 events in the change log, 1 in NATS: the same\n" +
    "1 events of the last 90 days, 1 in the embedded search: the same\n",
  ]);
  const status = await command(["status"], env, dir.path);
  match(
    status.stdout,
    /^search +stored up to stream sequence [1-9]\d*, behind by 0 messages and 0\.0 s$/m,
  );
  const metrics = await (await fetch(`${served.http}/metrics`)).text();
  match(metrics, /^fraiseql_stage_up\{stage="elasticsearch"\} 1$/m);
  match(metrics, /^fraiseql_stage_position\{stage="elasticsearch"\} [1-9]/m);

  equal(await served.stop(), 0, served.stderr());
  await using again = await serve(env, dir.path);
  await until(() => ready(again.http), ({ ready }) => ready, 100);
  equal(await again.stop(), 0, again.stderr());
});

Deno.test("serve answers queries where the embedded search cannot write, says what is missing, and tries again", async () => {
  await using dir = await folder();
  await Deno.mkdir(`${dir.path}/data`);
  await Deno.writeTextFile(`${dir.path}/data/search`, "no folder");
  const env = { FRAISEQL_SINKS: "elasticsearch", FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  const { ready: isReady, parts } = await until(
    () => ready(served.http),
    ({ parts }) => /search/.test(parts.elasticsearch ?? ""),
    100,
  );
  equal([isReady, parts.publisher, parts.postgres], [false, "ok", "ok"]);
  match(parts.elasticsearch, /cannot/);
  await Deno.remove(`${dir.path}/data/search`);
  await until(() => ready(served.http), ({ ready }) => ready, 60);
});
