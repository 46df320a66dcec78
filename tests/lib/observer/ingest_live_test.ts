import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { publishOne } from "../../../lib/events/atomic_publish.ts";
import { discardDead, listDead, type ParkedDead, replayDead } from "../../../lib/events/dead.ts";
import { CONTENT_TYPE, STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { publisherLag } from "../../../lib/observer/lag.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { migrateChangeLog } from "../../../lib/postgres/change_log/migrate.ts";
import {
  forgetIngestIds,
  ingest,
  type IngestedEvent,
  type IngestOptions,
  readIngestProgress,
} from "../../../lib/postgres/change_log/ingest.ts";
import { testNats } from "../../services/nats.ts";
import { testPostgres } from "../../services/postgres.ts";
import { settings } from "../postgres/change_log/captured.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const table = { sql: "create table t (id int primary key, v int)", tables: ["t"] };

const idOf = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;

/** An event of another producer, which writes it in its own way. */
const foreign = (n: number, some: Record<string, unknown> = {}) => ({
  tenant_id: "acme",
  data: { n },
  timestamp: "2026-01-01T01:00:00+01:00",
  entity_id: String(n),
  entity_type: "Order",
  event_type: "INSERT",
  id: idOf(n),
  ...some,
});

const lines = (...events: unknown[]) =>
  events.map((event) => typeof event === "string" ? event : JSON.stringify(event)).join("\n");

function send(
  { nats }: Observed,
  text: string,
  { type = "Order", headers = {} }: {
    readonly type?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<number> {
  return publishOne(nats, `fraiseql.ingest.${type}`, new TextEncoder().encode(text), headers);
}

const ingested = async (observed: Observed) => {
  const { taken, repeated, refused } = await readIngestProgress(observed.connection) ??
    { taken: 0, repeated: 0, refused: 0 };
  return { taken, repeated, refused };
};

/** Waits until PostgreSQL says so. */
async function until(asked: () => Promise<boolean>): Promise<void> {
  while (!await asked()) await new Promise((done) => setTimeout(done, 10));
}

const backlog = async ({ nats }: Observed) => (await streamState(nats, STREAM.ingest)).messages;

/** Publishes until FRAISEQL_INGEST is empty and FRAISEQL_EVENTS has what came of it. */
async function publishAll(observed: Observed): Promise<void> {
  const running = observed.start();
  const isDone = async () =>
    await backlog(observed) === 0 &&
    (await publisherLag(observed.connection, observed.nats)).events === 0;
  await Promise.race([until(isDone), running.ended]);
  await running.stop();
}

async function dead({ nats }: Observed): Promise<ParkedDead[]> {
  const found: ParkedDead[] = [];
  for await (const one of listDead(nats, {}, 10_000)) found.push(one);
  return found;
}

async function agrees({ connection, nats, limits }: Observed, since: Date | null = null) {
  const signal = new AbortController().signal;
  const { logged, stored, differences } = await verify({ connection, nats, limits, since, signal });
  deepEqual(differences, []);
  equal(logged, stored);
  return stored;
}

Deno.test("ingest takes events of other producers with their own ids and times, as ours are written", async () => {
  await Observed.run(server, table, async (observed) => {
    const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    await send(observed, lines(foreign(1)), { headers: { traceparent: trace } });
    await send(
      observed,
      JSON.stringify(foreign(2, { event_type: "Deleted", tenant_id: null }), null, 2),
    );
    await send(
      observed,
      lines(foreign(3, { event_type: "UPDATE", extra: 1, user_id: "u\u00e9" })),
      {
        headers: { traceparent: "nonsense" },
      },
    );
    await publishAll(observed);
    const stored = await observed.stored();
    deepEqual(stored.map(({ sequence: _sequence, ...event }) => event), [
      {
        id: idOf(1),
        event_type: "Created",
        entity_type: "Order",
        entity_id: "1",
        timestamp: "2026-01-01T00:00:00.000000Z",
        data: { n: 1 },
        user_id: null,
        org_id: "acme",
        traceparent: trace,
      },
      {
        id: idOf(2),
        event_type: "Deleted",
        entity_type: "Order",
        entity_id: "2",
        timestamp: "2026-01-01T00:00:00.000000Z",
        data: { n: 2 },
        user_id: null,
        org_id: null,
        traceparent: null,
      },
      {
        id: idOf(3),
        event_type: "Updated",
        entity_type: "Order",
        entity_id: "3",
        timestamp: "2026-01-01T00:00:00.000000Z",
        data: { n: 3 },
        user_id: "u\u00e9",
        org_id: "acme",
        traceparent: null,
      },
    ]);
    const [row] = await observed.query(
      "select string_agg(distinct origin, ',') from fraiseql.change_log",
    );
    equal(row?.[0], "ingest");
    equal(await backlog(observed), 0);
    equal(await agrees(observed), 3);
  });
});

Deno.test("ingest wakes a publisher that sleeps", async () => {
  await Observed.run(server, table, async (observed) => {
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    await send(observed, lines(foreign(1)));
    await running.until(({ events }) => events === 1);
    await running.until(({ ingest }) => ingest.taken === 1 && ingest.sequence === 1);
    await running.stop();
  });
});

Deno.test("ingest parks what is no event with the reason, and takes the rest of its message", async () => {
  await Observed.run(server, table, async (observed) => {
    await send(observed, lines(foreign(1), "{nonsense", foreign(2, { id: "7" }), foreign(3)));
    await send(observed, lines(foreign(4)), { type: "User" });
    await send(observed, lines(foreign(5)), { type: "a.b" });
    await send(observed, "\n\n");
    await publishAll(observed);
    deepEqual((await observed.stored()).map(({ entity_id }) => entity_id), ["1", "3"]);
    const parked = await dead(observed);
    deepEqual(
      parked.map(({ worker, origin, entityType, eventId }) => [
        worker,
        origin.subject,
        origin.sequence,
        origin.index,
        entityType,
        eventId,
      ]),
      [
        ["publisher", "fraiseql.ingest.Order", 1, 1, "Order", null],
        ["publisher", "fraiseql.ingest.Order", 1, 2, "Order", null],
        ["publisher", "fraiseql.ingest.User", 2, 0, "Order", idOf(4)],
        ["publisher", "fraiseql.ingest.a.b", 3, 0, "Order", idOf(5)],
        ["publisher", "fraiseql.ingest.Order", 4, 0, null, null],
      ],
    );
    const reasons = [
      /broken JSON/,
      /id is no UUID: "7"/,
      /entity_type is Order, and the subject names User/,
      /the subject names a\.b/,
      /no event in the message/,
    ];
    for (const [i, { reason }] of parked.entries()) match(reason, reasons[i] ?? /^$/);
    equal(new TextDecoder().decode(parked[0]?.data), "{nonsense");
    deepEqual(await ingested(observed), { taken: 2, repeated: 0, refused: 5 });
    equal(await agrees(observed), 2);
  });
});

Deno.test("ingest takes what is replayed, once, under its own entity type, and parks again what is none", async () => {
  await Observed.run(server, table, async (observed) => {
    await send(observed, lines(foreign(1), "nonsense"), { type: "User" });
    await publishAll(observed);
    equal((await observed.stored()).length, 0);
    for (const one of await dead(observed)) await replayDead(observed.nats, one);
    const running = observed.start();
    await until(async () => (await dead(observed)).length === 1);
    await running.until(({ events }) => events === 1);
    await running.stop();
    deepEqual((await observed.stored()).map(({ id }) => id), [idOf(1)]);
    const [again] = await dead(observed);
    equal(again?.refusals, 2);
    equal((await streamState(observed.nats, STREAM.replay)).messages, 0);
    equal(await agrees(observed), 1);
  });
});

Deno.test("ingest takes a replay once whose acknowledgement was lost, however late it comes again", async () => {
  await Observed.run(server, table, async (observed) => {
    const bytes = new TextEncoder().encode(lines(foreign(1)));
    await publishOne(observed.nats, SUBJECT.replay("publisher"), bytes);
    const running = observed.start();
    await running.until(({ ingest }) => ingest.taken === 1);
    await observed.query("update fraiseql.ingest_ids set taken_at = now() - interval '1000 hours'");
    await publishOne(observed.nats, SUBJECT.replay("publisher"), bytes);
    await running.until(({ ingest }) => ingest.repeated === 1);
    await running.stop();
    equal((await observed.logged()).length, 1);
  });
});

Deno.test("ingest drops an id that comes again within ingestDedupHours, and takes a later one", async () => {
  await Observed.run(server, table, async (observed) => {
    await send(observed, lines(foreign(1), foreign(2), foreign(1, { data: { n: "again" } })));
    await send(observed, lines(foreign(2), foreign(3)));
    await publishAll(observed);
    deepEqual(await ingested(observed), { taken: 3, repeated: 2, refused: 0 });
    deepEqual((await observed.stored()).map(({ data }) => data.n), [1, 2, 3]);
    // As if two of them had come long ago: one by less than that time, one by more.
    const { ingestDedupHours } = observed.limits;
    await observed.query(`update fraiseql.ingest_ids set taken_at = now() - interval '1 minute'
      - case event_id when '${idOf(1)}' then ${ingestDedupHours} else ${ingestDedupHours - 1} end
        * interval '1 hour'`);
    await send(observed, lines(foreign(1), foreign(2)));
    await publishAll(observed);
    deepEqual(await ingested(observed), { taken: 4, repeated: 3, refused: 0 });
    deepEqual((await observed.stored()).map(({ data }) => data.n), [1, 2, 3, 1]);
    equal(await agrees(observed), 4);
  });
});

Deno.test("ingest cuts what is larger than eventBytesMax, and parks what is larger even then", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("update fraiseql.capture_settings set event_bytes_max = 16384");
    const long = "x".repeat(10_000);
    const changes = { a: { old: long, new: "" } };
    await send(
      observed,
      lines(
        foreign(1, { event_type: "UPDATE", data: { a: long }, changes }),
        foreign(2, { data: { a: long, b: long } }),
        foreign(3, { entity_id: long + long }),
        foreign(4),
      ),
    );
    await publishAll(observed);
    const stored = await observed.stored();
    deepEqual(stored.map(({ data, changes }) => [Object.keys(data), changes]), [
      [["a"], undefined],
      [["$truncated"], undefined],
      [["n"], undefined],
    ]);
    deepEqual(stored[1]?.data, { $truncated: ["a", "b"] });
    const cuts = await observed.query("select cut from fraiseql.change_log order by position");
    deepEqual(cuts.flat(), ["1", "2", "0"]);
    const [parked] = await dead(observed);
    match(parked?.reason ?? "", /a line of 2\d{4} bytes without its data, of 16384 at most/);
  });
});

