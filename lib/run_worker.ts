/** A worker's own side: it is told to start and to stop, and tells how it does. */

import { AppError, type ErrorCode } from "./errors.ts";

export type ToWorker<Start> =
  | { readonly kind: "start"; readonly start: Start }
  | { readonly kind: "stop" };

export type FromWorker<State> =
  | { readonly kind: "state"; readonly state: State }
  | { readonly kind: "stopped" }
  | {
    readonly kind: "failed";
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint: string | null;
  };

/** What a worker sees of itself. */
interface Port<Start, State> {
  onmessage: ((message: MessageEvent<ToWorker<Start>>) => void) | null;
  postMessage(message: FromWorker<State>): void;
}

/** Runs the work when it is told to; called once, at the top of a worker's file. */
export function runWorker<Start, State>(
  work: (start: Start, onState: (state: State) => void, signal: AbortSignal) => Promise<void>,
): void {
  const stop = new AbortController();
  const port = self as unknown as Port<Start, State>;
  const run = async (start: Start): Promise<void> => {
    try {
      await work(start, (state) => port.postMessage({ kind: "state", state }), stop.signal);
      port.postMessage({ kind: "stopped" });
    } catch (error) {
      // Any other error is a fault of ours, and ends the worker with its stack.
      if (!(error instanceof AppError)) throw error;
      const { code, message, hint = null } = error;
      port.postMessage({ kind: "failed", code, message, hint });
    }
  };
  port.onmessage = ({ data }) => {
    if (data.kind === "stop") stop.abort();
    else void run(data.start);
  };
}
