/** The GraphQL types of a relation's aggregates: what a group gives, and its inputs. */

import {
  GraphQLEnumType,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  type GraphQLInputFieldConfigMap,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
} from "graphql";
import {
  aggregateColumns,
  BIG_INT,
  COLUMN_FUNCTIONS,
  FAMILY_NAMES,
  type FunctionRow,
  groupColumns,
  TRUNCATE_BY,
} from "./aggregates.ts";
import { listOf, ORDER_DIRECTION } from "./graphql_inputs.ts";
import type { LeafType, Relation } from "./schema.ts";

/** What these types take from those of rows. */
export interface RowTypes {
  output(type: LeafType): GraphQLOutputType;
  filter(type: LeafType): GraphQLInputObjectType;
  where(relation: Relation): GraphQLInputObjectType;
}

/** Shared, since a schema has one type of a name. */
export const TRUNCATE_BY_TYPE = new GraphQLEnumType({
  name: "TruncateBy",
  description: "The part of time to whose beginning a value is cut; weeks begin on Monday.",
  values: Object.fromEntries(Object.keys(TRUNCATE_BY).map((name) => [name, {}])),
});

type Family = FunctionRow["family"];

export class AggregateTypes {
  readonly #inputs = new Map<string, GraphQLInputObjectType>();
  readonly #objects = new Map<string, GraphQLObjectType>();
  readonly #columnNames = new Map<Relation, GraphQLEnumType | null>();

  constructor(private readonly rows: RowTypes) {}

  /** `ordersAggregate(where, groupBy, having, orderBy, limit, offset)`. */
  field(relation: Relation): GraphQLFieldConfig<unknown, unknown> {
    const groupBy = this.#groupBy(relation);
    return {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(this.#group(relation)))),
      description: `Groups of ${relation.listField}; without groupBy, all of them in one.`,
      args: {
        where: { type: this.rows.where(relation), description: "Which rows count." },
        ...groupBy && {
          groupBy: { type: listOf(groupBy), description: "What rows of a group have in common." },
        },
        having: { type: this.#having(relation), description: "Which groups are given." },
        orderBy: { type: listOf(this.#orderBy(relation)) },
        limit: { type: GraphQLInt, description: "At most this many groups; all when absent." },
        offset: { type: GraphQLInt, description: "Groups to leave out at the beginning." },
      },
    };
  }

  /** Columns that can be grouped by, as an enum; null where there is none. */
  columnName(relation: Relation): GraphQLEnumType | null {
    const known = this.#columnNames.get(relation);
    if (known !== undefined) return known;
    const columns = groupColumns(relation);
    const type = columns.length === 0 ? null : new GraphQLEnumType({
      name: `${relation.typeName}ColumnName`,
      description: `Fields of ${relation.typeName} whose values can be told apart.`,
      values: Object.fromEntries(
        columns.map((column) => [column.name, { description: column.comment }]),
      ),
    });
    this.#columnNames.set(relation, type);
    return type;
  }

  #group(relation: Relation): GraphQLObjectType {
    const { typeName } = relation;
    return this.#object(`${typeName}Aggregate`, `A group of ${typeName}.`, () => {
      const config: GraphQLFieldConfigMap<unknown, unknown> = {
        count: {
          type: new GraphQLNonNull(this.rows.output(BIG_INT)),
          description: "How many rows.",
        },
      };
      if (groupColumns(relation).length > 0) {
        config.group = {
          type: new GraphQLNonNull(this.#keys(relation)),
          description: "What its rows have in common: fields that groupBy names.",
        };
      }
      for (const { name, family, description } of COLUMN_FUNCTIONS) {
        const type = this.#values(relation, family);
        if (type) config[name] = { type: new GraphQLNonNull(type), description };
      }
      return config;
    });
  }

  #keys(relation: Relation): GraphQLObjectType {
    const { typeName } = relation;
    return this.#object(
      `${typeName}AggregateGroup`,
      `What rows of a group of ${typeName} have in common.`,
      () =>
        Object.fromEntries(
          groupColumns(relation).map(({ name, type, nullable, comment }) => {
            const output = this.rows.output(type);
            return [
              name,
              { type: nullable ? output : new GraphQLNonNull(output), description: comment },
            ];
          }),
        ),
    );
  }

