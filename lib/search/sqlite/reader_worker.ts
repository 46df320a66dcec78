/**
 * The worker that asks SQLite, which keeps a thread busy until it has answered. Its searches come one
 * at a time; one that was given up is known by its number in memory that both sides see.
 */

import { AppError } from "../../errors.ts";
import type { FromReader, ToReader } from "./reader_messages.ts";
import { Searcher } from "./searcher.ts";

interface Port {
  onmessage: ((message: MessageEvent<ToReader>) => void) | null;
  postMessage(message: FromReader): void;
}

const port = self as unknown as Port;

let searcher: Searcher | null = null;
let givenUp: Int32Array = new Int32Array(1);

port.onmessage = ({ data }) => {
  switch (data.kind) {
    case "open":
      searcher = new Searcher(data.options);
      givenUp = new Int32Array(data.givenUp);
      return;
    case "search":
      void answer(data);
      return;
    default:
      data satisfies never;
  }
};

async function answer({ id, query, secondsMax }: ToReader & { kind: "search" }): Promise<void> {
  try {
    const page = await searcher?.search(query, secondsMax, () => Atomics.load(givenUp, 0) === id);
    if (page) port.postMessage({ kind: "page", id, page });
  } catch (error) {
    // Any other error is a fault of ours, and ends the worker with its stack.
    if (!(error instanceof AppError)) throw error;
    const { code, message, hint = null } = error;
    port.postMessage({ kind: "failed", id, code, message, hint });
  }
}
