import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { keepNats } from "../../../lib/embedded/nats_keep.ts";
import { publishOne } from "../../../lib/events/atomic_publish.ts";
import { STREAM, type StreamName, SUBJECT } from "../../../lib/events/names.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { migrateNats, storeBytesMax } from "../../../lib/events/streams.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { publish } from "../../../lib/observer/publish.ts";
import { readPurged } from "../../../lib/observer/purged_events.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { Bridged } from "../../sinks/bridged.ts";
import { countStored, SEARCH_PLACES, searching } from "../../sinks/searching.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../../services/nats.ts";
import { testPostgres } from "../../services/postgres.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const table = { sql: "create table t (id int primary key, v int)", tables: ["t"] };

const verified = ({ connection, nats, limits }: Observed, since: Date | null = null) =>
  verify({ connection, nats, limits, since, signal: new AbortController().signal });

/** A line of three pages, all of it bridged. */
async function bridgedPages(observed: Observed): Promise<Bridged> {
  const quick = { ...observed.limits, bridgeFlushMsMax: 20 };
  const bridged = new Bridged(observed.natsUrl, observed.nats, quick);
  const bridge = bridged.bridge();
  for (let n = 1; n <= 3; n++) {
    await observed.query(`insert into t select ${n} * 100 + n from generate_series(1, 10) n`);
    await observed.publishAll();
    await bridged.untilStored(n * 10, bridge);
  }
  await bridge.stop();
  return bridged;
}

const first = async ({ nats }: Observed, stream: StreamName) =>
  (await streamState(nats, stream)).firstSequence;

const last = async ({ nats }: Observed, stream: StreamName) =>
  (await streamState(nats, stream)).lastSequence;

/** Publishes until the stream begins there. */
async function untilFirst(observed: Observed, stream: StreamName, wanted: number): Promise<void> {
  const publisher = observed.start({ limits: { ...observed.limits, eventStreamKeepHours: 0 } });
  while (await first(observed, stream) < wanted) {
    await Promise.race([publisher.ended, new Promise((done) => setTimeout(done, 50))]);
  }
  await publisher.stop();
}

/** As the ClickHouse sink writes it. */
async function sayStored(observed: Observed, upTo: number): Promise<void> {
  const { created } = await streamState(observed.nats, STREAM.batches);
  const record = {
    stream: STREAM.batches,
    created,
    first: 1,
    last: upTo,
    done: true,
    instance: "a",
    stopped: true,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(record));
  await publishOne(observed.nats, SUBJECT.progress("clickhouse"), bytes);
}

Deno.test("publish() purges what the bridge has but the last checkpoint, and verify() still counts it", async () => {
  const some = { eventStreamKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await bridgedPages(observed);
    await untilFirst(observed, STREAM.events, await last(observed, STREAM.events));
    const { firstSequence, lastSequence, messages } = await streamState(
      observed.nats,
      STREAM.events,
    );
    deepEqual([firstSequence, messages], [lastSequence, 1]);
    deepEqual(await verified(observed), { logged: 30, stored: 30, differences: [], gaps: [] });
    equal((await verified(observed, new Date(Date.now() - 60_000))).stored, 30);
    equal((await verified(observed, new Date(Date.now() + 7_200_000))).stored, 0);

    // It goes on behind the checkpoint, and what is lost by accident is still told.
    await observed.query("insert into t values (1), (2)");
    await observed.publishAll();
    equal((await verified(observed)).stored, 32);
    await observed.nats.manager.streams.deleteMessage(STREAM.events, lastSequence + 1);
    const { differences } = await verified(observed);
    deepEqual(differences.map(({ logged, stored }) => [logged, stored]), [[32, 30]]);
  });
});

Deno.test("publish() purges nothing that is younger than event_stream_keep_hours, nor where no bridge ran", async () => {
  for (const eventStreamKeepHours of [0, 1]) {
    await Observed.run(server, { ...table, some: { eventStreamKeepHours } }, async (observed) => {
      if (eventStreamKeepHours > 0) await bridgedPages(observed);
      else await observed.query("insert into t values (1)");
      const publisher = observed.start();
      await publisher.until(({ kind }) => kind === "asleep");
      await new Promise((done) => setTimeout(done, 1500)); // a round and a half
      await publisher.stop();
      equal(await first(observed, STREAM.events), 1);
    });
  }
});

