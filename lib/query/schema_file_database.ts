/** A field of a schema file that is a value of the database: a column, or what a function gives. */

import type { CatalogColumn } from "./catalog.ts";
import type { Column, CompositeType, ValueType } from "./schema.ts";
import type { FieldDefinition } from "./schema_file_document.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";
import {
  checkLabels,
  checkNullability,
  type DatabaseValue,
  fittingType,
  withDecimal,
} from "./schema_file_fit.ts";
import type { UsedTypes } from "./schema_file_used.ts";
import { columnNames, nearestColumn } from "./schema_names.ts";
import {
  type CatalogComposite,
  type CatalogEnum,
  enumFault,
  type OwnTypes,
  type TypeReader,
} from "./schema_types.ts";

/** Reads fields against the catalog. */
export class DatabaseFields {
  constructor(
    private readonly reader: TypeReader,
    private readonly used: UsedTypes,
    private readonly faults: SchemaFileFaults,
  ) {}

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
    const fitting = fittingType(type, value.place, declared, this.faults);
    if (fitting === null) return type;
    checkNullability(value, field, fitting, this.reader.mayBeNull(fitting), this.faults);
    return withDecimal(fitting, field, this.faults);
  }

  #own(place: string, field: FieldDefinition): OwnTypes {
    return {
      enum: (type) => this.#enum(type, place, field),
      composite: (type) => this.#composite(type, place, field),
    };
  }

  #enum(type: CatalogEnum, place: string, { declared }: FieldDefinition): string {
    const known = `${place} is the enum ${type.schema}.${type.name}`;
    const node = this.used.definitions.enums.get(declared.name);
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
    checkLabels(node, type, this.faults);
    this.used.labels(node);
    return declared.name;
  }

  #composite(type: CatalogComposite, place: string, { declared }: FieldDefinition): CompositeType {
    const name = `${type.schema}.${type.name}`;
    const definition = this.used.definitions.types.get(declared.name);
    if (!definition) {
      const columns = type.attributes.map((attribute) => attribute.name).join(", ");
      this.faults.add(
        declared.node,
        `${place} is the composite ${name}`,
        `declare a type with fields for ${columns}, without @source, and name it here`,
      );
      return NO_COMPOSITE;
    }
    return this.used.object(definition, type.oid, declared, (composite) => {
      const byName = columnNames(type.attributes);
      for (const field of definition.fields) {
        this.used.refuseOther(field, ["column", "hidden"], "of a composite");
        const column = this.attribute(field, type.attributes, byName, name);
        if (!column || !this.used.isKnown(field)) continue;
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
}

const NO_COMPOSITE: CompositeType = {
  typeName: "",
  comment: null,
  attributes: [],
  fields: new Map(),
};

/** For columns that nobody sees: keys and ends of relations. */
export const UNSEEN: OwnTypes = { enum: () => "String", composite: () => NO_COMPOSITE };
