/**
 * A plain JetStream publisher: so many bytes in messages of a size, some on their way at a time, to
 * a stream of files. Prints what it took: `publisher_raw.ts <url> <bytes> <bytes of a message>`.
 */

import process from "node:process";
import { connect } from "@nats-io/transport-node";
import { DiscardPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { readNatsUrl } from "../lib/events/nats_url.ts";

const [url = "", bytes = "", messageBytes = ""] = Deno.args;
const onTheirWayMax = 16;

const { servers, user = "", password = "" } = readNatsUrl(url);
const connection = await connect({ servers: [...servers], user, pass: password });
const manager = await jetstreamManager(connection);
await manager.streams.add({
  name: "PLAIN",
  subjects: ["plain"],
  storage: StorageType.File,
  discard: DiscardPolicy.New,
});
const stream = jetstream(connection);
const data = new Uint8Array(Number(messageBytes)).fill(0x61);
const { user: userBefore, system: systemBefore } = process.cpuUsage();
const began = performance.now();
const onTheirWay = new Set<Promise<unknown>>();
for (let left = Number(bytes); left > 0; left -= data.length) {
  const one = stream.publish("plain", data.subarray(0, Math.min(left, data.length)));
  const ended: Promise<unknown> = one.then(() => onTheirWay.delete(ended));
  onTheirWay.add(ended);
  if (onTheirWay.size >= onTheirWayMax) await Promise.race(onTheirWay);
}
await Promise.all(onTheirWay);
const seconds = (performance.now() - began) / 1000;
const { user: userAfter, system: systemAfter } = process.cpuUsage();
await manager.streams.delete("PLAIN");
await connection.close();
const cpu = (userAfter - userBefore + systemAfter - systemBefore) / 1e6;
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ seconds, cpu })));
