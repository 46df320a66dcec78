/**
 * Publishers are killed at random moments while another producer sends messages of all kinds.
 * Others: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { publishOne } from "../../../lib/events/atomic_publish.ts";
import { listDead } from "../../../lib/events/dead.ts";
import { STREAM } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { publisherLag } from "../../../lib/observer/lag.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { testNats } from "../../services/nats.ts";
import { testPostgres } from "../../services/postgres.ts";
import { type Program, run } from "../../serve/serve.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const kills = Math.ceil(Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 15) / 3);
const encoder = new TextEncoder();

function randomOf(seed: number): (max: number) => number {
  let state = seed * 7919 + 1;
  return (max) => (state = (state * 48271) % 2147483647) % max;
}

interface Sent {
  /** In order, each once. */
  readonly ids: string[];
  readonly bad: string[];
}

/** Sends messages of one to fifty lines: new events, events that were sent before, and others. */
async function produce(
  { nats }: Observed,
  random: (max: number) => number,
  signal: AbortSignal,
): Promise<Sent> {
  const [ids, bad]: string[][] = [[], []];
  while (!signal.aborted) {
    const lines: string[] = [];
    for (let left = 1 + random(50); left > 0; left--) {
      const kind = random(20);
      if (kind === 0) {
        const line = `nonsense ${bad?.length}`;
        bad?.push(line);
        lines.push(line);
        continue;
      }
      const before = ids ?? [];
      const n = kind < 4 && before.length > 0 ? random(before.length) : before.length;
      const id = `10000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
      if (n === before.length) before.push(id);
      lines.push(JSON.stringify({
        id,
        event_type: "UPDATE",
        entity_type: "Order",
        entity_id: String(n % 10),
        timestamp: "2026-01-01T00:00:00Z",
        data: { n },
      }));
    }
    await publishOne(nats, "fraiseql.ingest.Order", encoder.encode(lines.join("\n")));
    if (random(3) === 0) await delay(random(20));
  }
  return { ids: ids ?? [], bad: bad ?? [] };
}

Deno.test(`ingest loses no event and writes none twice, in order, through ${kills} kills`, async () => {
  const random = randomOf(Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1));
  const table = { sql: "create table t (id int primary key)", tables: ["t"] };
  await Observed.run(server, table, async (observed) => {
    const env = {
      DATABASE_URL: observed.url,
      FRAISEQL_NATS_URL: observed.natsUrl,
      FRAISEQL_LOG_LEVEL: "error",
      FRAISEQL_LIMITS_INGEST_ROWS_MAX: "60",
    };
    const observers: Program[] = [run(["observe"], env), run(["observe"], env)];
    const stopping = new AbortController();
    const producing = produce(observed, random, stopping.signal);
    await Promise.all(observers.map((observer) => observer.said(/at work|standing by/)));
    for (let n = 0; n < kills; n++) {
      await delay(100 + random(600));
      const victim = observers.shift();
      victim?.signal("SIGKILL");
      await victim?.ended;
      const next = run(["observe"], env);
      observers.push(next);
      await next.said(/at work|standing by/);
    }
    stopping.abort();
    const sent = await producing;
    ok(sent.ids.length > 100 && sent.bad.length > 10, `${sent.ids.length} events`);
    const { connection, nats, limits } = observed;
    for (;;) {
      const left = (await streamState(nats, STREAM.ingest)).messages;
      if (left === 0 && (await publisherLag(connection, nats)).events === 0) break;
      await delay(50);
    }
    for (const observer of observers) equal(await observer.stop(), 0, observer.stderr());

    const stored = await observed.stored();
    deepEqual(stored.map(({ id }) => id), sent.ids, "each once, in the order in which they came");
    const parked: string[] = [];
    for await (const { data } of listDead(nats, {}, 1_000_000)) {
      parked.push(new TextDecoder().decode(data));
    }
    deepEqual(parked, sent.bad);
    const signal = new AbortController().signal;
    const verified = await verify({ connection, nats, limits, since: null, signal });
    deepEqual([verified.differences, verified.gaps], [[], []]);
  });
});
