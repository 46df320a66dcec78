/** The declared type of a field, held against what the database or a JSON object has there. */

import type { EnumTypeDefinitionNode } from "graphql";
import { COLUMN_TYPES, type ScalarType } from "../arrow/column_types.ts";
import { suggestion } from "../config.ts";
import type { Catalog, CatalogColumn } from "./catalog.ts";
import { jsonFieldSql, type JsonValue } from "./json_field_sql.ts";
import { Names } from "./names.ts";
import type {
  Column,
  CompositeType,
  EnumType,
  LeafType,
  SchemaOptions,
  ValueType,
} from "./schema.ts";
import {
  type Declared,
  type Definitions,
  type FieldDefinition,
  SCALAR_NAMES,
  type TypeDefinition,
} from "./schema_file_document.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";
import { columnNames, nearestColumn } from "./schema_names.ts";
import {
  arrayOf,
  type CatalogComposite,
  type CatalogEnum,
  enumFault,
  type OwnTypes,
  type TypeReader,
} from "./schema_types.ts";
import { quote } from "./sql_names.ts";

/** A value of the database, by its type. */
interface DatabaseValue {
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly notNull: boolean;
  /** Where it is, for messages, e.g. `public.users.age`. */
  readonly place: string;
  /** Nobody promises that it is never null, so that the file may: a view's column, a function. */
  readonly unpromised: boolean;
}

/** Where a JSON field is looked for. */
export interface JsonPlace {
  /** The field's type and name, e.g. `User.age`. */
  readonly place: string;
  readonly column: { readonly name: string; readonly isText: boolean } | null;
}

/** What the types of a file turned out to be. */
export class FileTypes {
  readonly #enums = new Map<string, EnumType>();
  readonly #composites = new Map<string, { composite: CompositeType; of: number | "JSON" }>();
  readonly #underWay = new Set<string>();
  readonly #arrayOids: ReadonlyMap<number, number>;

