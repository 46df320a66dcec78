import { sqliteIndex } from "../../../../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../../../../lib/search/sqlite/sqlite_search.ts";
import { limits } from "../../../../lib/limits.ts";
import { testSearch } from "../../../contracts/search.ts";

testSearch("the embedded store", {
  async make(columns, retentionDays) {
    const folder = await Deno.makeTempDir({ prefix: "fraiseql-search-" });
    const names = columns.map(({ name }) => name);
    const index = sqliteIndex({ folder, columns: names, retentionDays });
    const store = openSqliteSearch({ folder, limits: limits() });
    return {
      index,
      store,
      async close() {
        await store.close();
        await index.close();
        await Deno.remove(folder, { recursive: true });
      },
    };
  },
});