Deno.test("ingest parks the refused events beyond ingestRefusedEventsMax as one, which can be replayed", async () => {
  await Observed.run(
    server,
    { ...table, some: { ingestRefusedEventsMax: 3 } },
    async (observed) => {
      const bad = Array.from({ length: 10 }, (_, n) => foreign(n, { entity_id: "" }));
      await send(observed, lines(foreign(99), ...bad));
      await publishAll(observed);
      const parked = await dead(observed);
      deepEqual(parked.map(({ origin }) => origin.index), [1, 2, 3, 4]);
      match(
        parked[3]?.reason ?? "",
        /^7 further events of the message, the first: entity_id is empty/,
      );
      equal(new TextDecoder().decode(parked[3]?.data), lines(...bad.slice(3)) + "\n");
      deepEqual(await ingested(observed), { taken: 1, repeated: 0, refused: 10 });
    },
  );
});

Deno.test("ingest takes an event of 1 MB whole", async () => {
  await Observed.run(server, table, async (observed) => {
    const text = 'é\\"\n{}'.repeat(120_000);
    await send(observed, lines(foreign(1, { data: { text } })));
    await publishAll(observed);
    const [event] = await observed.stored();
    ok(event?.data.text === text);
    equal(await agrees(observed), 1);
  });
});

