/** Fields of a schema file that lead to another type, and the columns that hold the two together. */

import type { Catalog, CatalogForeignKey } from "./catalog.ts";
import { camelCase, pascalCase, plural, singular } from "./names.ts";
import type { Column, LeafType, Link, ValueType } from "./schema.ts";
import type { FieldDefinition } from "./schema_file_document.ts";
import type { GivenDirective } from "./schema_file_directives.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";
import type { FileRelation } from "./schema_file_relation.ts";
import { toOneName } from "./schema_names.ts";

type Pairs = Link["pairs"];

interface FileLink {
  readonly field: FieldDefinition;
  readonly own: FileRelation;
  readonly target: FileRelation;
  readonly kind: Link["kind"];
}

/** The link of a field; null where it cannot be one, and the faults say why. */
export function fileLink(
  field: FieldDefinition,
  own: FileRelation,
  target: FileRelation,
  catalog: Catalog,
  faults: SchemaFileFaults,
): Link | null {
  const { declared, directives } = field;
  for (const name of ["column", "computed"] as const) {
    const given = directives.get(name);
    if (given) {
      faults.add(given.node, `${declared.name} is a relation and no column`, `take @${name} away`);
    }
  }
  if (target.hidden && !own.hidden && !directives.has("hidden")) {
    faults.add(declared.node, `${target.typeName} is hidden`, "hide this field as well");
  }
  const kind = declared.list ? "many" : "one";
  const right = declared.list ? `[${declared.name}!]!` : declared.name;
  if (declared.text !== right) {
    const why = declared.list
      ? "a list of rows has neither nulls nor is one"
      : "row security can hide the other row";
    faults.add(declared.node, why, `declare it as ${right}`);
  }
  const link = { field, own, target, kind } as const;
  const given = directives.get("relation");
  const pairs = given?.texts("columns") || given?.texts("references")
    ? byColumns(link, given, catalog, faults)
    : byForeignKey(link, given, catalog, faults);
  return pairs && { kind, name: field.name, comment: field.comment, target, pairs };
}

function byForeignKey(
  { field, own, target, kind }: FileLink,
  given: GivenDirective | undefined,
  catalog: Catalog,
  faults: SchemaFileFaults,
): Pairs | null {
  const { source, to, between } = foreignKeysOf(own, target, kind, catalog);
  const name = given?.text("foreignKey") ?? null;
  const found = name !== null
    ? between.find(({ key }) => key.name === name)
    : between.length === 1
    ? between[0]
    : between.find(({ key }) => usualName(key, source, to, kind) === field.name);
  if (found) return found.pairs;
  const names = between.map(({ key }) => key.name);
  const which = names.length > 0
    ? `name one of them: @relation(foreignKey: "${names.join('"), (foreignKey: "')}")`
    : 'name the columns: @relation(columns: ["..."], references: ["..."])';
  const what = name !== null
    ? `no foreign key ${name} leads from ${source.place} to ${to.place}`
    : names.length > 0
    ? `${names.length} foreign keys lead from ${source.place} to ${to.place}`
    : `no foreign key leads from ${source.place} to ${to.place}`;
  faults.add(given?.at("foreignKey") ?? field.node.name, what, which);
  return null;
}

/** The foreign keys that such a field can follow, with their columns as the field's pairs. */
function foreignKeysOf(
  own: FileRelation,
  target: FileRelation,
  kind: Link["kind"],
  catalog: Catalog,
) {
  const [source, to] = kind === "one" ? [own, target] : [target, own];
  const between = catalog.foreignKeys.flatMap((key) => {
    if (key.sourceOid !== source.oid || key.targetOid !== to.oid) return [];
    const pairs = key.sourceColumns.flatMap((number, i) => {
      const sourceColumn = source.numbered(number);
      const toColumn = to.numbered(key.targetColumns[i] ?? 0);
      if (!sourceColumn || !toColumn) return [];
      const [ownColumn, other] = kind === "one"
        ? [sourceColumn, toColumn]
        : [toColumn, sourceColumn];
      return [{ own: ownColumn, other, match: key.matches?.[i] ?? null }];
    });
    return pairs.length === key.sourceColumns.length ? [{ key, pairs }] : [];
  });
  return { source, to, between };
}

