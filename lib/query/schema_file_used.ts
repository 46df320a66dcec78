/** The enums and objects of a schema file that its fields turned out to have. */

import type { EnumTypeDefinitionNode } from "graphql";
import { suggestion } from "../config.ts";
import { Names } from "./names.ts";
import type { Column, CompositeType, EnumType } from "./schema.ts";
import {
  type Declared,
  type Definitions,
  type FieldDefinition,
  SCALAR_NAMES,
  type TypeDefinition,
} from "./schema_file_document.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";

/** Makes each enum and each object once, and knows which are left. */
export class UsedTypes {
  readonly #enums = new Map<string, EnumType>();
  readonly #composites = new Map<string, { composite: CompositeType; of: number | "JSON" }>();
  readonly #underWay = new Set<string>();

  constructor(
    readonly definitions: Definitions,
    private readonly faults: SchemaFileFaults,
  ) {}

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

  /** An enum's labels; it is served from then on. */
  labels(node: EnumTypeDefinitionNode): readonly string[] {
    const name = node.name.value;
    const known = this.#enums.get(name);
    if (known) return known.labels;
    const labels = (node.values ?? []).map((value) => value.name.value);
    this.#enums.set(name, { typeName: name, comment: node.description?.value ?? null, labels });
    return labels;
  }

  /** An object type without a relation of its own; `of` is what it stands for. */
  object(
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

  /** Directives that say nothing where the field is a part of an object. */
  refuseOther(field: FieldDefinition, allowed: readonly string[], where: string): void {
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
export class ObjectDraft implements CompositeType {
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
