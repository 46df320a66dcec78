/** `FRAISEQL_ELASTICSEARCH_URL`, what it names, and how one proves who one is. */

import { AppError } from "../errors.ts";
import { loginFault } from "../percent_escapes.ts";

export interface ElasticsearchSettings {
  /** Scheme, host, port and path, without a slash at the end. */
  readonly base: string;
  /** The value of the header `Authorization`; null: the server asks for none. */
  readonly authorization: string | null;
  /** Stands before every name: indices, template and policy. */
  readonly prefix: string;
  /** Authorities that sign the server's certificate, in PEM; null: those that the system knows. */
  readonly ca: string | null;
}

/** What stands in keys of their own; user and key beat those of the URL. */
export interface ElasticsearchUrlExtras {
  readonly apiKey?: string | null;
  readonly user?: string | null;
  readonly password?: string | null;
  readonly ca?: string | null;
}

/** What is wrong with a URL; null where nothing is. */
export function elasticsearchUrlFault(text: string): string | null {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    return "must be https://user:password@host:9200, or http://...";
  }
  const url = new URL(text);
  if (url.hash !== "") return "must have nothing behind a #";
  const odd = [...url.searchParams.keys()].find((name) => name !== "prefix");
  if (odd !== undefined) return `has the parameter ${odd}, of which it takes only prefix`;
  const prefix = url.searchParams.get("prefix") ?? "";
  if (!prefixForm.test(prefix)) {
    return "has a prefix that is not small letters, digits, - and _, beginning with a letter, up to 50";
  }
  if (url.username === "" && url.password !== "") return "has a password and no user";
  return loginFault(url);
}

/** What Elasticsearch takes as the beginning of an index's name, and needs no escape in a path. */
const prefixForm = /^([a-z][a-z0-9_-]{0,49})?$/;

/** `fetch` refuses others in a header, and shows the header in its error. */
const headerForm = /^[!-~]+$/;

/** What is wrong with keys that do not go together; null where nothing is. */
function elasticsearchKeysFault(
  { apiKey, user, password, ca }: ElasticsearchUrlExtras,
  url: string,
): string | null {
  const given = (value: string | null | undefined) => value !== null && value !== undefined;
  if (typeof apiKey === "string" && !headerForm.test(apiKey)) {
    return "elasticsearch_api_key: has signs that no API key has, such as a space or a line's end";
  }
  if (given(apiKey) && given(user)) {
    return "elasticsearch_api_key and elasticsearch_user: only one can be meant";
  }
  if (given(password) && !given(user) && new URL(url).username === "") {
    return "elasticsearch_password: has no effect without elasticsearch_user";
  }
  if (given(user) && !given(password) && new URL(url).password === "") {
    return "elasticsearch_user: has no effect without elasticsearch_password";
  }
  if (given(apiKey) && given(password)) {
    return "elasticsearch_api_key and elasticsearch_password: only one can be meant";
  }
  if (given(ca) && !url.startsWith("https:")) {
    return "elasticsearch_ca: has no effect without https:// in elasticsearch_url";
  }
  return null;
}

/** Takes the URL apart; throws `BAD_INPUT` without showing its password. */
export function readElasticsearchUrl(
  text: string,
  extras: ElasticsearchUrlExtras = {},
): ElasticsearchSettings {
  const urlFault = elasticsearchUrlFault(text);
  const fault = urlFault === null
    ? elasticsearchKeysFault(extras, text)
    : `the Elasticsearch URL ${urlFault}`;
  if (fault !== null) {
    throw new AppError("BAD_INPUT", fault, {
      hint: "for example https://elastic:password@127.0.0.1:9200, or https://127.0.0.1:9200 and " +
        "FRAISEQL_ELASTICSEARCH_API_KEY",
    });
  }
  const url = new URL(text);
  return {
    base: url.origin + url.pathname.replace(/\/+$/, ""),
    authorization: authorizationOf(url, extras),
    prefix: url.searchParams.get("prefix") ?? "",
    ca: extras.ca ?? null,
  };
}

function authorizationOf(url: URL, extras: ElasticsearchUrlExtras): string | null {
  const { apiKey } = extras;
  if (apiKey !== null && apiKey !== undefined) {
    // Elasticsearch gives it out in both forms: `id:key`, and that in base64.
    return `ApiKey ${apiKey.includes(":") ? toBase64(apiKey) : apiKey}`;
  }
  const user = extras.user ?? decodeURIComponent(url.username);
  if (user === "") return null;
  return `Basic ${toBase64(`${user}:${extras.password ?? decodeURIComponent(url.password)}`)}`;
}

const toBase64 = (text: string) => new TextEncoder().encode(text).toBase64();
