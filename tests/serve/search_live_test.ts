import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { compare } from "../clients/both_ways.ts";
import { testNats } from "../services/nats.ts";
import { withClient } from "../services/postgres.ts";
import { folder, post, serve, until } from "./serve.ts";

await testNats(); // which fetches the program

Deno.test("serve without configuration finds a write by searchEvents within moments, over HTTP and Flight, and after a restart", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_SINKS: "elasticsearch", FRAISEQL_DATA_DIR: `${dir.path}/data` };
  const text = `{
    searchEvents(text: "\\"first refund\\"") {
      total edges { cursor highlights { path text } node { eventId eventType entityType data } }
    }
  }`;
  const search = async (http: string) => (await post(http, text)).body.data?.searchEvents;
  const found: unknown[] = [];
  for (const isFirst of [true, false]) {
    await using served = await serve(env, dir.path);
    if (isFirst) {
      const before = await until(() => search(served.http), (answer) => answer !== undefined, 100);
      deepEqual(before, { total: "0", edges: [] });
      const { postgres } = JSON.parse(
        await Deno.readTextFile(`${dir.path}/data/services.json`),
      );
      await withClient(
        postgres,
        (sql) =>
          sql`update users set name = 'First Refund'
            where id = (select min(id::text)::uuid from users)`,
      );
    }
    const answer = await until(() => search(served.http), (answer) => answer?.total === "1", 100);
    const [{ highlights, node }] = answer.edges;
    deepEqual(highlights, [{ path: ["name"], text: "<em>First</em> <em>Refund</em>" }]);
    deepEqual([node.eventType, node.entityType, node.data.name], [
      "Updated",
      "User",
      "First Refund",
    ]);
    found.push(answer);
    const { faults, rows } = await compare(served.http, served.flight, [
      { query: text, ordered: true },
    ]);
    deepEqual([faults, rows], [[], 1]);
    equal(await served.stop(), 0, served.stderr());
  }
  deepEqual(found[1], found[0]);
});

Deno.test("serve has no searchEvents where events are stored for no search", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_SINKS: "none", FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  const { body } = await post(served.http, "{ searchEvents { total } }");
  equal(body.errors?.[0]?.extensions.code, "VALIDATION_ERROR");
});
