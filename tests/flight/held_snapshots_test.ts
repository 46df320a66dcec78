import {
  deepStrictEqual as deepEqual,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { HeldSnapshots } from "../../flight/held_snapshots.ts";

/** What is released, in order. */
function opener() {
  const released: string[] = [];
  let count = 0;
  const open = (take: () => void) => {
    take();
    const name = `s${++count}`;
    return Promise.resolve({
      name,
      release: () => {
        released.push(name);
        return Promise.resolve();
      },
    });
  };
  return { released, open };
}

async function held(snapshots: HeldSnapshots, from: ReturnType<typeof opener>, query = "q") {
  const { named } = await snapshots.hold(query, from.open, (opened) => opened);
  return named?.id ?? "";
}

Deno.test("HeldSnapshots gives a snapshot up at once where nobody waits for it", async () => {
  const [snapshots, from] = [new HeldSnapshots(2, 60), opener()];
  const id = await held(snapshots, from);
  snapshots.find(id, "q").begun();
  deepEqual(from.released, []);
  equal(snapshots.release(id), true);
  deepEqual(from.released, ["s1"]);
  equal(snapshots.release(id), false);
  throws(() => snapshots.find(id, "q"), { code: "NOT_FOUND" });
});

Deno.test("HeldSnapshots gives a snapshot up only when those that found it have begun to read", async () => {
  const [snapshots, from] = [new HeldSnapshots(1, 60), opener()];
  const id = await held(snapshots, from);
  const [one, two] = [snapshots.find(id, "q"), snapshots.find(id, "q")];
  snapshots.release(id);
  one.begun();
  one.begun();
  deepEqual(from.released, []);
  // It still is a connection.
  await rejects(held(snapshots, from), { code: "RATE_LIMITED" });
  two.begun();
  deepEqual(from.released, ["s1"]);
  snapshots.release(await held(snapshots, from));
  deepEqual(from.released, ["s1", "s2"]);
});

Deno.test("HeldSnapshots counts what is being opened, and not what opens nothing", async () => {
  const [snapshots, from] = [new HeldSnapshots(1, 60), opener()];
  const gate = Promise.withResolvers<void>();
  const slow = snapshots.hold("q", async (take) => {
    take();
    await gate.promise;
    return null;
  }, (opened) => opened);
  await rejects(held(snapshots, from), { code: "RATE_LIMITED" });
  equal((await snapshots.hold("q", () => Promise.resolve(null), (none) => none)).named, null);
  gate.resolve();
  await slow;
  await rejects(
    snapshots.hold("q", (take) => {
      take();
      return Promise.reject(new Error("away"));
    }, () => null),
    /away/,
  );
  snapshots.release(await held(snapshots, from));
});

Deno.test("HeldSnapshots refuses a part of another query as BAD_TICKET", async () => {
  const [snapshots, from] = [new HeldSnapshots(1, 60), opener()];
  const id = await held(snapshots, from);
  throws(() => snapshots.find(id, "other"), { code: "BAD_TICKET" });
  snapshots.close();
  deepEqual(from.released, ["s1"]);
});

Deno.test("HeldSnapshots keeps nothing that is opened after it was closed", async () => {
  const [snapshots, from] = [new HeldSnapshots(1, 60), opener()];
  snapshots.close();
  const id = await held(snapshots, from);
  deepEqual(from.released, ["s1"]);
  throws(() => snapshots.find(id, "q"), { code: "NOT_FOUND" });
});
