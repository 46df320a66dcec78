/** Lines of the log: one an event, whatever is in it. */

import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { createLog, type LogFields, type LogLevel } from "../../lib/log.ts";

const levels: LogLevel[] = ["debug", "info", "warn", "error"];

function linesAt(level: LogLevel): string[] {
  const lines: string[] = [];
  const log = createLog(level, (line) => lines.push(line));
  for (const name of levels) log[name](name);
  return lines.map((line) => JSON.parse(line).level);
}

for (const [i, level] of levels.entries()) {
  Deno.test(`createLog() at ${level} writes what is as urgent or more`, () => {
    deepEqual(linesAt(level), levels.slice(i));
  });
}

function line(fields: LogFields, format: "json" | "text" = "json"): string {
  let written = "";
  createLog("debug", (text) => written += text, format).info("happened", fields);
  return written;
}

Deno.test("createLog() writes a JSON line with time, level, event and fields", () => {
  const { time, ...rest } = JSON.parse(line({ count: 1, name: "a\nb", big: 2n ** 63n }));
  match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  deepEqual(rest, {
    level: "info",
    event: "happened",
    count: 1,
    name: "a\nb",
    big: "9223372036854775808",
  });
  equal(line({ name: "a\nb" }).split("\n").length, 2, "a line's end inside is escaped");
});

Deno.test("createLog() writes errors with their causes", () => {
  const cause = new TypeError("inner");
  const { error } = JSON.parse(line({ error: new Error("outer", { cause }) }));
  match(error.error, /^Error: outer\n/);
  match(error.cause, /^TypeError: inner\n/);
});

Deno.test("createLog() writes a plain line for a terminal", () => {
  match(line({ a: "x", b: { c: 1 } }, "text"), /^[\d:.]{12} info {2}happened a=x b=\{"c":1\}\n$/);
});

Deno.test("createLog() keeps what would break a terminal's line in quotes", () => {
  match(line({ a: "x\n\x1b[31my" }, "text"), /happened a="x\\n\\u001b\[31my"\n$/);
});

Deno.test("createLog() does not throw for a field that refers to itself", () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  match(line({ loop }), /circular/);
});
