/**
 * The one description of the data: relations with their GraphQL names, columns with their types,
 * and the ways between them. Made from the catalog, or from a schema file held against it
 * (`schema_file.ts`); everything after it (GraphQL types, plans, SQL) is derived from this.
 */

import type { ScalarType } from "../arrow/column_types.ts";
import type { Catalog, CatalogForeignKey, KeyMatch } from "./catalog.ts";
import { camelCase, Names, pascalCase, plural, singular } from "./names.ts";
import { nameColumns, type NamedRelation, nameRelations, toOneName } from "./schema_names.ts";
import { CatalogTypes, TypeReader } from "./schema_types.ts";

export { quote, RECORD_ARRAY_OID, RECORD_OID } from "./sql_names.ts";

export interface DataSchema {
  readonly relations: readonly Relation[];
  readonly enums: readonly EnumType[];
  readonly composites: readonly CompositeType[];
  /** Names that had to give way, and enums that became String; for people. */
  readonly notes: readonly string[];
}

export interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly comment: string | null;
  readonly rowsEstimate: number | null;
  readonly typeName: string;
  /** Root field of the list. */
  readonly listField: string;
  /** Root field of one row by key; null without a key. */
  readonly rowField: string | null;
  readonly columns: readonly Column[];
  readonly key: readonly Column[];
  /** By GraphQL name: columns and links. */
  readonly fields: ReadonlyMap<string, Column | Link>;
  /** Its reads give rows of tables that inherit from it too, which its key does not tell apart. */
  readonly inherited: boolean;
  /** Its rows are events, which ClickHouse has; absent: PostgreSQL's. */
  readonly isOfEvents?: true;
}

/** A column of a relation or an attribute of a composite. */
export interface Column {
  readonly kind: "column";
  /** PostgreSQL's name; of an expression the key in JSON or the function's. */
  readonly column: string;
  /** GraphQL's name. */
  readonly name: string;
  readonly comment: string | null;
  readonly nullable: boolean;
  readonly type: ValueType;
  /** PostgreSQL's oid of the declared type: a domain's own, where `type` is of what it stands for. */
  readonly declaredOid: number;
  /**
   * Its SQL where it is no column of the relation: of what stands for the row, a table's alias or
   * the JSON object around it. Made of the schema alone, never of what a client sent.
   */
  readonly expression?: (row: string) => string;
}

/** A way along a foreign key; `own` columns of this relation equal `other` columns of the target. */
export interface Link {
  readonly kind: "one" | "many";
  readonly name: string;
  readonly comment: string | null;
  readonly target: Relation;
  readonly pairs: readonly LinkPair[];
}

export interface LinkPair {
  readonly own: Column;
  readonly other: Column;
  /** How they are compared, where not by their type's own `=`; absent means so. */
  readonly match?: KeyMatch | null;
}

export type ValueType = LeafType | ArrayType | CompositeValue;

export interface LeafType {
  readonly kind: "leaf";
  readonly scalar: ScalarType;
  /** Name of the GraphQL scalar or enum. */
  readonly graphql: string;
  /** PostgreSQL's oid of what is read, the cast included. */
  readonly oid: number;
  /** What the column is cast to when read, where PostgreSQL's own text is wanted. */
  readonly readAs: ReadCast | null;
  /** Quoted and qualified name that a parameter is cast to. */
  readonly sqlType: string;
  readonly orderable: boolean;
  /** Quoted schema of its operators, where they are not PostgreSQL's own. */
  readonly operatorSchema: string | null;
  /** Text operators such as `like` work on it. */
  readonly textual: boolean;
}

/** A cast that gives PostgreSQL's own text of a value, and the oids of its result. */
export interface ReadCast {
  readonly sqlType: string;
  readonly oid: number;
  readonly arrayOid: number;
}

export interface ArrayType {
  readonly kind: "array";
  /** PostgreSQL's oid of what is read, the cast included. */
  readonly oid: number;
  readonly item: LeafType | CompositeValue;
  /** PostgreSQL's oid of the elements as they are read: a domain's own, or the cast's. */
  readonly itemOid: number;
}

export interface CompositeValue {
  readonly kind: "composite";
  readonly composite: CompositeType;
}

export interface EnumType {
  readonly typeName: string;
  readonly comment: string | null;
  readonly labels: readonly string[];
}

export interface CompositeType {
  readonly typeName: string;
  readonly comment: string | null;
  readonly attributes: readonly Column[];
  readonly fields: ReadonlyMap<string, Column>;
}

export interface SchemaOptions {
  /** Makes what can be UNREPRESENTABLE nullable. */
  readonly unrepresentable: "error" | "null";
}

/** Gives every relation, column, enum and composite of the catalog its name and type. */
export function dataSchema(catalog: Catalog, options: SchemaOptions): DataSchema {
  const notes: string[] = [];
  const named = nameRelations(catalog.relations, notes);
  const reader = new TypeReader(catalog, options);
  const types = new CatalogTypes(reader, named.types, notes);

  const relations = new Map<number, Draft>();
  for (const { relation, typeName, list, row } of named.relations) {
    relations.set(
      relation.oid,
      draft({ relation, typeName, list, row }, catalog, reader, types, notes),
    );
  }
  link(catalog.foreignKeys, relations, notes);
  return {
    relations: [...relations.values()],
    enums: types.enums,
    composites: types.composites,
    notes,
  };
}

