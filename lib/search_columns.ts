/** Numbers of `data` that `gt` and its like can be asked of: the paths named in `search_columns`. */

export interface SearchColumn {
  /** The path's keys with `_` between; what a store calls it. */
  readonly name: string;
  readonly path: readonly string[];
}

/**
 * Reads `total,items.price`. A sentence where a path is empty, its name is none that every store
 * takes, or two have the same name.
 */
export function parseSearchColumns(text: string): readonly SearchColumn[] | string {
  const columns: SearchColumn[] = [];
  for (const part of text.split(",").map((part) => part.trim())) {
    if (part === "" && text.trim() === "") continue;
    const path = part.split(".");
    const name = path.join("_");
    if (!columnName.test(name) || path.includes("")) {
      return `${JSON.stringify(part)} is no path of letters, digits and _ with points between`;
    }
    const other = columns.find((column) => column.name === name);
    if (other) {
      return other.path.length === path.length
        ? `${part} is named twice`
        : `${other.path.join(".")} and ${part} are both named ${name}`;
    }
    columns.push({ name, path });
  }
  if (columns.length > searchColumnsMax) {
    return `${columns.length} paths are more than ${searchColumnsMax}`;
  }
  return columns;
}

const columnName = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

/** Each is a field of its own in every document, and an index over all of them. */
export const searchColumnsMax = 50;
