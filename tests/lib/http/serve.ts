/** Starts the HTTP transport for a test, on a free port, with its log and metrics at hand. */

import { type HttpOptions, type HttpServer, serveHttp } from "../../../lib/http/server.ts";
import { type Limits, limits } from "../../../lib/limits.ts";
import type { LogFields } from "../../../lib/log.ts";
import { createMetrics, type Metrics } from "../../../lib/metrics.ts";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";

export interface TestServer extends AsyncDisposable {
  readonly server: HttpServer;
  readonly url: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** Lines of the log, as objects. */
  readonly log: Record<string, unknown>[];
  /** The log's next line of this event, if there is none yet. */
  logged(event: string): Promise<Record<string, unknown>>;
  post(query: string, more?: Record<string, unknown>, headers?: HeadersInit): Promise<Response>;
}

export type ServeOptions = Partial<Omit<HttpOptions, "engine" | "limits">> & {
  readonly limits?: Partial<Limits>;
};

export async function serve(engine: QueryEngine, options: ServeOptions = {}): Promise<TestServer> {
  const lines: Record<string, unknown>[] = [];
  const waiting: { event: string; resolve: (line: Record<string, unknown>) => void }[] = [];
  const write = (level: string) => (event: string, fields: LogFields = {}) => {
    const line = { level, event, ...fields };
    lines.push(line);
    for (const waiter of waiting) if (waiter.event === event) waiter.resolve(line);
  };
  const metrics = createMetrics();
  const server = await serveHttp({
    address: { hostname: "127.0.0.1", port: 0 },
    metrics,
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
    corsOrigins: [],
    unrepresentable: "error",
    readiness: () => Promise.resolve({ ready: true, parts: { postgres: "ready" } }),
    metricsText: () => metrics.text(),
    ...options,
    engine,
    limits: limits(options.limits),
  });
  return {
    server,
    url: server.url,
    port: server.address.port,
    metrics,
    log: lines,
    logged: (event) => {
      const there = lines.find((line) => line.event === event);
      if (there) return Promise.resolve(there);
      return new Promise((resolve) => waiting.push({ event, resolve }));
    },
    post: (query, more = {}, headers = {}) =>
      fetch(`${server.url}/graphql`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/graphql-response+json",
          ...Object.fromEntries(new Headers(headers)),
        },
        body: JSON.stringify({ query, ...more }),
      }),
    [Symbol.asyncDispose]: () => server.stop(0),
  };
}

const encoder = new TextEncoder();

/** A bare connection: what HTTP clients would not send, and when they would not. */
export class Wire implements AsyncDisposable {
  private constructor(private readonly conn: Deno.TcpConn) {}

  static async open(port: number): Promise<Wire> {
    return new Wire(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** Bytes up to the size, as text; less where the other side closes. */
  async read(size: number): Promise<string> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(Math.min(size, 65536));
    let text = "";
    while (text.length < size) {
      const got = await this.conn.read(buffer).catch(() => null);
      if (got === null) break;
      text += decoder.decode(buffer.subarray(0, got), { stream: true });
    }
    return text;
  }

  /** All until the other side closes. */
  readAll(): Promise<string> {
    return this.read(Infinity);
  }

  close(): void {
    try {
      this.conn.close();
    } catch {
      // Closed already: what this wants.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** A POST of GraphQL as it goes over the wire. */
export function rawPost(query: string, headers: Record<string, string> = {}): string {
  const body = JSON.stringify({ query });
  const all = {
    host: "test",
    "content-type": "application/json",
    accept: "application/graphql-response+json",
    "content-length": String(encoder.encode(body).length),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /graphql HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}
