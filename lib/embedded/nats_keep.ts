/** The embedded NATS, started again on its port whenever it ends by itself. */

import { keepServer } from "./keep_server.ts";
import { type EmbeddedNats, type NatsStartOptions, startNats } from "./nats.ts";

export interface KeptNats {
  /** These stay through every restart. */
  readonly url: string;
  readonly urls: EmbeddedNats["urls"];
  readonly version: string;
  /** Of the server that runs now; null between two. */
  pid(): number | null;
  stop(): Promise<void>;
}

/** Starts the server and keeps it running until `stop`. */
export async function keepNats(options: NatsStartOptions): Promise<KeptNats> {
  const { first, ...kept } = await keepServer("nats-server", startNats, options);
  return { url: first.url, urls: first.urls, version: first.version, ...kept };
}
