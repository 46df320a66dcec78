/**
 * Takes messages from a JetStream consumer, as many as are there and no more than were asked for:
 * everything that the server has sent is in the caller's hands, and nothing waits in a queue
 * between, where its acknowledgement deadline would run unseen.
 *
 * A puller that has thrown is done with: close it and open another.
 */

// deno-lint-ignore-file camelcase -- the names are the server's

import { createInbox, type Msg, type Subscription } from "@nats-io/transport-node";
import { abortError, AppError } from "../errors.ts";
import type { Nats } from "./connect.ts";

/** A message as it came from a stream. */
export interface EventMessage {
  readonly stream: string;
  readonly subject: string;
  readonly data: Uint8Array;
  /** In the stream. */
  readonly sequence: number;
  /** When the stream took it, in ms. */
  readonly timeMs: number;
  /** 1 the first time. */
  readonly deliveries: number;
  /** How many the stream holds for this consumer behind it. */
  readonly pending: number;
  header(name: string): string | null;
  /** It is done, and will not come again. */
  acknowledge(): void;
  /** It is being worked on: its deadline begins anew. */
  working(): void;
  /** It is given back, and comes again at once, here or elsewhere. */
  release(): void;
}

export interface PullMax {
  readonly messages: number;
  readonly bytes: number;
}

export class Puller {
  private readonly inbox: string;
  private readonly subscription: Subscription;
  private readonly unlisten: () => void;
  private count = 0;
  private request: Request | null = null;
  private broken: AppError | null = null;
  private lastDelivered = 0;

