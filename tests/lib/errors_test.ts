/** The table of codes as clients know it, and what an error looks like in an answer. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { abortError, AppError, CODES, SchemaChanged } from "../../lib/errors.ts";

/** Clients and dashboards rely on these numbers. */
const codes: [code: keyof typeof CODES, http: number, grpc: number][] = [
  ["PARSE_ERROR", 400, 3],
  ["VALIDATION_ERROR", 400, 3],
  ["BAD_INPUT", 400, 3],
  ["BAD_TICKET", 400, 3],
  ["UNAUTHENTICATED", 401, 16],
  ["FORBIDDEN", 403, 7],
  ["NOT_FOUND", 404, 5],
  ["TOO_LARGE", 413, 8],
  ["UNREPRESENTABLE", 422, 11],
  ["RATE_LIMITED", 429, 8],
  ["TOO_MANY_STREAMS", 429, 8],
  ["UNAVAILABLE", 503, 14],
  ["TIMEOUT", 504, 4],
  ["CANCELLED", 499, 1],
  ["UNSUPPORTED", 501, 12],
  ["INTERNAL", 500, 13],
];

Deno.test("CODES has every code with its two statuses", () => {
  deepEqual(Object.entries(CODES).map(([code, { http, grpc }]) => [code, http, grpc]), codes);
});

Deno.test("AppError.entries() gives what is known and nothing more", () => {
  deepEqual(new AppError("NOT_FOUND", "none").entries(), [
    { message: "none", extensions: { code: "NOT_FOUND" } },
  ]);
});

Deno.test("AppError.entries() gives the place, the hint and the other errors, never the cause", () => {
  const error = new AppError("VALIDATION_ERROR", "a", {
    hint: "do b",
    cause: new Error("secret"),
    locations: [{ line: 1, column: 2 }],
    path: ["users", 0],
    retryAfterSeconds: 3,
    others: [new AppError("BAD_INPUT", "c")],
  });
  deepEqual(JSON.parse(JSON.stringify(error.entries())), [
    {
      message: "a",
      locations: [{ line: 1, column: 2 }],
      path: ["users", 0],
      extensions: { code: "VALIDATION_ERROR", hint: "do b", retryAfterSeconds: 3 },
    },
    { message: "c", extensions: { code: "BAD_INPUT" } },
  ]);
});

const reasons: [name: string, reason: unknown, code: string][] = [
  ["an error of ours", new AppError("TOO_LARGE", "x"), "TOO_LARGE"],
  ["a deadline", new DOMException("late", "TimeoutError"), "TIMEOUT"],
  ["no reason", undefined, "CANCELLED"],
  ["a text", "gone", "CANCELLED"],
  ["another error", new Error("gone"), "CANCELLED"],
];

for (const [name, reason, code] of reasons) {
  Deno.test(`abortError() of ${name} is ${code}`, () => {
    const controller = new AbortController();
    controller.abort(reason);
    equal(abortError(controller.signal).code, code);
  });
}

Deno.test("AppError.with() keeps all that is not given otherwise", () => {
  const error = new AppError("BAD_INPUT", "a", {
    hint: "h",
    path: ["x"],
    locations: [{ line: 1, column: 2 }],
    retryAfterSeconds: 3,
    others: [new AppError("BAD_INPUT", "b")],
    cause: 1,
  });
  deepEqual(error.with({}).entries(), error.entries());
  equal(error.with({}).cause, 1);
  const other = error.with({ message: "c", path: ["y", 0] });
  deepEqual(other.entries(), [
    { ...error.entries()[0], message: "c", path: ["y", 0] },
    error.entries()[1],
  ]);
});

Deno.test("with() keeps a changed schema what it is, so that the engine is told of it", () => {
  const placed = new SchemaChanged("column a is gone").with({ message: "b", path: ["rows", 1] });
  equal(placed instanceof SchemaChanged, true);
  equal(placed.message, "b");
  deepEqual(placed.path, ["rows", 1]);
});
