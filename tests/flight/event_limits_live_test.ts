/** Each limit of `ObserverEvents` crossed, as a pyarrow client sees it. */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { storedEvent, today } from "../lib/clickhouse/arrow_events.ts";
import { events } from "../lib/events/events.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "../sinks/bridged.ts";
import { epoch, type Events, Follower, type StreamEnd, withEvents } from "./with_events.ts";

await testNats();

const MiB = 1024 * 1024;
const timestamp = `${new Date().toISOString().slice(0, 23)}001Z`;

/** Events of so many million bytes each, made by ClickHouse itself. */
function fill({ clickhouse }: Events, rows: number, megabytes: number): Promise<void> {
  return clickhouse.command(
    `INSERT INTO ${EVENTS_DATA} SELECT generateUUIDv7(), 'Created', 'Order', toString(number),
       now64(6, 'UTC'), concat('{"note":"', arrayStringConcat(arrayWithConstant(${megabytes}, repeat('x', 1000000))), '"}'), NULL, 'acme',
       ${epoch} + 16384 + number
     FROM numbers(${rows}) SETTINGS max_block_size = 16`,
  );
}

Deno.test("ObserverEvents beyond flightEventStreamsMax is TOO_MANY_STREAMS until one of them has ended", () =>
  Bridged.run((bridged) =>
    withEvents(async ({ url }) => {
      const refused = await (async () => {
        await using first = new Follower(url, "");
        deepEqual(await first.next(), { ids: [], after: "0" });
        return await new Follower(url, "").toEnd();
      })();
      match(refused.message, /1 streams are under way/);
      match(refused.message, /raise the limit flight_event_streams_max/);
      match(refused.message, /resource exhausted/);
      // The first was killed, which the server hears a moment later.
      for (;;) {
        await using next = new Follower(url, "");
        const said = await next.next();
        if ("ids" in said) break;
        match(said.message, /1 streams are under way/);
      }
    }, { natsUrl: bridged.url, some: { flightEventStreamsMax: 1 } })
  ));

Deno.test("ObserverEvents that follows ends as TIMEOUT after followSecondsMax, and is read on by `after`", () =>
  Bridged.run((bridged) =>
    withEvents(async ({ url }) => {
      const bridge = bridged.bridge();
      const all = events(0, 40).map((one) => ({ ...one, timestamp }));
      const seen: string[] = [];
      let after = "";
      const take = (ids: readonly string[], position: string) => {
        seen.push(...ids);
        after = position;
      };
      await bridged.publish(all.slice(0, 20));
      const ended = await new Follower(url, "").toEnd(take);
      match(ended.message, /the stream took longer than 1 s/);
      match(ended.message, /read on with `after`, or raise limits.follow_seconds_max/);
      match(ended.message, /timeout/);
      deepEqual(seen, all.slice(0, 20).map(({ id }) => id));
      await bridged.publish(all.slice(20));
      await new Follower(url, after).toEnd(take);
      deepEqual(seen, all.map(({ id }) => id));
      await bridge.stop();
    }, { natsUrl: bridged.url, some: { followSecondsMax: 1 } })
  ));

Deno.test("ObserverEvents that follows says how far it is whenever followIdleMsMax goes by without an event", () =>
  Bridged.run((bridged) =>
    withEvents(async ({ url }) => {
      const bridge = bridged.bridge();
      const all = events(0, 30).map((one) => ({ ...one, timestamp }));
      await bridged.publish(all.slice(0, 10));
      await using follower = new Follower(url, "");
      const seen: string[] = [];
      let [after, idle] = ["", 0];
      while (seen.length < 10 || idle < 3) {
        const said = await follower.next();
        if ("ended" in said) throw new Error(said.message);
        seen.push(...said.ids);
        idle = said.ids.length === 0 ? idle + 1 : 0;
        if (idle > 1) equal(said.after, after);
        after = said.after;
      }
      // The position of a batch without rows is as good as another.
      await bridged.publish(all.slice(10));
      await new Follower(url, after).read((ids) => {
        seen.push(...ids);
        return seen.length < all.length;
      });
      deepEqual(seen, all.map(({ id }) => id));
      await bridge.stop();
    }, { natsUrl: bridged.url, some: { followIdleMsMax: 10 } })
  ));

Deno.test("ObserverEvents is read in smaller steps where eventStepBytesMax is too little for one", () =>
  withEvents(async (events) => {
    await fill(events, 200, 1);
    const positions = await readPositions(events.url);
    equal(positions.rows, 200);
    equal(positions.after, String(epoch + 16384n + 199n));
  }, { some: { eventStepBytesMax: 64 * MiB } }));

Deno.test("ObserverEvents is TOO_LARGE at an event that ClickHouse cannot sort within eventStepBytesMax", () =>
  withEvents(async (events) => {
    await fill(events, 1, 60);
    const ended = await refusal(events.url);
    match(ended.message, /resource exhausted/);
    match(ended.message, /raise limits.event_step_bytes_max/);
  }, { some: { eventStepBytesMax: 64 * MiB, flightRowBytesMax: 512 * MiB } }));

Deno.test("ObserverEvents is TOO_LARGE at an event above flightRowBytesMax, and goes on behind it", () =>
  withEvents(async ({ url, insert }) => {
    const all = [10, 10, 70_000, 10].map((bytes, i) =>
      storedEvent({
        position: epoch + 16384n + BigInt(i),
        timestamp: today + BigInt(i),
        data: JSON.stringify({ note: "x".repeat(bytes) }),
      })
    );
    await insert(all);
    const seen: string[] = [];
    const ended = await new Follower(url, "", { follow: false }).toEnd((ids) => seen.push(...ids));
    match(ended.message, /resource exhausted/);
    const after = /"after": "(\d+)"/.exec(ended.message)?.[1];
    equal(after, String(all[2]!.position));
    equal(
      (await new Follower(url, after ?? "", { follow: false }).toEnd((ids) => seen.push(...ids)))
        .ended,
      "well",
    );
    deepEqual(seen, [0, 1, 3].map((i) => all[i]!.event_id));
  }, { some: { flightRowBytesMax: 64 * 1024, batchBytesMax: 64 * 1024 } }));

async function readPositions(url: string): Promise<{ rows: number; after: string }> {
  let [rows, last] = [0, ""];
  const ended = await new Follower(url, "", { follow: false }).toEnd((ids, after) => {
    ok(BigInt(after) > BigInt(last || "0"));
    rows += ids.length;
    last = after;
  });
  equal(ended.ended, "well", ended.message);
  return { rows, after: last };
}

function refusal(url: string): Promise<StreamEnd> {
  return new Follower(url, "", { follow: false }).toEnd();
}
