/** The bridge behind the publisher itself, from a table to record batches. */

import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { STREAM } from "../../lib/events/names.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { Observed } from "../lib/observer/observed.ts";
import { run } from "../serve/serve.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { Bridged } from "./bridged.ts";

const server = await testPostgres();
await testNats();

const table = { sql: "create table t (id int primary key, v int)", tables: ["t"] };

Deno.test("runBridge() writes each event once though FRAISEQL_EVENTS is made anew under the publisher", async () => {
  await Observed.run(server, table, async (observed) => {
    const { natsUrl, nats, limits } = observed;
    const small = { ...limits, bridgeFlushMsMax: 20, batchRowsMax: 50, retryWaitMsMax: 200 };
    const bridged = new Bridged(natsUrl, nats, small);
    const [publisher, bridge] = [observed.start(), bridged.bridge()];
    const write = async (count: number) => {
      for (let n = 0; n < count; n++) {
        await observed.query(`
          insert into t select n, 0 from generate_series(1, 20) n on conflict (id) do update
          set v = t.v + 1`);
      }
    };
    await write(20);
    await bridged.untilStored(400, bridge);
    for (const count of [10, 3]) {
      await write(count);
      await nats.manager.streams.delete(STREAM.events);
      await write(5);
      await migrateNats(nats, limits);
      await write(10);
    }
    const logged = await observed.logged();
    equal(logged.length, 20 * (20 + 10 + 15 + 3 + 15));
    await bridged.untilStored(logged.length, bridge);
    // Once more, behind what came again.
    await write(3);
    await bridged.untilStored(logged.length + 60, bridge);
    deepEqual((await bridged.ids()).sort(), (await observed.logged()).sort());
    await publisher.stop();
    await bridge.stop();

    const status = run(["status"], { DATABASE_URL: observed.url, FRAISEQL_NATS_URL: natsUrl });
    equal((await status.ended).code, 0);
    match(
      status.stdout(),
      /bridge {6}batch \d+, reads stream sequence \d+, epoch [2-9], behind by 0 messages and 0\.0 s, \d+ events\/s, stopped \(was process \d+ since /,
    );
  });
});
