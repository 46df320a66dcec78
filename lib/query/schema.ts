/**
 * The one description of the data: relations with their GraphQL names, columns with their types,
 * and the ways between them. Made from the catalog; everything after it (GraphQL types, plans, SQL)
 * is derived from this.
 */

import { COLUMN_TYPES, type ScalarType } from "../arrow/column_types.ts";
import { AGGREGATE_TYPE_ENDS } from "./aggregates.ts";
import type {
  Catalog,
  CatalogColumn,
  CatalogForeignKey,
  CatalogRelation,
  CatalogType,
} from "./catalog.ts";
import { camelCase, Names, pascalCase, plural, singular } from "./names.ts";

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
}

/** A column of a relation or an attribute of a composite. */
export interface Column {
  readonly kind: "column";
  /** PostgreSQL's name. */
  readonly column: string;
  /** GraphQL's name. */
  readonly name: string;
  readonly comment: string | null;
  readonly nullable: boolean;
  readonly type: ValueType;
  /** PostgreSQL's oid of the declared type: a domain's own, where `type` is of what it stands for. */
  readonly declaredOid: number;
}

/** A way along a foreign key; `own` columns of this relation equal `other` columns of the target. */
export interface Link {
  readonly kind: "one" | "many";
  readonly name: string;
  readonly comment: string | null;
  readonly target: Relation;
  readonly pairs: readonly { readonly own: Column; readonly other: Column }[];
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

/** Names of the root that are ours, now or with a later release. */
const RESERVED_FIELDS = [
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

const RESERVED_TYPES = [
  "Query",
  "Mutation",
  "Subscription",
  "Node",
  "PageInfo",
  "EntityEvent",
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

/** What a relation's type name brings along, now or with a later release. */
const DERIVED = ["Where", "OrderBy", "Connection", "Edge", ...AGGREGATE_TYPE_ENDS];
const derivedTypes = (typeName: string) => DERIVED.map((word) => typeName + word);
const derivedFields = (list: string) => [`${list}Connection`, `${list}Aggregate`];

export interface SchemaOptions {
  /** Makes what can be UNREPRESENTABLE nullable. */
  readonly unrepresentable: "error" | "null";
}

/** Gives every relation, column, enum and composite of the catalog its name and type. */
export function dataSchema(catalog: Catalog, options: SchemaOptions): DataSchema {
  const notes: string[] = [];
  const named = nameRelations(catalog.relations, notes);
  const types = new TypeReader(catalog, named.types, notes, options);

  const relations = new Map<number, Draft>();
  for (const { relation, typeName, list, row } of named.relations) {
    relations.set(relation.oid, draft(relation, typeName, list, row, catalog, types, notes));
  }
  link(catalog.foreignKeys, relations, notes);
  return {
    relations: [...relations.values()],
    enums: types.enums,
    composites: types.composites,
    notes,
  };
}

interface NamedRelation {
  readonly relation: CatalogRelation;
  readonly typeName: string;
  readonly list: string;
  readonly row: string;
}

/** Our own names win; a relation that clashes gets its PostgreSQL schema as prefix. */
function nameRelations(
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

interface Words {
  readonly typeName: string;
  readonly list: string;
  readonly row: string;
}

function words(relation: string): Words {
  const camel = camelCase(relation);
  const row = singular(camel);
  const list = plural(row);
  return { typeName: pascalCase(row), list: list === row ? `${row}List` : list, row };
}

interface Draft extends Relation {
  readonly oid: number;
  readonly byNumber: ReadonlyMap<number, Column>;
  readonly fields: Map<string, Column | Link>;
}

function draft(
  relation: CatalogRelation,
  typeName: string,
  listField: string,
  rowField: string,
  catalog: Catalog,
  types: TypeReader,
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
    types.column(column, name, identifying.has(column.number))
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
    listField,
    // A key that GraphQL cannot take as an argument, or that rows of inheriting tables can have as
    // well, is one for ordering alone.
    rowField:
      !relation.inherited && key.length > 0 && key.every((column) => column.type.kind === "leaf")
        ? rowField
        : null,
    columns,
    key,
    fields: new Map(columns.map((column) => [column.name, column])),
    byNumber,
  };
}

/** Columns become camelCase; two that become one name get `_2` in column order. */
function nameColumns(
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
    if (/^(and|or|not)$/.test(name)) {
      notes.push(
        `column ${place}.${column.name} has no conditions, since where's own ${name} wins`,
      );
    }
    return { column, name };
  });
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
    const toOne = toOneName(key, source, target);
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
    const several = keys.filter((other) =>
      other.sourceOid === key.sourceOid && other.targetOid === key.targetOid
    ).length > 1;
    const by = several ? `By${pascalCase(toOneName(key, source, target))}` : "";
    addLink(target, key, {
      kind: "many",
      name: plural(singular(camelCase(source.name))) + by,
      comment: source.comment,
      target: source,
      pairs: pairs.map(({ own, other }) => ({ own: other, other: own })),
    }, notes);
  }
}

