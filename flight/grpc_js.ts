/**
 * The line on npm:@grpc/grpc-js. (its only door)
 *
 * grpc-js' own handlers queue messages as objects and serialize them later, when their bytes may
 * be overwritten. So each call is taken over in an interceptor, which is handed the bare call:
 * `sendMessage` serializes at once, into a buffer of ours, and calls back when HTTP/2 took the bytes.
 */

import {
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  setLogVerbosity,
  status as grpcStatus,
} from "@grpc/grpc-js";
import type { Buffer } from "node:buffer";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Address } from "../lib/config.ts";
import { AppError, CODES } from "../lib/errors.ts";
import { within } from "../lib/waiting.ts";
import {
  type Call,
  CallStatus,
  type Line,
  type LineOptions,
  type Message,
  type Method,
} from "./line.ts";
import { OutgoingBuffers } from "./outgoing_buffers.ts";

type BareCall = Parameters<ServerInterceptor>[1];
type Status = Parameters<BareCall["sendStatus"]>[0];

/**
 * Bytes given to HTTP/2 and not yet taken. Two batches of the usual size: the next is made while
 * the last is on its way.
 */
const unsentBytesMax = 1024 * 1024;

/** A rest costs about 1 ms; a cancel is seen this late at most. */
const restEveryMs = 10;
let lastRest = 0;

/** An error waits behind what is unsent; who takes none of it for so long will not read it either. */
const errorLingerMsMax = 10_000;

/** A client that answers no ping for so long is gone, and its queries with it. */
const keepaliveTimeMs = 20_000;
const keepaliveTimeoutMs = 10_000;

/** Listens; see `OpenLine`. */
export async function openGrpcJsLine(options: LineOptions): Promise<Line> {
  // It would write its own lines to standard error; what it reports comes back as errors too.
  setLogVerbosity(logVerbosity.NONE);
  const sessions = new Set<ServerHttp2Session>();
  const running = new Set<RunningCall>();
  const methods = new Map(options.methods.map((method) => [method.path, method]));
  const server = new Server({
    "grpc.max_receive_message_length": options.messageBytesMax,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": options.connectionCallsMax,
    "grpc.keepalive_time_ms": keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
    interceptors: [(definition, bare) => {
      const method = methods.get(definition.path);
      if (!method) throw new Error(`${definition.path} is not registered`);
      return new TakenOverCall(bare, () => {
        const session = bareStream(bare)?.session as ServerHttp2Session | undefined;
        if (session && !sessions.has(session)) {
          sessions.add(session);
          session.once("close", () => sessions.delete(session));
        }
        const call = new RunningCall(method, bare, options);
        running.add(call);
        void call.ended.then(() => running.delete(call));
      });
    }],
  });
  for (const { path, requests, responses } of options.methods) {
    const kind = requests === "one"
      ? (responses === "one" ? "unary" : "serverStream")
      : (responses === "one" ? "clientStream" : "bidi");
    server.register(path, neverCalled, asIs, asIs, kind);
  }
  const { hostname } = options.address;
  const address = { hostname, port: await bind(server, options.address) };
  return {
    address,
    stop: (graceMs) => stop(server, graceMs, running, sessions),
  };
}

/** Runs something else in place of what grpc-js would do with the call. */
class TakenOverCall extends ServerInterceptingCall {
  constructor(bare: BareCall, private readonly run: () => void) {
    super(bare);
  }

  override start(): void {
    this.run();
  }
}

/** One call from its headers to its last byte. */
class RunningCall implements Call {
  readonly path: string;
  readonly peer: string;
  readonly signal: AbortSignal;
  readonly ended: Promise<void>;

  private readonly controller = new AbortController();
  private headers = new Metadata();
  /** Headers of the answer that go out with its first message; null when there are none to send. */
  private answerHeaders: Metadata | null = null;
  private readonly buffers = new OutgoingBuffers();
  private readonly received: Uint8Array[] = [];
  private receivedAll = false;
  private unsentBytes = 0;
  private statusSent = false;
  private hasEnded = false;
  private linger: ReturnType<typeof setTimeout> | undefined;
  private readonly resolveEnded: () => void;
  /** Wakes whoever waits for a request, for room, or for the end; set anew each time. */
  private wake: () => void = () => {};
  private readonly sendBareStatus: (status: Status) => void;

