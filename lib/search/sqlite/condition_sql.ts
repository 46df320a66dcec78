/** A condition as SQL on a row of `events e`, for what tokens alone do not answer. */

import type { SearchCondition, SearchField } from "../store.ts";
import { uuidBytes } from "./event_ids.ts";
import { numberColumns } from "./month_tables.ts";
import { EVERY, pathPresentToken, pathToken, presentToken, quoted } from "./tokens.ts";

/** A text and its parameters, in order. */
export interface Sql {
  readonly text: string;
  readonly values: readonly (string | number | Uint8Array)[];
}

/** True or false of each row, never null. */
export function conditionSql(condition: SearchCondition, columns: ReadonlySet<string>): Sql {
  switch (condition.kind) {
    case "and":
      return joined(condition.items.map((item) => conditionSql(item, columns)), "and", "true");
    case "or":
      return joined(condition.items.map((item) => conditionSql(item, columns)), "or", "false");
    case "not": {
      const { text, values } = conditionSql(condition.item, columns);
      return { text: `not ${text}`, values };
    }
    case "in":
      return condition.field === "eventId"
        ? idIn(condition.values)
        : oneOf(COLUMNS[condition.field], condition.values);
    case "startsWith":
      return condition.field === "eventId"
        ? idStartsWith(condition.value)
        : startsWith(COLUMNS[condition.field], condition.value);
    case "micros": {
      const { from, to } = condition;
      return joined(
        [
          ...(from === null ? [] : [{ text: "e.micros >= ?", values: [from] }]),
          ...(to === null ? [] : [{ text: "e.micros <= ?", values: [to] }]),
        ],
        "and",
        "true",
      );
    }
    case "number": {
      const [least, greatest] = numberColumns(condition.column);
      // Of a column that is configured since, the file has no numbers.
      if (!columns.has(least)) return { text: "false", values: [] };
      const operator = OPERATORS[condition.operator];
      const column = operator.startsWith(">") ? greatest : least;
      return { text: `ifnull(e.${column} ${operator} ?, false)`, values: [condition.value] };
    }
    case "present":
      return anyToken([presentToken(condition.field) ?? EVERY]);
    case "path": {
      const { path, values } = condition;
      return anyToken(values.flatMap((value) => pathToken(path, value) ?? []));
    }
    case "pathPresent":
      return anyToken([pathPresentToken(condition.path)]);
    default:
      return condition satisfies never;
  }
}

const COLUMNS: Readonly<Record<Exclude<SearchField, "eventId">, string>> = {
  eventType: "e.event_type",
  entityType: "e.entity_type",
  entityId: "e.entity_id",
  userId: "e.user_id",
  orgId: "e.org_id",
};

const OPERATORS = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

function idIn(ids: readonly string[]): Sql {
  const known = ids.flatMap((id) => uuidBytes(id) ?? []);
  return { text: `e.id in (${known.map(() => "?").join(", ")})`, values: known };
}

/** A UUID's text has four bits a letter, in the order of its bytes. */
function idStartsWith(start: string): Sql {
  const zeros = "00000000-0000-0000-0000-000000000000";
  const first = uuidBytes(start + zeros.slice(start.length));
  const last = uuidBytes(start + zeros.replaceAll("0", "f").slice(start.length));
  if (first === null || last === null) return { text: "false", values: [] };
  return { text: "e.id between ? and ?", values: [first, last] };
}

function oneOf(column: string, values: readonly string[]): Sql {
  const text = `ifnull(${column} in (select value from json_each(?)), false)`;
  return { text, values: [JSON.stringify(values)] };
}

function startsWith(column: string, start: string): Sql {
  return { text: `ifnull(instr(${column}, ?) = 1, false)`, values: [start] };
}

/** One after the other: of all at once FTS5 would look at each for every event. */
function anyToken(tokens: readonly string[]): Sql {
  const text = `e.n in (select f.rowid from json_each(?) j cross join found_by f
    where f.found_by match j.value and tick())`;
  return { text, values: [JSON.stringify(tokens.map(quoted))] };
}

function joined(items: readonly Sql[], operator: "and" | "or", ofNone: string): Sql {
  if (items.length === 0) return { text: ofNone, values: [] };
  return {
    text: `(${items.map(({ text }) => text).join(` ${operator} `)})`,
    values: items.flatMap(({ values }) => values),
  };
}