/** What the field would be called without a file. */
function usualName(
  key: CatalogForeignKey,
  source: FileRelation,
  target: FileRelation,
  kind: Link["kind"],
): string {
  const [number] = key.sourceColumns;
  const column = key.sourceColumns.length === 1 ? source.numbered(number ?? 0)?.column : undefined;
  const one = toOneName(column ?? null, target.name);
  return kind === "one" ? one : `${plural(singular(camelCase(source.name)))}By${pascalCase(one)}`;
}

function byColumns(
  { own, target, kind, field }: FileLink,
  given: GivenDirective,
  catalog: Catalog,
  faults: SchemaFileFaults,
): Pairs | null {
  if (given.text("foreignKey") !== null) {
    faults.add(given.at("foreignKey"), "the columns are named as well", "take one of them away");
  }
  const columns = given.texts("columns") ?? [];
  const references = given.texts("references") ?? [];
  if (columns.length !== references.length) {
    faults.add(
      given.node,
      `${columns.length} columns of ${own.typeName} and ${references.length} of ${target.typeName}`,
      'name as many on both sides: @relation(columns: ["..."], references: ["..."])',
    );
    return null;
  }
  const before = faults.count;
  const pairs = columns.flatMap((name, i) => {
    const other = references[i] ?? "";
    const [ownColumn, otherColumn] = [own.named(name), target.named(other)];
    if (!ownColumn) own.refuseUnnamed(name, given, "columns");
    if (!otherColumn) target.refuseUnnamed(other, given, "references");
    return ownColumn && otherColumn ? [{ own: ownColumn, other: otherColumn, match: null }] : [];
  });
  if (faults.count > before) return null;
  // A foreign key of these columns compares them as it does itself, whatever their types.
  const key = foreignKeysOf(own, target, kind, catalog).between.find((candidate) =>
    candidate.pairs.length === pairs.length &&
    candidate.pairs.every((a) => pairs.some((b) => a.own === b.own && a.other === b.other))
  );
  if (key) return key.pairs;
  for (const [i, { own: ownColumn, other: otherColumn }] of pairs.entries()) {
    if (!areComparable(ownColumn.type, otherColumn.type)) {
      faults.add(
        given.node,
        `${own.typeName}.${columns[i]} (${typeWord(ownColumn)}) and ` +
          `${target.typeName}.${references[i]} ` +
          `(${typeWord(otherColumn)}) cannot be compared`,
        "name columns of one type",
      );
    }
  }
  if (faults.count > before) return null;
  if (kind === "one" && !isUnique(pairs.map(({ other }) => other), target, catalog)) {
    faults.add(
      field.declared.node,
      `${target.typeName} can have several rows of one ${references.join(", ")}`,
      `declare it as [${target.typeName}!]!, or give ${target.typeName} a key of these columns`,
    );
    return null;
  }
  return pairs;
}

/** Whether at most one row has these values: the key is among them, or a foreign key leads here. */
function isUnique(columns: readonly Column[], target: FileRelation, catalog: Catalog): boolean {
  const holds = (some: readonly (Column | null)[]) =>
    some.length > 0 && some.every((column) => column !== null && columns.includes(column));
  return holds(target.key) ||
    holds((target.relation.key ?? []).map((number) => target.numbered(number))) ||
    catalog.foreignKeys.some((key) =>
      key.targetOid === target.oid && holds(key.targetColumns.map((n) => target.numbered(n)))
    );
}

const WHOLE = /^"pg_catalog"\."int[248]"$/;
const TEXT = /^"pg_catalog"\."(text|varchar|bpchar|name)"$/;

function areComparable(a: ValueType, b: ValueType): boolean {
  if (a.kind !== "leaf" || b.kind !== "leaf" || !a.orderable || !b.orderable) return false;
  const both = (form: RegExp) => form.test(a.sqlType) && form.test(b.sqlType);
  return a.sqlType === b.sqlType || both(WHOLE) || both(TEXT);
}

function typeWord({ type }: Column): string {
  const word = (leaf: LeafType) => leaf.sqlType.replace(/^"pg_catalog"\./, "").replaceAll('"', "");
  return type.kind === "leaf" ? word(type) : type.kind;
}
