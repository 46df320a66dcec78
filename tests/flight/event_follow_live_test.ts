/** What may happen to a stream of events while a pyarrow client follows it. */

import { deepStrictEqual as deepEqual, match, ok } from "node:assert/strict";
import { keepNats } from "../../lib/embedded/nats_keep.ts";
import type { EntityEvent } from "../../lib/events/entity_event.ts";
import { STREAM } from "../../lib/events/names.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { migrateNats, storeBytesMax } from "../../lib/events/streams.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { within } from "../../lib/waiting.ts";
import {
  ACTION,
  CANCEL_FLIGHT_INFO_REQUEST,
  decodeMessage,
  encodeMessage,
  FLIGHT_INFO,
} from "../../flight/protobuf.ts";
import { event } from "../lib/events/events.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../services/nats.ts";
import { Bridged } from "../sinks/bridged.ts";
import { storing } from "../sinks/storing.ts";
import { command, until } from "./serve.ts";
import { Follower, withEvents } from "./with_events.ts";

await testNats(); // which fetches the program, too

const timestamp = `${new Date().toISOString().slice(0, 23)}001Z`;
const someOf = (from: number, to: number): EntityEvent[] =>
  Array.from({ length: to - from }, (_, i) => event(from + i, { timestamp }));
const idsOf = (all: readonly EntityEvent[]) => all.map(({ id }) => id);

/** A reader who keeps what it has seen, over as many streams as it takes. */
class Reader {
  readonly seen: string[] = [];
  after = "";
  readonly take = (ids: readonly string[], after: string): void => {
    this.seen.push(...ids);
    this.after = after;
  };

  /** Reads on until so many were seen. */
  readTo(url: string, count: number): Promise<void> {
    return new Follower(url, this.after).read((ids, after) => {
      this.take(ids, after);
      return this.seen.length < count;
    });
  }

  /** Reads on meanwhile; `until` throws where a number does not come, or the stream ends before. */
  reading(url: string, count: number) {
    let failure: unknown = null;
    const ended = this.readTo(url, count).catch((error) => failure = error);
    const reads = (wanted: number) =>
      until(`${wanted} events are read`, () => {
        if (failure !== null) throw failure;
        return this.seen.length >= wanted;
      });
    return { ended, until: reads };
  }
}

/** Calls with a nats-server of its own that comes back whenever it is killed. */
async function withKeptNats(
  work: (nats: { readonly bridged: Bridged; kill(): void }) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-follow-" });
  stack.defer(() => Deno.remove(dataDir, { recursive: true }));
  const small = limits({ ...testLimits, bridgeFlushMsMax: 20, retryWaitMsMax: 200 });
  const nats = await keepNats({
    dataDir,
    log: createLog("error", () => {}), // it tells of each kill
    programs: natsPrograms,
    storeBytesMax: storeBytesMax(small),
    messageBytesMax: small.natsMessageBytesMax,
  });
  stack.defer(() => nats.stop());
  const admin = await connectTo(nats.url);
  stack.defer(() => admin.close());
  await migrateNats(admin, small);
  await work({
    bridged: new Bridged(nats.url, admin, small),
    kill() {
      const pid = nats.pid();
      if (pid === null) throw new Error("nats-server does not run");
      Deno.kill(pid, "SIGKILL");
    },
  });
}

Deno.test("a follower misses nothing and sees nothing twice while nats-server is killed and started again", () =>
  withKeptNats(({ bridged, kill }) =>
    withEvents(async ({ url, clickhouse }) => {
      await using stack = new AsyncDisposableStack();
      stack.adopt(bridged.bridge(), (one) => one.stop());
      stack.adopt(storing(bridged, clickhouse), (one) => one.stop());
      const all = someOf(0, 1000);
      const reader = new Reader();
      const reading = reader.reading(url, all.length);
      const isBack = () => streamState(bridged.nats, STREAM.events).then(() => true, () => false);
      for (let n = 0; n < all.length; n += 200) {
        await until("nats-server answers", isBack);
        await bridged.publish(all.slice(n, n + 200), { perMessage: 10 });
        // Every other time within what is being read, and at last while the reader leaves.
        if (n % 400 !== 0) continue;
        await reading.until(n + 1);
        kill();
      }
      await reading.until(all.length);
      await reading.ended;
      deepEqual(reader.seen, idsOf(all));
    }, { natsUrl: bridged.url, some: { followIdleMsMax: 100 } })
  ));

