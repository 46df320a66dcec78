/** A field of a schema file that lives in a JSON object. */

import { COLUMN_TYPES } from "../arrow/column_types.ts";
import type { Catalog } from "./catalog.ts";
import { jsonFieldSql, type JsonValue } from "./json_field_sql.ts";
import type { Column, CompositeValue, LeafType } from "./schema.ts";
import type { FieldDefinition } from "./schema_file_document.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";
import { refuseItemRequired, withDecimal } from "./schema_file_fit.ts";
import { UNSEEN } from "./schema_file_database.ts";
import type { UsedTypes } from "./schema_file_used.ts";
import { arrayOf, type TypeReader } from "./schema_types.ts";
import { quote } from "./sql_names.ts";

/** Where a JSON field is looked for. */
export interface JsonPlace {
  /** The field's type and name, e.g. `User.age`. */
  readonly place: string;
  readonly column: { readonly name: string; readonly isText: boolean } | null;
}

/** Reads fields by the types that the file declares, since JSON has none. */
export class JsonFields {
  readonly #arrayOids: ReadonlyMap<number, number>;

  constructor(
    catalog: Catalog,
    private readonly reader: TypeReader,
    private readonly used: UsedTypes,
    private readonly faults: SchemaFileFaults,
    /** What does not fit is null. */
    private readonly lenient: boolean,
  ) {
    this.#arrayOids = new Map(
      [...catalog.types.values()].flatMap((type) =>
        type.form === "array" ? [[type.itemOid, type.oid] as const] : []
      ),
    );
  }

  /** The column of a field, an expression on the JSON around it. */
  column(field: FieldDefinition, { place, column }: JsonPlace): Column {
    const { declared, directives } = field;
    const { lenient } = this;
    if (declared.itemRequired) refuseItemRequired(declared, this.faults);
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
      type: withDecimal(type, field, this.faults),
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

  #jsonItem(field: FieldDefinition): LeafType | CompositeValue {
    const { declared } = field;
    const { enums, types } = this.used.definitions;
    const labels = enums.get(declared.name);
    if (labels) return jsonEnum(declared.name, this.used.labels(labels));
    const definition = types.get(declared.name);
    if (definition) {
      return {
        kind: "composite",
        composite: this.used.object(definition, "JSON", declared, (composite) => {
          for (const inner of definition.fields) {
            this.used.refuseOther(inner, ["column", "hidden"], "of a JSON object");
            if (!this.used.isKnown(inner) || this.#isLinkInJson(inner)) continue;
            const place = `${definition.name}.${inner.name}`;
            composite.add(inner, this.column(inner, { place, column: null }));
          }
        }),
      };
    }
    const leaf = this.reader.value(
      JSON_OIDS[declared.name] ?? TEXT_OID,
      -1,
      false,
      UNSEEN,
    ) as LeafType;
    return declared.name === "ID" ? { ...leaf, graphql: "ID", textual: false } : leaf;
  }

  #isLinkInJson({ declared }: FieldDefinition): boolean {
    if (!this.used.definitions.types.get(declared.name)?.directives.has("source")) return false;
    this.faults.add(
      declared.node,
      `a JSON object holds no row of ${declared.name}`,
      "declare a type without @source for it, or make the relation a field of the outer type",
    );
    return true;
  }
}

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
