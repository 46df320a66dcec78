/** Conditions of `searchEvents` -> conditions of a store of searched events. */

import { AppError } from "../errors.ts";
import type { SearchColumn } from "../search_columns.ts";
import type { SearchCondition, SearchField } from "../search/store.ts";
import { searchPrefixCharsMax } from "../search/values.ts";
import { type ConditionBudget, given } from "./conditions.ts";
import { momentMicros } from "./moments.ts";
import type { Condition } from "./read_plan.ts";
import { short } from "./scalars.ts";

type Input = Readonly<Record<string, unknown>>;

/**
 * A condition on an event's fields. A store has two truth values where `events` has three: there
 * nothing that is compared with null holds, and its `not` does not either. So `not` goes down to the
 * comparisons, each of which says what must be there.
 */
export function fieldCondition(condition: Condition, isTrue = true): SearchCondition {
  switch (condition.kind) {
    case "and":
    case "or": {
      const isAnd = (condition.kind === "and") === isTrue;
      const items = condition.items.map((item) => fieldCondition(item, isTrue));
      return items.length === 1 ? items[0]! : { kind: isAnd ? "and" : "or", items };
    }
    case "not":
      return fieldCondition(condition.item, !isTrue);
    case "compare": {
      const field = condition.columns.at(-1)?.name ?? "";
      return field === "timestamp"
        ? timeCondition(condition, isTrue)
        : textCondition(field as SearchField, condition, isTrue);
    }
    case "link":
    case "jsonPath":
      throw new Error(`validation let ${condition.kind} pass`);
    default:
      return condition satisfies never;
  }
}

type Comparison = Condition & { kind: "compare" };

function textCondition(
  field: SearchField,
  { operator, value, place }: Comparison,
  isTrue: boolean,
): SearchCondition {
  if (operator === "isNull") return orNot({ kind: "present", field }, (value === true) !== isTrue);
  const read = (text: unknown) => fieldText(field, String(text), place);
  switch (operator) {
    case "eq":
    case "neq":
      return among(field, [read(value)], (operator === "eq") === isTrue);
    case "in":
    case "nin":
      return among(field, (value as unknown[]).map(read), (operator === "in") === isTrue);
    case "startsWith": {
      const begins = { kind: "startsWith", field, value: read(value) } as const;
      refuseLong(begins.value, place);
      return isTrue ? begins : isThereBut(field, begins);
    }
    default:
      throw new Error(`validation let ${operator} pass`);
  }
}

function refuseLong({ length }: string, place: string): void {
  if (length <= searchPrefixCharsMax) return;
  throw new AppError(
    "TOO_LARGE",
    `${place}: ${length} letters are more than ${searchPrefixCharsMax}`,
    {
      hint: "startsWith takes a beginning; eq takes a whole value",
    },
  );
}

function among(field: SearchField, values: readonly string[], isIn: boolean): SearchCondition {
  // Null is none of nothing, which is known.
  if (values.length === 0) return isIn ? never : always;
  const condition = { kind: "in", field, values } as const;
  return isIn ? condition : isThereBut(field, condition);
}

/** Only these fields can be null. */
function isThereBut(field: SearchField, condition: SearchCondition): SearchCondition {
  const not = { kind: "not", item: condition } as const;
  if (field !== "userId" && field !== "orgId") return not;
  return { kind: "and", items: [{ kind: "present", field }, not] };
}

/** Ids are kept in lower case; a text that cannot be in an event is refused as in `events`. */
function fieldText(field: SearchField, text: string, place: string): string {
  if (!text.isWellFormed()) {
    throw new AppError("BAD_INPUT", `${place}: ${short(text)} holds half a surrogate pair`);
  }
  return field === "eventId" ? text.toLowerCase() : text;
}