  constructor(
    private readonly nats: Nats,
    private readonly stream: string,
    private readonly consumer: string,
    /** Each must follow the one before, as from a consumer of one's own. */
    private readonly inOrder: boolean,
  ) {
    const { connection } = nats;
    this.inbox = createInbox(nats.inboxPrefix);
    this.subscription = connection.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => {
        if (error) this.fail(`the answers' subject is refused: ${error.message}`);
        else this.take(message);
      },
    });
    this.unlisten = nats.onDisconnect(() => this.fail("the connection was lost"));
  }

  /**
   * What is there now, in order; waits for the first message, and so long for further ones as there is
   * room for them. Throws `UNAVAILABLE`.
   */
  async pull(max: PullMax, signal: AbortSignal, gatherMs = 0): Promise<EventMessage[]> {
    const first = await this.some(max, signal);
    if (gatherMs === 0) return first;
    const bytes = first.reduce((rest, { data }) => rest - data.length, max.bytes);
    const messages = max.messages - first.length;
    // The server counts subjects and headers too, so a full pull is most often a little below.
    if (messages < 1 || bytes <= max.bytes / 8) return first;
    const expires = gatherMs * nanosPerMs;
    return [...first, ...await this.ask({ batch: messages, max_bytes: bytes, expires }, signal)];
  }

  private async some(max: PullMax, signal: AbortSignal): Promise<EventMessage[]> {
    const there = await this.now(max, signal);
    if (there.length > 0) return there;
    let first: EventMessage[] = [];
    while (first.length === 0) {
      first = await this.ask({ batch: 1, expires: waitMsMax * nanosPerMs }, signal);
    }
    const bytes = max.bytes - (first[0]?.data.length ?? 0);
    if (max.messages < 2 || bytes <= 0) return first;
    return [...first, ...await this.now({ messages: max.messages - 1, bytes }, signal, true)];
  }

  /** What is there now, maybe nothing. */
  async now(max: PullMax, signal: AbortSignal, isRest = false): Promise<EventMessage[]> {
    const { messages: batch, bytes } = max;
    const some = await this.ask({ batch, max_bytes: bytes, no_wait: true }, signal);
    if (some.length > 0 || !this.request?.isTooLarge || isRest) return some;
    // Larger than a whole pull may be: alone, or nothing behind it would ever come.
    return await this.ask({ batch: 1, no_wait: true }, signal);
  }

  close(): void {
    this.unlisten();
    this.subscription.unsubscribe();
    this.fail("closed");
  }

  private async ask(what: PullRequest, signal: AbortSignal): Promise<EventMessage[]> {
    if (signal.aborted) throw abortError(signal);
    if (this.broken) throw this.broken;
    const request = new Request(`${this.inbox}.${++this.count}`, what.batch);
    this.request = request;
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.consumer}`;
    // The server takes none where the question itself does not last that long.
    const isLong = (what.expires ?? 0) >= 2 * heartbeatMs * nanosPerMs;
    const body = isLong ? { ...what, idle_heartbeat: heartbeatMs * nanosPerMs } : what;
    const abort = () => request.fail(abortError(signal));
    signal.addEventListener("abort", abort, { once: true });
    try {
      this.nats.connection.publish(subject, JSON.stringify(body), { reply: request.inbox });
      return await request.finished(() =>
        this.fail(`${this.stream} does not answer for ${silentTicksMax * heartbeatMs / 1000} s`)
      );
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  private take(message: Msg): void {
    const request = this.request;
    // A message keeps its own subject, a status has the request's.
    if (!message.subject.startsWith(this.inbox)) {
      const event = toEventMessage(message, this.nats);
      if (event === null) return this.fail(`no JetStream message: ${message.reply}`);
      if (!request) return this.fail("a message that nobody asked for");
      if (this.inOrder && event.delivered !== this.lastDelivered + 1) {
        return this.fail(`message ${event.delivered} came after ${this.lastDelivered}`);
      }
      this.lastDelivered = event.delivered;
      request.heard();
      return request.add(event);
    }
    if (!request || message.subject !== request.inbox) return; // of a request that has ended
    request.heard();
    const code = message.headers?.code ?? 0;
    const description = message.headers?.description ?? "";
    switch (code) {
      case 100: // it lives
        return;
      case 404: // no messages
      case 408: // none in that time
        return request.end();
      case 409:
        if (/exceeds max ?bytes/i.test(description)) return request.endTooLarge();
        if (/batch completed/i.test(description)) return request.end();
        return this.fail(description);
      case 503:
        return this.fail("the consumer is gone");
      default:
        return this.fail(`${code} ${description}`);
    }
  }

  private fail(reason: string): void {
    this.broken ??= new AppError("UNAVAILABLE", `reading ${this.stream}: ${reason}`, {
      hint: "it is read again by itself",
    });
    this.request?.fail(this.broken);
  }
}

interface PullRequest {
  readonly batch: number;
  readonly max_bytes?: number;
  readonly no_wait?: true;
  readonly expires?: number;
}

/** One request, until its messages or its status are there. */
class Request {
  isTooLarge = false;
  private readonly messages: EventMessage[] = [];
  private readonly settled = Promise.withResolvers<EventMessage[]>();
  /** How often the clock came since the server was last heard. */
  private silentTicks = 0;

  constructor(readonly inbox: string, private readonly wanted: number) {
    this.settled.promise.catch(() => {}); // whoever waits for it is told
  }

  async finished(onSilence: () => void): Promise<EventMessage[]> {
    // Ticks and not time: while this program itself was busy nothing could be heard.
    const timer = setInterval(() => {
      if (++this.silentTicks > silentTicksMax) onSilence();
    }, heartbeatMs);
    try {
      return await this.settled.promise;
    } finally {
      clearInterval(timer);
    }
  }

  heard(): void {
    this.silentTicks = 0;
  }

  add(message: EventMessage): void {
    this.messages.push(message);
    if (this.messages.length >= this.wanted) this.end();
  }

  end(): void {
    this.settled.resolve(this.messages);
  }

  endTooLarge(): void {
    this.isTooLarge = true;
    this.end();
  }

  fail(error: AppError): void {
    this.settled.reject(error);
  }
}

const nanosPerMs = 1_000_000;
/** The server ends a request that waits for longer, and we ask again. */
const waitMsMax = 30_000;
const heartbeatMs = 2000;
/** Heartbeats that did not come. */
const silentTicksMax = 3;

const [acknowledgement, inProgress, notDone] = ["+ACK", "+WPI", "-NAK"].map((word) =>
  new TextEncoder().encode(word)
);

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivered>.<nanoseconds>.<pending>`, with
 * domain and account behind ACK where there are any.
 */
function toEventMessage(
  message: Msg,
  { connection }: Nats,
): (EventMessage & { readonly delivered: number }) | null {
  const reply = message.reply ?? "";
  const parts = reply.split(".");
  const at = parts.length >= 11 ? 6 : 4;
  const [deliveries, sequence, delivered, nanos, pending] = parts.slice(at, at + 5);
  if (!reply.startsWith("$JS.ACK.") || pending === undefined) return null;
  // Unsaid on a closed connection: the message comes again.
  const say = (word: Uint8Array | undefined) => {
    if (word && !connection.isClosed()) connection.publish(reply, word);
  };
  return {
    stream: parts[at - 2] ?? "",
    subject: message.subject,
    data: message.data,
    sequence: Number(sequence),
    delivered: Number(delivered),
    timeMs: Math.floor(Number(nanos) / nanosPerMs),
    deliveries: Number(deliveries),
    pending: Number(pending),
    header: (name) => message.headers?.get(name) || null,
    acknowledge: () => say(acknowledgement),
    working: () => say(inProgress),
    release: () => say(notDone),
  };
}
