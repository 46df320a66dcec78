/** What the planners of single fields ask of the walk over a whole operation. */

import type { FieldNode } from "graphql";
import type { ConditionBudget } from "./conditions.ts";

export interface FieldWalk {
  readonly budget: ConditionBudget;
  /** The fields below these nodes by response name, fragments and directives applied. */
  collect(nodes: readonly FieldNode[]): ReadonlyMap<string, readonly FieldNode[]>;
  /** Counts fields against the limits on cost and depth; throws `TOO_LARGE` above. */
  count(cost: number, depth: number, nodes: readonly FieldNode[]): void;
}

/** Where a field stands. */
export interface Place {
  readonly depth: number;
  /** How often what is below is there, by the lists around it. */
  readonly factor: number;
}
