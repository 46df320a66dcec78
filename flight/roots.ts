/** Which root field of a plan a ticket means, and the columns of its batches. */

import type { ResultField } from "../lib/arrow/result_field.ts";
import { suggestion } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Plan, RowsRoot } from "../lib/query/query_engine.ts";
import type { PlannedTicket } from "./ticket.ts";
import { FILE_FIELDS } from "./to_file.ts";

/** The roots that are rows, with their index in the plan. Values alone have no place in Arrow. */
export function rowsRoots(plan: Plan): [index: number, root: RowsRoot][] {
  const roots: [number, RowsRoot][] = [];
  plan.roots.forEach((root, index) => {
    if (root.kind !== "value") roots.push([index, root]);
  });
  if (roots.length > 0) return roots;
  if (plan.roots.length === 0) {
    throw new AppError("BAD_TICKET", "the query selects no root field, so there are no rows", {
      hint: "@skip and @include leave none of its root fields",
    });
  }
  const names = plan.roots.map((root) => root.field).join(", ");
  throw new AppError("UNSUPPORTED", `${names} gives no rows, and Flight carries rows`, {
    hint: "ask for it over HTTP",
  });
}

/** The one root that a ticket means; `BAD_TICKET` lists them where it could be several. */
export function oneRoot(ticket: PlannedTicket, plan: Plan): [index: number, root: RowsRoot] {
  const roots = rowsRoots(plan);
  const names = roots.map(([, root]) => root.name);
  const field = ticket.kind === "query" ? ticket.field : null;
  const [only] = roots;
  if (field === null) {
    // Those of a batch have one schema.
    if (only && (roots.length === 1 || ticket.kind === "batch")) return only;
    throw new AppError("BAD_TICKET", `the query has several root fields: ${names.join(", ")}`, {
      hint: `name one as "field", or use the endpoints' tickets from GetFlightInfo`,
    });
  }
  const found = roots.find(([, root]) => root.name === field);
  if (found) return found;
  const shown = JSON.stringify(field.slice(0, 60));
  throw new AppError(
    "BAD_TICKET",
    `the query has no root field ${shown}${suggestion(field.slice(0, 60), names)}`,
    { hint: `"field" is one of ${names.join(", ")}` },
  );
}

/** The columns of a ticket's batches: the rows' own, or those of a file. */
export function fieldsOf(ticket: PlannedTicket, root: RowsRoot): readonly ResultField[] {
  return ticket.kind === "export" && ticket.format !== "arrow" ? FILE_FIELDS : root.fields;
}

/** The ticket of one of several roots. */
export function ofField(ticket: PlannedTicket, root: RowsRoot): PlannedTicket {
  return ticket.kind === "query" ? { ...ticket, field: root.name } : ticket;
}