  constructor(
    private readonly definitions: Definitions,
    private readonly catalog: Catalog,
    private readonly reader: TypeReader,
    private readonly options: SchemaOptions,
    private readonly faults: SchemaFileFaults,
  ) {
    this.#arrayOids = new Map(
      [...catalog.types.values()].flatMap((type) =>
        type.form === "array" ? [[type.itemOid, type.oid] as const] : []
      ),
    );
  }

  get enums(): EnumType[] {
    return [...this.#enums.values()];
  }

  get composites(): CompositeType[] {
    return [...this.#composites.values()].map(({ composite }) => composite);
  }

  /** Whether the declared type is there at all; adds the fault where it is not. */
  isKnown({ declared }: FieldDefinition): boolean {
    const { types, enums } = this.definitions;
    const { name } = declared;
    if (SCALAR_NAMES.has(name) || types.has(name) || enums.has(name)) return true;
    const names = [...SCALAR_NAMES, ...types.keys(), ...enums.keys()];
    this.faults.add(
      declared.node,
      `there is no type ${name}`,
      `declare it${suggestion(name, names)}`,
    );
    return false;
  }

  /** A column of a relation, or an attribute of a composite. */
  column(
    column: CatalogColumn,
    field: FieldDefinition,
    place: string,
    unpromised: boolean,
  ): Column {
    const type = this.value({ ...column, place, unpromised }, field);
    return {
      kind: "column",
      column: column.name,
      name: field.name,
      comment: field.comment,
      nullable: !field.declared.required,
      type,
      declaredOid: column.typeOid,
    };
  }

  /** The type of a value in the database, with faults where the file declares another one. */
  value(value: DatabaseValue, field: FieldDefinition): ValueType {
    const { declared } = field;
    const before = this.faults.count;
    const type = this.reader.value(
      value.typeOid,
      value.typeModifier,
      declared.name === "ID",
      this.#own(value.place, field),
    );
    if (this.faults.count > before) return type;
    const fitting = this.#fitted(type, value.place, declared);
    if (fitting === null) return type;
    this.#checkNullability(value, field, fitting);
    return this.#withDecimal(fitting, field);
  }

  #own(place: string, field: FieldDefinition): OwnTypes {
    return {
      enum: (type) => this.#enum(type, place, field),
      composite: (type) => this.#composite(type, place, field),
    };
  }

  #enum(type: CatalogEnum, place: string, { declared }: FieldDefinition): string {
    const known = `${place} is the enum ${type.schema}.${type.name}`;
    const node = this.definitions.enums.get(declared.name);
    const fault = enumFault(type.labels);
    if (fault !== null) {
      if (declared.name !== "String") {
        this.faults.add(declared.node, `${known}, and ${fault}`, "declare it as String");
      }
      return "String";
    }
    if (!node) {
      const remedy = `declare an enum { ${type.labels.join(" ")} } and name it here`;
      this.faults.add(declared.node, known, remedy);
      return "String";
    }
    this.#checkLabels(node, type);
    this.#use(node);
    return declared.name;
  }

  #checkLabels(node: EnumTypeDefinitionNode, type: CatalogEnum): void {
    const name = `${type.schema}.${type.name}`;
    const values = node.values ?? [];
    const labels = values.map((value) => value.name.value);
    for (const value of values) {
      if (type.labels.includes(value.name.value)) continue;
      const remedy = `take it away${suggestion(value.name.value, type.labels)}`;
      this.faults.add(value, `${name} has no label ${value.name.value}`, remedy);
    }
    const missing = type.labels.filter((label) => !labels.includes(label));
    if (missing.length > 0) {
      this.faults.add(
        node.name,
        `${node.name.value} lacks labels of ${name}`,
        `add ${missing.join(", ")}`,
      );
    } else if (
      labels.length === type.labels.length && labels.some((label, i) => label !== type.labels[i])
    ) {
      this.faults.add(
        node.name,
        `${node.name.value} has the labels of ${name} in another order, by which they compare`,
        `write ${type.labels.join(" ")}`,
      );
    }
  }

  #use(node: EnumTypeDefinitionNode): readonly string[] {
    const name = node.name.value;
    const known = this.#enums.get(name);
    if (known) return known.labels;
    const labels = (node.values ?? []).map((value) => value.name.value);
    this.#enums.set(name, { typeName: name, comment: node.description?.value ?? null, labels });
    return labels;
  }

  #composite(type: CatalogComposite, place: string, { declared }: FieldDefinition): CompositeType {
    const name = `${type.schema}.${type.name}`;
    const definition = this.definitions.types.get(declared.name);
    if (!definition) {
      const columns = type.attributes.map((attribute) => attribute.name).join(", ");
      this.faults.add(
        declared.node,
        `${place} is the composite ${name}`,
        `declare a type with fields for ${columns}, without @source, and name it here`,
      );
      return NO_COMPOSITE;
    }
    return this.#object(definition, type.oid, declared, (composite) => {
      const byName = columnNames(type.attributes);
      for (const field of definition.fields) {
        this.#refuseOther(field, ["column", "hidden"], "of a composite");
        const column = this.attribute(field, type.attributes, byName, name);
        if (!column || !this.isKnown(field)) continue;
        composite.add(field, this.column(column, field, `${name}.${column.name}`, false));
      }
    });
  }

  /** The column that a field names, or that its name comes from; adds the fault where none is. */
  attribute(
    field: FieldDefinition,
    columns: readonly CatalogColumn[],
    byName: ReadonlyMap<string, CatalogColumn>,
    place: string,
  ): CatalogColumn | null {
    const given = field.directives.get("column");
    const named = given?.text("name") ?? null;
    const found = named === null
      ? byName.get(field.name) ?? columns.find((column) => column.name === field.name)
      : columns.find((column) => column.name === named);
    if (found) return found;
    this.faults.add(
      named === null ? field.node.name : given?.at("name") ?? field.node,
      `${place} has no column ${named ?? `for ${field.name}`}`,
      nearestColumn(named ?? field.name, columns, byName) ||
        (named === null ? '@column(name: "...") names one' : "check the name"),
    );
    return null;
  }

  /** An object type without a relation of its own, made once. */
  #object(
    definition: TypeDefinition,
    of: number | "JSON",
    declared: Declared,
    fill: (composite: ObjectDraft) => void,
  ): CompositeType {
    const known = this.#composites.get(definition.name);
    if (known) {
      if (this.#underWay.has(definition.name)) {
        const remedy = "declare the inner one as JSON";
        this.faults.add(declared.node, `${definition.name} holds itself`, remedy);
      } else if (known.of !== of) {
        this.faults.add(
          declared.node,
          `${definition.name} stands for something else already`,
          "declare a type of its own for this",
        );
      }
      return known.composite;
    }
    const draft = new ObjectDraft(definition);
    this.#composites.set(definition.name, { composite: draft, of });
    this.#underWay.add(definition.name);
    const before = this.faults.count;
    fill(draft);
    this.#underWay.delete(definition.name);
    if (draft.attributes.length === 0 && this.faults.count === before) {
      const remedy = "show at least one";
      this.faults.add(definition.node.name, `${definition.name} shows no field`, remedy);
    }
    return draft;
  }

  /** The type as it is declared, where that is one of those it can have; else adds the fault. */
  #fitted(type: ValueType, place: string, declared: Declared): ValueType | null {
    const item = type.kind === "array" ? type.item : type;
    const names = item.kind === "leaf" ? leafNames(item) : [item.composite.typeName];
    if (declared.list !== (type.kind === "array") || !names.includes(declared.name)) {
      const right = type.kind === "array" ? names.map((name) => `[${name}]`) : names;
      this.faults.add(
        declared.node,
        `${place} is ${right[0]} and not ${declared.text}`,
        `declare it as ${right.join(" or ")}`,
      );
      return null;
    }
    if (declared.itemRequired) this.#refuseItemRequired(declared);
    if (item.kind !== "leaf" || item.graphql === declared.name) return type;
    // ID for a text: compared as one, without the patterns of texts.
    const named = { ...item, graphql: declared.name, textual: false };
    return type.kind === "array" ? { ...type, item: named } : named;
  }

  #refuseItemRequired(declared: Declared): void {
    const right = `[${declared.name}]${declared.required ? "!" : ""}`;
    this.faults.add(declared.node, "elements of arrays may be null", `declare it as ${right}`);
  }

  #checkNullability(value: DatabaseValue, { declared }: FieldDefinition, type: ValueType): void {
    if (!declared.required) return;
    const right = `declare it as ${declared.text.slice(0, -1)}`;
    if (this.reader.mayBeNull(type)) {
      const item = type.kind === "leaf" ? type.scalar.kind : "array";
      const why = item === "float4" || item === "float8"
        ? "may be NaN, which is null in JSON"
        : "is null where it cannot be represented (FRAISEQL_UNREPRESENTABLE=null)";
      this.faults.add(declared.node, `${value.place} ${why}`, right);
    } else if (!value.notNull && !value.unpromised) {
      this.faults.add(declared.node, `${value.place} may be null`, right);
    }
  }

  /** `@column(decimal: "38,10")`: a numeric of any size, promised to fit. */
  #withDecimal(type: ValueType, field: FieldDefinition): ValueType {
    const given = field.directives.get("column");
    const text = given?.text("decimal") ?? null;
    if (text === null || !given) return type;
    const [, precision = 0, scale = 0] = /^(\d{1,2})\s*,\s*(\d{1,2})$/.exec(text)?.map(Number) ??
      [];
    if (precision < 1 || precision > 38 || scale > precision) {
      this.faults.add(
        given.at("decimal"),
        `decimal is ${JSON.stringify(text)}`,
        'write precision and scale, such as "38,10", of at most 38',
      );
      return type;
    }
    const item = type.kind === "array" ? type.item : type;
    if (item.kind !== "leaf" || item.scalar.kind !== "numeric") {
      const what = item.kind === "leaf" && item.scalar.kind === "decimal"
        ? `is numeric(${item.scalar.precision},${item.scalar.scale}) already`
        : "is no numeric";
      this.faults.add(given.at("decimal"), `${field.name} ${what}`, "take decimal away");
      return type;
    }
    const scalar: ScalarType = { kind: "decimal", precision, scale };
    const decimal = { ...item, scalar };
    return type.kind === "array" ? { ...type, item: decimal } : decimal;
  }

  /** A field of a JSON object, read with the type that the file declares. */
  json(field: FieldDefinition, { place, column }: JsonPlace): Column {
    const { declared, directives } = field;
    const lenient = this.options.unrepresentable === "null";
    if (declared.itemRequired) this.#refuseItemRequired(declared);
    if (lenient && declared.required) {
      this.faults.add(
        declared.node,
        `${place} is null where it does not fit (FRAISEQL_UNREPRESENTABLE=null)`,
        `declare it as ${declared.text.slice(0, -1)}`,
      );
    }
    const item = this.#jsonItem(field);
    const value: JsonValue = item.kind === "composite" ? { kind: "object" } : {
      kind: "leaf",
      graphql: item.graphql,
      sqlType: item.sqlType,
      labels: item.scalar.kind === "enum" ? item.scalar.labels : null,
    };
    const itemOid = item.kind === "composite" ? JSONB_OID : item.oid;
    const arrayOid = this.#arrayOids.get(itemOid) ?? 0;
    const type = declared.list ? arrayOf(item, { oid: arrayOid, itemOid }) : item;
    const key = directives.get("column")?.text("name") ?? field.name;
    return {
      kind: "column",
      column: key,
      name: field.name,
      comment: field.comment,
      nullable: !declared.required,
      type: this.#withDecimal(type, field),
      declaredOid: declared.list ? arrayOid : itemOid,
      expression: jsonFieldSql({
        place,
        column,
        key,
        value,
        list: declared.list,
        required: declared.required,
        lenient,
      }),
    };
  }

  #jsonItem(field: FieldDefinition): LeafType | { kind: "composite"; composite: CompositeType } {
    const { declared } = field;
    const { enums, types } = this.definitions;
    const labels = enums.get(declared.name);
    if (labels) return jsonEnum(declared.name, this.#use(labels));
    const definition = types.get(declared.name);
    if (definition) {
      return {
        kind: "composite",
        composite: this.#object(definition, "JSON", declared, (composite) => {
          for (const inner of definition.fields) {
            this.#refuseOther(inner, ["column", "hidden"], "of a JSON object");
            if (!this.isKnown(inner) || this.#isLinkInJson(inner)) continue;
            const place = `${definition.name}.${inner.name}`;
            composite.add(inner, this.json(inner, { place, column: null }));
          }
        }),
      };
    }
    const leaf = this.reader.value(
      JSON_OIDS[declared.name] ?? TEXT_OID,
      -1,
      false,
      this.#own("", field),
    ) as LeafType;
    return declared.name === "ID" ? { ...leaf, graphql: "ID", textual: false } : leaf;
  }

  #isLinkInJson({ declared }: FieldDefinition): boolean {
    if (!this.definitions.types.get(declared.name)?.directives.has("source")) return false;
    this.faults.add(
      declared.node,
      `a JSON object holds no row of ${declared.name}`,
      "declare a type without @source for it, or make the relation a field of the outer type",
    );
    return true;
  }

  #refuseOther(field: FieldDefinition, allowed: readonly string[], where: string): void {
    for (const [name, { node }] of field.directives) {
      if (allowed.includes(name)) continue;
      this.faults.add(node, `@${name} is not for a field ${where}`, "take it away");
    }
    const column = field.directives.get("column");
    for (const argument of ["json", "plain"]) {
      const node = column?.at(argument);
      if (!column || !node || node === column.node) continue;
      this.faults.add(node, `${argument} is not for a field ${where}`, "take it away");
    }
  }

  /** Types and enums that nothing uses: the database has nothing for them. */
  checkUsed(): void {
    const { enums, types } = this.definitions;
    const named = new Set(
      [...types.values()].flatMap(({ fields }) => fields.map(({ declared }) => declared.name)),
    );
    // Where a fault hid the field that has it, another run will tell.
    const isOut = (name: string) => this.faults.count > 0 && named.has(name);
    for (const [name, node] of enums) {
      if (this.#enums.has(name) || isOut(name)) continue;
      this.faults.add(node.name, `no field has the enum ${name}`, "take it away");
    }
    for (const [name, { node, directives }] of types) {
      if (this.#composites.has(name) || directives.has("source") || isOut(name)) continue;
      this.faults.add(
        node.name,
        `no field has the type ${name}, and it has no @source`,
        `write @source(relation: "...") behind it`,
      );
    }
  }

  /** What others may not be called because of the types found here. */
  claims(): { readonly name: string; readonly claims: readonly string[] }[] {
    return [...this.#enums.keys(), ...this.#composites.keys()].map((name) => ({
      name,
      claims: [name, `${name}Filter`, `${name}ListFilter`, `${name}Where`],
    }));
  }
}

