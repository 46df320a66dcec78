/** How far the sink of searched events is, asked from outside: for `fraiseql status`. */

import type { Nats } from "../lib/events/connect.ts";
import { consumerState } from "../lib/events/consumer_state.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { nextMessage } from "../lib/events/stream_state.ts";

/** The sink as it can be seen in the stream. */
export interface ElasticsearchLag {
  /** In FRAISEQL_EVENTS, up to where all is stored. */
  readonly sequence: number;
  /** Messages that are not. */
  readonly messages: number;
  /** Age of the oldest of them; 0 where there is none. */
  readonly seconds: number;
}

/** Asks the stream; null where no sink ever read it. */
export async function elasticsearchLag(nats: Nats): Promise<ElasticsearchLag | null> {
  const found = await consumerState(nats, STREAM.events, "elasticsearch");
  if (found === null) return null;
  const { acknowledged: sequence, waiting: messages } = found;
  const next = messages > 0
    ? await nextMessage(nats, STREAM.events, sequence + 1, SUBJECT.allEvents)
    : null;
  const seconds = next ? Math.max(0, (Date.now() - next.time.getTime()) / 1000) : 0;
  return { sequence, messages, seconds };
}