Deno.test("publish() keeps what a durable consumer of others has not acknowledged", async () => {
  const some = { eventStreamKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    const { nats } = observed;
    await nats.manager.consumers.add(STREAM.events, {
      durable_name: "others",
      ack_policy: "explicit",
      filter_subject: SUBJECT.allEvents,
    });
    await bridgedPages(observed);
    const publisher = observed.start();
    await publisher.until(({ kind }) => kind === "asleep");
    await new Promise((done) => setTimeout(done, 1500));
    await publisher.stop();
    equal(await first(observed, STREAM.events), 1);
    await nats.manager.consumers.delete(STREAM.events, "others");
    await untilFirst(observed, STREAM.events, await last(observed, STREAM.events));
  });
});

Deno.test("verify() finds no difference at any moment while events are written and purged", async () => {
  const some = { eventStreamKeepHours: 0, changeLogKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    const { natsUrl, nats } = observed;
    const bridged = new Bridged(natsUrl, nats, { ...observed.limits, bridgeFlushMsMax: 20 });
    const [publisher, bridge] = [observed.start(), bridged.bridge()];
    const writer = await connect({ url: observed.url });
    try {
      let [written, before] = [0, 1];
      // Until two rounds of purging were met.
      for (let rounds = 0; rounds < 2;) {
        await writer.query(`insert into t select ${written} + n from generate_series(1, 20) n`);
        written += 20;
        deepEqual((await verified(observed)).differences, []);
        const now = await first(observed, STREAM.events);
        if (now > before) [before, rounds] = [now, rounds + 1];
      }
      await bridged.untilStored(written, bridge);
      await publisher.stop();
      await bridge.stop();
      const { logged, stored, differences } = await verified(observed);
      deepEqual([logged, stored, differences], [written, written, []]);
    } finally {
      await writer.close();
    }
  });
});

Deno.test("publish() goes on by itself at a full stream, however much of it must be counted first", async () => {
  const MiB = 1024 * 1024;
  const some = {
    eventStreamKeepHours: 1,
    eventStreamBytesMax: 32 * MiB,
    retryWaitMsMax: 200,
  };
  const wide = { sql: "create table t (id int primary key, note text)", tables: ["t"], some };
  await Observed.run(server, wide, async (observed) => {
    const bridged = new Bridged(observed.natsUrl, observed.nats, observed.limits);
    const bridge = bridged.bridge();
    const early = observed.start();
    let written = 0;
    // Step by step, so that little is left to publish: a publisher finds out soon that it is full.
    while (early.states.at(-1)?.kind !== "full") {
      await observed.query(`insert into t select ${written} + n, repeat('a note ', 20)
        from generate_series(1, 1000) n`);
      written += 1000;
      await early.until(({ kind, events }) => kind === "full" || events === written);
    }
    await early.stop();
    const { stored } = await verified(observed);
    await bridged.untilStored(stored, bridge);

    // An hour later, as it were.
    const late = observed.start({ limits: { ...observed.limits, eventStreamKeepHours: 0 } });
    await late.until(({ kind }) => kind === "asleep");
    await late.stop();
    await bridge.stop();
    deepEqual(await verified(observed), {
      logged: written,
      stored: written,
      differences: [],
      gaps: [],
    });
  });
});

Deno.test("publish() that was killed between counting and purging counts nothing twice", async () => {
  await Observed.run(server, table, async (observed) => {
    const { connection, nats } = observed;
    await bridgedPages(observed);
    const { created } = await streamState(nats, STREAM.events);
    // The first page was counted, and is still there.
    await connection.query(
      `insert into fraiseql.purged_events
       select $1, 2, 't', to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), count(*),
         mod(sum(fraiseql.event_hash(fraiseql.id_of(l))), 18446744073709551616)
       from fraiseql.change_log l where position <= 10 group by 4`,
      [created],
    );
    equal(await first(observed, STREAM.events), 1);
    deepEqual((await verified(observed)).differences, []);
    await untilFirst(observed, STREAM.events, await last(observed, STREAM.events));
    deepEqual(await verified(observed), { logged: 30, stored: 30, differences: [], gaps: [] });
    const { sums, sequence } = await readPurged(connection, created, null);
    equal(sums.events, 30);
    equal(sequence, await last(observed, STREAM.events) - 1);
  });
});

