/** Which server it is: what it can, and by which words, is not the same everywhere. */

import { AppError } from "../errors.ts";
import type { Elasticsearch } from "./client.ts";
import { answerFault } from "./errors.ts";
import { namesWith } from "./names.ts";

export interface Server {
  readonly kind: "elasticsearch" | "opensearch";
  readonly version: string;
  /** It has lifecycle policies; else whole months are removed by their names. */
  readonly hasPolicies: boolean;
}

interface Root {
  readonly version?: { readonly number?: string; readonly distribution?: string };
}

/** Asks it; throws `UNSUPPORTED` for one that is too old. */
export async function readServer(
  elasticsearch: Elasticsearch,
  signal: AbortSignal,
): Promise<Server> {
  const root = await elasticsearch.json<Root>("GET", "/", { signal });
  const { number: version, distribution } = root.version ?? {};
  if (version === undefined) {
    const { base } = elasticsearch.settings;
    throw new AppError("UNAVAILABLE", `what answers at ${base} is no Elasticsearch`, {
      hint: "see FRAISEQL_ELASTICSEARCH_URL: it must lead to Elasticsearch's HTTP port",
    });
  }
  const kind = distribution === "opensearch" ? "opensearch" : "elasticsearch";
  refuseOld(kind, version);
  return { kind, version, hasPolicies: await hasPolicies(elasticsearch, kind, signal) };
}

const LEAST = { elasticsearch: [8, 0], opensearch: [2, 0] } as const;

function refuseOld(kind: Server["kind"], version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor, leastMinor] = LEAST[kind];
  if (major > leastMajor || major === leastMajor && minor >= leastMinor) return;
  const name = { elasticsearch: "Elasticsearch", opensearch: "OpenSearch" }[kind];
  throw new AppError("UNSUPPORTED", `${name} ${version} is too old`, {
    hint: `use ${name} ${leastMajor}.${leastMinor} or newer`,
  });
}

/** A server without them does not know the address; which error it has for that is not the same. */
async function hasPolicies(
  elasticsearch: Elasticsearch,
  kind: Server["kind"],
  signal: AbortSignal,
): Promise<boolean> {
  if (kind === "opensearch") return false;
  const { policy } = namesWith(elasticsearch.settings.prefix);
  try {
    await elasticsearch.json("GET", `/_ilm/policy/${policy}`, { signal });
    return true;
  } catch (error) {
    const { status = 0, type } = answerFault(error);
    if (type === "resource_not_found_exception") return true;
    if (unknownStatuses.includes(status)) return false;
    throw error;
  }
}

const unknownStatuses: readonly number[] = [400, 404, 405, 410, 501];
