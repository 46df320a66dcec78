/** Whether a catalog that was read again says anything else. */

import { createHash } from "node:crypto";
import type { Catalog, CatalogColumn, CatalogType } from "./catalog.ts";

/**
 * A digest of everything in a catalog that a schema is made of. The types are those that columns
 * have and functions give, since temporary tables of other sessions come and go; estimates of rows
 * are left out.
 */
export function catalogDigest(catalog: Catalog): string {
  const { relations, types, ...rest } = catalog;
  const used = new Map<number, CatalogType>();
  for (const { columns } of relations) addTypes(columns, types, used);
  addTypes(catalog.functions ?? [], types, used);
  const said = {
    ...rest,
    relations: relations.map((relation) => ({ ...relation, rowsEstimate: null })),
    types: [...used.values()],
  };
  return createHash("sha256").update(JSON.stringify(said)).digest("base64");
}

function addTypes(
  columns: readonly Pick<CatalogColumn, "typeOid">[],
  types: Catalog["types"],
  used: Map<number, CatalogType>,
): void {
  for (const { typeOid } of columns) {
    for (let type = types.get(typeOid); type && !used.has(type.oid);) {
      used.set(type.oid, type);
      if (type.form === "composite") addTypes(type.attributes, types, used);
      type = types.get(
        type.form === "array" ? type.itemOid : type.form === "domain" ? type.baseOid : 0,
      );
    }
  }
}
