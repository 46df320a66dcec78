// deno-lint-ignore-file camelcase -- the names are Elasticsearch's

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { DocumentOptions } from "../../../lib/elasticsearch/documents.ts";
import {
  dropElasticsearch,
  type MigratedPart,
  migrateElasticsearch,
} from "../../../lib/elasticsearch/migrate.ts";
import { indexed, query } from "../../contracts/search_events.ts";
import { testElasticsearch } from "../../services/elasticsearch.ts";
import { Opened, soon } from "./opened.ts";

const server = await testElasticsearch();

const keep: DocumentOptions = { columns: [], retentionDays: 90 };

/** What was done, without the prefix of the test. */
function said({ names }: Opened, parts: readonly MigratedPart[]): string[] {
  const prefix = names.template.slice(0, -"fraiseql-events".length);
  return parts.map(({ part, done }) => `${done} ${part.replace(prefix, "")}`);
}

async function migrated(opened: Opened, options = keep): Promise<string[]> {
  return said(opened, (await migrateElasticsearch(opened.client, options, soon())).parts);
}

const both = ["policy fraiseql-events-policy", "template fraiseql-events"];

Deno.test("migrateElasticsearch() makes policy and template, and finds nothing to do again", async () => {
  await using opened = new Opened({ url: server.url() });
  deepEqual(await migrated(opened), both.map((part) => `made ${part}`));
  deepEqual(await migrated(opened), both.map((part) => `nothing ${part}`));
});

Deno.test("dropElasticsearch() removes indices, template and policy, and then finds nothing", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  await opened.index.write([indexed(0)], soon());
  deepEqual(said(opened, await dropElasticsearch(opened.client, soon())), [
    "removed index fraiseql-events-2026.01",
    "removed template fraiseql-events",
    "removed policy fraiseql-events-policy",
  ]);
  deepEqual(await dropElasticsearch(opened.client, soon()), []);
});

Deno.test("migrateElasticsearch() keeps events for as long as is configured by then", async () => {
  await using opened = new Opened({ url: server.url() });
  await migrated(opened);
  deepEqual(await migrated(opened, { ...keep, retentionDays: 30 }), [
    `changed ${both[0]}`,
    `nothing ${both[1]}`,
  ]);
  const found = await opened.client.json<Policies>("GET", `/_ilm/policy/${opened.names.policy}`);
  const { phases } = found[opened.names.policy]?.policy ?? {};
  equal(phases?.["delete"]?.min_age, "61d");
  equal(phases?.["warm"]?.min_age, "38d");
});

interface Policies {
  readonly [name: string]: {
    readonly policy: { readonly phases: Record<string, { readonly min_age: string }> };
  };
}

Deno.test("migrateElasticsearch() adds columns to template and indices", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  await opened.index.write([indexed(0, { total: 1 })], soon());
  await using wider = new Opened({
    url: server.url(),
    settings: opened.settings,
    columns: ["total"],
  });
  deepEqual(await migrated(opened, { ...keep, columns: ["total"] }), [
    `nothing ${both[0]}`,
    `changed ${both[1]}`,
    "changed index fraiseql-events-2026.01",
  ]);
  await wider.index.write([indexed(1, { total: 2 })], soon());
  await opened.count();
  const condition = { kind: "number", column: "total", operator: "gte", value: 1 } as const;
  const found = await wider.store.search(query([], { condition }), {
    signal: soon(),
    secondsMax: 60,
  });
  // What was stored before the column has none.
  deepEqual(found.hits.map(({ event }) => event.data), [`{"total":2}`]);
});

Deno.test("write() makes indices sorted by time, refreshed each second, whose age counts from their month", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  await opened.index.write([indexed(0)], soon());
  const name = opened.names.index(indexed(0).timestamp);
  const found = await opened.client.json<Settings>("GET", `/${name}/_settings?flat_settings=true`);
  const settings = found[name]?.settings ?? {};
  equal(settings["index.sort.field"], "micros");
  equal(settings["index.sort.order"], "desc");
  equal(settings["index.refresh_interval"], "1s");
  equal(settings["index.lifecycle.name"], opened.names.policy);
  equal(settings["index.lifecycle.origination_date"], String(Date.UTC(2026, 0)));
});

