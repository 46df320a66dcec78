/** PostgreSQL's catalog as plain data; `lib/postgres/catalog.ts` reads it, `schema.ts` names it. */

export interface Catalog {
  readonly relations: readonly CatalogRelation[];
  readonly types: ReadonlyMap<number, CatalogType>;
  readonly foreignKeys: readonly CatalogForeignKey[];
  /** Functions of one argument, a relation's row, that this role may call; absent: none. */
  readonly functions?: readonly CatalogFunction[];
}

export type RelationKind = "table" | "partitioned" | "view" | "materialized" | "foreign";

export interface CatalogRelation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  readonly comment: string | null;
  /** Null where PostgreSQL never counted. */
  readonly rowsEstimate: number | null;
  readonly columns: readonly CatalogColumn[];
  /** Attribute numbers of the primary key, else of a unique index over NOT NULL columns. */
  readonly key: readonly number[] | null;
  /** Other tables inherit from it, and a read of it gives their rows too: its key is then none. */
  readonly inherited?: boolean;
}

export interface CatalogColumn {
  readonly number: number;
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly notNull: boolean;
  readonly comment: string | null;
}

export type CatalogType = {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly comment: string | null;
  /** Has a default B-tree order, so `=`, `<` and ORDER BY work. */
  readonly orderable: boolean;
  /** Where its `=` and its like are defined; absent for `pg_catalog`. */
  readonly operatorSchema?: string;
} & CatalogTypeForm;

export type CatalogTypeForm =
  | { readonly form: "base" | "other" }
  | { readonly form: "array"; readonly itemOid: number }
  | { readonly form: "domain"; readonly baseOid: number; readonly baseModifier: number }
  | { readonly form: "enum"; readonly labels: readonly string[] }
  | { readonly form: "composite"; readonly attributes: readonly CatalogColumn[] };

export interface CatalogForeignKey {
  readonly name: string;
  readonly comment: string | null;
  /** The relation that has the key's columns, and the one they lead to. */
  readonly sourceOid: number;
  readonly sourceColumns: readonly number[];
  readonly targetOid: number;
  readonly targetColumns: readonly number[];
  /** False where no index finds the rows that lead to a given one. */
  readonly indexed?: boolean;
  /** By column; null, or absent for all, where both sides are of one type and collation. */
  readonly matches?: readonly (KeyMatch | null)[];
}

/** How PostgreSQL itself compares the two sides of a foreign key; names are SQL, in quotes. */
export interface KeyMatch {
  /** Of the referenced side on the left, qualified. */
  readonly operator: string;
  /** What each side is taken as; null for what the operator takes as it is. */
  readonly targetType: string | null;
  readonly sourceType: string | null;
  /** The referenced column's, where the other has another. */
  readonly collation: string | null;
}

export interface CatalogFunction {
  readonly schema: string;
  readonly name: string;
  readonly comment: string | null;
  /** The relation whose row it takes. */
  readonly relationOid: number;
  readonly typeOid: number;
  /** It returns rows and not a value. */
  readonly returnsSet: boolean;
}
