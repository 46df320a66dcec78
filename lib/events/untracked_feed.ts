/** Progress that nobody keeps: the destination holds what was written, and tells how far it goes. */

import type { Nats } from "./connect.ts";
import type { Feed } from "./feed.ts";
import type { StreamName } from "./names.ts";
import { type OrderedReader, readOrdered } from "./ordered_reader.ts";
import type { PullMax } from "./puller.ts";
import { checkPlace, type Gap, type Place } from "./stream_place.ts";

export interface UntrackedOptions {
  readonly nats: Nats;
  readonly stream: StreamName;
  readonly worker: string;
  readonly max: PullMax;
  readonly subjects?: readonly string[];
  /** Asks the destination for what it holds last: of which stream, up to which sequence. */
  readonly heldLast: (signal: AbortSignal) => Promise<Place | null>;
  /** The stream begins behind what is wanted: these are gone. */
  readonly onGap?: (gap: Gap) => void;
}

/** Reads on behind what the destination holds. */
export function untrackedFeed(options: UntrackedOptions): Feed {
  const { nats, stream, worker, max, subjects, heldLast } = options;
  let reader: OrderedReader | null = null;
  const reset = () => {
    reader?.close();
    reader = null;
  };
  return {
    name: `${stream} for ${worker}`,
    async open(signal) {
      reset();
      const place = await heldLast(signal);
      const from = await checkPlace(nats, stream, place, options.onGap);
      reader = await readOrdered({ nats, stream, from, ...subjects && { subjects } });
    },
    async pull(signal) {
      if (!reader) throw new Error("pull() before open()");
      return { messages: await reader.pull(max, signal) };
    },
    begin: () => Promise.resolve(),
    done: () => Promise.resolve(),
    close() {
      reset();
      return Promise.resolve();
    },
  };
}
