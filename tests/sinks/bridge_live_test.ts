import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EventColumns, positionOf } from "../../lib/arrow/event_columns.ts";
import { listDead, replayDead } from "../../lib/events/dead.ts";
import { type EntityEvent, writeEvent } from "../../lib/events/entity_event.ts";
import { Scan, scanEvents } from "../../lib/events/event_scanner.ts";
import { HEADER, STREAM, SUBJECT } from "../../lib/events/names.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { createLog } from "../../lib/log.ts";
import { BatchStream } from "../../sinks/bridge_batches.ts";
import { readBridgeProgress } from "../../sinks/bridge_progress.ts";
import { startBridge } from "../../sinks/start_bridge.ts";
import { workerPermissions } from "../../lib/start_worker.ts";
import { python } from "../clients/python.ts";
import { event, events } from "../lib/events/events.ts";
import { testNats } from "../services/nats.ts";
import { Bridged, rowsOf } from "./bridged.ts";

await testNats();

const idsOf = (all: readonly EntityEvent[]) => all.map(({ id }) => id);

Deno.test("runBridge() gives every column's value, to apache-arrow and to pyarrow", async () => {
  await Bridged.run(async (bridged) => {
    const all = [
      event(1, { data: '{"total":"12.50","é":["日本 😀"]}', userId: "u 1", orgId: "acme" }),
      event(2, { eventType: "Updated", entityType: "User", changes: '{"a":{"old":1,"new":2}}' }),
      event(3, { eventType: "Deleted", entityId: '["a","b\\"c"]', userId: "", orgId: null }),
      event(4, { timestamp: "1969-12-31T23:59:59.999999Z", orgId: "ö" }),
    ];
    await bridged.publish(all);
    const bridge = bridged.bridge();
    await bridged.untilStored(4, bridge);
    const [batch, ...others] = await bridged.batches();
    equal(others.length, 0);
    const micros = (text: string) =>
      BigInt(new Date(text).getTime()) * 1000n + BigInt(text.slice(23, 26));
    deepEqual(
      batch?.rows,
      all.map(({ changes: _, timestamp, ...rest }, row) => ({
        ...rest,
        timestamp: micros(timestamp),
        position: positionOf(1, 1, row),
      })),
    );
    const read = JSON.parse(
      await python(
        new URL("./read_batch.py", import.meta.url),
        [],
        batch?.data ?? new Uint8Array(),
      ),
    );
    deepEqual(read.schema, [
      "event_id: fixed_size_binary[16] not null",
      "event_type: dictionary<values=string, indices=int32, ordered=0> not null",
      "entity_type: dictionary<values=string, indices=int32, ordered=0> not null",
      "entity_id: string not null",
      "timestamp: timestamp[us, tz=UTC] not null",
      "data: string not null",
      "user_id: string",
      "org_id: string",
      "position: uint64 not null",
    ]);
    deepEqual(
      read.rows,
      all.map((one, row) => ({
        event_id: one.id,
        event_type: one.eventType,
        entity_type: one.entityType,
        entity_id: one.entityId,
        timestamp: String(micros(one.timestamp)),
        data: one.data,
        user_id: one.userId,
        org_id: one.orgId,
        position: String(positionOf(1, 1, row)),
      })),
    );
    deepEqual(
      [...batch?.headers ?? []].filter(([name]) => !name.startsWith("Nats-")).sort(),
      [
        ["Content-Type", "application/vnd.apache.arrow.stream"],
        ["Fraiseql-Epoch", "1"],
        ["Fraiseql-Event-Id", event(4).id],
        ["Fraiseql-Rows", "4"],
        ["Fraiseql-Source-Created", (await streamState(bridged.nats, STREAM.events)).created],
        ["Fraiseql-Source-Epoch", "1"],
        ["Fraiseql-Source-First", "1.0"],
        ["Fraiseql-Source-Last", "1.3"],
        ["Fraiseql-Source-Next", "3.0"],
      ],
    );
    await bridge.stop();
  });
});

