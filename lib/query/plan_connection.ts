/** `ordersConnection` and its like: arguments and selections -> a `ConnectionRead`. */

import type { FieldNode } from "graphql";
import { AppError } from "../errors.ts";
import { toCondition, toCount, toOrder } from "./conditions.ts";
import { completeOrder, decodeCursor } from "./cursors.ts";
import type { FieldWalk, Place } from "./plan_walk.ts";
import type {
  ConnectionRead,
  ConnectionSelection,
  Cursor,
  EdgeSelection,
  PageSelection,
  Selection,
} from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { Relation } from "./schema.ts";

type Input = Readonly<Record<string, unknown>>;

/** What a node's own fields become. */
type SelectNode = (nodes: readonly FieldNode[], at: Place) => readonly Selection[];

/** The page that a field asks for; `BAD_INPUT` for a cursor that is none of this order. */
export function planConnection(
  relation: Relation,
  nodes: readonly FieldNode[],
  values: Input,
  walk: FieldWalk,
  selectNode: SelectNode,
): ConnectionRead {
  const { budget } = walk;
  const order = completeOrder(
    toOrder(values.orderBy as readonly Input[], relation, "orderBy", budget),
    relation,
  );
  const cursor = (name: "after" | "before"): Cursor | null => {
    const text = values[name];
    if (text === null || text === undefined) return null;
    return decodeCursor(String(text), name, relation, order);
  };
  const first = toCount(values.first, "first");
  const last = toCount(values.last, "last");
  if (first !== null && last !== null) {
    throw new AppError("BAD_INPUT", `first: ${first} and last: ${last} are given at once`, {
      hint: "give first with after to go forward, or last with before to go back",
    });
  }
  return {
    relation,
    where: toCondition(values.where as Input, relation.fields, "where", budget),
    order,
    count: first ?? last,
    backwards: last !== null,
    after: cursor("after"),
    before: cursor("before"),
    selection: new Page(relation, walk, selectNode).selection(nodes),
  };
}

class Page {
  constructor(
    private readonly relation: Relation,
    private readonly walk: FieldWalk,
    private readonly selectNode: SelectNode,
  ) {}

  selection(nodes: readonly FieldNode[]): ConnectionSelection[] {
    const { typeName } = this.relation;
    return this.each(nodes, 2, (name, field, inner): ConnectionSelection => {
      switch (field) {
        case "__typename":
          return { kind: "constant", name, value: `${typeName}Connection` };
        case "totalCount":
          return { kind: "totalCount", name };
        case "nodes":
          return {
            kind: "nodes",
            name,
            selection: this.selectNode(inner, { depth: 2, factor: 1 }),
          };
        case "edges":
          return { kind: "edges", name, parts: this.edge(inner) };
        case "pageInfo":
          return { kind: "pageInfo", name, parts: this.pageInfo(inner) };
        default:
          throw new Error(`validation let ${typeName}Connection.${short(field)} pass`);
      }
    });
  }

  private edge(nodes: readonly FieldNode[]): EdgeSelection[] {
    return this.each(nodes, 3, (name, field, inner): EdgeSelection => {
      switch (field) {
        case "__typename":
          return { kind: "constant", name, value: `${this.relation.typeName}Edge` };
        case "cursor":
          return { kind: "cursor", name };
        default:
          return { kind: "node", name, selection: this.selectNode(inner, { depth: 3, factor: 1 }) };
      }
    });
  }

  private pageInfo(nodes: readonly FieldNode[]): PageSelection[] {
    return this.each(nodes, 3, (name, field): PageSelection => {
      switch (field) {
        case "__typename":
          return { kind: "constant", name, value: "PageInfo" };
        case "hasNextPage":
        case "hasPreviousPage":
        case "startCursor":
        case "endCursor":
          return { kind: field, name };
        default:
          throw new Error(`validation let PageInfo.${short(field)} pass`);
      }
    });
  }

  private each<Part>(
    nodes: readonly FieldNode[],
    depth: number,
    make: (name: string, field: string, nodes: readonly FieldNode[]) => Part,
  ): Part[] {
    return [...this.walk.collect(nodes)].map(([name, inner]) => {
      this.walk.count(1, depth, inner);
      return make(name, inner[0]?.name.value ?? "", inner);
    });
  }
}
