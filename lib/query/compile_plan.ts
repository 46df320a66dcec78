/** Planned root fields -> statements, and which of them to run. */

import { AppError } from "../errors.ts";
import { compileEventGroups } from "./event_groups_sql.ts";
import { type CompiledEvents, compileEvents } from "./event_sql.ts";
import type { PlannedRoot } from "./plan.ts";
import type { Plan, RootField } from "./query_engine.ts";
import type { Read } from "./read_plan.ts";
import type { Statement } from "./read_statements.ts";
import { type CompiledSearch, compileSearch } from "./search_rows.ts";
import { whyWhole } from "./split.ts";
import {
  compileAggregate,
  compileConnection,
  type CompiledRead,
  type CompileOptions,
  compileRead,
} from "./sql.ts";

/** A plan as the engine itself sees it. */
export interface CompiledPlan extends Plan {
  readonly statements: readonly Statement[];
  /** Of which schema; see `CompileOptions`. */
  readonly generation: number;
  /** The statements whose results may be kept. */
  readonly keepable: ReadonlySet<Statement>;
  /** What `roots` were compiled from, in the same order. */
  readonly planned: readonly PlannedRoot[];
}

export interface RootOptions extends CompileOptions {
  /** See `QueryRequest`. */
  readonly hitsAsRows: boolean;
}

/** The root field with the number of its statement, which is added to `statements`. */
export function compileRoot(
  root: PlannedRoot,
  statements: Statement[],
  options: RootOptions,
): RootField {
  if (root.kind === "value") return root;
  const { statement, fields } = compileFor(root, options);
  statements.push(statement);
  return {
    kind: isOneRow(root, options) ? "row" : "rows",
    name: root.name,
    field: root.field,
    fields,
    statement: statements.length - 1,
    ...root.kind === "connection" && { list: root.read.relation.listField },
  };
}

function isOneRow({ kind }: PlannedRoot, { hitsAsRows }: RootOptions): boolean {
  return kind === "row" || kind === "connection" || (kind === "search" && !hitsAsRows);
}

function compileFor(
  root: Exclude<PlannedRoot, { kind: "value" }>,
  options: RootOptions,
): CompiledRead | CompiledEvents | CompiledSearch {
  switch (root.kind) {
    case "search":
      return compileSearch(root.read, options.hitsAsRows);
    case "eventGroups":
      return compileEventGroups(root.read);
    case "rows":
    case "row":
      if (root.read.relation.isOfEvents) return compileEvents(root.read);
      return compileRead(root.read, options);
    case "aggregates":
      return compileAggregate(root.read, options);
    case "connection":
      return compileConnection(root.read, options);
    default:
      return root satisfies never;
  }
}

/** The statements of one root field, or all. */
export function chosen(
  statements: readonly Statement[],
  roots: readonly RootField[],
  only: number | undefined,
): readonly Statement[] {
  if (only === undefined) return statements;
  const root = roots[only];
  return root && root.kind !== "value" ? statements.slice(root.statement, root.statement + 1) : [];
}

/** The read of a root field that `whyWhole` lets pass. */
export function splittable(root: PlannedRoot | undefined): Read {
  const why = whyWhole(root);
  if (why === null && root?.kind === "rows") return root.read;
  throw new AppError("BAD_TICKET", `the query cannot be read in parts: ${why}`, {
    hint: "read it whole, or ask GetFlightInfo for its partitions",
  });
}
