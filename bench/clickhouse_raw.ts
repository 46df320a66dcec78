/**
 * A bare client: inserts what FRAISEQL_BATCHES holds into ClickHouse, one insert after the other,
 * each made ready before: `clickhouse_raw.ts <NATS url> <ClickHouse url> <bytes of batches in an
 * insert>`. Prints what it took.
 */

import process from "node:process";
import { readClickhouseUrl } from "../lib/clickhouse/url.ts";
import { connectNats } from "../lib/events/connect.ts";
import { STREAM } from "../lib/events/names.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import { streamState } from "../lib/events/stream_state.ts";
import { createLog } from "../lib/log.ts";
import { encodeBatches } from "../sinks/clickhouse_encode.ts";
import { insertBare } from "./clickhouse_bare.ts";

const [natsUrl = "", clickhouseUrl = "", bytes = ""] = Deno.args;

const nats = await connectNats({
  settings: readNatsUrl(natsUrl),
  name: "bench",
  log: createLog("warn"),
});
const { lastSequence } = await streamState(nats, STREAM.batches);
const reader = await readOrdered({ nats, stream: STREAM.batches, from: 1 });
const inserts: (readonly Uint8Array[])[] = [];
for (let seen = 0; seen < lastSequence;) {
  const max = { messages: 1000, bytes: Number(bytes) };
  const messages = await reader.pull(max, AbortSignal.timeout(60_000));
  const { payload } = encodeBatches(messages, 50);
  for (const { pieces } of payload?.inserts ?? []) inserts.push(pieces);
  seen = messages.at(-1)?.sequence ?? seen;
}
reader.close();
await nats.close();

const settings = readClickhouseUrl(clickhouseUrl);
const { user: userBefore, system: systemBefore } = process.cpuUsage();
const began = performance.now();
for (const pieces of inserts) await insertBare(settings, pieces, crypto.randomUUID());
const seconds = (performance.now() - began) / 1000;
const { user: userAfter, system: systemAfter } = process.cpuUsage();
const cpu = (userAfter - userBefore + systemAfter - systemBefore) / 1e6;
const said = JSON.stringify({ seconds, cpu, inserts: inserts.length });
Deno.stdout.writeSync(new TextEncoder().encode(said));
