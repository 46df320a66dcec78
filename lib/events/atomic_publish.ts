/**
 * A page of events as one JetStream atomic batch: there whole or not at all, in one exchange.
 *
 * The last message is the checkpoint, which names the sequence that it expects on its subject: when
 * another publisher has written since, the whole page is refused.
 */

// deno-lint-ignore-file camelcase -- the names are the server's

import { headers, type MsgHdrs, nuid } from "@nats-io/transport-node";
import { AppError } from "../errors.ts";
import { ask } from "./ask.ts";
import type { Nats } from "./connect.ts";
import { STREAM, SUBJECT } from "./names.ts";
import { API_ERROR, isForbidden, isNoResponders, natsError } from "./nats_errors.ts";
import { lastMessage, type StoredMessage } from "./stream_state.ts";

/** JetStream takes no more messages in one batch, the checkpoint included. */
export const batchMessagesMax = 1000;

export interface PageMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Page {
  /** In order; at most `batchMessagesMax` less the checkpoint. */
  readonly messages: readonly PageMessage[];
  readonly checkpoint: Uint8Array;
  /** Sequence of the last checkpoint in the stream; 0 where there is none. */
  readonly expected: number;
}

/** What became of a page. */
export type Published =
  /** The page is in the stream; `sequence` is the checkpoint's, the messages lie right before it. */
  | { readonly kind: "published"; readonly sequence: number }
  /** Another publisher has written a checkpoint since: nothing was published. */
  | { readonly kind: "fenced"; readonly reason: string }
  /** The stream has no room for the page: nothing was published; later it may. */
  | { readonly kind: "full"; readonly reason: string }
  /** There is no such stream, or it takes no batches: it is gone, or was made by somebody else. */
  | { readonly kind: "gone"; readonly reason: string }
  /**
   * The answer did not come, or the batch lost a part on its way: the page is in the stream or it
   * is not, and the last checkpoint there tells which. A page that was on its way can still arrive
   * after that was read; the next one is then fenced off, and the checkpoint is this publisher's.
   */
  | { readonly kind: "unknown"; readonly reason: string };

export interface PublishOptions {
  /** What the server may take to write a page; default 10 s. */
  readonly answerMsMax?: number;
}

/**
 * Publishes a page; throws only for a page that no stream could take. Its data must stay as it is
 * until the answer is there, since large messages are sent from where they lie.
 */
export async function publishPage(
  nats: Nats,
  page: Page,
  { answerMsMax = defaultAnswerMsMax }: PublishOptions = {},
): Promise<Published> {
  const { connection } = nats;
  checkPage(nats, page);
  const batch = nuid.next();
  const send = () => {
    page.messages.forEach((message, index) => {
      const marked = markedHeaders(batch, index + 1, message.headers);
      connection.publish(message.subject, message.data, { headers: marked });
    });
    const last = markedHeaders(batch, page.messages.length + 1);
    last.set("Nats-Batch-Commit", "1");
    last.set("Nats-Expected-Stream", STREAM.events);
    last.set("Nats-Expected-Last-Subject-Sequence", String(page.expected));
    const options = { headers: last, timeout: answerMsMax };
    return connection.request(SUBJECT.checkpoint, page.checkpoint, options);
  };
  try {
    return outcome((await ask(nats, send)).json());
  } catch (error) {
    if (isNoResponders(error)) return { kind: "gone", reason: "no stream takes the checkpoint" };
    if (isForbidden(error)) throw natsError("publishing a page", error);
    return { kind: "unknown", reason: error instanceof Error ? error.message : String(error) };
  }
}

const defaultAnswerMsMax = 10_000;

/** The last checkpoint in the stream; null where nothing was published yet. */
export function lastCheckpoint(nats: Nats): Promise<StoredMessage | null> {
  return lastMessage(nats, STREAM.events, SUBJECT.checkpoint);
}