interface Settings {
  readonly [name: string]: { readonly settings: Readonly<Record<string, unknown>> };
}

Deno.test("migrateElasticsearch() leaves what people changed in policy and template", async () => {
  await using opened = new Opened({ url: server.url() });
  await migrated(opened);
  const path = `/_index_template/${opened.names.template}`;
  const { index_templates: [found] } = await opened.client.json<Templates>("GET", path);
  const { template, index_patterns, _meta, priority } = found!.index_template;
  const settings = { ...template.settings, "index.refresh_interval": "7s" };
  const body = { index_patterns, _meta, priority, template: { ...template, settings } };
  await opened.client.json("PUT", path, { body });
  deepEqual(await migrated(opened), both.map((part) => `nothing ${part}`));
  const after = await opened.client.json<Templates>("GET", path);
  match(JSON.stringify(after.index_templates[0]), /"refresh_interval":"7s"/);
});

interface Template {
  readonly index_patterns: unknown;
  readonly priority: unknown;
  readonly _meta: unknown;
  readonly template: { readonly settings: Record<string, unknown> };
}

interface Templates {
  readonly index_templates: readonly { readonly index_template: Template }[];
}

const aged = (age: string) => ({
  policy: { phases: { delete: { min_age: age, actions: { delete: {} } } } },
});

Deno.test("migrateElasticsearch() takes a policy of somebody's own that keeps events long enough, and no other", async () => {
  await using opened = new Opened({ url: server.url() });
  const path = `/_ilm/policy/${opened.names.policy}`;
  await opened.client.json("PUT", path, { body: aged("90d") });
  await rejects(migrated(opened), {
    code: "BAD_INPUT",
    message: /is not ours and removes an index after 90d instead of 121d/,
  });
  equal(await opened.client.find(`/_index_template/${opened.names.template}`), null);
  for (const age of ["121d", "2904h"]) {
    await opened.client.json("PUT", path, { body: aged(age) });
    deepEqual((await migrated(opened))[0], `nothing ${both[0]}`);
  }
});

Deno.test("migrateElasticsearch() refuses a template of its name that is not ours", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.client.json("PUT", `/_index_template/${opened.names.template}`, {
    body: { index_patterns: [opened.names.pattern] },
  });
  await rejects(migrated(opened), { code: "BAD_INPUT", message: /template .* is not ours/ });
});

Deno.test("migrateElasticsearch() refuses an index whose fields cannot become ours, each by its name", async () => {
  await using opened = new Opened({ url: server.url() });
  const properties = {
    event_id: { type: "text" },
    search_text: { type: "text" },
    columns: { properties: { total: { type: "keyword" } } },
  };
  const index = opened.names.index("2026-01-01T00:00:00.000000Z");
  await opened.client.json("PUT", `/${index}`, { body: { mappings: { properties } } });
  await rejects(migrated(opened, { ...keep, columns: ["total"] }), {
    code: "BAD_INPUT",
    message: new RegExp(
      `index ${index}: field event_id is text instead of keyword; ` +
        `index ${index}: field search_text has the analyzer standard instead of whitespace; ` +
        `index ${index}: field columns.total is keyword instead of double$`,
    ),
  });
});

Deno.test("migrateElasticsearch() refuses what a later version made", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.client.json("PUT", `/_index_template/${opened.names.template}`, {
    body: {
      index_patterns: [opened.names.pattern],
      _meta: { managed_by: "fraiseql", version: 99 },
    },
  });
  await rejects(migrated(opened), { code: "BAD_INPUT", message: /version 99.*later fraiseql/ });
});

Deno.test("search() throws UNAVAILABLE before anything was made, and finds nothing after it", async () => {
  await using opened = new Opened({ url: server.url() });
  const search = () => opened.store.search(query(), { signal: soon(), secondsMax: 60 });
  await rejects(search(), { code: "UNAVAILABLE", hint: "run fraiseql migrate" });
  await rejects(opened.index.sums(0, soon()), { code: "UNAVAILABLE" });
  await opened.index.ensure(soon());
  deepEqual(await search(), { hits: [], total: 0, hasMore: false });
  deepEqual(await opened.index.sums(0, soon()), []);
});