for (const rows of [10_000, 700]) {
  Deno.test(`ingest keeps 10,000 events in order, ${rows} in a transaction`, async () => {
    await Observed.run(server, { ...table, some: { ingestRowsMax: rows } }, async (observed) => {
      for (let n = 0; n < 10_000; n += 500) {
        await send(observed, lines(...Array.from({ length: 500 }, (_, i) => foreign(n + i))));
      }
      await publishAll(observed);
      const order = (await observed.stored()).map(({ data }) => data.n);
      deepEqual(order, Array.from({ length: 10_000 }, (_, n) => n));
      const [row] = await observed.query(
        "select count(distinct xid), max(c) from (select xid, count(*) as c from fraiseql.change_log group by 1) t",
      );
      ok(Number(row?.[1]) <= rows, `${row?.[1]} in one`);
      equal(await agrees(observed), 10_000);
    });
  });
}

Deno.test("ingest leaves events in the stream while the change log has no room, and says so", async () => {
  await Observed.run(server, table, async (observed) => {
    // Nothing but ingest writes, and the log has its empty slots alone.
    await observed.query("update fraiseql.capture_settings set log_bytes_max = 1000");
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    await send(observed, lines(foreign(1)));
    const { ingest } = await running.until(({ ingest }) => ingest.waitsFor !== null);
    match(ingest.waitsFor ?? "", /the change log has no room .*FRAISEQL_INGEST/);
    const lag = (await publisherLag(observed.connection, observed.nats)).ingest;
    deepEqual([lag?.backlog, lag?.taken, lag?.waitsFor], [1, 0, ingest.waitsFor]);
    equal((await observed.logged()).length, 0);
    await observed.query("update fraiseql.capture_settings set log_bytes_max = 1000000000");
    await running.until(({ events }) => events === 1);
    await running.stop();
    equal((await publisherLag(observed.connection, observed.nats)).ingest?.waitsFor, null);
    equal(await agrees(observed), 1);
  });
});