  constructor(
    private readonly method: Method,
    private readonly bare: BareCall,
    private readonly options: LineOptions,
  ) {
    this.path = method.path;
    this.peer = bare.getPeer();
    this.signal = this.controller.signal;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.resolveEnded = resolve;
    this.sendBareStatus = bare.sendStatus.bind(bare);
    // What it would do is copy the message into a new buffer, behind gRPC's prefix.
    (bare as unknown as { serializeMessage: (framed: Buffer) => Buffer }).serializeMessage = asIs;
    // grpc-js ends calls by itself: at the deadline, and where it cannot read the request.
    bare.sendStatus = (status) => this.endedByGrpcJs(status);
    bare.start({
      onReceiveMetadata: (headers) => this.begin(headers),
      onReceiveMessage: (message: Uint8Array) => {
        this.received.push(message);
        this.wake();
      },
      onReceiveHalfClose: () => {
        this.receivedAll = true;
        this.wake();
      },
      onCancel: () => this.end(),
    });
  }

  header(name: string): string | undefined {
    const value = this.headers.get(name)[0];
    return typeof value === "string" ? value : undefined;
  }

  answerHeader(name: string, value: string): void {
    this.answerHeaders ??= new Metadata();
    this.answerHeaders.set(name, value);
  }

  get requests(): AsyncIterable<Uint8Array> {
    return this.readRequests();
  }

  abort(reason: AppError): void {
    this.controller.abort(reason);
    this.wake();
  }

  private async *readRequests(): AsyncGenerator<Uint8Array> {
    while (!this.signal.aborted) {
      const message = this.received.shift();
      if (message) {
        yield message;
        continue;
      }
      if (this.receivedAll) return;
      const waked = this.waked();
      this.bare.startRead();
      await waked;
    }
    throw this.signal.reason;
  }

  private begin(headers: Metadata): void {
    this.headers = headers;
    const { headerBytesMax } = this.options;
    if (headerBytes(headers) > headerBytesMax) {
      this.abort(
        new AppError("TOO_LARGE", `the request's headers are longer than ${headerBytesMax} bytes`),
      );
    }
    void this.run();
  }

  private async run(): Promise<void> {
    try {
      for await (const message of this.method.handle(this)) {
        if (this.isOver) break;
        this.send(message);
        await this.listenNowAndThen();
        while (this.unsentBytes >= unsentBytesMax && !this.signal.aborted) await this.waked();
        if (this.isOver) break;
      }
      this.finish({ code: grpcStatus.OK, details: "OK", metadata: null });
    } catch (error) {
      this.finish(toStatus(error));
    }
  }

  /**
   * Lets the sockets be read. While there is always something to send, Deno's loop never rests, and
   * only when it rests it learns that bytes came in: a cancel went unseen until the client's window
   * of tens of MiB was full, seconds later. Immediates and promises are no rest, a timer is.
   */
  private async listenNowAndThen(): Promise<void> {
    if (performance.now() - lastRest < restEveryMs) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    lastRest = performance.now();
  }

  /** Nothing more can be said to the client. */
  private get isOver(): boolean {
    return this.statusSent || this.hasEnded;
  }

  private send(message: Message): void {
    const { byteLength } = message;
    if (this.answerHeaders) this.bare.sendMetadata(this.answerHeaders);
    this.answerHeaders = null;
    this.unsentBytes += byteLength;
    const { bytes, release } = this.buffers.frame(message);
    this.bare.sendMessage(bytes, () => {
      release();
      this.unsentBytes -= byteLength;
      this.wake();
    });
  }

  private finish(status: Status): void {
    if (this.isOver) return;
    this.statusSent = true;
    this.sendBareStatus(status);
    const isOk = status.code === grpcStatus.OK;
    this.lingerAtMost(isOk ? this.options.lingerMsMax : errorLingerMsMax);
  }

