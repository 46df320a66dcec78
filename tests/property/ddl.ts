/** The statements that make a world. */

import type { Cell, Table, Type, World } from "./model.ts";
import { quoted } from "./names.ts";
import { compositeRow, PRELUDE, typeRow, typeSql } from "./types.ts";

/** Everything from an empty schema on. */
export function worldSql(world: World): string {
  return [
    "drop schema if exists public cascade; create schema public;",
    PRELUDE.trim(),
    ...world.tables.filter(({ viewOf }) => viewOf === null).map(tableSql),
    ...world.tables.flatMap(rowsSql),
    ...world.tables.filter(({ viewOf }) => viewOf !== null).map(viewSql),
    ...world.tables.flatMap(linksSql),
  ].join("\n");
}

function tableSql(table: Table): string {
  const name = quoted(table.name);
  const columns = table.columns.map(({ name, type, notNull }) =>
    `${quoted(name)} ${typeSql(type)}${notNull ? " not null" : ""}`
  );
  const key = table.key?.columns.map(quoted).join(", ");
  const primary = key !== undefined && table.key?.primary ? [`primary key (${key})`] : [];
  const unique = key !== undefined && !table.key?.primary
    ? `\ncreate unique index on ${name} (${key});`
    : "";
  const alternate = table.unique === null ? [] : [`unique (${quoted(table.unique)})`];
  const isParted = table.storage === "partitioned" && key !== undefined;
  const parts = [0, 1].map((i) =>
    `\ncreate table ${quoted(`${table.name} ${i}`)} partition of ${name} ` +
    `for values with (modulus 2, remainder ${i});`
  );
  return `create table ${name} (${[...columns, ...primary, ...alternate].join(", ")})` +
    (isParted ? ` partition by hash (${key});${parts.join("")}` : `;${unique}`);
}

function viewSql(table: Table): string {
  const columns = table.columns.map((column) => quoted(column.name)).join(", ");
  return `create ${table.storage} ${quoted(table.name)} as select ${columns} from ${
    quoted(table.viewOf ?? "")
  };`;
}

function rowsSql(table: Table): string[] {
  if (table.rows.length === 0) return [];
  const rows = table.rows.map((row) =>
    `(${table.columns.map(({ name, type }) => cellSql(type, row[name] ?? null)).join(", ")})`
  );
  const columns = table.columns.map(({ name }) => quoted(name)).join(", ");
  return [`insert into ${quoted(table.name)} (${columns}) values\n  ${rows.join(",\n  ")};`];
}

function linksSql(table: Table): string[] {
  return table.links.map((link) => {
    const list = (names: readonly string[]) => names.map(quoted).join(", ");
    return `alter table ${quoted(table.name)} add constraint ${quoted(link.name)} ` +
      `foreign key (${list(link.columns)}) references ${quoted(link.target)} (${
        list(link.targetColumns)
      });`;
  });
}

/** The type that a literal in a condition is cast to: without a modifier, which would round it. */
export function castSql(type: Type): string {
  const name = typeRow(type.name).cast;
  return type.kind === "array" ? `${name}[]` : name;
}

function cellSql(type: Type, cell: Cell): string {
  if (cell === null) return "null";
  if (typeof cell === "string") return `${literal(cell)}::${typeSql(type)}`;
  if ("parts" in cell) {
    const parts = compositeRow(type.name).parts.map(([, , part], i) =>
      cellSql(part, cell.parts[i] ?? null)
    );
    return `row(${parts.join(", ")})::${quoted(type.name)}`;
  }
  const item: Type = { ...type, kind: type.kind === "composites" ? "composite" : "leaf" };
  return `array[${cell.items.map((each) => cellSql(item, each)).join(", ")}]::${typeSql(type)}`;
}

/** Text in PostgreSQL's quotes; backslashes are as they are. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