Deno.test("runBridge() makes batches of 10,000 rows at most, cut within a message", async () => {
  await Bridged.run(async (bridged) => {
    await bridged.publish(events(0, 24_000), { perMessage: 12_000 });
    const bridge = bridged.bridge();
    await bridged.untilStored(24_000, bridge);
    const batches = await bridged.batches();
    deepEqual(batches.map(({ rows }) => rows.length), [10_000, 10_000, 4_000]);
    deepEqual(batches.map(({ headers }) => headers.get("Fraiseql-Source-Next")), [
      "1.10000",
      "2.8000",
      "3.0",
    ]);
    deepEqual(await bridged.ids(), idsOf(events(0, 24_000)));
    deepEqual(batches[1]?.rows[0]?.position, positionOf(1, 2, 0));
    await bridge.stop();
  }, { bridgePullBytesMax: 4 * 1024 * 1024, bridgeFlushMsMax: 60_000 }); // both messages in one pull
});

Deno.test("runBridge() makes batches of so many bytes at most, a larger event alone", async () => {
  await Bridged.run(async (bridged) => {
    const large = event(500, { data: `{"text":"${"x".repeat(300_000)}"}` });
    await bridged.publish([...events(0, 500), large, ...events(501, 1000)]);
    const bridge = bridged.bridge();
    await bridged.untilStored(1000, bridge);
    const batches = await bridged.batches();
    for (const { rows, data } of batches) {
      if (rows[0]?.id !== large.id) ok(data.length <= 65_536, `${data.length}`);
      else equal(rows.length, 1);
    }
    deepEqual(await bridged.ids(), idsOf([...events(0, 500), large, ...events(501, 1000)]));
    await bridge.stop();
  }, { bridgeBatchBytesMax: 65_536 });
});

Deno.test("runBridge() does not wait for a batch to be full", async () => {
  await Bridged.run(async (bridged) => {
    const bridge = bridged.bridge();
    for (let n = 0; n < 3; n++) {
      await bridged.publish([event(n)]);
      await bridged.untilStored(n + 1, bridge);
    }
    equal((await bridged.heads()).length, 3);
    const state = await bridge.until(({ events, pending }) => events === 3 && pending === 0);
    equal(state.lagSeconds, 0);
    await bridge.stop();
  });
});

Deno.test("runBridge() puts what comes shortly after into the same batch", async () => {
  await Bridged.run(async (bridged) => {
    const bridge = bridged.bridge();
    await bridge.until(({ kind }) => kind === "working");
    for (let n = 0; n < 20; n++) await bridged.publish([event(n)]);
    await bridged.untilStored(20, bridge);
    ok((await bridged.heads()).length <= 3, `${(await bridged.heads()).length} batches`);
    await bridge.stop();
  }, { bridgeFlushMsMax: 5000 });
});

Deno.test("runBridge() goes on behind the last batch, within a message too", async () => {
  await Bridged.run(async (bridged) => {
    await bridged.publish(events(0, 1000), { perMessage: 1000 });
    // What the first writes is cut in the middle of the message by a full stream.
    await bridged.nats.manager.streams.update(STREAM.batches, { max_bytes: 60_000 });
    const first = bridged.bridge({ bridgeBatchBytesMax: 65_536, batchRowsMax: 100 });
    await first.until(({ kind }) => kind === "full");
    await first.stop();
    const before = (await bridged.ids()).length;
    ok(before > 0 && before < 1000, `${before}`);
    await migrateNats(bridged.nats, bridged.limits);
    const second = bridged.bridge();
    await bridged.untilStored(1000, second);
    deepEqual(await bridged.ids(), idsOf(events(0, 1000)));
    await second.stop();
  });
});

Deno.test("runBridge() waits while FRAISEQL_BATCHES is full, says so, and goes on", async () => {
  await Bridged.run(async (bridged) => {
    await bridged.nats.manager.streams.update(STREAM.batches, { max_bytes: 20_000 });
    const bridge = bridged.bridge();
    for (let n = 0; n < 40; n++) await bridged.publish(events(n * 10, n * 10 + 10));
    const state = await bridge.until(({ kind }) => kind === "full");
    match(state.reason, /no room for fraiseql.batches/);
    await migrateNats(bridged.nats, bridged.limits);
    await bridged.untilStored(400, bridge);
    deepEqual(await bridged.ids(), idsOf(events(0, 400)));
    await bridge.stop();
  }, { batchRowsMax: 10 });
});

