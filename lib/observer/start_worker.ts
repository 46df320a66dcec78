/** Starts the publisher in a worker of its own, with permissions computed from what it must reach. */

import type { NatsSettings } from "../events/nats_url.ts";
import type { ConnectTarget } from "../postgres/url.ts";
import { type ConfinedWorker, startWorker, type WorkerPermissions } from "../start_worker.ts";
import type { PublisherState } from "./state.ts";
import type { WorkerStart } from "./worker.ts";

/** The network to its servers; files only where a server is reached or checked by one. */
export function publisherPermissions(
  database: ConnectTarget,
  nats: NatsSettings,
): WorkerPermissions {
  const sockets = database.servers.filter(({ host }) => host.startsWith("/"))
    .map(({ host, port }) => `${host}/.s.PGSQL.${port}`);
  const files = [database.sslRootCert, database.sslCert, database.sslKey]
    .filter((path) => path !== null && path !== "system") as string[];
  const servers = database.servers.filter(({ host }) => !host.startsWith("/"))
    .map(({ host, port }) => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  return {
    net: [...servers, ...sockets.map((path) => `unix:${path}`), ...nats.servers],
    read: [...sockets, ...files],
    write: sockets,
  };
}

/** Starts it; `onState` is told of every change. */
export function startPublisherWorker(
  start: WorkerStart,
  onState: (state: PublisherState) => void,
): ConfinedWorker {
  const url = new URL("./worker.ts", import.meta.url);
  const permissions = publisherPermissions(start.database, start.nats);
  return startWorker({ name: "publisher", url, permissions, start, onState });
}