function linkEnds(key: CatalogForeignKey, relations: ReadonlyMap<number, Draft>) {
  const source = relations.get(key.sourceOid);
  const target = relations.get(key.targetOid);
  if (!source || !target) return null;
  const pairs = key.sourceColumns.flatMap((number, i) => {
    const own = source.byNumber.get(number);
    const other = target.byNumber.get(key.targetColumns[i] ?? 0);
    return own && other ? [{ own, other }] : [];
  });
  // A key whose columns may not all be read leads nowhere.
  return pairs.length === key.sourceColumns.length ? { source, target, pairs } : null;
}

function toOneName(key: CatalogForeignKey, source: Draft, target: Draft): string {
  const [number, ...more] = key.sourceColumns;
  const column = source.byNumber.get(number ?? 0);
  if (more.length > 0 || !column) return singular(camelCase(target.name));
  return camelCase(column.column.replace(/(?<=.)(_id|_ID|(?<=[a-z0-9])Id)$/, ""));
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

/** A name that GraphQL takes for an enum's value. */
const enumValue = /^(?!__|true$|false$|null$)[_A-Za-z][_A-Za-z0-9]*$/;

/** Types whose cast to text differs from their own output; `name` takes the output as it is. */
const READ_BY_OUTPUT = new Set(["inet"]);

/** The text types; `name`, `char(n)` and citext too. */
const TEXTUAL = new Set(["text", "varchar", "bpchar", "name", "citext"]);

class TypeReader {
  readonly enums: EnumType[] = [];
  readonly composites: CompositeType[] = [];
  #leaves = new Map<string, LeafType>();
  #compositeByOid = new Map<number, CompositeType>();
  #enumByOid = new Map<number, string>();

  constructor(
    private readonly catalog: Catalog,
    private readonly typeNames: Names,
    private readonly notes: string[],
    private readonly options: SchemaOptions,
  ) {}

  column(column: CatalogColumn, name: string, identifying: boolean): Column {
    const type = this.value(column.typeOid, column.typeModifier, identifying);
    return {
      kind: "column",
      column: column.name,
      name,
      comment: column.comment,
      nullable: !column.notNull || this.#mayBeNull(type),
      type,
      declaredOid: column.typeOid,
    };
  }

  /** Floats, since NaN is null in JSON; with `unrepresentable: "null"` whatever has no Arrow form. */
  #mayBeNull(type: ValueType): boolean {
    const lenient = this.options.unrepresentable === "null";
    if (type.kind === "array") return lenient;
    if (type.kind === "composite") return false;
    const kind = type.scalar.kind;
    if (kind === "float4" || kind === "float8") return true;
    return lenient && COLUMN_TYPES.some((row) => row.kind === kind && row.partial);
  }

  value(oid: number, modifier: number, identifying: boolean): ValueType {
    const type = this.catalog.types.get(oid);
    if (type?.form === "domain") {
      return this.value(
        type.baseOid,
        type.baseModifier >= 0 ? type.baseModifier : modifier,
        identifying,
      );
    }
    if (type?.form === "array") {
      const item = this.value(type.itemOid, modifier, identifying);
      // A domain over an array inside an array: one List of texts is the honest form.
      return arrayOf(item.kind === "array" ? this.#other(type) : item, type);
    }
    if (type?.form === "composite" && type.attributes.length > 0) {
      return { kind: "composite", composite: this.#composite(type) };
    }
    return this.#leaf(oid, modifier, identifying, type);
  }

  #leaf(oid: number, modifier: number, identifying: boolean, type: CatalogType | undefined) {
    const cacheKey = `${oid} ${modifier} ${identifying}`;
    const known = this.#leaves.get(cacheKey);
    if (known) return known;
    const leaf = this.#newLeaf(oid, modifier, identifying, type);
    this.#leaves.set(cacheKey, leaf);
    return leaf;
  }

  #newLeaf(
    oid: number,
    modifier: number,
    identifying: boolean,
    type: CatalogType | undefined,
  ): LeafType {
    if (!type) return TEXT_LEAF;
    if (type.form === "enum") return this.#enum(type);
    const rows = COLUMN_TYPES.filter((row) => row.oid === oid);
    const scalar = rows.some((row) => row.kind === "decimal")
      ? numericType(modifier)
      : rows[0] && { kind: rows[0].kind } as ScalarType;
    if (!scalar) return this.#other(type);
    const graphql = rows.find((row) => row.kind === scalar.kind)?.graphql ?? "String";
    return {
      kind: "leaf",
      scalar,
      graphql: scalar.kind === "uuid" && identifying ? "ID" : graphql,
      oid,
      readAs: null,
      sqlType: sqlName(type),
      orderable: type.orderable,
      operatorSchema: type.operatorSchema === undefined ? null : quote(type.operatorSchema),
      textual: TEXTUAL.has(type.name),
    };
  }

  #other(type: CatalogType): LeafType {
    // citext is text in binary as well, and compares as itself only where it stays itself.
    const readAs = type.name === "citext" ? null : READ_BY_OUTPUT.has(type.name) ? NAME : TEXT;
    return {
      kind: "leaf",
      scalar: { kind: "text" },
      graphql: "String",
      oid: readAs?.oid ?? type.oid,
      readAs,
      sqlType: sqlName(type),
      orderable: type.orderable,
      operatorSchema: type.operatorSchema === undefined ? null : quote(type.operatorSchema),
      textual: TEXTUAL.has(type.name),
    };
  }

  #enum(type: CatalogType & { form: "enum" }): LeafType {
    const odd = type.labels.find((label) => !enumValue.test(label));
    let graphql = this.#enumByOid.get(type.oid);
    if (graphql === undefined) {
      if (odd !== undefined || type.labels.length === 0) {
        graphql = "String";
        this.notes.push(
          `enum ${type.schema}.${type.name} is String, since ` +
            (odd === undefined
              ? "it has no label"
              : `its label ${JSON.stringify(odd)} is no GraphQL name`),
        );
      } else {
        graphql = this.#typeName(type);
        this.enums.push({ typeName: graphql, comment: type.comment, labels: type.labels });
      }
      this.#enumByOid.set(type.oid, graphql);
    }
    return {
      kind: "leaf",
      scalar: { kind: "enum", labels: type.labels },
      graphql,
      oid: type.oid,
      readAs: null,
      sqlType: sqlName(type),
      orderable: true,
      operatorSchema: null,
      textual: false,
    };
  }

  #composite(type: CatalogType & { form: "composite" }): CompositeType {
    const known = this.#compositeByOid.get(type.oid);
    if (known) return known;
    const place = `${type.schema}.${type.name}`;
    const attributes: Column[] = [];
    const fields = new Map<string, Column>();
    const composite: CompositeType = {
      typeName: this.#typeName(type),
      comment: type.comment,
      attributes,
      fields,
    };
    this.#compositeByOid.set(type.oid, composite);
    this.composites.push(composite);
    for (const { column, name } of nameColumns(type.attributes, place, this.notes)) {
      const attribute = this.column(column, name, false);
      attributes.push(attribute);
      fields.set(name, attribute);
    }
    return composite;
  }

  #typeName(type: CatalogType): string {
    const wanted = pascalCase(type.name);
    const claims = (name: string) => [name, `${name}Filter`, `${name}ListFilter`, `${name}Where`];
    let name = wanted;
    for (let i = 1; claims(name).some((claim) => this.typeNames.has(claim)); i++) {
      name = pascalCase(`${type.schema}_${type.name}`) + (i > 1 ? `_${i}` : "");
    }
    this.typeNames.add(...claims(name));
    if (name !== wanted) {
      this.notes.push(`type ${type.schema}.${type.name} is ${name}, since ${wanted} is taken`);
    }
    return name;
  }
}

