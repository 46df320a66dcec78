import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { lastCheckpoint, publishOne, publishPage } from "../../../lib/events/atomic_publish.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { lastMessage, streamState } from "../../../lib/events/stream_state.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { decodeCheckpoint } from "../../../lib/observer/checkpoint.ts";
import { changeLogVersion } from "../../../lib/postgres/change_log/version.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { testNats } from "../../services/nats.ts";
import { testPostgres } from "../../services/postgres.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const table = {
  sql: "create table t (id int primary key, v int); create table u (id int primary key)",
  tables: ["t", "u"],
};

const checkpointOf = async (observed: Observed) => {
  const message = await lastCheckpoint(observed.nats);
  return decodeCheckpoint(message?.data ?? new Uint8Array());
};

/** The stream holds each event of the change log, once. */
async function same(observed: Observed): Promise<void> {
  const stored = await observed.stored();
  deepEqual(stored.map(({ id }) => id).sort(), (await observed.logged()).sort());
}

Deno.test("publish() puts what the change log holds into the stream, many lines in a message", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t select generate_series(1, 500); update t set v = 1");
    await observed.query("insert into u values (1)");
    await observed.publishAll();
    await same(observed);
    const stored = await observed.stored();
    equal(new Set(stored.map(({ sequence }) => sequence)).size, 2, "one message a type");
    const ofOne = stored.filter(({ entity_id, entity_type }) =>
      entity_type === "t" && entity_id === "7"
    );
    deepEqual(ofOne.map(({ event_type }) => event_type), ["Created", "Updated"]);
    equal((await checkpointOf(observed)).done, true);
  });
});

Deno.test("publish() goes on where it stopped, and says nothing where nothing was written", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    const { lastSequence } = await streamState(observed.nats, STREAM.events);
    await observed.publishAll();
    equal((await streamState(observed.nats, STREAM.events)).lastSequence, lastSequence);
    await observed.query("insert into t values (2)");
    await observed.publishAll();
    await same(observed);
  });
});

Deno.test("publish() is woken by a commit, and publishes a transaction that commits late", async () => {
  await Observed.run(server, table, async (observed) => {
    const late = await connect({ url: observed.url });
    await late.query("begin; insert into t values (1)");
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    await observed.query("insert into t values (2)");
    await running.until(({ events }) => events === 1);
    await late.query("commit");
    await running.until(({ events }) => events === 2);
    await running.stop();
    await same(observed);
    await late.close();
  });
});

Deno.test("publish() keeps events with different traceparents in different messages, in order", async () => {
  await Observed.run(server, table, async (observed) => {
    const trace = (n: number) => `00-${String(n).padStart(32, "0")}-00f067aa0ba902b7-01`;
    for (const n of [1, 2, 1]) {
      await observed.query(
        `begin; set local fraiseql.traceparent = '${trace(n)}';
         insert into t values (1, ${n}) on conflict (id) do update set v = excluded.v; commit`,
      );
    }
    await observed.publishAll();
    const stored = await observed.stored();
    deepEqual(stored.map(({ traceparent }) => traceparent), [trace(1), trace(2), trace(1)]);
    deepEqual(stored.map(({ data }) => data.v), [1, 2, 1]);
  });
});

Deno.test("publish() cuts a large window into pages, and goes on within one", async () => {
  const some = { publishPageBytesMax: 64 * 1024, publishMessageBytesMax: 1024 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await observed.query("insert into t select generate_series(1, 3000)");
    const running = observed.start();
    await running.until(({ events }) => events > 500);
    await running.stop();
    equal((await checkpointOf(observed)).done, false, "stopped within the window");
    await observed.publishAll();
    await same(observed);
    const order = (await observed.stored()).map(({ entity_id }) => Number(entity_id));
    deepEqual(order, order.toSorted((a, b) => a - b));
  });
});

Deno.test("publish() takes one page of more traceparents than a batch has messages", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query(`
      do $$ begin for n in 1..1200 loop
        perform set_config('fraiseql.traceparent', '00-' || lpad(n::text, 32, '0') || '-00f067aa0ba902b7-01', true);
        insert into t values (n);
      end loop; end $$`);
    await observed.publishAll();
    equal((await observed.stored()).length, 1200);
    await same(observed);
  });
});

