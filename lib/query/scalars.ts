/**
 * The scalars beside GraphQL's own, and how an input becomes the text of a parameter.
 *
 * A scalar checks the form of an input and keeps it as text, all digits; whether the column's type
 * can hold it (range of int2, a date that does not exist) is checked by `parameterText` where that
 * is cheap and by PostgreSQL otherwise, whose refusal is `BAD_INPUT` too.
 */

import {
  type FloatValueNode,
  GraphQLError,
  GraphQLScalarType,
  type IntValueNode,
  Kind,
  valueFromASTUntyped,
  type ValueNode,
  visit,
} from "graphql";
import type { ScalarType } from "../arrow/column_types.ts";
import { AppError } from "../errors.ts";

interface TextForm {
  readonly name: string;
  readonly description: string;
  readonly example: string;
  readonly form: RegExp;
  /** Numbers are taken too, as their digits. */
  readonly numbers?: true;
  readonly specifiedByURL?: string;
}

const date = String.raw`(?:\d{4}|[+-]\d{6,7})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`;
const time = String.raw`(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6}0*)?)?`;

// deno-fmt-ignore: a table reads best as one
const TEXT_FORMS: readonly TextForm[] = [
  { name: "BigInt", description: "A whole number of 64 bits, as a string so that no digit is lost.", example: '"9007199254740993"', form: /^[+-]?\d{1,30}$/, numbers: true },
  { name: "Decimal", description: "A number with all its digits, as a string.", example: '"12.50"', form: /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,5})?$|^NaN$|^[+-]?Infinity$/, numbers: true },
  { name: "UUID", description: "A UUID in its usual form.", example: '"6f9619ff-8b86-d011-b42d-00cf4fc964ff"', form: /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/, specifiedByURL: "https://www.rfc-editor.org/rfc/rfc9562" },
  { name: "DateTime", description: "A moment, RFC 3339, given in UTC with microseconds.", example: '"2026-01-31T13:45:00.123456Z"', form: new RegExp(`^${date}[Tt ]${time}(?:[Zz]|[+-](?:[01]\\d|2[0-3]):?[0-5]\\d)$`), specifiedByURL: "https://www.rfc-editor.org/rfc/rfc3339" },
  { name: "LocalDateTime", description: "A date and time without a time zone, ISO 8601.", example: '"2026-01-31T13:45:00"', form: new RegExp(`^${date}[T ]${time}$`) },
  { name: "Date", description: "A date, ISO 8601.", example: '"2026-01-31"', form: new RegExp(`^${date}$`) },
  { name: "LocalTime", description: "A time of day, ISO 8601.", example: '"13:45:00.5"', form: new RegExp(`^${time}$|^24:00(?::00)?$`) },
  { name: "Duration", description: "A length of time, ISO 8601.", example: '"P1Y2M3DT4H5M6.5S"', form: /^P(?=.)(?:[+-]?\d+Y)?(?:[+-]?\d+M)?(?:[+-]?\d+W)?(?:[+-]?\d+D)?(?:T(?=.)(?:[+-]?\d+H)?(?:[+-]?\d+M)?(?:[+-]?\d+(?:[.,]\d+)?S)?)?$/ },
  { name: "Bytes", description: "Bytes as base64.", example: '"3q2+7w=="', form: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/ },
];

function textScalar(row: TextForm): GraphQLScalarType<string, unknown> {
  const refuse = (seen: string, node?: ValueNode) =>
    new GraphQLError(`${row.name} cannot be ${seen}: write it like ${row.example}`, {
      ...(node && { nodes: node }),
    });
  const read = (value: unknown, node?: ValueNode): string => {
    if (typeof value === "string" && row.form.test(value)) return value;
    if (row.numbers && typeof value === "number" && Number.isFinite(value)) {
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
        throw refuse(`the number ${value}, whose digits JSON may have lost`, node);
      }
      const digits = String(value);
      if (row.form.test(digits)) return digits;
    }
    throw refuse(short(value), node);
  };
  return new GraphQLScalarType({
    name: row.name,
    description: row.description,
    specifiedByURL: row.specifiedByURL ?? null,
    parseValue: (value) => read(value),
    parseLiteral: (node) => {
      const isNumber = node.kind === Kind.INT || node.kind === Kind.FLOAT;
      if (node.kind === Kind.STRING || (row.numbers && isNumber)) {
        if (row.form.test(node.value)) return node.value;
        throw refuse(short(node.value), node);
      }
      throw refuse(`a ${node.kind.replace("Value", "").toLowerCase()}`, node);
    },
  });
}

