import { testSearch } from "./search.ts";
import { SearchModel } from "./search_model.ts";

testSearch("SearchModel", {
  make: (_columns, retentionDays) => {
    const model = new SearchModel(retentionDays);
    return Promise.resolve({ index: model, store: model, close: () => model.close() });
  },
});