Deno.test("publish() stands by while another copy works, and takes over when it ends", async () => {
  await Observed.run(server, table, async (observed) => {
    const first = observed.start();
    await first.until(({ kind }) => kind === "asleep");
    const second = observed.start();
    await second.until(({ kind }) => kind === "standing by");
    await observed.query("insert into t values (1)");
    await first.until(({ events }) => events === 1);
    await first.stop();
    await second.until(({ kind }) => kind === "asleep");
    await observed.query("insert into t values (2)");
    await second.until(({ events }) => events === 1);
    await second.stop();
    await same(observed);
  });
});

Deno.test("publish() takes its own late page for its own", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    // As a page that was given up and came after all: nothing else changed.
    const last = await lastCheckpoint(observed.nats);
    await publishPage(observed.nats, {
      messages: [],
      checkpoint: last?.data ?? new Uint8Array(),
      expected: last?.sequence ?? 0,
    });
    await observed.query("insert into t values (2)");
    await running.until(({ events }) => events === 1);
    await running.stop();
    await same(observed);
  });
});

Deno.test("publish() stops at a full stream without loss, and goes on when there is room", async () => {
  const some = { eventStreamBytesMax: 1024 * 1024 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await observed.query("insert into t select generate_series(1, 20000)");
    const running = observed.start({
      limits: { ...observed.limits, publishPageBytesMax: 100_000 },
    });
    await running.until(({ kind }) => kind === "full");
    ok((await observed.stored()).length < 20_000);
    await migrateNats(observed.nats, { ...observed.limits, eventStreamBytesMax: 64 * 1024 * 1024 });
    await running.until(({ kind }) => kind === "asleep");
    await running.stop();
    await same(observed);
  });
});

Deno.test("publish() waits for streams that are not there yet, and says what makes them", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t values (1)");
    await observed.nats.manager.streams.delete(STREAM.events);
    const running = observed.start();
    const { lastError } = await running.until(({ kind }) => kind === "waiting");
    ok(lastError?.includes("fraiseql migrate"), lastError ?? "");
    await migrateNats(observed.nats, observed.limits);
    await running.until(({ kind }) => kind === "asleep");
    await running.stop();
    await same(observed);
  });
});

Deno.test("publish() fills a stream that was made anew, in a higher epoch", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t select generate_series(1, 100)");
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    equal((await checkpointOf(observed)).epoch, 1);
    await observed.nats.manager.streams.delete(STREAM.events);
    await migrateNats(observed.nats, observed.limits);
    await observed.query("insert into t values (101)");
    await running.until(({ events }) => events === 201);
    await running.stop();
    equal((await checkpointOf(observed)).epoch, 2);
    await same(observed);

    // And where nobody was there to see it.
    await observed.nats.manager.streams.delete(STREAM.events);
    await migrateNats(observed.nats, observed.limits);
    await observed.publishAll();
    equal((await checkpointOf(observed)).epoch, 3);
    await same(observed);
  });
});

Deno.test("publish() publishes the end that a stream lost again, a torn page only in part", async () => {
  await Observed.run(server, table, async (observed) => {
    for (let n = 1; n <= 5; n++) {
      await observed.query(`insert into t values (${n}); insert into u values (${n})`);
      await observed.publishAll();
    }
    // Each page is three messages; of the last but one the checkpoint is lost, and all behind it.
    const { lastSequence } = await streamState(observed.nats, STREAM.events);
    for (let at = lastSequence - 3; at <= lastSequence; at++) {
      await observed.nats.manager.streams.deleteMessage(STREAM.events, at);
    }
    await observed.publishAll();
    await same(observed);
    equal((await checkpointOf(observed)).epoch, 2);
  });
});

