/**
 * Starts work in a Deno Worker of its own, which may reach its addresses and nothing else. What goes
 * between is plain data; the worker's side is `run_worker.ts`.
 */

import { AppError } from "./errors.ts";
import type { FromWorker, ToWorker } from "./run_worker.ts";

export interface ConfinedWorker {
  /** Resolves when it was stopped; rejects with why it ended otherwise. */
  readonly ended: Promise<void>;
  /** Asks it to finish what it is at; what does not end in time is ended. */
  stop(msMax: number): Promise<void>;
}

export interface WorkerOptions<Start, State> {
  readonly name: string;
  /** Of the worker's file. */
  readonly url: URL;
  /** What it must reach. */
  readonly permissions: WorkerPermissions;
  readonly start: Start;
  /** Told of every change. */
  readonly onState: (state: State) => void;
}

/** What a worker may reach; without files where none are named. */
export interface WorkerPermissions {
  /** Host and port. */
  readonly net: readonly string[];
  readonly read?: readonly string[];
  readonly write?: readonly string[];
}

/** These, and nothing else. */
export function workerPermissions(
  { net, read = [], write = [] }: WorkerPermissions,
): Deno.PermissionOptionsObject {
  return {
    net: [...net],
    read: read.length > 0 ? [...read] : false,
    write: write.length > 0 ? [...write] : false,
    env: false,
    run: false,
    sys: false,
    ffi: false,
    import: false,
  };
}

/** Starts it. */
export function startWorker<Start, State>(options: WorkerOptions<Start, State>): ConfinedWorker {
  const { name, url, permissions, start, onState } = options;
  const worker = new Worker(url, {
    type: "module",
    name,
    deno: { permissions: workerPermissions(permissions) },
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
