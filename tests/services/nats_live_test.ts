import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { migrateNats } from "../../lib/events/streams.ts";
import { connectTo, testLimits, testNats } from "./nats.ts";

const server = await testNats();

Deno.test("createAccount() gives an account without streams", async () => {
  const one = await connectTo(await server.createAccount());
  await migrateNats(one, testLimits);
  const two = await connectTo(await server.createAccount());
  deepEqual(await Array.fromAsync(two.manager.streams.list()), []);
  await two.close();
  await one.close();
});

Deno.test("createAccount() lets in its user at once, several times in a row", async () => {
  const urls = await Promise.all([1, 2, 3].map(() => server.createAccount()));
  for (const url of urls) {
    const nats = await connectTo(url);
    equal(nats.isConnected(), true);
    await nats.close();
  }
});
