import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import {
  ConnectionLost,
  decodeFields,
  PostgresError,
  SQL_STATES,
  toAppError,
} from "../../../lib/postgres/errors.ts";

const encoder = new TextEncoder();

Deno.test("decodeFields() reads every field and leaves out what it does not know", () => {
  const text = "SFEHLER\0VERROR\0C22P02\0Mm\0Dd\0Hh\0P1\0p2\0qq\0Ww\0ss\0tt\0cc\0dd\0nn\0Ff\0L9\0" +
    "Rr\0?unknown\0\0";
  deepEqual(decodeFields(encoder.encode(text)), {
    severityLocalized: "FEHLER",
    severity: "ERROR",
    sqlState: "22P02",
    message: "m",
    detail: "d",
    hint: "h",
    position: "1",
    internalPosition: "2",
    internalQuery: "q",
    where: "w",
    schema: "s",
    table: "t",
    column: "c",
    dataType: "d",
    constraint: "n",
    file: "f",
    line: "9",
    routine: "r",
  });
});

const codes: [sqlState: string, code: string][] = [
  ["22001", "INTERNAL"],
  ["22003", "UNREPRESENTABLE"],
  ["22007", "INTERNAL"],
  ["22008", "UNREPRESENTABLE"],
  ["22021", "INTERNAL"],
  ["22025", "BAD_INPUT"],
  ["2201B", "BAD_INPUT"],
  ["22P02", "INTERNAL"],
  ["22P05", "UNREPRESENTABLE"],
  ["55000", "UNAVAILABLE"],
  ["22012", "INTERNAL"],
  ["25006", "UNSUPPORTED"],
  ["42501", "FORBIDDEN"],
  ["57014", "TIMEOUT"],
  ["57P01", "UNAVAILABLE"],
  ["57P02", "UNAVAILABLE"],
  ["57P03", "UNAVAILABLE"],
  ["08000", "UNAVAILABLE"],
  ["08006", "UNAVAILABLE"],
  ["53300", "UNAVAILABLE"],
  ["53200", "UNAVAILABLE"],
  ["53100", "UNAVAILABLE"],
  ["40001", "UNAVAILABLE"],
  ["40P01", "UNAVAILABLE"],
  ["55P03", "UNAVAILABLE"],
  ["42P01", "UNAVAILABLE"],
  ["42703", "UNAVAILABLE"],
  ["42704", "UNAVAILABLE"],
  ["54000", "TOO_LARGE"],
  ["54001", "TOO_LARGE"],
  ["42601", "INTERNAL"],
  ["XX000", "INTERNAL"],
  ["0A000", "INTERNAL"],
];

/** A statement with a parameter whose values PostgreSQL took, and one whose values it was taking. */
const ran = { parameters: 1, bound: true, version: 150000 };
const binding = { ...ran, bound: false };

for (const [sqlState, code] of codes) {
  Deno.test(`toAppError() makes ${code} of ${sqlState}`, () => {
    const cause = new PostgresError({ sqlState, message: "what it said" });
    const error = toAppError(cause, ran);
    equal(error.code, code);
    equal(error.cause, cause);
  });
}

Deno.test("toAppError() tells what to do about everything", () => {
  for (const sqlState of Object.keys(SQL_STATES)) {
    match(toAppError(new PostgresError({ sqlState }), ran).hint ?? "", /\w/, sqlState);
  }
});

Deno.test("toAppError() shows PostgreSQL's words only where they are about the caller's value", () => {
  const said = { message: 'relation "secret" does not exist' };
  equal(
    toAppError(new PostgresError({ ...said, sqlState: "42P01" })).message.includes("secret"),
    false,
  );
  equal(
    toAppError(new PostgresError({ ...said, sqlState: "42601" })).message.includes("secret"),
    false,
  );
  const message = 'invalid input syntax for type integer: "x"';
  const where = "unnamed portal parameter $7 = '...'";
  const value = new PostgresError({ sqlState: "22P02", message, where });
  const seen = toAppError(value, { ...binding, parameters: 7 });
  equal(seen.code, "BAD_INPUT");
  equal(seen.message, `parameter $7: ${message}`);
  match(seen.hint ?? "", /arguments/);
  const placed = toAppError(value, { ...binding, parameters: 7, places: { 7: "after" } });
  equal(placed.message, `after: ${message}`);
});

for (
  const [name, statement, code] of [
    ["a statement without parameters", { ...binding, parameters: 0 }, "INTERNAL"],
    ["a statement that runs", ran, "INTERNAL"],
    ["a plan's constant", binding, "INTERNAL"],
    ["PostgreSQL 13 taking values", { ...binding, version: 130000 }, "BAD_INPUT"],
  ] as const
) {
  Deno.test(`toAppError() makes ${code} of a bad value in ${name}, and does not show it`, () => {
    const error = toAppError(
      new PostgresError({ sqlState: "22P02", message: 'invalid: "hunter2"' }),
      statement,
    );
    equal(error.code, code);
    equal(error.message.includes("hunter2"), false);
  });
}

Deno.test("toAppError() says BAD_INPUT of a time zone that PostgreSQL lacks, to who gave a parameter", () => {
  const error = new PostgresError({ sqlState: "22023", routine: "DecodeTimezoneName" });
  equal(toAppError(error, ran).code, "BAD_INPUT");
  match(toAppError(error, ran).hint ?? "", /pg_timezone_names/);
  equal(toAppError(error, { ...ran, parameters: 0 }).code, "INTERNAL");
  equal(toAppError(new PostgresError({ sqlState: "22023" }), ran).code, "INTERNAL");
});

Deno.test("toAppError() does not blame who gave no parameter for a pattern", () => {
  const error = new PostgresError({ sqlState: "2201B" });
  equal(toAppError(error, { ...ran, parameters: 0 }).code, "INTERNAL");
});

const special: [
  name: string,
  fields: ConstructorParameters<typeof PostgresError>[0],
  code: string,
][] = [
  ["a cancel that somebody asked for", {
    sqlState: "57014",
    message: "canceling statement due to user request",
  }, "CANCELLED"],
  ["a value that PostgreSQL cannot hold", {
    sqlState: "XX000",
    message: "invalid memory alloc request size 1073741824",
  }, "TOO_LARGE"],
  ["a plan whose result changed", {
    sqlState: "0A000",
    routine: "RevalidateCachedQuery",
  }, "UNAVAILABLE"],
  ["a pattern for text that has none", {
    sqlState: "0A000",
    message: "nondeterministic collations are not supported for LIKE",
  }, "BAD_INPUT"],
  ["the same in another language", {
    sqlState: "0A000",
    message: "unbekannt",
    routine: "Generic_Text_IC_like",
  }, "BAD_INPUT"],
  ["an error without fields", {}, "INTERNAL"],
];

for (const [name, fields, code] of special) {
  Deno.test(`toAppError() makes ${code} of ${name}`, () => {
    equal(toAppError(new PostgresError(fields), ran).code, code);
  });
}

Deno.test("ConnectionLost knows whether the other side ever saw the request", () => {
  equal(new ConnectionLost().unknownThere, false);
  equal(new ConnectionLost(new Error("closed")).unknownThere, false);
  equal(new ConnectionLost(new Deno.errors.ConnectionReset("reset")).unknownThere, true);
  equal(new ConnectionLost(new Deno.errors.BrokenPipe("pipe")).unknownThere, true);
  const nodes = Object.assign(new Error("reset"), { code: "ECONNRESET" });
  equal(new ConnectionLost(nodes).unknownThere, true);
});
