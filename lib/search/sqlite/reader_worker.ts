/**
 * The worker that asks SQLite, which keeps a thread busy until it has answered. Its searches come one
 * at a time; one that was given up is known by its number in memory that both sides see.
 */

import { AppError } from "../../errors.ts";
import { sqliteFault } from "./faults.ts";
import { OpenMonths } from "./open_months.ts";
import type { FromReader, ToReader } from "./reader_messages.ts";
import { searchMonths } from "./search_months.ts";

interface Port {
  onmessage: ((message: MessageEvent<ToReader>) => void) | null;
  postMessage(message: FromReader): void;
}

const port = self as unknown as Port;

/** Of the search under way. */
let current = { id: 0, endMs: Infinity };

let months: OpenMonths | null = null;

port.onmessage = ({ data }) => {
  switch (data.kind) {
    case "open": {
      const given = new Int32Array(data.given);
      months = new OpenMonths(data.folder, () => {
        if (Atomics.load(given, 0) === current.id) {
          throw new AppError("CANCELLED", "the search was given up");
        }
        if (performance.now() > current.endMs) {
          throw new AppError("TIMEOUT", "the search took longer than its deadline");
        }
      });
      return;
    }
    case "search":
      void answer(data);
      return;
    default:
      data satisfies never;
  }
};

async function answer(asked: ToReader & { kind: "search" }): Promise<void> {
  const { id, query, secondsMax } = asked;
  current = { id, endMs: performance.now() + secondsMax * 1000 };
  try {
    const readers = await months?.readers() ?? [];
    port.postMessage({ kind: "page", id, page: searchMonths(readers, query) });
  } catch (error) {
    // A file that cannot be read may be whole again when it is opened anew.
    if (!(error instanceof AppError)) months?.close();
    const known = sqliteFault(error, "the search store");
    // Any other error is a fault of ours, and ends the worker with its stack.
    if (!(known instanceof AppError)) throw known;
    const { code, message, hint = null } = known;
    port.postMessage({ kind: "failed", id, code, message, hint });
  }
}