  #values(relation: Relation, family: Family): GraphQLObjectType | null {
    const columns = aggregateColumns(relation, family);
    if (columns.length === 0) return null;
    const name = `${relation.typeName}Aggregate${FAMILY_NAMES[family]}`;
    return this.#object(
      name,
      `Values of a group of ${relation.typeName}, by field.`,
      () =>
        Object.fromEntries(
          columns.map(([column, type]) => {
            const output = this.rows.output(type);
            const isCount = family === "distinct";
            return [column.name, { type: isCount ? new GraphQLNonNull(output) : output }];
          }),
        ),
    );
  }

  #groupBy(relation: Relation): GraphQLInputObjectType | null {
    const columnName = this.columnName(relation);
    return columnName && this.#input(
      `${relation.typeName}GroupBy`,
      "A field whose value rows of a group have in common.",
      () => ({
        field: { type: new GraphQLNonNull(columnName) },
        by: { type: TRUNCATE_BY_TYPE, description: "Of dates and times: cut to its beginning." },
        timeZone: {
          type: GraphQLString,
          description: 'Where the periods begin, like "Europe/Paris"; UTC when absent.',
        },
      }),
    );
  }

  #having(relation: Relation): GraphQLInputObjectType {
    const { typeName } = relation;
    const type = this.#input(
      `${typeName}Having`,
      `Conditions on groups of ${typeName}; all that are given must hold.`,
      () => {
        const config: GraphQLInputFieldConfigMap = {
          count: { type: this.rows.filter(BIG_INT) },
          and: { type: listOf(type), description: "All of these hold." },
          or: { type: listOf(type), description: "At least one of these holds." },
          not: { type, description: "This does not hold." },
        };
        for (const { name, family } of COLUMN_FUNCTIONS) {
          const columns = aggregateColumns(relation, family);
          if (columns.length === 0) continue;
          config[name] = {
            type: this.#input(
              `${typeName}Having${FAMILY_NAMES[family]}`,
              `Conditions on values of groups of ${typeName}, by field.`,
              () =>
                Object.fromEntries(
                  columns.map(([column, type]) => [column.name, { type: this.rows.filter(type) }]),
                ),
            ),
          };
        }
        return config;
      },
    );
    return type;
  }

  #orderBy(relation: Relation): GraphQLInputObjectType {
    const name = `${relation.typeName}AggregateOrderBy`;
    const byColumn = (end: string, columns: readonly { readonly name: string }[]) =>
      this.#input(
        name + end,
        "One key of the order, by field.",
        () => Object.fromEntries(columns.map((column) => [column.name, { type: ORDER_DIRECTION }])),
        true,
      );
    return this.#input(
      name,
      "One key of the order; give several as a list.",
      () => {
        const config: GraphQLInputFieldConfigMap = { count: { type: ORDER_DIRECTION } };
        const groups = groupColumns(relation);
        if (groups.length > 0) config.group = { type: byColumn("Group", groups) };
        for (const row of COLUMN_FUNCTIONS) {
          const columns = aggregateColumns(relation, row.family).map(([column]) => column);
          if (columns.length === 0) continue;
          config[row.name] = { type: byColumn(FAMILY_NAMES[row.family], columns) };
        }
        return config;
      },
      true,
    );
  }

  #object(
    name: string,
    description: string,
    fields: () => GraphQLFieldConfigMap<unknown, unknown>,
  ): GraphQLObjectType {
    const known = this.#objects.get(name);
    if (known) return known;
    const type = new GraphQLObjectType({ name, description, fields });
    this.#objects.set(name, type);
    return type;
  }

  #input(
    name: string,
    description: string,
    fields: () => GraphQLInputFieldConfigMap,
    isOneOf = false,
  ): GraphQLInputObjectType {
    const known = this.#inputs.get(name);
    if (known) return known;
    const type = new GraphQLInputObjectType({ name, description, fields, isOneOf });
    this.#inputs.set(name, type);
    return type;
  }
}
