/**
 * Values in events' JSON, as SQL of ClickHouse.
 *
 * Its parser takes a number with a point for a Float64, and no text at all in which an integer is too
 * long; digits would be lost. So documents with such numbers are read with every number as a text
 * that begins with U+0001, which no text of people does. Others, most of them, are read as they are.
 */

import { textLiteral } from "./event_literals.ts";

/** SQL of a document, and the keys to a value in it as arguments of ClickHouse's functions. */
export interface JsonPlace {
  readonly document: string;
  readonly keys: readonly string[];
}

/** All numbers outside of strings as marked strings. */
function marked(data: string): string {
  const tokens = String.raw`'("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][-+.0-9eE]*)'`;
  return String
    .raw`replaceAll(replaceAll(replaceAll(replaceRegexpAll(${data}, ${tokens}, '\\1\x01\\2\x02'), '\x01\x02', ''), '\x01', '"\\u0001'), '\x02', '"')`;
}

/** Whether a number may have more digits than a Float64 keeps, or is written with an exponent. */
const LONG = String.raw`'[0-9.]{16}|[:,\\[]\\s*-?[0-9.]+[eE]'`;

/** The column of events as a document. */
export function documentOf(data: string): string {
  return `if(match(${data}, ${LONG}), ${marked(data)}, ${data})`;
}

/**
 * SQL of the value at a path: `make` is asked with the arguments that lead there. A key of digits is
 * an index where the value before it is an array, as in PostgreSQL.
 */
export function atPath(
  data: string,
  path: readonly string[],
  make: (place: JsonPlace) => string,
): string {
  return along(documentOf(data), path, [], make);
}

function along(
  document: string,
  path: readonly string[],
  keys: readonly string[],
  make: (place: JsonPlace) => string,
): string {
  const [key, ...rest] = path;
  if (key === undefined) return make({ document, keys });
  const asKey = along(document, rest, [...keys, textLiteral(key)], make);
  if (!/^-?\d{1,9}$/.test(key)) return asKey;
  const index = Number(key) < 0 ? Number(key) : Number(key) + 1;
  const asIndex = along(document, rest, [...keys, String(index)], make);
  return `if(${typeOf({ document, keys })} = 'Array', ${asIndex}, ${asKey})`;
}

const call = (name: string, { document, keys }: JsonPlace) =>
  `${name}(${[document, ...keys].join(", ")})`;

export const typeOf = (place: JsonPlace) => `toString(${call("JSONType", place)})`;
export const isThere = (place: JsonPlace) =>
  place.keys.length === 0 ? "true" : call("JSONHas", place);
export const lengthOf = (place: JsonPlace) => call("JSONLength", place);
export const itemsOf = (place: JsonPlace) => call("JSONExtractArrayRaw", place);
const stringOf = (place: JsonPlace) => call("JSONExtractString", place);
export const booleanOf = (place: JsonPlace) => call("JSONExtractBool", place);

const isMarked = (place: JsonPlace) => `startsWith(${stringOf(place)}, '\\x01')`;

/** The text of a string; null of anything else. */
export function stringSql(place: JsonPlace): string {
  return `if(${typeOf(place)} = 'String' AND NOT ${isMarked(place)}, ${stringOf(place)}, NULL)`;
}

/** A number's digits, equal to what was written though perhaps not the same; null of anything else. */
export function numberSql(place: JsonPlace): string {
  const type = typeOf(place);
  return `multiIf(${type} = 'Int64', toString(${call("JSONExtractInt", place)}), ` +
    `${type} = 'UInt64', toString(${call("JSONExtractUInt", place)}), ` +
    `${type} = 'Double', toString(${call("JSONExtractFloat", place)}), ` +
    `${type} = 'String' AND ${isMarked(place)}, substring(${stringOf(place)}, 2), NULL)`;
}

/** JSON as it was written but for spaces, all digits; null where there is nothing. */
export function rawSql(data: string, path: readonly string[]): string {
  const raw = along(
    marked(data),
    path,
    [],
    (place) => `if(${isThere(place)}, ${call("JSONExtractRaw", place)}, NULL)`,
  );
  return String.raw`replaceRegexpAll(${raw}, '"\\\\u0001([^"]*)"', '\\1')`;
}

/**
 * A value as a text: of a string the string itself, of anything else its JSON; null where there is
 * nothing, or null.
 */
export function textAt(data: string, path: readonly string[]): string {
  return atPath(data, path, (place) => {
    const type = typeOf(place);
    return `multiIf(${type} = 'String' AND NOT ${isMarked(place)}, ${stringOf(place)}, ` +
      `${type} IN ('Int64', 'UInt64'), ${numberSql(place)}, ` +
      `${type} = 'Null', NULL, ${rawSql(data, path)})`;
  });
}

/**
 * A number as an Int256 of millionths, rounded as PostgreSQL's numeric; null of anything else. What
 * no result could hold stays too large for it.
 */
export function millionthsAt(data: string, path: readonly string[]): string {
  return atPath(data, path, (place) => {
    const digits = numberSql(place);
    // ClickHouse cuts what a decimal has no room for: one digit more decides how it is rounded.
    const decimal = `reinterpret(assumeNotNull(toDecimal256OrNull(d, 7)), 'Int256')`;
    const known = `intDiv(${decimal} + sign(${decimal}) * 5, 10)`;
    const huge = `if(startsWith(d, '-'), -1, 1) * toInt256('${10n ** 70n}')`;
    return `if(isNull(${digits}), NULL, ` +
      `arrayMap(d -> if(isNull(toDecimal256OrNull(d, 7)), ${huge}, ${known}), [assumeNotNull(${digits})])[1])`;
  });
}
