/** Names in SQL, and the oids of rows. */

/** An identifier in PostgreSQL's quotes. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A type's name, quoted and qualified. */
export function sqlName(type: { readonly schema: string; readonly name: string }): string {
  return `${quote(type.schema)}.${quote(type.name)}`;
}

/** `record[]`: what an array of rows is. */
export const RECORD_ARRAY_OID = 2287;
export const RECORD_OID = 2249;
