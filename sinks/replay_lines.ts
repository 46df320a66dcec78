/** Adds events that are lines, from wherever they come, for `replay`. */

import { dataBytesMax } from "../lib/events/atomic_publish.ts";
import { AbsentEvents, type Added } from "./absent_events.ts";
import type { ReplayOptions } from "./clickhouse_replay.ts";
import { freeSequence, LineBatches } from "./line_batches.ts";

/** Adds what is not there of them, and nothing else. */
export async function replayLines(
  pieces: AsyncIterable<Uint8Array>,
  options: Omit<ReplayOptions, "onProgress"> & { readonly onRows: (found: number) => void },
): Promise<Added> {
  const { nats, clickhouse, limits, onRows, signal } = options;
  const absent = new AbsentEvents(options);
  const sequence = await freeSequence(clickhouse, signal);
  const lines = new LineBatches(limits, dataBytesMax(nats), sequence);
  let [found, missing] = [0, 0];
  const add = async (batches: Parameters<AbsentEvents["add"]>[0]) => {
    await absent.add(batches);
    const some = absent.take();
    [found, missing] = [found + some.found, missing + some.missing];
    onRows(found);
  };
  for await (const piece of pieces) {
    signal.throwIfAborted();
    await add(lines.add(piece));
  }
  await add(lines.rest());
  return { found, missing };
}