Deno.test("ingest waits while FRAISEQL_DEAD is full, and loses nothing", async () => {
  const some = { deadStreamBytesMax: 1024 * 1024 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    const running = observed.start();
    for (let n = 1; n <= 2; n++) await send(observed, lines("x".repeat(700_000), foreign(n)));
    const { ingest } = await running.until(({ ingest }) => ingest.waitsFor !== null);
    match(ingest.waitsFor ?? "", /no room for fraiseql\.dead\.publisher.*fraiseql dead discard/);
    const [one] = await dead(observed);
    await discardDead(observed.nats, one?.sequence ?? 0);
    await running.until(({ ingest }) => ingest.waitsFor === null && ingest.taken === 2);
    await until(async () => await backlog(observed) === 0);
    await running.stop();
    equal((await dead(observed)).length, 1);
  });
});

Deno.test("a full FRAISEQL_INGEST refuses a message, and takes it once the publisher has emptied it", async () => {
  const some = { ingestStreamBytesMax: 1024 * 1024 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    const large = (n: number) => lines(foreign(n, { data: { text: "x".repeat(700_000) } }));
    await send(observed, large(1));
    await rejects(send(observed, large(2)), { code: "UNAVAILABLE", message: /no room/ });
    await publishAll(observed);
    await send(observed, large(2));
    await publishAll(observed);
    equal(await agrees(observed), 2);
  });
});

Deno.test("ingest waits for migrate where the change log is older, and captured writes go on", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("drop table fraiseql.ingest_progress, fraiseql.ingest_ids");
    const running = observed.start();
    await observed.query("insert into t values (1)");
    await send(observed, lines(foreign(1)));
    await running.until(({ events }) => events === 1);
    const { ingest } = await running.until(({ ingest }) => ingest.waitsFor !== null);
    match(ingest.waitsFor ?? "", /run fraiseql migrate/);
    equal((await publisherLag(observed.connection, observed.nats)).ingest, null);
    await migrateChangeLog(observed.connection, settings());
    await running.until(({ events }) => events === 2);
    await running.stop();
    equal(await agrees(observed), 2);
  });
});

Deno.test("ingest() writes nothing where somebody else has moved the place", async () => {
  await Observed.run(server, table, async ({ connection }) => {
    const event = (id: string): IngestedEvent => ({
      id,
      eventType: "Created",
      entityType: "Order",
      entityId: "1",
      timestamp: "2026-01-01T00:00:00Z",
      data: "{}",
      changes: null,
      userId: null,
      orgId: null,
      traceparent: null,
      cut: 0,
    });
    const place = (sequence: number) => ({ created: "c", sequence, timeMs: sequence });
    const first = { created: "", sequence: 0, timeMs: 0 };
    const write = (id: string, move: IngestOptions["move"]) =>
      ingest(connection, [event(id)], { move, dedupHours: 48, refused: 0 });
    deepEqual(await write(idOf(1), { from: first, to: place(5) }), {
      kind: "taken",
      written: 1,
      repeated: 0,
    });
    for (
      const from of [first, place(4), { ...place(5), timeMs: 6 }, { ...place(5), created: "d" }]
    ) {
      deepEqual(await write(idOf(2), { from, to: place(7) }), { kind: "moved" });
    }
    const { sequence, taken } = await readIngestProgress(connection) ?? {};
    deepEqual([sequence, taken], [5, 1]);
    const [row] = await connection.query("select count(*) from fraiseql.ingest_ids");
    equal(row?.[0], "1");
  });
});

