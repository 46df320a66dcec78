/** All pages of a connection, forwards or backwards, are the ordered list, each row once. */

import type { Answer } from "./answers.ts";
import { canonical, WrongForm } from "./canonical.ts";
import type { Fault } from "./compare.ts";
import { type GraphqlText, toPage } from "./graphql_text.ts";
import type { ConnectionQuery, World } from "./model.ts";
import type { LeafShape, ObjectShape, Shape, Value } from "./shape.ts";

export interface Asking {
  http(text: GraphqlText): Promise<Answer>;
  flight(text: GraphqlText): Promise<Answer>;
}

/** More pages than any table here has rows. */
const pagesMax = 50;

export async function connectionFault(
  world: World,
  query: ConnectionQuery,
  list: Shape,
  wanted: Answer,
  asking: Asking,
): Promise<Fault | null> {
  if (list.kind !== "list") throw new Error("a connection is a list");
  const shape = connectionShape(list.item);
  const pages: Page[] = [];
  let cursor: string | null = null;
  for (let count = 0;; count++) {
    if (count > pagesMax) return { kind: "endless pages", message: `after ${cursor}` };
    const text = toPage(world, query, cursor);
    const [http, flight] = await Promise.all([asking.http(text), asking.flight(text)]);
    if (http.kind === "refused" || flight.kind === "refused") {
      const codes = [http, flight, wanted].map((answer) =>
        answer.kind === "refused" ? answer.code : "rows"
      );
      // What no format can hold may lie on a later page than this.
      if (codes[0] === codes[1] && codes[0] === codes[2]) return null;
      return { kind: `connection ${codes.join(", ")}`, message: JSON.stringify([http, flight]) };
    }
    try {
      const mine = canonical(shape, http.value);
      const [row, ...more] = flight.value as readonly Value[];
      const theirs = canonical(shape, row);
      if (mine !== theirs || more.length > 0) {
        return { kind: "connection differs", message: `HTTP   ${mine}\nFlight ${theirs}` };
      }
    } catch (error) {
      if (!(error instanceof WrongForm)) throw error;
      return { kind: "connection has another form", message: error.message };
    }
    const page = http.value as unknown as Page;
    pages.push(page);
    const fault = pageFault(page, query, list.item);
    if (fault) return { kind: "page", message: `${fault}: ${JSON.stringify(page)}` };
    const { hasNextPage, hasPreviousPage, startCursor, endCursor } = page.pageInfo;
    if (!(query.backwards ? hasPreviousPage : hasNextPage)) break;
    cursor = query.backwards ? startCursor : endCursor;
  }
  if (wanted.kind === "refused") {
    return { kind: "connection rows, wanted refusal", message: wanted.message };
  }
  const nodes = (query.backwards ? pages.reverse() : pages).flatMap((page) => page.nodes);
  const mine = canonical(list, nodes);
  const theirs = canonical(list, wanted.value);
  if (mine !== theirs) return { kind: "pages differ", message: `pages  ${mine}\noracle ${theirs}` };
  const total = (wanted.value as readonly Value[]).length;
  const told = pages.map((page) => countText(page.totalCount));
  if (told.some((count) => count !== String(total))) {
    return { kind: "totalCount", message: `${told} of ${total}` };
  }
  return null;
}

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: Value }[];
  readonly nodes: readonly Value[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount: Value;
}

/** A sentence on what does not fit together in one page. */
function pageFault(page: Page, query: ConnectionQuery, item: Shape): string | null {
  const { edges, nodes, pageInfo } = page;
  const text = (node: Value) => canonical(item, node);
  if (edges.length > query.pageRows) return "more rows than asked for";
  if (edges.map(({ node }) => text(node)).join() !== nodes.map(text).join()) {
    return "edges and nodes differ";
  }
  if (pageInfo.startCursor !== (edges[0]?.cursor ?? null)) return "startCursor is another";
  if (pageInfo.endCursor !== (edges.at(-1)?.cursor ?? null)) return "endCursor is another";
  return null;
}

/** A count is a number or, as a BigInt, a text. */
function countText(value: Value): string {
  return typeof value === "object" && value !== null && "text" in value
    ? String(value.text)
    : String(value);
}

const leaf = (form: LeafShape["form"], nullable: boolean): LeafShape => ({
  kind: "leaf",
  form,
  arrow: "",
  nullable,
});

function connectionShape(node: Shape): ObjectShape {
  const object = (fields: Readonly<Record<string, Shape>>): ObjectShape => ({
    kind: "object",
    nullable: false,
    fields: Object.entries(fields).map(([name, shape]) => ({ name, shape })),
  });
  const list = (item: Shape): Shape => ({ kind: "list", item, ordered: true, nullable: false });
  return object({
    edges: list(object({ cursor: leaf("cursor", false), node })),
    nodes: list(node),
    pageInfo: object({
      hasNextPage: leaf("boolean", false),
      hasPreviousPage: leaf("boolean", false),
      startCursor: leaf("cursor", true),
      endCursor: leaf("cursor", true),
    }),
    totalCount: leaf("json", false),
  });
}
