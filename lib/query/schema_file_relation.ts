/** One type of a schema file that stands for a relation: its columns, its key, its root fields. */

import { suggestion } from "../config.ts";
import type { Catalog, CatalogColumn, CatalogRelation } from "./catalog.ts";
import { Names } from "./names.ts";
import type { Column, Link, Relation } from "./schema.ts";
import type { FieldDefinition, TypeDefinition } from "./schema_file_document.ts";
import type { GivenDirective } from "./schema_file_directives.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";
import { type DatabaseFields, UNSEEN } from "./schema_file_database.ts";
import type { JsonFields } from "./schema_file_json.ts";
import { columnNames, words } from "./schema_names.ts";
import type { TypeReader } from "./schema_types.ts";
import { sqlName } from "./sql_names.ts";

/** What all types of a file are read with. */
export interface FileContext {
  readonly catalog: Catalog;
  readonly database: DatabaseFields;
  readonly json: JsonFields;
  readonly reader: TypeReader;
  readonly faults: SchemaFileFaults;
}

/** A relation while its type is read: columns first, then links, then it is whole. */
export class FileRelation implements Relation {
  readonly schema: string;
  readonly name: string;
  readonly comment: string | null;
  readonly rowsEstimate: number | null;
  readonly typeName: string;
  readonly listField: string;
  rowField: string | null = null;
  readonly columns: Column[] = [];
  readonly key: Column[] = [];
  readonly fields = new Map<string, Column | Link>();
  readonly inherited: boolean;
  readonly hidden: boolean;
  /** By field, hidden ones too. */
  readonly byField = new Map<string, Column>();
  readonly #byNumber = new Map<number, Column>();
  readonly #wantedRow: string;

  constructor(
    readonly definition: TypeDefinition,
    readonly source: GivenDirective,
    readonly relation: CatalogRelation,
    private readonly context: FileContext,
  ) {
    this.schema = relation.schema;
    this.name = relation.name;
    this.comment = definition.comment;
    this.rowsEstimate = relation.rowsEstimate;
    this.inherited = relation.inherited ?? false;
    this.typeName = definition.name;
    this.hidden = definition.directives.has("hidden");
    const { list, row } = words(definition.name);
    this.listField = source.text("list") ?? list;
    this.#wantedRow = source.text("row") ?? row;
  }

  get oid(): number {
    return this.relation.oid;
  }

  get place(): string {
    return `${this.schema}.${this.name}`;
  }

  /** Root fields, for the look-out for clashes. */
  get rootNames(): { readonly list: string; readonly row: string } {
    return { list: this.listField, row: this.#wantedRow };
  }

  /** Reads the fields that are no links; those come once every type has its columns. */
  readColumns(fields: readonly FieldDefinition[]): void {
    const byName = columnNames(this.relation.columns);
    const named = new Names();
    const later: FieldDefinition[] = [];
    for (const field of fields) {
      if (this.#isExpression(field)) {
        later.push(field);
        continue;
      }
      const column = this.#plainColumn(field, byName);
      if (column) {
        named.add(column.column);
        this.byField.set(field.name, column);
      }
    }
    for (const field of later) {
      const column = field.directives.has("computed") ? this.#computed(field) : this.#json(field);
      // Reads by PostgreSQL's names need columns apart; those of the relation keep theirs.
      if (column) {
        this.byField.set(field.name, { ...column, column: named.take(column.column) });
      }
    }
    for (const field of fields) {
      const column = this.byField.get(field.name);
      if (column && !field.directives.has("hidden")) this.columns.push(column);
    }
  }

  #isExpression({ directives }: FieldDefinition): boolean {
    const column = directives.get("column");
    if (directives.has("computed") || (column?.text("json") ?? null) !== null) return true;
    return this.source.text("json") !== null && column?.flag("plain") !== true;
  }

