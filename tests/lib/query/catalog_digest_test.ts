import { notStrictEqual as notEqual, strictEqual as equal } from "node:assert/strict";
import type { Catalog } from "../../../lib/query/catalog.ts";
import { catalogDigest } from "../../../lib/query/catalog_digest.ts";
import { catalogOf, type CatalogSpec } from "./catalogs.ts";

const shop: CatalogSpec = {
  tables: { users: "id int4! key, mood mood, home address, moods mood[]", orders: "id int8! key" },
  types: {
    weight: { domain: "int4" },
    mood: { labels: ["good", "bad"] },
    address: { attributes: "zip text, size weight" },
  },
};

const changed: [name: string, spec: CatalogSpec][] = [
  ["a table", { ...shop, tables: { ...shop.tables, later: "id int4" } }],
  ["a column's type", { ...shop, tables: { ...shop.tables, orders: "id int4! key" } }],
  ["a column's modifier", { ...shop, tables: { ...shop.tables, orders: "id numeric(5,2)! key" } }],
  ["a column's being null", { ...shop, tables: { ...shop.tables, orders: "id int8 key" } }],
  ["a label", { ...shop, types: { ...shop.types, mood: { labels: ["good", "bad", "odd"] } } }],
  ["an attribute", { ...shop, types: { ...shop.types, address: { attributes: "zip text" } } }],
  ["what a domain is of", { ...shop, types: { ...shop.types, weight: { domain: "int8" } } }],
];

for (const [name, spec] of changed) {
  Deno.test(`catalogDigest() differs where ${name} does`, () => {
    notEqual(catalogDigest(catalogOf(spec)), catalogDigest(catalogOf(shop)));
  });
}

Deno.test("catalogDigest() sees neither estimates nor types that no column has", () => {
  const catalog = catalogOf(shop);
  const later: Catalog = {
    ...catalog,
    relations: catalog.relations.map((relation) => ({ ...relation, rowsEstimate: 12 })),
    types: new Map([
      ...[...catalog.types].reverse(),
      [99, {
        oid: 99,
        schema: "pg_temp_3",
        name: "t",
        comment: null,
        orderable: false,
        form: "base",
      }],
    ]),
  };
  equal(catalogDigest(later), catalogDigest(catalog));
});

Deno.test("catalogDigest() differs where the type of what a function gives does", () => {
  const digestWith = (labels: string[]) => {
    const catalog = catalogOf({ ...shop, types: { ...shop.types, tone: { labels } } });
    const tone = [...catalog.types.values()].find((type) => type.name === "tone");
    const user = catalog.relations[0];
    return catalogDigest({
      ...catalog,
      functions: [{
        schema: "public",
        name: "tone",
        comment: null,
        relationOid: user?.oid ?? 0,
        typeOid: tone?.oid ?? 0,
        returnsSet: false,
      }],
    });
  };
  notEqual(digestWith(["low"]), digestWith(["low", "high"]));
});