Deno.test("forgetIngestIds() forgets those of longer ago, and no other", async () => {
  await Observed.run(server, table, async ({ connection }) => {
    await connection.query(`insert into fraiseql.ingest_ids
      select gen_random_uuid(), now() - n * interval '1 minute' from generate_series(1, 12000) n`);
    equal(await forgetIngestIds(connection, 1), true);
    equal(await forgetIngestIds(connection, 1), false);
    const [row] = await connection.query("select count(*) from fraiseql.ingest_ids");
    equal(row?.[0], "59");
  });
});

Deno.test("ingest begins with the first message of a stream that was made anew, or lost its end", async () => {
  await Observed.run(server, table, async (observed) => {
    const { nats, limits } = observed;
    await send(observed, lines(foreign(1)));
    await send(observed, lines(foreign(2), "bad"));
    await publishAll(observed);
    await nats.manager.streams.delete(STREAM.ingest);
    await migrateNats(nats, limits);
    await send(observed, lines(foreign(3)));
    await send(observed, lines(foreign(4), "bad"));
    await publishAll(observed);
    deepEqual((await observed.stored()).map(({ data }) => data.n), [1, 2, 3, 4]);
    equal((await dead(observed)).length, 2);
    // A server that lost what it had not synced gives the numbers again: as if more had been taken.
    await observed.query(
      "update fraiseql.ingest_progress set sequence = 10, message_ms = message_ms + 1",
    );
    await new Promise((done) => setTimeout(done, 5));
    await send(observed, lines(foreign(5)));
    await publishAll(observed);
    deepEqual((await observed.stored()).map(({ data }) => data.n), [1, 2, 3, 4, 5]);
    equal((await readIngestProgress(observed.connection))?.sequence, 3);
    equal(await agrees(observed), 5);
  });
});

Deno.test("ingest writes no message again that was taken and has not left the stream", async () => {
  await Observed.run(server, table, async (observed) => {
    await send(observed, lines(foreign(1)));
    await send(observed, lines(foreign(2)));
    const { created } = await streamState(observed.nats, STREAM.ingest);
    // As after a kill between the commit and the purge; the ids would not tell, since they are forgotten.
    await observed.query(
      `update fraiseql.ingest_progress set stream_created = '${created}', sequence = 1,
        message_ms = (extract(epoch from now()) * 1000)::int8`,
    );
    await new Promise((done) => setTimeout(done, 5));
    await send(observed, lines(foreign(3)));
    await publishAll(observed);
    deepEqual((await observed.stored()).map(({ data }) => data.n), [2, 3]);
  });
});

Deno.test("an event whose own time is far ahead keeps nothing in the change log, and verify finds it", async () => {
  await Observed.run(server, { ...table, some: { changeLogKeepHours: 0 } }, async (observed) => {
    for (let n = 1; n <= 4; n++) {
      await send(observed, lines(foreign(n, { timestamp: `220${n}-06-01T00:30:00Z` })));
      await publishAll(observed);
      await observed.publishAll();
    }
    ok((await observed.logged()).length < 4, "a part has left the change log");
    equal(await agrees(observed), 4);
    equal(await agrees(observed, new Date("2203-06-01T00:00:00Z")), 2);
    // The last event that was published has left it: its id tells no time.
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    equal(await agrees(observed), 5);
  });
});

Deno.test("an event is JSON and one line, whatever type says so", async () => {
  await Observed.run(server, table, async (observed) => {
    const headers = { "Content-Type": CONTENT_TYPE.json };
    const data = `{ "a" : 1.10000000000000000000001,\n "b" : [ ] }`;
    const text = JSON.stringify(foreign(1)).replace(`{"n":1}`, data);
    await send(observed, text, { headers });
    await publishAll(observed);
    const [row] = await observed.query("select data from fraiseql.change_log");
    equal(row?.[0], `{ "a" : 1.10000000000000000000001,  "b" : [ ] }`.replace(",  ", ",  "));
  });
});
