/** A worker that may use the network alone: reads one event and tries what it may not. */

import { connectNats } from "../../../lib/events/connect.ts";
import { STREAM } from "../../../lib/events/names.ts";
import { readOrdered } from "../../../lib/events/ordered_reader.ts";
import type { NatsSettings } from "../../../lib/events/nats_url.ts";
import { createLog } from "../../../lib/log.ts";

const worker = self as unknown as {
  onmessage: (message: MessageEvent<NatsSettings>) => void;
  postMessage(value: unknown): void;
};

worker.onmessage = async ({ data: settings }) => {
  const log = createLog("error", () => {});
  const nats = await connectNats({ settings, name: "worker", log });
  const reader = await readOrdered({ nats, stream: STREAM.events, from: 1 });
  const max = { messages: 1, bytes: 1024 * 1024 };
  const [message] = await reader.pull(max, new AbortController().signal);
  reader.close();
  await nats.close();
  worker.postMessage({
    read: new TextDecoder().decode(message?.data),
    disk: await refused(() => Deno.readTextFile("/etc/hosts")),
    environment: await refused(() => Promise.resolve(Deno.env.get("HOME"))),
    elsewhere: await refused(() => Deno.connect({ hostname: "127.0.0.1", port: 1 })),
  });
};

async function refused(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotCapable;
  }
}
