/** A query as GraphQL text with its variables, and as a Flight ticket; a view as its own ticket. */

import type {
  AggregateOrder,
  Aggregating,
  Condition,
  ConnectionQuery,
  Having,
  Json,
  Operand,
  Order,
  Query,
  Reading,
  Selected,
  Style,
  Table,
  ViewQuery,
  World,
} from "./model.ts";
import { columnOf, linkOf, missing, tableOf } from "./model.ts";
import { columnName, type LinkNames, linkNames, quoted, relationNames } from "./names.ts";
import { fieldName } from "./oracle.ts";
import { compositeRow } from "./types.ts";

export interface GraphqlText {
  readonly text: string;
  readonly variables: Readonly<Record<string, Json>>;
  /** The response name of the root field. */
  readonly root: string;
  /** Asked by GetFlightInfo, for so many parts; 0 for by a ticket. */
  readonly parts: number;
}

/** What is one GraphQL text. */
export type TextQuery = Exclude<Query, ConnectionQuery | ViewQuery>;

/** A label of an enum: a word in the text, a string in a variable. */
class Word {
  constructor(readonly label: string) {}
}

/** A value of an argument. */
type Input = null | boolean | number | string | Word | readonly Input[] | {
  readonly [key: string]: Input;
};

const plainStyle: Style = { variables: false, fragments: 0, parts: 0, wordy: false };

export function toGraphql(world: World, query: TextQuery): GraphqlText {
  return new Printer(world, query.style).query(query);
}

/** One page of a connection. */
export function toPage(world: World, query: ConnectionQuery, cursor: string | null): GraphqlText {
  return new Printer(world, plainStyle).page(query, cursor);
}

/** The text itself, or JSON where there is more to say. */
export function toTicket({ text, variables, parts }: GraphqlText): string {
  const isParted = parts > 1;
  if (Object.keys(variables).length === 0 && !isParted) return text;
  return JSON.stringify({
    type: "GraphQLQuery",
    query: text,
    variables,
    ...isParted && { partitions: parts },
  });
}

const orderKey = "order_by";

/** The ticket of a view. */
export function toViewTicket(world: World, query: ViewQuery): string {
  const printer = new Printer(world, plainStyle, (_, column) => column);
  const order = query.orderBy.map(({ column, direction }) =>
    `${quoted(column)} ${direction.replace(/_NULLS_/, " nulls ")}`
  );
  return JSON.stringify({
    type: "OptimizedView",
    view: query.table,
    filter: printer.filter(query),
    ...order.length > 0 && { [orderKey]: order.join(", ") },
    limit: query.limit,
    offset: query.offset,
  });
}

class Printer {
  private readonly names: LinkNames;
  private readonly variables: Record<string, Json> = {};
  private readonly declared: string[] = [];
  private readonly fragments: string[] = [];
  private selections = 0;

  constructor(
    private readonly world: World,
    private readonly style: Style,
    /** How conditions name a column. */
    private readonly named: (table: Table, column: string) => string = columnName,
  ) {
    this.names = linkNames(world);
  }

  query(query: TextQuery): GraphqlText {
    const table = tableOf(this.world, query.table);
    const { list, row } = relationNames(query.table);
    const head = (field: string, args: string) =>
      `${query.alias === null ? "" : `${query.alias}: `}${field}${args}`;
    switch (query.kind) {
      case "list":
        return this.whole(
          `${head(list, this.reading(table, query))} ${this.selection(table, query.select)}`,
          query.alias ?? list,
        );
      case "row": {
        const keys = (table.key?.columns ?? missing("key")).map((name, i) =>
          `${columnName(table, name)}: ${print(query.key[i]?.input ?? null)}`
        );
        return this.whole(
          `${head(row, `(${keys.join(", ")})`)} ${this.selection(table, query.select)}`,
          query.alias ?? row,
        );
      }
      case "aggregate":
        return this.whole(
          `${head(`${list}Aggregate`, this.aggregating(table, query))} ${
            this.measures(table, query)
          }`,
          query.alias ?? `${list}Aggregate`,
        );
      default:
        return query satisfies never;
    }
  }

  page(query: ConnectionQuery, cursor: string | null): GraphqlText {
    const table = tableOf(this.world, query.table);
    const field = `${relationNames(query.table).list}Connection`;
    const args = [
      `${query.backwards ? "last" : "first"}: ${query.pageRows}`,
      ...cursor === null ? [] : [`${query.backwards ? "before" : "after"}: ${print(cursor)}`],
      ...this.where(table, query.where),
      ...this.orderBy(table, query.orderBy),
    ];
    const node = this.selection(table, query.select);
    const inner = `{ edges { cursor node ${node} } nodes ${node} ` +
      `pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount }`;
    return this.whole(`${field}(${args.join(", ")}) ${inner}`, field);
  }

