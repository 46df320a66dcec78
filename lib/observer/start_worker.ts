/** Starts the publisher in a worker of its own, with permissions computed from what it must reach. */

import { AppError } from "../errors.ts";
import type { NatsSettings } from "../events/nats_url.ts";
import type { ConnectTarget } from "../postgres/url.ts";
import type { PublisherState } from "./state.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker.ts";

export interface PublisherWorker {
  /** Resolves when it was stopped; rejects with why it ended otherwise. */
  readonly ended: Promise<void>;
  /** Asks it to finish the page it is at; what does not end in time is ended. */
  stop(msMax: number): Promise<void>;
}

/** The network to its servers; files only where a server is reached or checked by one. */
export function workerPermissions(
  database: ConnectTarget,
  nats: NatsSettings,
): Deno.PermissionOptionsObject {
  const sockets = database.servers.filter(({ host }) => host.startsWith("/"))
    .map(({ host, port }) => `${host}/.s.PGSQL.${port}`);
  const files = [database.sslRootCert, database.sslCert, database.sslKey]
    .filter((path) => path !== null && path !== "system") as string[];
  const servers = database.servers.filter(({ host }) => !host.startsWith("/"))
    .map(({ host, port }) => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  return {
    net: [...servers, ...sockets.map((path) => `unix:${path}`), ...nats.servers],
    read: sockets.length + files.length > 0 ? [...sockets, ...files] : false,
    write: sockets.length > 0 ? sockets : false,
    env: false,
    run: false,
    sys: false,
    ffi: false,
    import: false,
  };
}

/** Starts it; `onState` is told of every change. */
export function startWorker(
  start: WorkerStart,
  onState: (state: PublisherState) => void,
): PublisherWorker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    type: "module",
    name: "publisher",
    deno: { permissions: workerPermissions(start.database, start.nats) },
  });
  const send = (message: ToWorker) => worker.postMessage(message);
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => {}); // who started it looks when it likes
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.kind) {
      case "state":
        return onState(data.state);
      case "stopped":
        return resolve();
      case "failed": {
        const { code, message, hint } = data;
        return reject(new AppError(code, message, hint === null ? {} : { hint }));
      }
      default:
        data satisfies never;
    }
  };
  worker.onerror = (event) => {
    event.preventDefault(); // or it would end this program too
    reject(new Error(`the publisher ended: ${event.message}`));
  };
  const gone = ended.then(() => worker.terminate(), () => worker.terminate());
  send({ kind: "start", start });
  return {
    ended,
    async stop(msMax) {
      send({ kind: "stop" });
      const timer = setTimeout(resolve, msMax);
      await gone;
      clearTimeout(timer);
    },
  };
}