Deno.test("publish() refuses another database with the remedy, and starts over when told to", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    await Observed.run(server, table, async (other) => {
      await other.query("insert into t values (2), (3)");
      const { nats, natsUrl } = observed;
      const moved = Object.assign(Object.create(Observed.prototype), other, { nats, natsUrl });
      await rejects(
        moved.start().ended,
        (error: Error & { hint?: string }) =>
          /another database/.test(error.message) && /--start-over/.test(error.hint ?? ""),
      );
      await moved.publishAll({ startOver: "first" });
      equal((await observed.stored()).length, 3);
      equal((await checkpointOf(observed)).epoch, 2);
      await other.query("insert into t values (4)");
      await moved.publishAll({ startOver: "now" });
      equal((await observed.stored()).length, 3, "what was there before is left out");
      await other.query("insert into t values (5)");
      await moved.publishAll();
      equal((await observed.stored()).length, 4);
    });
  });
});

Deno.test("publish() refuses a database whose change log lies below what is published", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t select generate_series(1, 10)");
    await observed.publishAll();
    await observed.query("select setval('fraiseql.change_log_position', 5)");
    await rejects(observed.start().ended, { code: "BAD_INPUT", message: /position 5, and 10/ });
    await observed.query("select setval('fraiseql.change_log_position', 10)");
    await observed.query(
      "update fraiseql.change_log set event_id = gen_random_uuid() where position = 10",
    );
    await rejects(observed.start().ended, { code: "BAD_INPUT", message: /another event at/ });
  });
});

Deno.test("publish() empties the change log of what is in the stream for change_log_keep_hours", async () => {
  const some = { changeLogKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await observed.query("insert into t select generate_series(1, 10)");
    await observed.publishAll();
    await observed.query("insert into t select generate_series(11, 20)");
    await observed.publishAll(); // moves writers to the next slot
    await observed.publishAll();
    deepEqual(await observed.logged(), []);
    const [row] = await observed.query("select sum(event_count) from fraiseql.change_digest");
    equal(row?.[0], "20");
    await observed.query("insert into t values (21)");
    await observed.publishAll();
    equal((await observed.stored()).length, 21);

    await observed.nats.manager.streams.delete(STREAM.events);
    await migrateNats(observed.nats, observed.limits);
    await rejects(
      observed.start().ended,
      (error: Error & { hint?: string }) => /--start-over first/.test(error.hint ?? ""),
    );
  });
});

Deno.test("publish() notices that NATS went back as a whole, behind what has left the change log", async () => {
  const some = { changeLogKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    const { nats } = observed;
    const { streams } = nats.manager;
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    const before = await streamState(nats, STREAM.events);
    const record = await lastMessage(nats, STREAM.progress, SUBJECT.progress("publisher"));
    for (let n = 2; n <= 4; n++) {
      await observed.query(`insert into t values (${n})`);
      await observed.publishAll();
    }
    deepEqual(await observed.logged(), []);
    // The server comes back with both streams as they were.
    const { lastSequence } = await streamState(nats, STREAM.events);
    for (let at = before.lastSequence + 1; at <= lastSequence; at++) {
      await streams.deleteMessage(STREAM.events, at);
    }
    await publishOne(nats, SUBJECT.progress("publisher"), record?.data ?? new Uint8Array());
    await rejects(observed.start().ended, {
      code: "BAD_INPUT",
      message: /lacks events that have left the change log/,
    });
    await observed.publishAll({ startOver: "first" });
    await observed.query("insert into t values (5)");
    await observed.publishAll();
    deepEqual((await observed.stored()).map(({ entity_id }) => entity_id), ["1", "5"]);
    equal((await checkpointOf(observed)).epoch, 2);
  });
});

Deno.test("publish() asks for migrate where the change log is of another version", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("update fraiseql.capture_settings set version = 2");
    const running = observed.start();
    const { lastError } = await running.until(({ kind }) => kind === "waiting");
    match(lastError ?? "", /of version 2, .* needs \d+ \(run fraiseql migrate/);
    await observed.query(`update fraiseql.capture_settings set version = ${changeLogVersion}`);
    await running.until(({ kind }) => kind === "asleep");
    await running.stop();
  });
});

Deno.test("publish() takes back what an earlier publisher said that ingest waits for", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query(
      "update fraiseql.ingest_progress set waits_for = 'the connection was lost'",
    );
    const running = observed.start();
    const waits = async () =>
      (await observed.query("select waits_for from fraiseql.ingest_progress"))[0]?.[0];
    for (let tries = 0; await waits() !== null; tries++) {
      ok(tries < 600, "it still says so");
      await delay(50);
    }
    await running.stop();
  });
});