Deno.test("runBridge() parks what is no event before what follows it is written", async () => {
  await Bridged.run(async (bridged) => {
    const [a, b, c] = [event(1), event(2), event(3)].map(writeEvent) as [string, string, string];
    const bad = c.replace("Created", "Creates");
    await bridged.publishLines([[a, "no event", b, bad], ["{}"]]);
    const bridge = bridged.bridge();
    await bridged.untilStored(2, bridge);
    const dead = await Array.fromAsync(listDead(bridged.nats, { worker: "bridge" }, 100));
    deepEqual(
      dead.map(({ data, reason, origin }) => [new TextDecoder().decode(data), reason, origin]),
      [
        ["no event", "no JSON object", place(1, 1)],
        [bad, 'event_type is none of Created, Updated, Deleted: "Creates"', place(1, 3)],
        ["{}", "id is missing", place(2, 0)],
      ],
    );
    // What is mended comes as a batch of its own, and the place stays.
    const [, , last] = dead;
    ok(last);
    await replayDead(bridged.nats, { ...last, data: new TextEncoder().encode(c) });
    await bridged.untilStored(3, bridge);
    await bridge.stop();
    equal((await streamState(bridged.nats, STREAM.replay)).messages, 0, "it was taken");
    await bridged.publish([event(4)]);
    const second = bridged.bridge();
    await bridged.untilStored(4, second);
    deepEqual(await bridged.ids(), idsOf([event(1), event(2), event(3), event(4)]));
    await second.stop();
  });
});

function place(sequence: number, index: number) {
  return { subject: SUBJECT.event("Order"), sequence, index };
}

Deno.test("runBridge() tells how far it is where there was nothing but what it refuses", async () => {
  await Bridged.run(async (bridged) => {
    await bridged.publishLines([["no event"]]);
    const first = bridged.bridge();
    await first.until(({ batchSequence }) => batchSequence === 1);
    await first.stop();
    const second = bridged.bridge();
    await bridged.publish([event(1)]);
    await bridged.untilStored(1, second);
    await second.stop();
    deepEqual((await bridged.heads()).map(({ headers }) => rowsOf(headers)), [0, 1]);
    equal((await Array.fromAsync(listDead(bridged.nats, {}, 100))).length, 1);
  });
});

Deno.test("runBridge() keeps the header of back-filled events, where all of a batch are such", async () => {
  await Bridged.run(async (bridged) => {
    const headers = { [HEADER.backfill]: "orders" };
    await bridged.publish(events(0, 10), { headers });
    await bridged.publish(events(10, 15));
    await bridged.publish(events(15, 20), { headers });
    const bridge = bridged.bridge();
    await bridged.untilStored(20, bridge);
    await bridge.stop();
    deepEqual((await bridged.heads()).map(({ headers }) => headers.get(HEADER.backfill)), [
      "orders",
      undefined,
    ]);
  }, { batchRowsMax: 10 });
});

Deno.test("runBridge() lets a second bridge stand by, which takes over", async () => {
  await Bridged.run(async (bridged) => {
    const first = bridged.bridge();
    await first.until(({ kind }) => kind === "working");
    await bridged.publish(events(0, 50));
    await bridged.untilStored(50, first);
    const second = bridged.bridge();
    await second.until(({ kind }) => kind === "standing by");
    await bridged.publish(events(50, 100));
    await bridged.untilStored(100, first);
    equal(second.states.at(-1)?.kind, "standing by");
    await first.stop();
    await bridged.publish(events(100, 150));
    await bridged.untilStored(150, second);
    await second.stop();
    deepEqual(await bridged.ids(), idsOf(events(0, 150)));
  });
});