interface Draft extends Relation {
  readonly oid: number;
  readonly byNumber: ReadonlyMap<number, Column>;
  readonly fields: Map<string, Column | Link>;
}

function draft(
  { relation, typeName, list, row }: NamedRelation,
  catalog: Catalog,
  reader: TypeReader,
  types: CatalogTypes,
  notes: string[],
): Draft {
  const identifying = new Set([
    ...relation.key ?? [],
    ...catalog.foreignKeys.flatMap((key) => [
      ...key.sourceOid === relation.oid ? key.sourceColumns : [],
      ...key.targetOid === relation.oid ? key.targetColumns : [],
    ]),
  ]);
  const place = `${relation.schema}.${relation.name}`;
  const named = nameColumns(relation.columns, place, notes);
  const columns = named.map(({ column, name }) =>
    reader.column(column, name, identifying.has(column.number), types)
  );
  const byNumber = new Map(named.map(({ column }, i) => [column.number, columns[i] as Column]));
  const key = (relation.key ?? []).flatMap((number) => byNumber.get(number) ?? []);
  return {
    oid: relation.oid,
    schema: relation.schema,
    name: relation.name,
    comment: relation.comment,
    rowsEstimate: relation.rowsEstimate,
    inherited: relation.inherited ?? false,
    typeName,
    listField: list,
    // A key that GraphQL cannot take as an argument, or that rows of inheriting tables can have as
    // well, is one for ordering alone.
    rowField:
      !relation.inherited && key.length > 0 && key.every((column) => column.type.kind === "leaf")
        ? row
        : null,
    columns,
    key,
    fields: new Map(columns.map((column) => [column.name, column])),
    byNumber,
  };
}

/** Both ways along each foreign key. */
function link(
  keys: readonly CatalogForeignKey[],
  relations: ReadonlyMap<number, Draft>,
  notes: string[],
): void {
  for (const key of keys) {
    const ends = linkEnds(key, relations);
    if (!ends) continue;
    const { source, target, pairs } = ends;
    const toOne = oneName(key, source, target);
    addLink(source, key, {
      kind: "one",
      name: toOne,
      comment: key.comment ?? target.comment,
      target,
      pairs,
    }, notes);
  }
  for (const key of keys) {
    const ends = linkEnds(key, relations);
    if (!ends) continue;
    const { source, target, pairs } = ends;
    if (key.indexed === false && (source.rowsEstimate ?? 0) > unindexedRowsMax) {
      const columns = pairs.map(({ own }) => own.column).join(", ");
      notes.push(
        `foreign key ${key.name} has no index: related rows of ${target.typeName} are found by ` +
          `reading all of ${source.schema}.${source.name}; create one on (${columns})`,
      );
    }
    const several = keys.filter((other) =>
      other.sourceOid === key.sourceOid && other.targetOid === key.targetOid
    ).length > 1;
    const by = several ? `By${pascalCase(oneName(key, source, target))}` : "";
    addLink(target, key, {
      kind: "many",
      name: plural(singular(camelCase(source.name))) + by,
      comment: source.comment,
      target: source,
      pairs: pairs.map(({ own, other, match }) => ({ own: other, other: own, match })),
    }, notes);
  }
}

/** A table of fewer rows is read in a moment. */
const unindexedRowsMax = 1000;

function linkEnds(key: CatalogForeignKey, relations: ReadonlyMap<number, Draft>) {
  const source = relations.get(key.sourceOid);
  const target = relations.get(key.targetOid);
  if (!source || !target) return null;
  const pairs = key.sourceColumns.flatMap((number, i) => {
    const own = source.byNumber.get(number);
    const other = target.byNumber.get(key.targetColumns[i] ?? 0);
    return own && other ? [{ own, other, match: key.matches?.[i] ?? null }] : [];
  });
  // A key whose columns may not all be read leads nowhere.
  return pairs.length === key.sourceColumns.length ? { source, target, pairs } : null;
}

function oneName(key: CatalogForeignKey, source: Draft, target: Draft): string {
  const [number, ...more] = key.sourceColumns;
  const column = more.length === 0 ? source.byNumber.get(number ?? 0) : undefined;
  return toOneName(column?.column ?? null, target.name);
}

/** A link yields to a column, and to a link before it, and takes its constraint's name. */
function addLink(relation: Draft, key: CatalogForeignKey, wanted: Link, notes: string[]): void {
  const names = new Names(relation.fields.keys());
  const name = names.has(wanted.name) ? names.take(camelCase(key.name)) : wanted.name;
  if (name !== wanted.name) {
    notes.push(
      `foreign key ${key.name} is ${relation.typeName}.${name}, since ${wanted.name} is taken`,
    );
  }
  relation.fields.set(name, { ...wanted, name });
}
