import { rejects, strictEqual as equal } from "node:assert/strict";
import { openElasticsearchSearch } from "../../../lib/elasticsearch/event_search.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import type { AppError } from "../../../lib/errors.ts";
import { limits } from "../../../lib/limits.ts";
import { query } from "../../contracts/search_events.ts";

const error = { type: "security_exception", reason: "unable to authenticate user [elastic]" };

for (const status of [401, 403]) {
  for (const order of ["newest", "relevance"] as const) {
    Deno.test(`search() by ${order} is UNAVAILABLE where we are refused with ${status}, without our user`, async () => {
      const answer = () => Response.json({ error, status }, { status });
      const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
      const settings = readElasticsearchUrl(`http://elastic:pw@127.0.0.1:${server.addr.port}`);
      const store = openElasticsearchSearch({ settings, limits: limits() });
      try {
        const signal = new AbortController().signal;
        await rejects(
          store.search(query("a", { order }), { signal, secondsMax: 60 }),
          (thrown: AppError) => {
            equal(thrown.code, "UNAVAILABLE");
            equal(/elastic\]/.test(thrown.message + thrown.hint), false);
            return true;
          },
        );
      } finally {
        await store.close();
        await server.shutdown();
      }
    });
  }
}
