/** Makes, checks and removes what Elasticsearch must hold for events. */

import { AppError } from "../errors.ts";
import type { Elasticsearch } from "./client.ts";
import {
  type DocumentOptions,
  documentsVersion,
  fieldsOf,
  mappingsOf,
  monthDaysMax,
  policyMeta,
  policyOf,
  templateMeta,
  templateOf,
} from "./documents.ts";
import { type Names, namesWith } from "./names.ts";
import { readServer, type Server } from "./server.ts";

/** One line for each thing about what was done. */
export interface MigratedPart {
  readonly part: string;
  readonly done: "made" | "changed" | "nothing" | "removed";
}

export interface Migrated {
  readonly server: Server;
  readonly parts: readonly MigratedPart[];
}

/**
 * Makes policy and template where they are not there, and adds fields that indices lack; refuses what
 * cannot become what it must be, before anything is touched. Safe to repeat. What people change in
 * policy and template stays until ours have to change.
 */
export async function migrateElasticsearch(
  elasticsearch: Elasticsearch,
  options: DocumentOptions,
  signal: AbortSignal,
): Promise<Migrated> {
  const server = await readServer(elasticsearch, signal);
  const names = namesWith(elasticsearch.settings.prefix);
  const found = await readFound(elasticsearch, names, server, signal);
  refuse([
    ...policyFaults(names, found.policy, options),
    ...templateFaults(names, found.template),
    ...[...found.indices].flatMap(([name, mappings]) =>
      indexFaults(name, mappings, server, options)
    ),
  ]);
  const parts: MigratedPart[] = [];
  const put = async (part: string, path: string, was: boolean, body: unknown) => {
    await elasticsearch.json("PUT", path, { body, signal });
    parts.push({ part, done: was ? "changed" : "made" });
  };
  if (server.hasPolicies) {
    const part = `policy ${names.policy}`;
    if (isPolicyOurs(found.policy, options)) parts.push({ part, done: "nothing" });
    else await put(part, `/_ilm/policy/${names.policy}`, found.policy !== null, policyOf(options));
  }
  const part = `template ${names.template}`;
  if (sameMeta(found.template?._meta, templateMeta(server, options))) {
    parts.push({ part, done: "nothing" });
  } else {
    const body = templateOf(names, server, options);
    await put(part, `/_index_template/${names.template}`, found.template !== null, body);
  }
  for (const [name, mappings] of found.indices) {
    if (hasAllFields(mappings, server, options)) continue;
    await put(`index ${name}`, `/${name}/_mapping`, true, mappingsOf(server.kind, options));
  }
  return { server, parts };
}

/** Removes the indices with all events, template and policy; says what was there. */
export async function dropElasticsearch(
  elasticsearch: Elasticsearch,
  signal: AbortSignal,
): Promise<MigratedPart[]> {
  const server = await readServer(elasticsearch, signal);
  const names = namesWith(elasticsearch.settings.prefix);
  const found = await readFound(elasticsearch, names, server, signal);
  const parts: MigratedPart[] = [];
  const remove = async (part: string, path: string) => {
    await elasticsearch.json("DELETE", path, { signal });
    parts.push({ part, done: "removed" });
  };
  for (const name of found.indices.keys()) await remove(`index ${name}`, `/${name}`);
  if (found.template !== null) {
    await remove(`template ${names.template}`, `/_index_template/${names.template}`);
  }
  if (found.policy !== null) await remove(`policy ${names.policy}`, `/_ilm/policy/${names.policy}`);
  return parts;
}

type Meta = Readonly<Record<string, unknown>>;

interface Mappings {
  readonly _meta?: Meta;
  readonly properties?: Readonly<Record<string, Mappings & Readonly<Record<string, unknown>>>>;
}

interface Policy {
  readonly _meta?: Meta;
  readonly phases?: Readonly<Record<string, { readonly min_age?: string }>>;
}

interface Found {
  readonly policy: Policy | null;
  readonly template: { readonly _meta?: Meta } | null;
  /** Those of our form of name, with their fields. */
  readonly indices: ReadonlyMap<string, Mappings>;
}