/** `record[]`: what an array of rows is. */
export const RECORD_ARRAY_OID = 2287;
export const RECORD_OID = 2249;

function arrayOf(
  item: LeafType | CompositeValue,
  { oid, itemOid }: { readonly oid: number; readonly itemOid: number },
): ArrayType {
  if (item.kind === "composite") {
    return { kind: "array", oid: RECORD_ARRAY_OID, item, itemOid: RECORD_OID };
  }
  const { readAs } = item;
  return { kind: "array", oid: readAs?.arrayOid ?? oid, item, itemOid: readAs?.oid ?? itemOid };
}

const TEXT: ReadCast = { sqlType: `"pg_catalog"."text"`, oid: 25, arrayOid: 1009 };
const NAME: ReadCast = { sqlType: `"pg_catalog"."name"`, oid: 19, arrayOid: 1003 };

const TEXT_LEAF: LeafType = {
  kind: "leaf",
  scalar: { kind: "text" },
  graphql: "String",
  oid: TEXT.oid,
  readAs: TEXT,
  sqlType: `"pg_catalog"."text"`,
  orderable: false,
  operatorSchema: null,
  textual: false,
};

/** numeric's modifier is ((precision << 16) | scale) + 4; since 15 the scale is 11 bits, signed. */
function numericType(modifier: number): ScalarType {
  if (modifier < 4) return { kind: "numeric" };
  const precision = (modifier - 4) >> 16 & 0xffff;
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  return precision <= 38 && scale >= 0 && scale <= precision
    ? { kind: "decimal", precision, scale }
    : { kind: "numeric" };
}

/** An identifier in PostgreSQL's quotes. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function sqlName(type: { readonly schema: string; readonly name: string }): string {
  return `${quote(type.schema)}.${quote(type.name)}`;
}
