import { deepStrictEqual as equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { testElasticsearch } from "../services/elasticsearch.ts";
import { testNats } from "../services/nats.ts";
import { withClient } from "../services/postgres.ts";
import { command, folder, post, serve, until } from "./serve.ts";

await testNats(); // which fetches the program
await testElasticsearch();

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
  match(metrics, /^fraiseql_search_too_old_events 0$/m);

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
    ({ parts }) => parts.publisher === "ok" && /search/.test(parts.elasticsearch ?? ""),
    100,
  );
  equal([isReady, parts.postgres], [false, "ok"]);
  match(parts.elasticsearch, /cannot/);
  await Deno.remove(`${dir.path}/data/search`);
  await until(() => ready(served.http), ({ ready }) => ready, 60);
});

Deno.test("serve finds an UPDATE by searchEvents and by a plain _search of the Elasticsearch that is named", async () => {
  await using dir = await folder();
  const url = (await testElasticsearch()).url();
  const { origin, searchParams } = new URL(url);
  const prefix = searchParams.get("prefix") ?? "";
  const env = {
    FRAISEQL_SINKS: "elasticsearch",
    FRAISEQL_ELASTICSEARCH_URL: url,
    FRAISEQL_DATA_DIR: `${dir.path}/data`,
  };
  await using served = await serve(env, dir.path);
  await until(() => ready(served.http), ({ ready }) => ready, 100);
  const services = JSON.parse(await Deno.readTextFile(`${dir.path}/data/services.json`));
  equal(services.search, undefined);
  await withClient(
    services.postgres,
    (sql) =>
      sql`update users set name = 'Plainly Found'
        where id = (select min(id::text)::uuid from users)`,
  );
  const text = `{ searchEvents(text: "plainly") { edges { node { data } } } }`;
  const search = async () => (await post(served.http, text)).body.data?.searchEvents.edges;
  const [edge] = await until(search, (edges) => edges?.length === 1, 100);
  equal(edge.node.data.name, "Plainly Found");
  const plain = await fetch(
    `${origin}/${prefix}fraiseql-events-*/_search?q=search_text:plainly%20AND%20event_type:Updated`,
  );
  const { hits } = await plain.json();
  equal(hits.hits.map((hit: Hit) => hit._source.data.name), ["Plainly Found"]);
  equal(await served.stop(), 0, served.stderr());
});

interface Hit {
  readonly _source: { readonly data: { readonly name: string } };
}

Deno.test("sink elasticsearch stores what the NATS of serve has, with the permissions of its task alone", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_SINKS: "none", FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  await until(() => ready(served.http), ({ ready }) => ready, 100);
  const { postgres } = JSON.parse(await Deno.readTextFile(`${dir.path}/data/services.json`));
  await withClient(
    postgres,
    (sql) =>
      sql`update orders set status = 'cancelled'
        where id = (select min(id::text)::uuid from orders)`,
  );
  const tasks = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const words: string[] = tasks.tasks["sink:elasticsearch"].split(" ");
  // Settings of the tests are none of the program's.
  const inherited = Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !/^(FRAISEQL|TEST)_/.test(name)),
  );
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  const sink = new Deno.Command(Deno.execPath(), {
    args: words.slice(1).map((word) => word === "main.ts" ? main : word),
    clearEnv: true,
    env: { ...inherited, ...env },
    cwd: dir.path,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = sink.stdout.pipeThrough(new TextDecoderStream());
  for await (const line of lines) {
    equal(line, '{"event":"storing","sink":"elasticsearch"}\n');
    break;
  }
  const searched = { ...env, FRAISEQL_SINKS: "elasticsearch" };
  const verified = await command(["verify"], searched, dir.path);
  match(verified.stdout, /1 events of the last 90 days, 1 in the embedded search: the same\n$/);
  sink.kill("SIGTERM");
  equal((await sink.status).code, 0);
});
