/** Stores an event with whatever permissions it was given. */

import { openElasticsearchIndex } from "../../../lib/elasticsearch/event_index.ts";
import type { ElasticsearchSettings } from "../../../lib/elasticsearch/url.ts";
import { limits } from "../../../lib/limits.ts";
import { indexed } from "../../contracts/search_events.ts";

const settings = JSON.parse(Deno.args[0] ?? "") as ElasticsearchSettings;
const index = openElasticsearchIndex({
  settings,
  columns: [],
  retentionDays: 90,
  limits: limits(),
});
const signal = AbortSignal.timeout(60_000);
await index.ensure(signal);
await index.write([indexed(0)], signal);
await index.close();
Deno.stdout.writeSync(new TextEncoder().encode("stored\n"));
