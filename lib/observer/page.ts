/** Logged events as the messages of one page: by entity type, many lines in each. */

import { batchMessagesMax, type PageMessage } from "../events/atomic_publish.ts";
import { CONTENT_TYPE, HEADER, SUBJECT } from "../events/names.ts";
import type { LoggedEvent } from "../postgres/change_log.ts";

export interface PageMax {
  /** Of all lines; a single larger one is a page of its own. */
  readonly pageBytes: number;
  /** Of the lines in one message; a single larger one is a message of its own. */
  readonly messageBytes: number;
}

/** Collects events until the page is full. */
export class PageBuilder {
  readonly #messages: OpenMessage[] = [];
  /** The last of each entity type; its next event goes there or behind it, never before. */
  readonly #open = new Map<string, OpenMessage>();
  #bytes = 0;
  last: LoggedEvent | null = null;
  count = 0;

  constructor(private readonly max: PageMax) {}

  /** Takes the event; false where it must be on the next page. */
  add(event: LoggedEvent): boolean {
    const bytes = event.line.length + 1;
    if (this.count > 0 && this.#bytes + bytes > this.max.pageBytes) return false;
    let message = this.#open.get(event.entityType);
    const fits = message !== undefined && message.traceparent === event.traceparent &&
      message.bytes + bytes <= this.max.messageBytes;
    if (!message || !fits) {
      if (this.#messages.length + 1 >= batchMessagesMax) return false; // the checkpoint is one
      message = { ...event, lines: [], bytes: 0 };
      this.#messages.push(message);
      this.#open.set(event.entityType, message);
    }
    message.lines.push(event.line);
    message.bytes += bytes;
    this.#bytes += bytes;
    this.count++;
    this.last = event;
    return true;
  }

  /** Leaves an event out, which counts as dealt with: it is in the stream already. */
  skip(event: LoggedEvent): void {
    this.last = event;
  }

  messages(): PageMessage[] {
    return this.#messages.map(({ entityType, traceparent, lines }) => ({
      subject: SUBJECT.event(entityType),
      data: encoder.encode(lines.join("\n") + "\n"),
      headers: {
        [HEADER.contentType]: CONTENT_TYPE.lines,
        ...traceparent !== null && { [HEADER.traceparent]: traceparent },
      },
    }));
  }
}

const encoder = new TextEncoder();

interface OpenMessage {
  readonly entityType: string;
  readonly traceparent: string | null;
  readonly lines: string[];
  bytes: number;
}
