import { rejects, strictEqual as equal } from "node:assert/strict";
import { openElasticsearchSearch } from "../../../lib/elasticsearch/event_search.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import type { AppError } from "../../../lib/errors.ts";
import { limits } from "../../../lib/limits.ts";
import type { SearchStore } from "../../../lib/search/store.ts";
import { query } from "../../contracts/search_events.ts";

const error = { type: "security_exception", reason: "unable to authenticate user [elastic]" };

const options = { signal: new AbortController().signal, secondsMax: 60 };

/** A store on a server that answers so. */
async function answered(answer: Response, work: (store: SearchStore) => Promise<void>) {
  const given = () => answer.clone();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, given);
  const settings = readElasticsearchUrl(`http://elastic:pw@127.0.0.1:${server.addr.port}`);
  const store = openElasticsearchSearch({ settings, limits: limits() });
  try {
    await work(store);
  } finally {
    await store.close();
    await server.shutdown();
  }
}

for (const status of [401, 403]) {
  for (const order of ["newest", "relevance"] as const) {
    Deno.test(`search() by ${order} is UNAVAILABLE where we are refused with ${status}, without our user`, async () => {
      await answered(
        Response.json({ error, status }, { status }),
        (store) =>
          rejects(store.search(query("a", { order }), options), (thrown: AppError) => {
            equal(thrown.code, "UNAVAILABLE");
            equal(/elastic\]/.test(thrown.message + thrown.hint), false);
            return true;
          }),
      );
    });
  }
}

for (const body of ["<html>", "{}", "null"]) {
  Deno.test(`search() is UNAVAILABLE where what answers ${body} is no Elasticsearch`, async () => {
    await answered(new Response(body), (store) =>
      rejects(store.search(query("a"), options), {
        name: "AppError",
        code: "UNAVAILABLE",
        message: /is no Elasticsearch/,
      }));
  });
}
