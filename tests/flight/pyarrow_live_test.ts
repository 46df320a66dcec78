/** The server as pyarrow.flight sees it, with a scripted engine. Needs Python. */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { AppError } from "../../lib/errors.ts";
import { preparePython, python } from "../clients/python.ts";
import { endlessPeople, FakeEngine, people, root, silentPeople } from "./fake_engine.ts";
import { served, until } from "./serve.ts";

const script = new URL("./clients.py", import.meta.url);

const NAMES = ["people", "empty", "many", "endless", "silent", "fails", "bug", "halfway"];
const SCRIPT = {
  "{ people { id name } }": [root("people")],
  "{ empty { id name } }": [root("empty")],
  "{ many { id name } }": [root("many")],
  "{ endless { id } }": [root("endless")],
  "{ silent { id } }": [root("silent")],
  "{ fails { id } }": [root("fails")],
  "{ bug { id } }": [root("bug")],
  "{ halfway { id } }": [root("halfway")],
  "{ a { id } b { id } }": [root("a"), root("b", 1)],
};

const engine = () =>
  new FakeEngine(SCRIPT, async function* ({ name }, signal) {
    switch (name) {
      case "empty":
        return;
      case "many":
        return yield* people(1_000_000, 10_000);
      case "endless":
        return yield* endlessPeople(signal);
      case "silent":
        return yield* silentPeople(signal);
      case "fails":
        throw new AppError("UNAVAILABLE", "PostgreSQL went away \u2014 \u00fc", { hint: "wait" });
      case "bug":
        throw new TypeError("secret");
      case "halfway":
        yield* people(20_000);
        throw new AppError("UNREPRESENTABLE", "column total, row 20001");
      default:
        yield* people(25);
    }
  });

Deno.test("pyarrow reads the same schema and rows by every way, for 0, 25 and 1,000,000 rows", () =>
  served(engine(), async ({ url }) => {
    deepEqual(JSON.parse(await python(script, [url, "answers"])), {
      "{ people { id name } }": 25,
      "{ empty { id name } }": 0,
      "{ many { id name } }": 1_000_000,
      first: [{ id: 0, name: "name 0 \u{1F600}" }, { id: 1, name: "name 1 \u{1F600}" }],
      flights: NAMES,
      filtered: ["empty"],
      two: [25, 25],
      actions: ["HealthCheck", "RefreshSchema", "CancelFlightInfo"],
      health: [{ status: "ok" }],
    });
  }));

Deno.test("pyarrow shows each error as its own class, with message and hint", () =>
  served(engine(), async ({ url }) => {
    const told = JSON.parse(await python(script, [url, "errors"]));
    const shown: [what: string, name: string, says: RegExp][] = [
      ["", "ArrowInvalid", /the ticket is empty \(hint: /],
      ["{ a { id } b { id } }", "ArrowInvalid", /several root fields: a, b/],
      ["nobody", "ArrowKeyError", /nobody/],
      ["{ fails { id } }", "FlightUnavailableError", /went away \u2014 \u00fc \(hint: wait\)/],
      ["{ bug { id } }", "FlightInternalError", /under the id [0-9a-f-]{36}/],
      ["halfway", "ArrowInvalid", /out-of-range.*row 20001/],
      ["put", "ArrowNotImplementedError", /only reads/],
      ["exchange", "ArrowNotImplementedError", /only reads/],
      ["action", "ArrowNotImplementedError", /"Dance"/],
      ["deadline", "FlightTimedOutError", /Deadline/i],
    ];
    for (const [what, name, says] of shown) {
      equal(told[what][0], name, what);
      match(told[what][1], says);
    }
    ok(!JSON.stringify(told).includes("secret"));
    // Batches of 1,000, 3,000 and 9,000 rows; the one that holds the bad row is never sent.
    equal(told.halfway[2], 13_000);
  }));

Deno.test("pyarrow can cancel again and again on one client, and no query is left", () =>
  served(engine(), async ({ url, engine }) => {
    equal(JSON.parse(await python(script, [url, "cancels"])), 25);
    await until("no query is left", () => engine.running === 0);
  }));

Deno.test("pyarrow's eight streams at once with three places: read whole or refused, none hangs", () =>
  served(engine(), async ({ url }) => {
    const outcomes: unknown[] = JSON.parse(await python(script, [url, "parallel"]));
    equal(outcomes.length, 8);
    const whole = outcomes.filter((outcome) => outcome === 1_000_000).length;
    ok(whole >= 3, JSON.stringify(outcomes));
    equal(outcomes.filter((outcome) => outcome === "3 streams ar").length, 8 - whole);
  }, { flightStreamsMax: 3 }));

Deno.test("a pyarrow that is killed while it reads nothing leaves no query", () =>
  served(engine(), async ({ url, engine }) => {
    const child = new Deno.Command(await preparePython(), {
      args: [fileURLToPath(script), url, "stalls"],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    equal(engine.running, 1);
    child.kill("SIGKILL");
    await until("no query is left", () => engine.running === 0);
    while (!(await reader.read()).done);
    await child.status;
  }));