  #refuseNeedlessPlain(field: FieldDefinition): void {
    const given = field.directives.get("column");
    if (!given?.flag("plain") || this.source.text("json") !== null) return;
    this.context.faults.add(
      given.at("plain"),
      `the fields of ${this.typeName} are columns already`,
      "take plain away",
    );
  }

  #plainColumn(
    field: FieldDefinition,
    byName: ReadonlyMap<string, CatalogColumn>,
  ): Column | null {
    const { database, faults } = this.context;
    this.#refuseNeedlessPlain(field);
    const found = database.attribute(field, this.relation.columns, byName, this.place);
    if (!found) return null;
    const known = this.#byNumber.get(found.number);
    if (known) {
      faults.add(
        field.node,
        `${this.typeName}.${known.name} and ${field.name} are the same column ${found.name}`,
        "take one away",
      );
      return null;
    }
    const isView = this.relation.kind === "view" || this.relation.kind === "materialized";
    const column = database.column(found, field, `${this.place}.${found.name}`, isView);
    this.#byNumber.set(found.number, column);
    return column;
  }

  #json(field: FieldDefinition): Column | null {
    const { json, faults } = this.context;
    const given = field.directives.get("column");
    const own = given?.text("json") ?? null;
    if (given && given.flag("plain")) {
      faults.add(given.at("plain"), "plain is for what json is not for", "take one of them away");
      return null;
    }
    const column = own === null
      ? this.#jsonColumn(this.source, this.source.text("json") ?? "")
      : this.#jsonColumn(given ?? this.source, own);
    return column && json.column(field, { place: `${this.typeName}.${field.name}`, column });
  }

  #jsonColumn(given: GivenDirective, name: string): { name: string; isText: boolean } | null {
    const found = this.relation.columns.find((column) => column.name === name);
    if (found && (found.typeOid === JSON_OID || found.typeOid === JSONB_OID)) {
      return { name, isText: found.typeOid === JSON_OID };
    }
    const names = this.relation.columns.filter(({ typeOid }) =>
      typeOid === JSON_OID || typeOid === JSONB_OID
    ).map((column) => column.name);
    this.context.faults.add(
      given.at("json"),
      found ? `${this.place}.${name} is no jsonb or json` : `${this.place} has no column ${name}`,
      names.length > 0 ? `it can be ${names.join(", ")}` : "it has no column of jsonb or json",
    );
    return null;
  }

  #computed(field: FieldDefinition): Column | null {
    const { catalog, database, faults } = this.context;
    const given = field.directives.get("computed");
    const column = field.directives.get("column");
    if (!given) return null;
    for (const argument of ["name", "json", "plain"]) {
      if (!column || column.at(argument) === column.node) continue;
      faults.add(column.at(argument), "a computed field is no column", `take ${argument} away`);
    }
    const name = given.text("function") ?? "";
    const schema = given.text("schema") ?? this.schema;
    const all = (catalog.functions ?? []).filter((other) => other.relationOid === this.oid);
    const found = all.find((other) => other.name === name && other.schema === schema);
    if (!found) {
      faults.add(
        given.at("function"),
        `there is no function ${schema}.${name}(${this.place}) that may be called`,
        nearestFunction(name, schema, all) ||
          `create it with one argument of the type ${this.place}, or name its schema`,
      );
      return null;
    }
    if (found.returnsSet) {
      const what = `${schema}.${name} returns rows and no value`;
      faults.add(given.at("function"), what, "return one value, an array for several");
      return null;
    }
    const type = database.value({
      typeOid: found.typeOid,
      typeModifier: -1,
      notNull: false,
      place: `${schema}.${name}()`,
      unpromised: true,
    }, field);
    return {
      kind: "column",
      column: name,
      name: field.name,
      comment: field.comment,
      nullable: !field.declared.required,
      type,
      declaredOid: found.typeOid,
      expression: (row) => `${sqlName(found)}(${row}.*)`,
    };
  }

  /** The key: the relation's own, or the one that `@source` gives. */
  readKey(): void {
    const { faults } = this.context;
    const given = this.source.texts("key");
    const own = this.relation.key;
    if (given === null) {
      this.key.push(...(own ?? []).flatMap((number) => this.numbered(number) ?? []));
    } else if (own !== null && this.source.text("json") === null) {
      const columns = own.map((number) => this.numbered(number)?.column).join(", ");
      faults.add(this.source.at("key"), `${this.place} has the key ${columns}`, "take key away");
    } else {
      for (const name of given) {
        const column = this.named(name);
        if (!column) this.refuseUnnamed(name, this.source, "key");
        else if (column.type.kind !== "leaf" || !column.type.orderable) {
          faults.add(this.source.at("key"), `${name} cannot be compared`, "name another field");
        } else this.key.push(column);
      }
    }
    const canBeAsked = !this.inherited && this.key.length > 0 &&
      this.key.every((column) => column.type.kind === "leaf" && this.columns.includes(column));
    if (canBeAsked) this.rowField = this.#wantedRow;
    else if (this.source.text("row") !== null) {
      faults.add(
        this.source.at("row"),
        `${this.typeName} has no key of fields that it shows`,
        'write key: ["..."] into @source, show the key\'s fields, or take row away',
      );
    }
  }

  refuseUnnamed(name: string, given: GivenDirective, argument: string): void {
    const columns = this.relation.columns.map((column) => column.name);
    const names = [...new Set([...columns, ...this.byField.keys()])];
    this.context.faults.add(
      given.at(argument),
      `${this.typeName} has no column or field ${name}`,
      suggestion(name, names).replace(/^, /, "") || `it has ${names.join(", ")}`,
    );
  }

  /** By the name of a column, or of a field; where fields live in JSON those come first. */
  named(name: string): Column | null {
    const found = this.relation.columns.find((column) => column.name === name);
    const plain = found ? this.numbered(found.number) : null;
    const field = this.byField.get(name) ?? null;
    return this.source.text("json") === null ? plain ?? field : field ?? plain;
  }

  /** A column of the relation, whether a field shows it or not. */
  numbered(number: number): Column | null {
    const known = this.#byNumber.get(number);
    if (known) return known;
    const column = this.relation.columns.find((other) => other.number === number);
    if (!column) return null;
    const unseen = this.context.reader.column(column, column.name, false, UNSEEN);
    this.#byNumber.set(number, unseen);
    return unseen;
  }
}

const JSON_OID = 114;
const JSONB_OID = 3802;

function nearestFunction(
  name: string,
  schema: string,
  all: readonly { readonly name: string; readonly schema: string }[],
): string {
  const elsewhere = all.find((other) => other.name === name);
  if (elsewhere && elsewhere.schema !== schema) return `write schema: "${elsewhere.schema}"`;
  return suggestion(name, all.map((other) => other.name)).replace(/^, /, "");
}
