/** The names of relations, columns and what derives from them, and which are ours. */

import { COLUMN_TYPES } from "../arrow/column_types.ts";
import { didYouMean } from "../config.ts";
import { AGGREGATE_TYPE_ENDS } from "./aggregates.ts";
import type { CatalogColumn, CatalogRelation } from "./catalog.ts";
import { camelCase, Names, pascalCase, plural, singular } from "./names.ts";

/** Names of the root that are ours, now or with a later release. */
export const RESERVED_FIELDS = [
  "node",
  "nodes",
  "event",
  "events",
  "eventsConnection",
  "eventsAggregate",
  "eventsHourly",
  "orgDaily",
  "eventTypeStats",
  "searchEvents",
];

/** Types that are ours. */
export const RESERVED_TYPES = [
  "Query",
  "Mutation",
  "Subscription",
  "Node",
  "PageInfo",
  "EntityEvent",
  "EntityEventWhere",
  "EntityEventOrderBy",
  "EntityEventAggregate",
  "EntityEventGroup",
  "EntityEventGroupBy",
  "EntityEventGroupOrder",
  "EntityEventHaving",
  "EntityEventHavingDistinct",
  "EntityEventHavingNumber",
  "EntityEventAggregateOrderBy",
  "EntityEventMeasureOrder",
  "EntityEventDistinctOrder",
  "EntityEventColumnName",
  "EntityEventSearch",
  "EntityEventHit",
  "EntityEventHighlight",
  "EntityEventTextFilter",
  "EntityEventSearchWhere",
  "EntityEventSearchOrderBy",
  "EntityEventDataCondition",
  "EntityEventDataOperator",
  ...["EventsHourly", "OrgDaily", "EventTypeStats"].flatMap((name) => [
    name,
    `${name}Where`,
    `${name}OrderBy`,
  ]),
  "ID",
  "OrderDirection",
  "TruncateBy",
  "JSONPathFilter",
  ...new Set(COLUMN_TYPES.map((row) => row.graphql)),
  ...COLUMN_TYPES.flatMap((row) => [`${row.graphql}Filter`, `${row.graphql}ListFilter`]),
  "IDFilter",
  "IDListFilter",
  "PlainTextFilter",
  "PlainTextListFilter",
  "WordsFilter",
  "OpaqueFilter",
];

const DERIVED = ["Where", "OrderBy", "Connection", "Edge", ...AGGREGATE_TYPE_ENDS];
/** What a relation's type name brings along, now or with a later release. */
export const derivedTypes = (typeName: string): string[] => DERIVED.map((word) => typeName + word);
/** And what the name of its list does. */
export const derivedFields = (list: string): string[] => [`${list}Connection`, `${list}Aggregate`];

/** A relation and what it is called. */
export interface NamedRelation {
  readonly relation: CatalogRelation;
  readonly typeName: string;
  readonly list: string;
  readonly row: string;
}

/** Our own names win; a relation that clashes gets its PostgreSQL schema as prefix. */
export function nameRelations(
  relations: readonly CatalogRelation[],
  notes: string[],
): { relations: NamedRelation[]; types: Names } {
  const types = new Names(RESERVED_TYPES);
  const fields = new Names(RESERVED_FIELDS);
  const plainNames = relations.map((relation) => words(relation.name));
  const derived = new Set(plainNames.flatMap(({ typeName }) => derivedTypes(typeName)));
  const derivedRoots = new Set(plainNames.flatMap(({ list }) => derivedFields(list)));

  const free = (name: Words) =>
    !types.has(name.typeName) && !derived.has(name.typeName) &&
    ![name.list, name.row].some((field) => fields.has(field) || derivedRoots.has(field)) &&
    !derivedTypes(name.typeName).some((type) => types.has(type)) &&
    !derivedFields(name.list).some((field) => fields.has(field));

  const result = relations.map((relation, index): NamedRelation => {
    const plain = plainNames[index] ?? words(relation.name);
    let name = plain;
    for (let i = 1; !free(name); i++) {
      name = words(`${relation.schema}_${relation.name}${i > 1 ? `_${i}` : ""}`);
    }
    if (name !== plain) {
      notes.push(
        `${relation.schema}.${relation.name} is ${name.typeName} and ${name.list}, since ` +
          `${plain.typeName} or ${plain.list} is taken`,
      );
    }
    types.add(name.typeName, ...derivedTypes(name.typeName));
    fields.add(name.list, name.row, ...derivedFields(name.list));
    return { relation, ...name };
  });
  return { relations: result, types };
}

/** A relation's three names. */
export interface Words {
  readonly typeName: string;
  readonly list: string;
  readonly row: string;
}

/** The names that a relation of this name has by itself. */
export function words(relation: string): Words {
  const camel = camelCase(relation);
  const row = singular(camel);
  const list = plural(row);
  return { typeName: pascalCase(row), list: list === row ? `${row}List` : list, row };
}

/** Columns become camelCase; two that become one name get `_2` in column order. */
export function nameColumns(
  columns: readonly CatalogColumn[],
  place: string,
  notes: string[],
): { column: CatalogColumn; name: string }[] {
  const names = new Names();
  return columns.map((column) => {
    const wanted = camelCase(column.name);
    const name = names.take(wanted);
    if (name !== wanted) {
      notes.push(`column ${place}.${column.name} is ${name}, since ${wanted} is taken`);
    }
    const note = conditionlessNote(name, `column ${place}.${column.name}`);
    if (note !== null) notes.push(note);
    return { column, name };
  });
}

/** Columns by the names that GraphQL has for them where nobody says otherwise. */
export function columnNames(columns: readonly CatalogColumn[]): Map<string, CatalogColumn> {
  return new Map(nameColumns(columns, "", []).map(({ column, name }) => [name, column]));
}

/** `did you mean x?` among the columns, by their own names or by GraphQL's; else nothing. */
export function nearestColumn(
  word: string,
  columns: readonly CatalogColumn[],
  byName: ReadonlyMap<string, CatalogColumn>,
): string {
  return didYouMean(word, columns.map((column) => column.name)) ||
    didYouMean(word, [...byName.keys()]);
}

/** The way along a foreign key: named after its one column, else after where it leads. */
export function toOneName(column: string | null, target: string): string {
  if (column === null) return singular(camelCase(target));
  return camelCase(column.replace(/(?<=.)(_id|_ID|(?<=[a-z0-9])Id)$/, ""));
}

/** What is to be told of a field that `where` has no place for; null for others. */
export function conditionlessNote(name: string, place: string): string | null {
  if (!/^(and|or|not)$/.test(name)) return null;
  return `${place} has no conditions, since where's own ${name} wins`;
}