function timeCondition({ operator, value, place }: Comparison, isTrue: boolean): SearchCondition {
  // An event always has its time.
  if (operator === "isNull") return (value === true) === isTrue ? never : always;
  const at = (moment: unknown) => momentMicros(String(moment), place);
  const within = (from: number | null, to: number | null): SearchCondition =>
    orNot({ kind: "micros", from, to }, isTrue);
  switch (operator) {
    case "eq":
      return within(at(value), at(value));
    case "neq":
      return timeCondition({ operator: "eq", value, place } as Comparison, !isTrue);
    case "in":
    case "nin": {
      const items = (value as unknown[]).map((moment) => {
        const micros = at(moment);
        return { kind: "micros", from: micros, to: micros } as const;
      });
      return orNot({ kind: "or", items }, (operator === "in") === isTrue);
    }
    case "gt":
      return within(at(value) + 1, null);
    case "gte":
      return within(at(value), null);
    case "lt":
      return within(null, at(value) - 1);
    case "lte":
      return within(null, at(value));
    default:
      throw new Error(`validation let ${operator} pass`);
  }
}

const always: SearchCondition = { kind: "and", items: [] };
const never: SearchCondition = { kind: "or", items: [] };

const orNot = (condition: SearchCondition, isTrue: boolean): SearchCondition =>
  isTrue ? condition : { kind: "not", item: condition };

/** One entry of the argument `data`. */
export function dataCondition(
  { path, op, value }: Input,
  columns: readonly SearchColumn[],
  place: string,
  budget: ConditionBudget,
): SearchCondition {
  const keys = path as readonly string[];
  budget.take();
  budget.takePath(keys.length);
  if (keys.length === 0) throw new AppError("BAD_INPUT", `${place}.path: the path has no key`);
  const operand = given<unknown>(value, `${place}.value`);
  const at = { kind: "pathPresent", path: keys } as const;
  const equals = (values: readonly unknown[]): SearchCondition => ({
    kind: "path",
    path: keys,
    values: values.map((one) => valueText(one, `${place}.value`)),
  });
  switch (op) {
    case "eq":
      return equals([operand]);
    case "neq":
      return { kind: "and", items: [at, { kind: "not", item: equals([operand]) }] };
    case "in":
      return equals(listOf(operand, place));
    case "nin":
      return { kind: "and", items: [at, { kind: "not", item: equals(listOf(operand, place)) }] };
    case "isNull":
      if (typeof operand === "boolean") return orNot(at, !operand);
      throw new AppError("BAD_INPUT", `${place}.value: isNull takes true or false`);
    case "gt":
    case "gte":
    case "lt":
    case "lte":
      return {
        kind: "number",
        column: columnOf(keys, columns, place),
        operator: op,
        value: numberOf(operand, place),
      };
    default:
      throw new Error(`validation let ${short(op)} pass`);
  }
}

function listOf(value: unknown, place: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new AppError("BAD_INPUT", `${place}.value: ${short(value)} is no list`, {
    hint: 'in and nin take a list, like ["paid", "failed"]; eq takes one value',
  });
}

function valueText(value: unknown, place: string): string {
  if (typeof value === "string") {
    if (value.isWellFormed()) return value;
  } else if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new AppError("BAD_INPUT", `${place}: ${short(value)} is no text, number or boolean`, {
    hint: "objects and arrays are found by what is in them; isNull finds what is not there",
  });
}

function numberOf(value: unknown, place: string): number {
  if (typeof value === "number") return value;
  throw new AppError("BAD_INPUT", `${place}.value: ${short(value)} is no number`);
}

function columnOf(
  keys: readonly string[],
  columns: readonly SearchColumn[],
  place: string,
): string {
  const path = keys.join(".");
  const column = columns.find((candidate) => candidate.path.join(".") === path);
  if (column) return column.name;
  const known = columns.map((candidate) => candidate.path.join(".")).join(", ");
  throw new AppError(
    "BAD_INPUT",
    `${place}: ${short(path)} is not among search_columns, whose numbers alone are compared`,
    {
      hint: `search_columns names ${known || "none"}: add it there (FRAISEQL_SEARCH_COLUMNS), ` +
        "and store the events again",
    },
  );
}
