/** A Flight client on grpc-js that sends and takes bare bytes, so that it can also send wrong ones. */

import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import "./late_goaway.ts";

export interface Answer {
  readonly code: number;
  readonly message: string;
  readonly messages: Uint8Array[];
  /** Headers of the answer; empty where it has no message. */
  readonly headers: Metadata;
  readonly trailers: Metadata;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  /** Told of each message; may end the call. */
  readonly onMessage?: (message: Uint8Array, cancel: () => void) => void;
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes);
const asBytes = (buffer: Buffer): Uint8Array => buffer;

export class RawClient {
  private readonly client: Client;

  constructor(url: string) {
    this.client = new Client(url.replace("grpc://", ""), credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
      // Else it tries again without pause, and spins, where the server goes away as it connects.
      "grpc.enable_retries": 0,
    });
  }

  /** Calls a method with these request messages; gives its messages and status, throws nothing. */
  call(
    method: string,
    requests: Uint8Array | readonly Uint8Array[],
    options: CallOptions = {},
  ): Promise<Answer> {
    const headers = new Metadata();
    for (const [name, text] of Object.entries(options.headers ?? {})) headers.set(name, text);
    const call = this.client.makeBidiStreamRequest(
      `/arrow.flight.protocol.FlightService/${method}`,
      asBuffer,
      asBytes,
      headers,
      options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
    );
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const messages: Uint8Array[] = [];
    let answerHeaders = new Metadata();
    call.on("metadata", (metadata: Metadata) => answerHeaders = metadata);
    call.on("data", (message: Uint8Array) => {
      messages.push(message);
      options.onMessage?.(message, () => call.cancel());
    });
    call.on("error", (_: ServiceError) => {}); // the status says the same
    call.on("status", ({ code, details, metadata }) => {
      resolve({
        code,
        message: details,
        messages,
        headers: answerHeaders,
        trailers: metadata,
      });
    });
    for (const request of requests instanceof Uint8Array ? [requests] : requests) {
      call.write(request);
    }
    call.end();
    return promise;
  }

  close(): void {
    this.client.close();
  }
}
