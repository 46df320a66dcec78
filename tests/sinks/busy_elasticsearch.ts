/**
 * Something before Elasticsearch that has too much to do: it refuses bulk requests, refuses some of
 * their events, and loses answers of what Elasticsearch has done already.
 */

export interface BusyElasticsearch {
  readonly url: string;
  /** What it did in the place of Elasticsearch, by how often. */
  readonly faults: Readonly<Record<Fault, number>>;
  stop(): Promise<void>;
}

const FAULTS = ["429", "503", "an event's 429", "a lost answer"] as const;
export type Fault = typeof FAULTS[number];

/** Starts it; of its bulk requests a part, by chance, meets a fault. */
export function startBusyElasticsearch(target: string, random: () => number): BusyElasticsearch {
  const faults: Record<Fault, number> = {
    "429": 0,
    "503": 0,
    "an event's 429": 0,
    "a lost answer": 0,
  };
  const handle = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const fault = pathname === "/_bulk" && random() < faultyPart
      ? FAULTS[Math.floor(random() * FAULTS.length)] ?? null
      : null;
    const body = await request.bytes();
    if (fault !== null) faults[fault]++;
    if (fault === "429" || fault === "503") return refusal(Number(fault));
    const { method } = request;
    const headers = new Headers(request.headers);
    for (const name of ["host", "content-length"]) headers.delete(name);
    const sent = method === "GET" || method === "HEAD" ? {} : { body };
    const given = await fetch(target + pathname + search, { method, headers, ...sent });
    const text = await given.text();
    if (fault === "a lost answer") return broken();
    const type = given.headers.get("content-type") ?? "application/json";
    const answer = fault === "an event's 429" && given.ok ? someRefused(text) : text;
    return new Response(answer, { status: given.status, headers: { "content-type": type } });
  };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    // Elasticsearch is down: so is this.
    onError: () => new Response("it is down", { status: 502 }),
  }, handle);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    faults,
    stop: () => server.shutdown(),
  };
}

const faultyPart = 0.3;

const REJECTED = { type: "es_rejected_execution_exception", reason: "rejected execution" };

function refusal(status: number): Response {
  return Response.json({ error: REJECTED, status }, { status });
}

/** It begins and does not end. */
function broken(): Response {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"errors":'));
      controller.error(new Error("cut"));
    },
  });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

/** Says of every third event that it was not taken, though it was. */
function someRefused(text: string): string {
  const answer = JSON.parse(text);
  for (const [at, item] of answer.items.entries()) {
    if (at % 3 === 0) item.create = { status: 429, error: REJECTED };
  }
  return JSON.stringify({ ...answer, errors: true });
}
