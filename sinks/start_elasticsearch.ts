/** Starts the sink of searched events in its worker. */

import { type ConfinedWorker, startWorker, type WorkerPermissions } from "../lib/start_worker.ts";
import type { ElasticsearchState } from "./elasticsearch_state.ts";
import type { ElasticsearchStart } from "./elasticsearch_worker.ts";

/** Starts it; `onState` is told of every change. */
export function startElasticsearchSink(
  start: ElasticsearchStart,
  onState: (state: ElasticsearchState) => void,
): ConfinedWorker {
  const url = new URL("./elasticsearch_worker.ts", import.meta.url);
  const permissions = elasticsearchPermissions(start);
  return startWorker({ name: "elasticsearch", url, permissions, start, onState });
}

/** NATS, and the server or the folder. */
export function elasticsearchPermissions(
  { nats, search }: Pick<ElasticsearchStart, "nats" | "search">,
): WorkerPermissions {
  const net = [...nats.servers];
  if (search.kind === "embedded") return { net, read: [search.folder], write: [search.folder] };
  const { hostname, port, protocol } = new URL(search.elasticsearch.base);
  return { net: [...net, `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`] };
}