Deno.test("a follower misses nothing when FRAISEQL_BATCHES is deleted and made anew, and positions go on rising", () =>
  Bridged.run((bridged) =>
    withEvents(async ({ url, clickhouse }) => {
      const all = someOf(0, 600);
      const first = bridged.bridge();
      await using stack = new AsyncDisposableStack();
      const sink = stack.adopt(storing(bridged, clickhouse), (one) => one.stop());
      await using follower = new Follower(url, "");
      const reader = new Reader();
      const positions: bigint[] = [];
      const readTo = async (count: number) => {
        while (new Set(reader.seen).size < count) {
          const said = await follower.next();
          if ("ended" in said) throw new Error(said.message);
          reader.take(said.ids, said.after);
          if (said.ids.length > 0) positions.push(BigInt(said.after));
        }
      };
      await bridged.publish(all.slice(0, 300));
      await readTo(300);
      await first.stop();
      await sink.stop();
      await bridged.makeAnew(STREAM.batches);
      const second = bridged.bridge();
      stack.adopt(storing(bridged, clickhouse), (one) => one.stop());
      await bridged.publish(all.slice(300));
      await readTo(600);
      deepEqual([...new Set(reader.seen)], idsOf(all));
      ok(positions.every((one, i) => i === 0 || one > positions[i - 1]!), positions.join(" "));
      // Those that came once more came as a whole, after all that were there before.
      const again = reader.seen.filter((id, i) => reader.seen.indexOf(id) !== i);
      deepEqual(again, again.length === 0 ? [] : idsOf(all.slice(0, 300)));
      await second.stop();
      // Who begins now reads each once.
      const late = new Reader();
      await late.readTo(url, 600);
      deepEqual(late.seen, idsOf(all));
    }, { natsUrl: bridged.url, some: { followIdleMsMax: 100 } })
  ));

Deno.test("a server that stops tells followers to read on, and elsewhere they miss nothing", () =>
  Bridged.run(async (bridged) => {
    const bridge = bridged.bridge();
    const all = someOf(0, 400);
    const reader = new Reader();
    await withEvents(async ({ url, flight, clickhouse }) => {
      await using stack = new AsyncDisposableStack();
      const sink = stack.adopt(storing(bridged, clickhouse), (one) => one.stop());
      await bridged.publish(all.slice(0, 200));
      const following = new Follower(url, "").toEnd(reader.take);
      await until("all are read", () => reader.seen.length === 200);
      // A drain that waited for followers would take this long.
      await flight.stop(600);
      const ended = await following;
      match(ended.ended, /Unavailable/);
      match(ended.message, /the server stops \(hint: read on with `after`\)/);
      await bridged.publish(all.slice(200));
      await sink.until(async () =>
        (await clickhouse.rows(`SELECT 1 FROM fraiseql_events`)).length === 400
      );
      await sink.stop();
      const other = { natsUrl: bridged.url, of: clickhouse };
      await withEvents(({ url }) => reader.readTo(url, 400), other);
      deepEqual(reader.seen, idsOf(all));
    }, { natsUrl: bridged.url });
    await bridge.stop();
  }));