/** A single message with an answer: for what is no page, such as a record of progress. */
export async function publishOne(
  nats: Nats,
  subject: string,
  data: Uint8Array,
  given: Readonly<Record<string, string>> = {},
): Promise<number> {
  checkSize(nats, subject, data);
  const all = headers();
  for (const [name, value] of Object.entries(given)) all.set(name, value);
  let answer: Answer;
  try {
    const options = { headers: all, timeout: defaultAnswerMsMax };
    answer = (await ask(nats, () => nats.connection.request(subject, data, options))).json();
  } catch (error) {
    if (isNoResponders(error)) {
      throw new AppError("NOT_FOUND", `no stream takes ${subject}`, {
        hint: "run fraiseql migrate, which makes the streams",
        cause: error,
      });
    }
    throw natsError(`publishing ${subject}`, error);
  }
  if (!answer.error) return answer.seq ?? 0;
  const { err_code: code, description } = answer.error;
  if (code === API_ERROR.bytesExceeded || code === API_ERROR.messagesExceeded) {
    throw new StreamFull(subject, description);
  }
  if (code === API_ERROR.wrongLastSequence) throw new Fenced(subject, description);
  throw new AppError("UNAVAILABLE", `publishing ${subject}: ${description}`);
}

/** A stream has no room for a message. */
export class StreamFull extends AppError {
  constructor(subject: string, reason: string) {
    super("UNAVAILABLE", `no room for ${subject}: ${reason}`, {
      hint: "fraiseql dead discard and purges make room; limits ..._stream_bytes_max and " +
        "fraiseql migrate make the stream larger",
    });
  }
}

/** Another worker of the same name has written since. */
export class Fenced extends AppError {
  constructor(subject: string, reason: string) {
    super("UNAVAILABLE", `another worker has written ${subject}: ${reason}`, {
      hint: "it goes on from there; of the workers with one name one works at a time",
    });
  }
}

interface Answer {
  readonly seq?: number;
  readonly error?: { readonly err_code: number; readonly description: string };
}

function outcome({ seq, error }: Answer): Published {
  if (!error) return { kind: "published", sequence: seq ?? 0 };
  const reason = `${error.description} (${error.err_code})`;
  switch (error.err_code) {
    case API_ERROR.wrongLastSequence:
      return { kind: "fenced", reason };
    case API_ERROR.bytesExceeded:
    case API_ERROR.messagesExceeded:
      return { kind: "full", reason };
    case API_ERROR.expectedStream:
    case API_ERROR.atomicDisabled:
    case API_ERROR.streamNotFound:
      return { kind: "gone", reason };
    default:
      return { kind: "unknown", reason };
  }
}

function markedHeaders(
  batch: string,
  sequence: number,
  given: Readonly<Record<string, string>> = {},
): MsgHdrs {
  const all = headers();
  for (const [name, value] of Object.entries(given)) all.set(name, value);
  all.set("Nats-Batch-Id", batch);
  all.set("Nats-Batch-Sequence", String(sequence));
  return all;
}

/** The server would refuse a part and call the batch incomplete, for ever. */
function checkPage(nats: Nats, { messages, checkpoint }: Page): void {
  if (messages.length >= batchMessagesMax) {
    throw new AppError("TOO_LARGE", `a page of ${messages.length} messages`, {
      hint: `one has ${batchMessagesMax - 1} at most, and its checkpoint`,
    });
  }
  for (const { subject, data } of messages) checkSize(nats, subject, data);
  checkSize(nats, SUBJECT.checkpoint, checkpoint);
}

/** The server would close the connection over it. */
function checkSize(nats: Nats, subject: string, data: Uint8Array): void {
  const bytesMax = dataBytesMax(nats);
  if (data.length <= bytesMax) return;
  throw new AppError("TOO_LARGE", `a message of ${data.length} bytes on ${subject}`, {
    hint: `with its headers it can have ${bytesMax} on this server (max_payload)`,
  });
}

/** The most that a message can hold on this server, beside its headers. */
export function dataBytesMax({ connection }: Nats): number {
  return (connection.info?.max_payload ?? Infinity) - headerBytesMax;
}

/** What is set aside for the headers of a message. */
const headerBytesMax = 4096;