async function readFound(
  elasticsearch: Elasticsearch,
  names: Names,
  server: Server,
  signal: AbortSignal,
): Promise<Found> {
  const policies = server.hasPolicies
    ? await elasticsearch.find<Record<string, { readonly policy: Policy }>>(
      `/_ilm/policy/${names.policy}`,
      { signal },
    )
    : null;
  const templates = await elasticsearch.find<
    { readonly index_templates: readonly { readonly index_template: Found["template"] }[] }
  >(`/_index_template/${names.template}`, { signal });
  const mappings = await elasticsearch.json<Record<string, { readonly mappings: Mappings }>>(
    "GET",
    `/${names.pattern}/_mapping`,
    { signal },
  );
  return {
    policy: policies?.[names.policy]?.policy ?? null,
    template: templates?.index_templates[0]?.index_template ?? null,
    indices: new Map(
      Object.entries(mappings).filter(([name]) => names.endOf(name) !== null)
        .map(([name, { mappings }]) => [name, mappings]),
    ),
  };
}

const isOurs = (meta: Meta | undefined) => meta?.["managed_by"] === "fraiseql";

function sameMeta(seen: Meta | undefined, wanted: Meta): boolean {
  return Object.entries(wanted).every(([key, value]) => seen?.[key] === value);
}

/** Somebody's own policy will do where it keeps events for long enough. */
function isPolicyOurs(policy: Policy | null, options: DocumentOptions): boolean {
  if (policy === null) return false;
  return !isOurs(policy._meta) || sameMeta(policy._meta, policyMeta(options));
}

function policyFaults(
  { policy: name }: Names,
  policy: Policy | null,
  { retentionDays }: DocumentOptions,
): string[] {
  if (policy === null) return [];
  if (isOurs(policy._meta)) return versionFaults(`policy ${name}`, policy._meta);
  const age = policy.phases?.["delete"]?.min_age;
  const wanted = retentionDays + monthDaysMax;
  if (age === undefined || daysOf(age) >= wanted) return [];
  return [`policy ${name} is not ours and removes an index after ${age} instead of ${wanted}d`];
}

/** Of a duration as Elasticsearch writes it; what is not known here is too short. */
function daysOf(age: string): number {
  const [, count, unit = ""] = /^(\d+)(d|h|m|s|ms|micros|nanos)$/.exec(age) ?? [];
  const perDay: Record<string, number> = { d: 1, h: 24, m: 1440, s: 86_400, ms: 86_400_000 };
  return Number(count ?? 0) / (perDay[unit] ?? Infinity);
}

function templateFaults({ template: name }: Names, template: Found["template"]): string[] {
  if (template === null) return [];
  if (!isOurs(template._meta)) return [`template ${name} is not ours`];
  return versionFaults(`template ${name}`, template._meta);
}

function versionFaults(what: string, meta: Meta | undefined): string[] {
  const version = Number(meta?.["version"] ?? 0);
  if (version <= documentsVersion) return [];
  return [`${what} is of version ${version}, made by a later fraiseql`];
}

function indexFaults(
  name: string,
  mappings: Mappings,
  server: Server,
  { columns }: DocumentOptions,
): string[] {
  const later = versionFaults(`index ${name}`, mappings._meta);
  if (later.length > 0) return later;
  return fieldFaults(`index ${name}: field `, mappings, fieldsOf(server.kind, columns));
}

function fieldFaults(
  before: string,
  { properties = {} }: Mappings,
  wanted: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): string[] {
  return Object.entries(wanted).flatMap(([field, row]) => {
    const seen = properties[field];
    if (!seen) return []; // it can be added
    // An object's type is not named in what Elasticsearch gives back.
    const type = seen["type"] ?? "object";
    if (type !== row["type"]) {
      return [`${before}${field} is ${type} instead of ${row["type"]}`];
    }
    if (seen["analyzer"] !== row["analyzer"]) {
      const [is, should] = [seen["analyzer"] ?? "standard", row["analyzer"] ?? "standard"];
      return [`${before}${field} has the analyzer ${is} instead of ${should}`];
    }
    const inner = row["properties"] as typeof wanted | undefined;
    return inner ? fieldFaults(`${before}${field}.`, seen, inner) : [];
  });
}

function hasAllFields(mappings: Mappings, server: Server, { columns }: DocumentOptions): boolean {
  if (mappings._meta?.["version"] !== documentsVersion) return false;
  const has = (seen: Mappings, names: readonly string[]) =>
    names.every((name) => seen.properties?.[name] !== undefined);
  return has(mappings, Object.keys(fieldsOf(server.kind, []))) &&
    has(mappings.properties?.["columns"] ?? {}, columns);
}

function refuse(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new AppError("BAD_INPUT", `Elasticsearch does not fit: ${faults.join("; ")}`, {
    hint: "remove or rename what is there, or set other names apart by ?prefix=name- in " +
      "FRAISEQL_ELASTICSEARCH_URL; then run fraiseql migrate",
  });
}
