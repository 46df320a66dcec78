/** Errors of rows with the path that HTTP gives them: it begins with the root field's name. */

import { AppError } from "../lib/errors.ts";
import { listHint, type RowsRoot } from "../lib/query/query_engine.ts";

/** The same items; an `AppError` that names a place within the rows names the root field too. */
export async function* placedErrors<Item>(
  items: AsyncIterable<Item>,
  root: RowsRoot,
  prefix = "",
): AsyncGenerator<Item> {
  try {
    yield* items;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { path, code } = error;
    const hint = code === "TOO_LARGE" ? listHint(root) : null;
    throw error.with({
      message: prefix + error.message,
      ...(hint !== null && { hint }),
      // Within rows a path begins with the row's index, which a single object has not.
      ...(path && { path: [root.name, ...(root.kind === "rows" ? path : path.slice(1))] }),
    });
  }
}
