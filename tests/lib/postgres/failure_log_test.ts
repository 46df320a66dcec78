import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { failureLog } from "../../../lib/postgres/failure_log.ts";

Deno.test("failureLog() tells each cause in a line, the same at most once a second", () => {
  const lines: unknown[] = [];
  let now = 0;
  const tell = failureLog({ warn: (event, fields) => void lines.push([event, fields]) }, () => now);
  for (now = 0; now < 2000; now += 100) {
    tell(new Error("refused", { cause: new Error("deeper") }));
    tell(new Error(now < 500 ? "late" : "full"));
  }
  const reasons = ["refused", "late", "full", "refused", "full"];
  deepEqual(lines, reasons.map((reason) => ["postgres.connect_failed", { reason }]));
});