Deno.test("runBridge() writes each event once where several start at the same moment", async () => {
  await Bridged.run(async (bridged) => {
    for (let n = 0; n < 30; n++) await bridged.publish(events(n * 100, n * 100 + 100));
    const bridges = [bridged.bridge(), bridged.bridge(), bridged.bridge()];
    await bridged.untilStored(3000, bridges[0]);
    await Promise.all(bridges.map((bridge) => bridge.stop()));
    deepEqual(await bridged.ids(), idsOf(events(0, 3000)));
  }, { batchRowsMax: 50, bridgePullBytesMax: 65_536 });
});

Deno.test("runBridge() writes no event twice that a stream made anew brings again", async () => {
  await Bridged.run(async (bridged) => {
    const first = bridged.bridge();
    await bridged.publish(events(0, 500));
    await bridged.untilStored(500, first);
    await first.stop();
    await bridged.makeAnew(STREAM.events);
    bridged.epoch = 2;
    // In other messages and another order, with what nobody has read yet; in one long window.
    const again = [...events(100, 600), ...events(0, 100)];
    await bridged.publish(again.slice(0, 300), { perMessage: 7, done: false });
    const second = bridged.bridge();
    await second.until(({ batchSequence }) => batchSequence >= 2);
    await second.stop();
    const third = bridged.bridge();
    await bridged.publish(again.slice(300), { perMessage: 11 });
    await bridged.publish(events(600, 700));
    await bridged.untilStored(700, third);
    await bridged.publish(events(700, 710));
    await bridged.untilStored(710, third);
    await third.stop();
    deepEqual((await bridged.ids()).sort(), idsOf(events(0, 710)));
    const batches = await bridged.heads();
    equal(batches[0]?.headers.get("Fraiseql-Overlap"), undefined);
    equal(batches[1]?.headers.get("Fraiseql-Overlap"), "2");
    equal(batches.at(-1)?.headers.get("Fraiseql-Overlap"), undefined, "it is over");
    equal(batches.at(-1)?.headers.get("Fraiseql-Epoch"), "2");
  });
});

Deno.test("runBridge() waits for a stream that lost its end, and reads what was filled in", async () => {
  await Bridged.run(async (bridged) => {
    await bridged.publish(events(0, 100), { perMessage: 10 });
    const first = bridged.bridge();
    await bridged.publish(events(100, 200), { perMessage: 10 });
    await bridged.untilStored(200, first);
    await first.stop();
    // The last page is gone, with its sequences, which deleting from a stream would leave used.
    await bridged.makeAnew(STREAM.events);
    await bridged.publish(events(0, 100), { perMessage: 10 });
    const { created } = await streamState(bridged.nats, STREAM.events);
    await renameSource(bridged, created);
    const second = bridged.bridge();
    const state = await second.until(({ kind }) => kind === "waiting");
    match(state.reason, /lost its end/);
    bridged.epoch = 2;
    await bridged.publish(events(100, 250), { perMessage: 3 });
    await bridged.untilStored(251, second); // one of them is the batch that was renamed
    await second.stop();
    const ids = await bridged.ids();
    deepEqual([...new Set(ids)].sort(), idsOf(events(0, 250)));
    equal(ids.length, 251);
  });
});

/** Adds a batch that says that what was read is of this stream: a copy of the last one's place. */
async function renameSource({ nats }: Bridged, created: string): Promise<void> {
  const batches = new BatchStream(nats, createLog("error", () => {}));
  await batches.open();
  const place = batches.head?.place;
  ok(place);
  const columns = new EventColumns({ rows: 10, bytes: 100_000, rowBytes: 100_000 });
  scanEvents(columns, new Scan(new TextEncoder().encode(writeEvent(event(0)))), null);
  await batches.publish({
    stream: columns.take(),
    rows: 1,
    first: null,
    place: { ...place, created },
    replay: null,
    backfill: null,
  });
}