Deno.test("CancelFlightInfo ends a stream that follows as CANCELLED, and its reader goes on by `after`", () =>
  Bridged.run((bridged) =>
    withEvents(async ({ url, client }) => {
      const bridge = bridged.bridge();
      const all = someOf(0, 100);
      const reader = new Reader();
      await bridged.publish(all.slice(0, 50));
      const following = new Follower(url, "").toEnd(reader.take);
      await until("all are read", () => reader.seen.length === 50);
      const asked = command(JSON.stringify({ type: "ObserverEvents", follow: true }));
      const { messages } = await client.call("GetFlightInfo", asked);
      const info = decodeMessage(FLIGHT_INFO, messages[0]!);
      const body = encodeMessage(CANCEL_FLIGHT_INFO_REQUEST, { info });
      await client.call("DoAction", encodeMessage(ACTION, { type: "CancelFlightInfo", body }));
      const ended = await following;
      match(ended.ended, /Cancelled/);
      match(ended.message, /CancelFlightInfo/);
      await bridged.publish(all.slice(50));
      await reader.readTo(url, 100);
      deepEqual(reader.seen, idsOf(all));
      await bridge.stop();
    }, { natsUrl: bridged.url })
  ));

for (const compression of ["lz4", "zstd"]) {
  Deno.test(`ObserverEvents gives stored and live events in ${compression} where the ticket asks for it`, () =>
    Bridged.run((bridged) =>
      withEvents(async ({ url, clickhouse }) => {
        const bridge = bridged.bridge();
        await using stack = new AsyncDisposableStack();
        const sink = stack.adopt(storing(bridged, clickhouse), (one) => one.stop());
        const all = someOf(0, 400);
        await bridged.publish(all.slice(0, 200));
        await sink.until(async () =>
          (await clickhouse.rows(`SELECT 1 FROM fraiseql_events`)).length === 200
        );
        await sink.stop();
        await bridged.publish(all.slice(200));
        const seen: string[] = [];
        await new Follower(url, "", { compression }).read((ids) => {
          seen.push(...ids);
          return seen.length < all.length;
        });
        deepEqual(seen, idsOf(all));
        await bridge.stop();
      }, { natsUrl: bridged.url })
    ));
}

Deno.test("a follower that reads nothing for a while holds up nobody, is read for no further than it reads, and misses nothing", () =>
  Bridged.run((bridged) =>
    withEvents(async ({ url, clickhouse }) => {
      await using stack = new AsyncDisposableStack();
      stack.adopt(bridged.bridge(), (one) => one.stop());
      stack.adopt(storing(bridged, clickhouse), (one) => one.stop());
      // More than the buffers of gRPC and of the sockets can hold, and less than the streams.
      const note = "x".repeat(4000);
      const all = someOf(0, 8000).map((one) => ({ ...one, data: `{"note":"${note}"}` }));
      const behind = new Reader();
      await using slow = new Follower(url, "");
      const readOne = async () => {
        const next = slow.next();
        ok(await within(10_000, next), `nothing comes behind ${behind.seen.length}`);
        const said = await next;
        if ("ended" in said) throw new Error(said.message);
        behind.take(said.ids, said.after);
      };
      await readOne(); // it is on live batches from here on
      slow.signal("SIGSTOP");
      const quick = new Reader();
      const reading = quick.reading(url, all.length);
      for (let n = 0; n < all.length; n += 1000) {
        await bridged.publish(all.slice(n, n + 1000));
        await reading.until(n + 1000);
      }
      await reading.ended;
      deepEqual(quick.seen, idsOf(all));
      const stored = async () => {
        const [row] = await clickhouse.rows<{ count: number }>(
          `SELECT toInt32(count()) AS count FROM fraiseql_events`,
        );
        return row?.count === all.length;
      };
      await until("all are stored", stored);
      // Who stands still is waited for in NATS, and not in this process: no other has any before it.
      const consumers = bridged.nats.manager.consumers.list(STREAM.batches);
      const waiting = (await Array.fromAsync(consumers)).map((one) => one.num_pending);
      ok(Math.max(...waiting) >= 2, `batches before readers: ${waiting.join(", ")}`);
      slow.signal("SIGCONT");
      while (behind.seen.length < all.length) await readOne();
      deepEqual(behind.seen, idsOf(all));
    }, { natsUrl: bridged.url })
  ));
