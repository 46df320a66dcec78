/** The embedded ClickHouse, started again on its port whenever it ends by itself. */

import { type ClickhouseStartOptions, startClickhouse } from "./clickhouse.ts";
import { keepServer } from "./keep_server.ts";

export interface KeptClickhouse {
  /** It stays through every restart. */
  readonly url: string;
  /** Of the server that runs now; null between two. */
  pid(): number | null;
  stop(): Promise<void>;
}

/** Starts the server and keeps it running until `stop`. */
export async function keepClickhouse(options: ClickhouseStartOptions): Promise<KeptClickhouse> {
  const { first, ...kept } = await keepServer("ClickHouse", startClickhouse, options);
  return { url: first.url, ...kept };
}