Deno.test("runBridge() writes no event twice that the publisher brings again by starting over", async () => {
  await Bridged.run(async (bridged) => {
    const bridge = bridged.bridge();
    await bridged.publish(events(0, 300));
    await bridged.untilStored(300, bridge);
    bridged.epoch = 2;
    await bridged.publishLines([]); // the checkpoint of a start over has no events
    await bridged.publish(events(0, 350), { perMessage: 30 });
    await bridged.untilStored(350, bridge);
    await bridged.publish(events(350, 360));
    await bridged.untilStored(360, bridge);
    await bridge.stop();
    deepEqual(await bridged.ids(), idsOf(events(0, 360)));
  });
});

Deno.test("runBridge() compares no more ids than it may hold", async () => {
  await Bridged.run(async (bridged) => {
    const first = bridged.bridge();
    for (let n = 0; n < 5; n++) {
      await bridged.publish(events(n * 100, n * 100 + 100));
      await bridged.untilStored(n * 100 + 100, first);
    }
    await first.stop();
    await bridged.makeAnew(STREAM.events);
    bridged.epoch = 2;
    await bridged.publish(events(0, 500));
    const second = bridged.bridge({ bridgeOverlapEventsMax: 150 });
    await bridged.untilStored(800, second);
    await bridged.publish([event(500)]);
    await bridged.untilStored(801, second);
    await second.stop();
    deepEqual((await bridged.ids()).slice(500), idsOf([...events(0, 300), event(500)]));
  }, { batchRowsMax: 100 });
});

Deno.test("runBridge() raises the epoch of positions where FRAISEQL_BATCHES was made anew", async () => {
  await Bridged.run(async (bridged) => {
    const first = bridged.bridge();
    await bridged.publish(events(0, 100));
    await bridged.untilStored(100, first);
    await first.stop();
    await bridged.makeAnew(STREAM.batches);
    const second = bridged.bridge();
    await bridged.untilStored(100, second);
    await second.stop();
    const [batch] = await bridged.batches();
    deepEqual(batch?.rows.map(({ id }) => id), idsOf(events(0, 100)));
    equal(batch?.rows[99]?.position, positionOf(2, 1, 99));
    // And only once.
    const third = bridged.bridge();
    await bridged.publish(events(100, 110));
    await bridged.untilStored(110, third);
    await third.stop();
    equal((await bridged.batches()).at(-1)?.rows[0]?.position, positionOf(2, 2, 0));
  });
});

Deno.test("runBridge() goes on where FRAISEQL_BATCHES was purged to the last message", async () => {
  await Bridged.run(async (bridged) => {
    const first = bridged.bridge();
    await bridged.publish(events(0, 100));
    await bridged.untilStored(100, first);
    await first.stop();
    await bridged.nats.manager.streams.purge(STREAM.batches);
    const second = bridged.bridge();
    await bridged.publish(events(100, 110));
    await bridged.untilStored(10, second);
    await second.stop();
    deepEqual(await bridged.ids(), idsOf(events(100, 110)));
  });
});

Deno.test("startBridge() bridges from a worker that may reach NATS alone", async () => {
  await Bridged.run(async (bridged) => {
    const start = {
      nats: readNatsUrl(bridged.url),
      limits: bridged.limits,
      logLevel: "error" as const,
    };
    const worker = startBridge(start, () => {});
    await bridged.publish(events(0, 10));
    await bridged.untilStored(10);
    await worker.stop(10_000);
    await worker.ended;
    equal((await readBridgeProgress(bridged.nats))?.stopped, true);

    const confined = new Worker(new URL("../lib/observer/confined.ts", import.meta.url), {
      type: "module",
      deno: { permissions: workerPermissions({ net: start.nats.servers }) },
    });
    const answer = new Promise((done, failed) => {
      confined.onmessage = ({ data }) => done(data);
      confined.onerror = (event) => failed(new Error(event.message));
    });
    confined.postMessage({ postgres: "127.0.0.1:2", nats: new URL(bridged.url).host });
    deepEqual(await answer, {
      postgres: true,
      nats: false,
      elsewhere: true,
      environment: true,
      disk: true,
      write: true,
      run: true,
    });
    confined.terminate();
  });
});