Deno.test("the publisher's own user of the embedded NATS has the rights to purge", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql-purge-" });
  const database = await server.createDatabase();
  const all = limits({ ...testLimits, eventStreamKeepHours: 0, bridgeFlushMsMax: 20 });
  const nats = await keepNats({
    dataDir: folder,
    log: createLog("error", () => {}),
    programs: natsPrograms,
    storeBytesMax: storeBytesMax(all),
    messageBytesMax: all.natsMessageBytesMax,
  });
  const admin = await connectTo(nats.url);
  const connection = await connect({ url: database });
  const stopping = new AbortController();
  try {
    await migrateNats(admin, all);
    await connection.query(table.sql);
    await captured(database, table.tables);
    await connection.query("insert into t values (1)");
    const publishing = publish({
      database: parseUrl(database),
      nats: readNatsUrl(nats.urls.publisher),
      limits: all,
      log: createLog("error", () => {}),
      startOver: null,
      onState: () => {},
      signal: stopping.signal,
    });
    const bridge = new Bridged(nats.url, admin, all).bridge();
    while ((await streamState(admin, STREAM.events)).firstSequence < 2) {
      await Promise.race([publishing, new Promise((done) => setTimeout(done, 50))]);
    }
    await bridge.stop();
    stopping.abort();
    await publishing;
  } finally {
    stopping.abort();
    await connection.close();
    await admin.close();
    await nats.stop();
    await server.dropDatabase(database);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("publish() purges batches that ClickHouse has, but the last that it stored", async () => {
  const some = { eventStreamKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await bridgedPages(observed);
    await untilFirst(observed, STREAM.events, await last(observed, STREAM.events));
    equal(await first(observed, STREAM.batches), 1); // no sink ever ran
    await sayStored(observed, 2);
    await untilFirst(observed, STREAM.batches, 2);
    await sayStored(observed, await last(observed, STREAM.batches));
    await untilFirst(observed, STREAM.batches, await last(observed, STREAM.batches));
    equal((await streamState(observed.nats, STREAM.batches)).messages, 1);
  });
});

Deno.test("publish() empties the change log only of what is in ClickHouse, once a sink has run", async () => {
  const some = { changeLogKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await sayStored(observed, 0);
    await bridgedPages(observed);
    const again = async () => {
      for (let n = 0; n < 3; n++) await observed.publishAll(); // each moves writers a slot further
      return (await observed.logged()).length;
    };
    const before = await observed.logged();
    equal(await again(), before.length);
    equal(before.length, 30);
    await sayStored(observed, 1); // the first page's
    ok(await again() > 0);
    await sayStored(observed, await last(observed, STREAM.batches));
    equal(await again(), 0);
    deepEqual((await verified(observed)).differences, []);
  });
});

Deno.test("publish() waits for the sink of searched events, and purges what it has where it is the only one", async () => {
  const some = { eventStreamKeepHours: 0, changeLogKeepHours: 0 };
  const place = await SEARCH_PLACES["the embedded search"]!();
  await Observed.run(server, { ...table, some }, async (observed) => {
    const store = async (wanted: number) => {
      const sink = searching({ url: observed.natsUrl, limits: observed.limits }, place.settings);
      await sink.until(async () => await countStored(place.settings) === wanted);
      await sink.until(() => sink.states.at(-1)?.pending === 0);
      await sink.stop();
    };
    await observed.query("insert into t select generate_series(1, 10)");
    await observed.publishAll();
    await store(10);
    for (let n = 2; n <= 3; n++) {
      await observed.query(`insert into t select ${n} * 100 + n from generate_series(1, 10) n`);
      await observed.publishAll();
    }
    const again = async () => {
      for (let n = 0; n < 3; n++) await observed.publishAll(); // each moves writers a slot further
      return (await observed.logged()).length;
    };
    equal(await again(), 20, "the change log keeps what the sink does not have");
    const end = await last(observed, STREAM.events);
    await untilFirst(observed, STREAM.events, 3);
    equal(await first(observed, STREAM.events), 3, "and so does the stream");
    await store(30);
    equal(await again(), 0);
    await untilFirst(observed, STREAM.events, end);
    deepEqual((await verified(observed)).differences, []);
  });
  await place.remove();
});