  /** A client that takes nothing would keep the call, and its place, for ever. */
  private lingerAtMost(ms: number): void {
    if (this.hasEnded) return;
    this.linger = setTimeout(() => {
      bareStream(this.bare)?.close(http2Cancel);
      this.end();
    }, ms);
  }

  private endedByGrpcJs(status: Status): void {
    const reason = whyGrpcJsEnds(status.code ?? grpcStatus.UNKNOWN, status.details ?? "");
    this.abort(reason);
    this.finish({ ...status, code: CODES[reason.code].grpc });
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.linger);
    if (!this.statusSent) {
      this.abort(new AppError("CANCELLED", "the client cancelled the call or went away"));
    }
    this.wake();
    this.resolveEnded();
  }

  private waked(): Promise<void> {
    return new Promise((resolve) => this.wake = resolve);
  }
}

/** What the statuses mean that grpc-js 1.14.7 gives by itself. */
function whyGrpcJsEnds(code: number, details: string): AppError {
  switch (code) {
    case grpcStatus.DEADLINE_EXCEEDED:
      return new AppError("TIMEOUT", "the client's deadline has passed");
    case grpcStatus.RESOURCE_EXHAUSTED:
      return new AppError("TOO_LARGE", details);
    case grpcStatus.UNIMPLEMENTED:
      return new AppError("UNSUPPORTED", details);
    default:
      // It says INTERNAL for what a client sent wrongly, and where the connection is gone.
      return /grpc-timeout|decompress/.test(details)
        ? new AppError("BAD_INPUT", details)
        : new AppError("CANCELLED", `the connection to the client failed: ${details}`);
  }
}

/** `CANCEL` of RFC 9113, section 7. */
const http2Cancel = 8;

/** grpc-js 1.14.7 keeps the HTTP/2 stream here; without it the call only waits longer. */
function bareStream(bare: BareCall): ServerHttp2Stream | undefined {
  return (bare as unknown as { stream?: ServerHttp2Stream }).stream;
}

function toStatus(error: unknown): Status {
  const status = error instanceof CallStatus
    ? error
    : new CallStatus(grpcStatus.INTERNAL, "internal error");
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(status.trailers)) metadata.set(name, value);
  // Half a surrogate pair cannot be percent-encoded, and grpc-js would throw.
  return { code: status.code, details: status.message.toWellFormed(), metadata };
}

function headerBytes(headers: Metadata): number {
  let bytes = 0;
  for (const [name, values] of Object.entries(headers.toHttp2Headers())) {
    for (const value of [values].flat()) bytes += name.length + String(value).length;
  }
  return bytes;
}

const asIs = (bytes: Buffer): Buffer => bytes;

const neverCalled = () => {
  throw new Error("every call is taken over by the interceptor");
};

function hostPort({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function bind(server: Server, address: Address): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(hostPort(address), ServerCredentials.createInsecure(), (error, port) => {
    if (!error) return resolve(port);
    const inUse = /EADDRINUSE|AddrInUse/.test(error.message);
    const why = inUse ? "the port is in use" : error.message;
    reject(
      new AppError("BAD_INPUT", `Flight cannot listen on ${hostPort(address)}: ${why}`, {
        hint: inUse
          ? "end the other program, or set FRAISEQL_FLIGHT_BIND_ADDR to another port; 0 takes a free one"
          : "check FRAISEQL_FLIGHT_BIND_ADDR",
        cause: error,
      }),
    );
  });
  return promise;
}

async function stop(
  server: Server,
  graceMs: number,
  running: ReadonlySet<RunningCall>,
  sessions: ReadonlySet<ServerHttp2Session>,
): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.tryShutdown(() => closed.resolve());
  if (await within(graceMs, closed.promise)) return;
  const reason = new AppError("UNAVAILABLE", "the server is stopping", {
    hint: "ask again when it is back",
  });
  for (const call of running) call.abort(reason);
  if (await within(lastWordsMsMax, closed.promise)) return;
  // Neither `forceShutdown` nor `drain` finds the sessions of a server that is shutting down.
  for (const session of sessions) session.destroy();
  server.forceShutdown();
}

/** What a client has to take its call's last status when the server stops. */
const lastWordsMsMax = 500;