const json = new GraphQLScalarType({
  name: "JSON",
  description: "Any JSON value, as it is.",
  parseValue: (value) => {
    refuseLostDigits(value);
    return value;
  },
  parseLiteral: (node, variables) => {
    visit(node, { FloatValue: refuseInexact, IntValue: refuseInexact });
    return valueFromASTUntyped(node, variables);
  },
});

/** JSON has no infinity, it would become null; and a longer integer would become another one. */
function refuseInexact(node: IntValueNode | FloatValueNode): void {
  const value = Number(node.value);
  if (Number.isFinite(value) && (node.kind === Kind.FLOAT || Number.isSafeInteger(value))) return;
  throw new GraphQLError(
    `JSON cannot be ${short(node.value)}: the number is too large to keep its digits`,
    { nodes: node },
  );
}

/** A variable's integer beyond 2^53 has been rounded before it came here, 1e999 made infinite. */
function refuseLostDigits(value: unknown): void {
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value);
  if (typeof value === "number" && !(isExact && Number.isFinite(value))) {
    throw new GraphQLError(`JSON cannot be the number ${value}, whose digits may be lost`);
  }
  if (typeof value === "object" && value !== null) Object.values(value).forEach(refuseLostDigits);
}

/** By name, all scalars that GraphQL does not bring itself. */
export const SCALARS: ReadonlyMap<string, GraphQLScalarType> = new Map(
  [...TEXT_FORMS.map(textScalar), json].map((scalar) => [scalar.name, scalar]),
);

const uuidForm = TEXT_FORMS.find((row) => row.name === "UUID")?.form ?? /^$/;

const INTEGER_RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int2: [-32_768n, 32_767n],
  int4: [-2_147_483_648n, 2_147_483_647n],
  int8: [-(2n ** 63n), 2n ** 63n - 1n],
};

/**
 * The text of a coerced input for a parameter of this type; throws `BAD_INPUT` where the type
 * cannot hold it. `place` is where the input stands, for the message.
 */
export function parameterText(type: ScalarType, value: unknown, place: string): string {
  const refuse = (why: string, hint?: string) =>
    new AppError("BAD_INPUT", `${place}: ${short(value)} ${why}`, hint ? { hint } : {});
  switch (type.kind) {
    case "json":
    case "jsonb":
      return wellFormed(JSON.stringify(value), refuse);
    case "int2":
    case "int4":
    case "int8": {
      const [least, most] = INTEGER_RANGES[type.kind] ?? [0n, 0n];
      const number = BigInt(String(value).replace(/^\+/, ""));
      if (number < least || number > most) throw refuse(`is not from ${least} to ${most}`);
      return number.toString();
    }
    case "float4":
    case "float8":
      // graphql-js takes a literal like 1e400 and makes it infinite.
      if (!Number.isFinite(value)) throw refuse("is beyond the range of a Float");
      return String(value);
    case "uuid":
      if (!uuidForm.test(String(value))) throw refuse("is no UUID");
      return String(value);
    case "bytea":
      return `\\x${hex(String(value))}`;
    case "enum":
      if (!type.labels.includes(String(value))) {
        throw refuse("is none of the labels", `the labels are ${type.labels.join(", ")}`);
      }
      return String(value);
    case "date":
    case "timestamp":
    case "timestamptz":
      return yearForPostgres(String(value));
    default:
      return wellFormed(String(value), refuse);
  }
}

/** PostgreSQL's text cannot hold NUL, and UTF-8 cannot hold half a surrogate pair. */
function wellFormed(value: string, refuse: (why: string) => AppError): string {
  if (value.includes("\0")) throw refuse("holds a NUL character, which PostgreSQL cannot store");
  if (!value.isWellFormed()) throw refuse("holds half a surrogate pair");
  return value;
}

/** `+012026-...` -> `12026-...`, and the years before 1 as PostgreSQL writes them, with ` BC`. */
function yearForPostgres(value: string): string {
  const match = /^([+-])(\d{6,7})(-.*)$/.exec(value);
  if (!match) return value.startsWith("0000-") ? `0001${value.slice(4)} BC` : value;
  const year = Number(match[2]) * (match[1] === "-" ? -1 : 1);
  const digits = (count: number) => String(count).padStart(4, "0");
  return year > 0 ? digits(year) + match[3] : `${digits(1 - year)}${match[3]} BC`;
}

function hex(base64: string): string {
  return Array.from(atob(base64), (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join(
    "",
  );
}

/** A value as it may stand in a message: its JSON, cut. */
export function short(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