  private whole(field: string, root: string): GraphqlText {
    const declared = this.declared.length > 0 ? `query (${this.declared.join(", ")}) ` : "";
    const text = [`${declared}{ ${field} }`, ...this.fragments].join("\n");
    return { text, variables: this.variables, root, parts: this.style.parts };
  }

  private selection(table: Table, select: readonly Selected[]): string {
    const { typeName } = relationNames(table.name);
    const parts = select.map((selected) => {
      const text = this.selected(table, selected);
      const { fragments } = this.style;
      const count = ++this.selections;
      if (fragments === 0 || count % fragments !== 0) return text;
      // What is asked twice is answered once.
      if (count % 3 === 0) return `... on ${typeName} { ${text} } ${text}`;
      if (count % 5 === 0) return `${text} left_out: __typename @skip(if: true)`;
      if (count % 2 === 0) return `... on ${typeName} { ${text} }`;
      this.fragments.push(`fragment F${count} on ${typeName} { ${text} }`);
      return `...F${count} @include(if: true)`;
    });
    return `{ ${parts.join(" ")} }`;
  }

  private selected(table: Table, selected: Selected): string {
    const alias = selected.alias === null ? "" : `${selected.alias}: `;
    const head = alias + fieldName(this.names, table, selected);
    switch (selected.kind) {
      case "typename":
        return head;
      case "column": {
        const { type } = columnOf(table, selected.column);
        const path = selected.path === null ? "" : `(path: ${print(selected.path)})`;
        if (type.kind === "leaf" || type.kind === "array") return head + path;
        return `${head} ${partsText(type.name, selected.parts)}`;
      }
      case "one": {
        const target = tableOf(this.world, linkOf(table, selected.link).target);
        return `${head} ${this.selection(target, selected.select)}`;
      }
      case "many": {
        const source = tableOf(this.world, selected.source);
        return `${head}${this.reading(source, selected)} ${
          this.selection(source, selected.select)
        }`;
      }
      case "manyAggregate": {
        const source = tableOf(this.world, selected.source);
        return `${head}${this.aggregating(source, selected)} ${this.measures(source, selected)}`;
      }
      default:
        return selected satisfies never;
    }
  }

  private reading(table: Table, reading: Reading): string {
    const distinct = reading.distinctOn.map((name) => columnName(table, name));
    return parenthesised([
      ...this.where(table, reading.where),
      ...distinct.length > 0 ? [`distinctOn: [${distinct.join(", ")}]`] : [],
      ...this.orderBy(table, reading.orderBy),
      ...this.count("limit", reading.limit),
      ...this.count("offset", reading.offset),
    ]);
  }

  filter(query: ViewQuery): Json {
    if (query.where === null) return null;
    return plain(this.condition(tableOf(this.world, query.table), query.where));
  }

  private where(table: Table, condition: Condition | null): string[] {
    if (condition === null) return [];
    const input = this.condition(table, condition);
    const typeName = `${relationNames(table.name).typeName}Where`;
    return [`where: ${this.style.variables ? this.variable(typeName, input) : print(input)}`];
  }

  private count(name: string, value: number | null): string[] {
    if (value === null) return [];
    return [`${name}: ${this.style.variables ? this.variable("Int", value) : value}`];
  }

  private variable(type: string, input: Input): string {
    const name = `v${this.declared.length}`;
    this.declared.push(`$${name}: ${type}`);
    this.variables[name] = plain(input);
    return `$${name}`;
  }

  private condition(table: Table, condition: Condition): Input {
    switch (condition.kind) {
      case "and": {
        const items = condition.items.map((item) => this.condition(table, item));
        return this.style.wordy ? { and: items } : together(items) ?? { and: items };
      }
      case "or":
        return { or: condition.items.map((item) => this.condition(table, item)) };
      case "not":
        return { not: this.condition(table, condition.item) };
      case "one": {
        const target = tableOf(this.world, linkOf(table, condition.link).target);
        const name = this.names.one.get(condition.link) ?? missing(condition.link);
        return { [name]: this.condition(target, condition.item) };
      }
      case "many": {
        const source = tableOf(this.world, condition.source);
        linkOf(source, condition.link);
        const name = this.names.many.get(condition.link) ?? missing(condition.link);
        return { [name]: this.condition(source, condition.item) };
      }
      case "compare": {
        const asked = { [condition.operator]: operandsInput(condition) };
        const { type } = columnOf(table, condition.column);
        const part = condition.part === null
          ? null
          : (compositeRow(type.name).parts.find(([name]) => name === condition.part) ??
            missing("part"))[1];
        return {
          [this.named(table, condition.column)]: part === null ? asked : { [part]: asked },
        };
      }
      case "jsonPath": {
        const asked = { path: condition.path, [condition.operator]: operandsInput(condition) };
        return { [this.named(table, condition.column)]: { path: [asked] } };
      }
      default:
        return condition satisfies never;
    }
  }

