/** `BatchedQueries`: several queries as one operation. */

import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { tooLarge } from "./parse.ts";
import type { PlannedOperation, PlannedRoot } from "./plan.ts";

type ReadRoot = Exclude<PlannedRoot, { kind: "value" }>;

/** Plans each text and puts their roots together; each must have one that gives rows. */
export function batchOf(
  queries: readonly string[],
  plan: (text: string) => PlannedOperation,
  limits: Pick<Limits, "batchedQueriesMax" | "queryCostMax">,
): PlannedOperation & { readonly roots: readonly ReadRoot[] } {
  if (queries.length > limits.batchedQueriesMax) {
    throw new AppError(
      "TOO_LARGE",
      `the ticket has ${queries.length} queries, at most ${limits.batchedQueriesMax} are taken`,
      { hint: "ask in several tickets, or raise the limit batched_queries_max" },
    );
  }
  let cost = 0;
  const roots = queries.map((text, i) => {
    const operation = placed(i, () => plan(text));
    cost += operation.cost;
    if (cost > limits.queryCostMax) {
      throw tooLarge(`with all queries a cost above ${limits.queryCostMax}`, "query_cost_max");
    }
    return onlyRoot(operation.roots, i);
  });
  return { operationName: null, roots, cost };
}

function onlyRoot(roots: readonly PlannedRoot[], i: number): ReadRoot {
  const [only, ...more] = roots.filter((root) => root.kind !== "value");
  if (only && more.length === 0) return only;
  const names = [only, ...more].flatMap((root) => root?.name ?? []);
  const what = only ? `several root fields: ${names.join(", ")}` : "no root field that gives rows";
  throw new AppError("BAD_TICKET", `queries[${i}] has ${what}`, {
    hint: "give each root field a query of its own",
  });
}

/** Says of an error in which query it was found. */
function placed<Result>(i: number, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw error.with({ message: `queries[${i}]: ${error.message}` });
  }
}
