/** What the query engine is made of. */

import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Catalog } from "./catalog.ts";
import type { Database } from "./database.ts";
import type { EventStore } from "./event_store.ts";
import type { ResultCacheOptions } from "./result_cache.ts";
import type { SchemaFile } from "./schema_file.ts";
import type { SearchProvider } from "./search_read.ts";

export interface EngineOptions {
  readonly database: Database;
  readonly readCatalog: () => Promise<Catalog>;
  /**
   * Another text when the catalog may have changed, much cheaper than to read it; without, only reads
   * that fail show a change.
   */
  readonly readStamp?: () => Promise<string>;
  /** The schema file, read whenever the catalog is; the catalog alone makes the schema without. */
  readonly readSchemaFile?: (() => Promise<SchemaFile>) | null;
  readonly limits: Limits;
  readonly unrepresentable: "error" | "null";
  /** Views that `OptimizedView` offers beside those named `va_...`. */
  readonly views: readonly string[];
  /** Told what had to be renamed or reported whenever the catalog is read. */
  readonly onNotes?: (notes: readonly string[]) => void;
  /** Results that may be given again for a while; none when absent. */
  readonly resultCache?: ResultCacheSettings;
  /** ClickHouse's events; where there are none, the schema has no fields of them. */
  readonly events?: EventStore | null;
  /** Where events are searched; where that is nowhere, the schema has no field for it. */
  readonly search?: SearchProvider | null;
  /** Told when the catalog was read again unasked. */
  readonly log?: Log;
  /** Called when that gave another schema, so that other processes can read theirs again. */
  readonly onChanged?: () => void;
}

export interface ResultCacheSettings extends Pick<ResultCacheOptions, "seconds" | "metrics"> {
  /** `name` or `schema.name` in PostgreSQL, or `*` for all: only reads of these alone are kept. */
  readonly relations: readonly string[];
}