  private orderBy(table: Table, orders: readonly Order[]): string[] {
    if (orders.length === 0) return [];
    const inputs = orders.map(({ links, column, direction }) => {
      const inner = (at: Table, left: readonly string[]): Input => {
        const [first, ...more] = left;
        if (first === undefined) return { [columnName(at, column)]: new Word(direction) };
        const target = tableOf(this.world, linkOf(at, first).target);
        return { [this.names.one.get(first) ?? missing(first)]: inner(target, more) };
      };
      return inner(table, links);
    });
    return [`orderBy: ${print(inputs)}`];
  }

  private aggregating(table: Table, asked: Aggregating): string {
    const name = (column: string) => columnName(table, column);
    const groups = asked.groupBy.map(({ column, by, timeZone }): Input => ({
      field: new Word(name(column)),
      ...by !== null && { by: new Word(by) },
      ...timeZone !== null && { timeZone },
    }));
    const order = (term: AggregateOrder): Input => {
      const direction = new Word(term.direction);
      if (term.kind === "count") return { count: direction };
      return { [term.kind === "of" ? term.name : "group"]: { [name(term.column)]: direction } };
    };
    return parenthesised([
      ...this.where(table, asked.where),
      ...groups.length > 0 ? [`groupBy: ${print(groups)}`] : [],
      ...asked.having === null ? [] : [`having: ${print(havingInput(asked.having, name))}`],
      ...asked.orderBy.length > 0 ? [`orderBy: ${print(asked.orderBy.map(order))}`] : [],
      ...this.count("limit", asked.limit),
      ...this.count("offset", asked.offset),
    ]);
  }

  private measures(table: Table, asked: Aggregating): string {
    const names = (columns: readonly string[]) =>
      `{ ${columns.map((column) => columnName(table, column)).join(" ")} }`;
    const parts = asked.measures.map((measure) => {
      if (measure.kind === "count") return "count";
      if (measure.kind === "group") {
        return `group ${names(asked.groupBy.map(({ column }) => column))}`;
      }
      return `${measure.name} ${names(measure.columns)}`;
    });
    return `{ ${parts.join(" ")} }`;
  }
}

/** The parts of a composite, and everything in those that are composites. */
function partsText(type: string, asked: readonly string[] | null): string {
  const all = compositeRow(type).parts;
  const texts = (asked ?? all.map(([part]) => part)).map((part) => {
    const [, name, inner] = all.find(([column]) => column === part) ?? missing(part);
    const isLeaf = inner.kind === "leaf" || inner.kind === "array";
    return isLeaf ? name : `${name} ${partsText(inner.name, null)}`;
  });
  return `{ ${texts.join(" ")} }`;
}

function havingInput(having: Having, name: (column: string) => string): Input {
  switch (having.kind) {
    case "count":
      return { count: { [having.operator]: having.operand.input } };
    case "of":
      return {
        [having.name]: { [name(having.column)]: { [having.operator]: having.operand.input } },
      };
    case "and":
    case "or":
      return { [having.kind]: having.items.map((item) => havingInput(item, name)) };
    case "not":
      return { not: havingInput(having.item, name) };
    default:
      return having satisfies never;
  }
}

function operandsInput(
  { operator, operands }: { readonly operator: string; readonly operands: readonly Operand[] },
): Input {
  const inputs = operands.map(({ input, word }): Input => word ? new Word(String(input)) : input);
  if (/^(in|nin|hasAny|hasAll)$/.test(operator)) return inputs;
  return inputs[0] ?? missing("operand");
}

/** Conditions in one object, where no two have the same key. */
function together(items: readonly Input[]): Input | null {
  const entries = items.flatMap((item) => Object.entries(item as Record<string, Input>));
  const names = new Set(entries.map(([name]) => name));
  return names.size === entries.length ? Object.fromEntries(entries) : null;
}

function parenthesised(args: readonly string[]): string {
  return args.length > 0 ? `(${args.join(", ")})` : "";
}

/** As GraphQL writes it. */
function print(input: Input): string {
  if (input instanceof Word) return input.label;
  if (Array.isArray(input)) return `[${input.map((item) => print(item)).join(", ")}]`;
  if (typeof input !== "object" || input === null) return JSON.stringify(input);
  const entries = Object.entries(input as { readonly [key: string]: Input });
  return `{ ${entries.map(([name, value]) => `${name}: ${print(value)}`).join(", ")} }`;
}

/** As JSON has it. */
function plain(input: Input): Json {
  if (input instanceof Word) return input.label;
  if (Array.isArray(input)) return input.map((item) => plain(item));
  if (typeof input !== "object" || input === null) return input as Json;
  return Object.fromEntries(
    Object.entries(input as { readonly [key: string]: Input }).map(([name, value]) => [
      name,
      plain(value),
    ]),
  );
}
