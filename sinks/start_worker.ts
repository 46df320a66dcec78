/**
 * Starts a sink's work in a Deno Worker of its own, which may reach its addresses and nothing else.
 * What goes between is plain data; the worker's side is `run_worker.ts`.
 */

import { AppError } from "../lib/errors.ts";
import type { FromWorker, ToWorker } from "./run_worker.ts";

export interface SinkWorker {
  /** Resolves when it was stopped; rejects with why it ended otherwise. */
  readonly ended: Promise<void>;
  /** Asks it to finish what it is at; what does not end in time is ended. */
  stop(msMax: number): Promise<void>;
}

export interface SinkWorkerOptions<Start, State> {
  readonly name: string;
  /** Of the worker's file. */
  readonly url: URL;
  /** Host and port of what it must reach. */
  readonly net: readonly string[];
  readonly start: Start;
  /** Told of every change. */
  readonly onState: (state: State) => void;
}

/** The network to these addresses. */
export function workerPermissions(net: readonly string[]): Deno.PermissionOptionsObject {
  return {
    net: [...net],
    read: false,
    write: false,
    env: false,
    run: false,
    sys: false,
    ffi: false,
    import: false,
  };
}

/** Starts it. */
export function startWorker<Start, State>(options: SinkWorkerOptions<Start, State>): SinkWorker {
  const { name, url, net, start, onState } = options;
  const worker = new Worker(url, {
    type: "module",
    name,
    deno: { permissions: workerPermissions(net) },
  });
  const send = (message: ToWorker<Start>) => worker.postMessage(message);
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => {}); // who started it looks when it likes
  worker.onmessage = ({ data }: MessageEvent<FromWorker<State>>) => {
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
    reject(new Error(`${name} ended: ${event.message}`));
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
