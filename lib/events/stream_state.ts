/** Where a stream stands, and single messages of it. */

import { ask } from "./ask.ts";
import type { Nats } from "./connect.ts";
import type { StreamName } from "./names.ts";
import { natsError } from "./nats_errors.ts";

/** What tells one stream from another of the same name, and how far it goes. */
export interface StreamState {
  /** When the stream was made: one made anew has another time. */
  readonly created: string;
  /** 0 where it never held a message. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Asks for the state of a stream. */
export async function streamState(nats: Nats, stream: StreamName): Promise<StreamState> {
  try {
    const { created, state } = await ask(nats, () => nats.manager.streams.info(stream));
    return {
      created,
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
      messages: state.messages,
      bytes: state.bytes,
    };
  } catch (error) {
    throw natsError(`asking for the stream ${stream}`, error);
  }
}

/** A message that lies in a stream. */
export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly time: Date;
  readonly data: Uint8Array;
  readonly headers: ReadonlyMap<string, string>;
}

/** The last message on a subject; null where there is none. */
export async function lastMessage(
  nats: Nats,
  stream: StreamName,
  subject: string,
): Promise<StoredMessage | null> {
  try {
    return stored(
      await ask(nats, () => nats.manager.direct.getMessage(stream, { last_by_subj: subject })),
    );
  } catch (error) {
    throw natsError(`reading the last ${subject}`, error);
  }
}

/** The message with that number; null where there is none. */
export async function messageAt(
  nats: Nats,
  stream: StreamName,
  sequence: number,
): Promise<StoredMessage | null> {
  try {
    return stored(await ask(nats, () => nats.manager.direct.getMessage(stream, { seq: sequence })));
  } catch (error) {
    throw natsError(`reading ${stream} at ${sequence}`, error);
  }
}

/** The first message at or after that number, on the subject where one is named. */
export async function nextMessage(
  nats: Nats,
  stream: StreamName,
  sequence: number,
  subject?: string,
): Promise<StoredMessage | null> {
  try {
    const query = subject === undefined
      ? { seq: sequence, next_by_subj: ">" }
      : { seq: sequence, next_by_subj: subject };
    return stored(await ask(nats, () => nats.manager.direct.getMessage(stream, query)));
  } catch (error) {
    throw natsError(`reading ${stream} from ${sequence}`, error);
  }
}

type Found = Awaited<ReturnType<Nats["manager"]["direct"]["getMessage"]>>;

function stored(found: Found): StoredMessage | null {
  if (!found) return null;
  const headers = new Map<string, string>();
  for (const key of found.header?.keys() ?? []) headers.set(key, found.header.get(key));
  const { seq, subject, time, data } = found;
  return { sequence: seq, subject, time, data, headers };
}
