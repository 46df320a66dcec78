/** How far a durable consumer is. */

import type { ConsumerInfo } from "@nats-io/jetstream";
import { ask } from "./ask.ts";
import type { Nats } from "./connect.ts";
import type { StreamName } from "./names.ts";
import { API_ERROR, apiErrorCode, natsError } from "./nats_errors.ts";
import { streamState } from "./stream_state.ts";

export interface ConsumerState {
  /** When its stream was made. */
  readonly created: string;
  /** Of the stream, the sequence up to which everything that is the consumer's is acknowledged. */
  readonly acknowledged: number;
  /** Messages that are not: in somebody's hands, or in nobody's. */
  readonly waiting: number;
}

/** Asks for it; null where the stream has no consumer of that name. */
export async function consumerState(
  nats: Nats,
  stream: StreamName,
  name: string,
): Promise<ConsumerState | null> {
  // First: what comes meanwhile is nobody's yet.
  const { created, lastSequence } = await streamState(nats, stream);
  try {
    const found = await ask(nats, () => nats.manager.consumers.info(stream, name));
    const acknowledged = acknowledgedBy(found, lastSequence);
    return { created, acknowledged, waiting: found.num_pending + found.num_ack_pending };
  } catch (error) {
    if (apiErrorCode(error) === API_ERROR.consumerNotFound) return null;
    throw natsError(`asking for the consumer ${name} of ${stream}`, error);
  }
}

/** `lastSequence` is the stream's, and was asked for before. */
export function acknowledgedBy(found: ConsumerInfo, lastSequence: number): number {
  const hasAll = found.num_pending === 0 && found.num_ack_pending === 0;
  return hasAll ? lastSequence : found.ack_floor.stream_seq;
}
