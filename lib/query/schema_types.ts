/**
 * PostgreSQL's types as the schema has them: `TypeReader` follows domains and arrays, and asks
 * `OwnTypes` what the database's own enums and composites are called.
 */

import { COLUMN_TYPES, type ScalarType } from "../arrow/column_types.ts";
import type { Catalog, CatalogColumn, CatalogType } from "./catalog.ts";
import { Names, pascalCase } from "./names.ts";
import type {
  ArrayType,
  Column,
  CompositeType,
  CompositeValue,
  EnumType,
  LeafType,
  ReadCast,
  SchemaOptions,
  ValueType,
} from "./schema.ts";
import { nameColumns } from "./schema_names.ts";
import { quote, RECORD_ARRAY_OID, RECORD_OID, sqlName } from "./sql_names.ts";

export type CatalogEnum = CatalogType & { readonly form: "enum" };
export type CatalogComposite = CatalogType & { readonly form: "composite" };

/** What the types are called that a database brings itself. */
export interface OwnTypes {
  /** GraphQL's name of an enum; `String` where its labels cannot be an enum's values. */
  enum(type: CatalogEnum): string;
  composite(type: CatalogComposite): CompositeType;
}

/** A name that GraphQL takes for an enum's value. */
const enumValue = /^(?!__|true$|false$|null$)[_A-Za-z][_A-Za-z0-9]*$/;

/** Why an enum cannot be one in GraphQL; null where it can. */
export function enumFault(labels: readonly string[]): string | null {
  const odd = labels.find((label) => !enumValue.test(label));
  if (odd !== undefined) return `its label ${JSON.stringify(odd)} is no GraphQL name`;
  return labels.length === 0 ? "it has no label" : null;
}

/** Types whose cast to text differs from their own output; `name` takes the output as it is. */
const READ_BY_OUTPUT = new Set(["inet"]);

/** The text types; `name`, `char(n)` and citext too. */
const TEXTUAL = new Set(["text", "varchar", "bpchar", "name", "citext"]);

/** Reads the types of columns by their oids. */
export class TypeReader {
  #leaves = new Map<string, LeafType>();

  constructor(
    private readonly catalog: Catalog,
    private readonly options: SchemaOptions,
  ) {}

  column(column: CatalogColumn, name: string, identifying: boolean, own: OwnTypes): Column {
    const type = this.value(column.typeOid, column.typeModifier, identifying, own);
    return {
      kind: "column",
      column: column.name,
      name,
      comment: column.comment,
      nullable: !column.notNull || this.mayBeNull(type),
      type,
      declaredOid: column.typeOid,
    };
  }

  /** Floats, since NaN is null in JSON; with `unrepresentable: "null"` whatever has no Arrow form. */
  mayBeNull(type: ValueType): boolean {
    const lenient = this.options.unrepresentable === "null";
    if (type.kind === "array") return lenient;
    if (type.kind === "composite") return false;
    const kind = type.scalar.kind;
    if (kind === "float4" || kind === "float8") return true;
    return lenient && COLUMN_TYPES.some((row) => row.kind === kind && row.partial);
  }

  /** `identifying` makes a uuid an `ID`. */
  value(oid: number, modifier: number, identifying: boolean, own: OwnTypes): ValueType {
    const type = this.catalog.types.get(oid);
    if (type?.form === "domain") {
      return this.value(
        type.baseOid,
        type.baseModifier >= 0 ? type.baseModifier : modifier,
        identifying,
        own,
      );
    }
    if (type?.form === "array") {
      const item = this.value(type.itemOid, modifier, identifying, own);
      // A domain over an array inside an array: one List of texts is the honest form.
      return arrayOf(item.kind === "array" ? this.#other(type) : item, type);
    }
    if (type?.form === "composite" && type.attributes.length > 0) {
      return { kind: "composite", composite: own.composite(type) };
    }
    if (type?.form === "enum") return enumLeaf(type, own.enum(type));
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
      sqlType: parameterType(type),
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
      sqlType: parameterType(type),
      orderable: type.orderable,
      operatorSchema: type.operatorSchema === undefined ? null : quote(type.operatorSchema),
      textual: TEXTUAL.has(type.name),
    };
  }
}

function enumLeaf(type: CatalogEnum, graphql: string): LeafType {
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

/** Names enums and composites after themselves, with their schema in front where that is taken. */
export class CatalogTypes implements OwnTypes {
  readonly enums: EnumType[] = [];
  readonly composites: CompositeType[] = [];
  #compositeByOid = new Map<number, CompositeType>();
  #enumByOid = new Map<number, string>();

  constructor(
    private readonly reader: TypeReader,
    private readonly typeNames: Names,
    private readonly notes: string[],
  ) {}

  enum(type: CatalogEnum): string {
    const known = this.#enumByOid.get(type.oid);
    if (known !== undefined) return known;
    const fault = enumFault(type.labels);
    const name = fault === null ? this.#typeName(type) : "String";
    this.#enumByOid.set(type.oid, name);
    if (fault === null) {
      this.enums.push({ typeName: name, comment: type.comment, labels: type.labels });
    } else this.notes.push(`enum ${type.schema}.${type.name} is String, since ${fault}`);
    return name;
  }

  composite(type: CatalogComposite): CompositeType {
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
      const attribute = this.reader.column(column, name, false, this);
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

/** The array type over an item, as it is read. */
export function arrayOf(
  item: LeafType | CompositeValue,
  { oid, itemOid }: { readonly oid: number; readonly itemOid: number },
): ArrayType {
  if (item.kind === "composite") {
    return { kind: "array", oid: RECORD_ARRAY_OID, item, itemOid: RECORD_OID };
  }
  const { readAs } = item;
  return { kind: "array", oid: readAs?.arrayOid ?? oid, item, itemOid: readAs?.oid ?? itemOid };
}

/** What a parameter is cast to: these types cut what is too long, and then other values are equal. */
function parameterType(type: CatalogType): string {
  return type.schema === "pg_catalog" && /^(name|char)$/.test(type.name)
    ? TEXT.sqlType
    : sqlName(type);
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