/** A composite while its fields are read. */
class ObjectDraft implements CompositeType {
  readonly typeName: string;
  readonly comment: string | null;
  readonly attributes: Column[] = [];
  readonly fields = new Map<string, Column>();
  readonly #taken = new Names();

  constructor(definition: TypeDefinition) {
    this.typeName = definition.name;
    this.comment = definition.comment;
  }

  add(field: FieldDefinition, column: Column): void {
    if (field.directives.has("hidden")) return;
    // Whole reads by PostgreSQL's names need them apart.
    const attribute = column.expression
      ? { ...column, column: this.#taken.take(column.column) }
      : column;
    this.attributes.push(attribute);
    this.fields.set(field.name, attribute);
  }
}

const NO_COMPOSITE: CompositeType = {
  typeName: "",
  comment: null,
  attributes: [],
  fields: new Map(),
};

/** For columns that nobody sees: keys and ends of relations. */
export const UNSEEN: OwnTypes = { enum: () => "String", composite: () => NO_COMPOSITE };

const TEXT_OID = 25;
const JSONB_OID = 3802;

/** What a JSON value of each scalar is read as. */
const JSON_OIDS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(COLUMN_TYPES.toReversed().map((row) => [row.graphql, row.oid])),
  ID: TEXT_OID,
  String: TEXT_OID,
  Int: 23,
  Float: 701,
  JSON: JSONB_OID,
};

function jsonEnum(name: string, labels: readonly string[]): LeafType {
  return {
    kind: "leaf",
    scalar: { kind: "enum", labels },
    graphql: name,
    oid: TEXT_OID,
    readAs: null,
    sqlType: `${quote("pg_catalog")}.${quote("text")}`,
    orderable: true,
    operatorSchema: null,
    textual: false,
  };
}

/** The names that a leaf can be declared by, the usual one first. */
function leafNames(leaf: LeafType): string[] {
  if (leaf.scalar.kind === "uuid") return leaf.graphql === "ID" ? ["ID", "UUID"] : ["UUID", "ID"];
  const isText = leaf.scalar.kind === "text" && leaf.readAs === null && leaf.orderable;
  return isText ? [leaf.graphql, "ID"] : [leaf.graphql];
}
