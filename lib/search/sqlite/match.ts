/**
 * A search as FTS5 is asked it. What tokens can answer goes into one expression; what is left is
 * checked on each event that the expression finds.
 */

import type { SearchCondition, Term } from "../store.ts";
import {
  EVERY,
  fieldPrefix,
  fieldToken,
  NONE,
  pathPresentToken,
  pathToken,
  presentToken,
  quoted,
} from "./tokens.ts";

export interface Match {
  /** Null: every event. */
  readonly expression: string | null;
  /** All of them must hold too. */
  readonly rest: readonly SearchCondition[];
  /** Events outside are none of the found ones. */
  readonly fromMicros: number;
  readonly toMicros: number;
}

/** Takes a search apart. */
export function matchOf(terms: readonly Term[], condition: SearchCondition | null): Match {
  const expressions = terms.flatMap((term) => termExpression(term) ?? []);
  const rest: SearchCondition[] = [];
  let [fromMicros, toMicros] = [-Infinity, Infinity];
  for (const part of partsOf(condition)) {
    if (part.kind === "micros") {
      fromMicros = Math.max(fromMicros, part.from ?? -Infinity);
      toMicros = Math.min(toMicros, part.to ?? Infinity);
    }
    const expression = conditionExpression(part, 0);
    if (expression !== null) expressions.push(expression);
    if (!isWhole(part) || (expression === null && !isOfWholeMs(part))) rest.push(part);
  }
  const expression = expressions.length === 0 ? null : expressions.join(" AND ");
  return { expression, rest, fromMicros, toMicros };
}

/** A condition as FTS5 is asked it; null where tokens do not tell. Never too narrow. */
function conditionExpression(condition: SearchCondition, level: number): string | null {
  if (level > levelsMax) return null;
  const inner = (item: SearchCondition) =>
    isWhole(item) ? conditionExpression(item, level + 1) : null;
  switch (condition.kind) {
    case "and":
      return joined(condition.items.map(inner), "AND", EVERY);
    case "or":
      return joined(condition.items.map(inner), "OR", NONE);
    case "not": {
      const expression = inner(condition.item);
      return expression === null ? null : `(${quoted(EVERY)} NOT ${expression})`;
    }
    case "in": {
      const { field, values } = condition;
      if (field === "eventId" || values.length > valuesMax) return null;
      return joined(values.map((value) => quoted(fieldToken(field, value))), "OR", NONE);
    }
    case "startsWith":
      if (condition.field === "eventId") return null;
      return `${quoted(fieldPrefix(condition.field, condition.value).token)} *`;
    case "present":
      return quoted(presentToken(condition.field) ?? EVERY);
    case "path": {
      if (condition.values.length > valuesMax) return null;
      const tokens = condition.values.flatMap((value) => pathToken(condition.path, value) ?? []);
      return joined(tokens.map(quoted), "OR", NONE);
    }
    case "pathPresent":
      return quoted(pathPresentToken(condition.path));
    case "micros":
    case "number":
      return null;
    default:
      return condition satisfies never;
  }
}

/** FTS5 looks at all of them for each event that it finds. */
const valuesMax = 50;

/** FTS5's parser has a stack of 100; what lies deeper is asked part by part. */
const levelsMax = 10;

function partsOf(condition: SearchCondition | null): readonly SearchCondition[] {
  if (condition === null) return [];
  return condition.kind === "and" ? condition.items.flatMap(partsOf) : [condition];
}

/** Whether the range of rows, which has whole milliseconds, tells all of it. */
function isOfWholeMs(condition: SearchCondition): boolean {
  if (condition.kind !== "micros") return false;
  const { from, to } = condition;
  return (from === null || from % 1000 === 0) && (to === null || (to + 1) % 1000 === 0);
}

/** Whether its tokens tell all of it: of a long beginning they hold the first part alone. */
function isWhole(condition: SearchCondition): boolean {
  if (condition.kind !== "startsWith" || condition.field === "eventId") return true;
  return fieldPrefix(condition.field, condition.value).isWhole;
}

function termExpression(term: Term): string | null {
  switch (term.kind) {
    case "word":
      return quoted(term.word);
    case "prefix":
      return `${quoted(term.word)} *`;
    case "phrase":
      return term.words.length === 0 ? null : quoted(term.words.join(" "));
    default:
      return term satisfies never;
  }
}

function joined(
  expressions: readonly (string | null)[],
  operator: "AND" | "OR",
  ofNone: string,
): string | null {
  if (expressions.includes(null)) return null;
  return expressions.length === 0 ? quoted(ofNone) : `(${expressions.join(` ${operator} `)})`;
}
