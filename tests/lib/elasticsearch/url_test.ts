import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import {
  type ElasticsearchUrlExtras,
  readElasticsearchUrl,
} from "../../../lib/elasticsearch/url.ts";

Deno.test("readElasticsearchUrl() takes user, password, path and prefix", () => {
  deepEqual(readElasticsearchUrl("https://me:p%40ss@es.example:9243/search/?prefix=shop-"), {
    base: "https://es.example:9243/search",
    authorization: `Basic ${btoa("me:p@ss")}`,
    prefix: "shop-",
    ca: null,
  });
});

Deno.test("readElasticsearchUrl() needs nothing but the host", () => {
  deepEqual(readElasticsearchUrl("http://es:9200"), {
    base: "http://es:9200",
    authorization: null,
    prefix: "",
    ca: null,
  });
});

Deno.test("readElasticsearchUrl() lets keys of their own beat the URL", () => {
  const extras = { user: "a", password: "ü", ca: "PEM" };
  const { authorization, ca } = readElasticsearchUrl("https://x:y@es", extras);
  equal(authorization, `Basic ${new TextEncoder().encode("a:ü").toBase64()}`);
  equal(ca, "PEM");
  equal(
    readElasticsearchUrl("https://x:y@es", { apiKey: "abc==" }).authorization,
    "ApiKey abc==",
  );
});

Deno.test("readElasticsearchUrl() takes an API key in both forms that Elasticsearch gives out", () => {
  const encoded = btoa("id:key");
  for (const apiKey of ["id:key", encoded]) {
    equal(readElasticsearchUrl("https://es", { apiKey }).authorization, `ApiKey ${encoded}`);
  }
});

const faults: [url: string, extras: ElasticsearchUrlExtras, message: RegExp][] = [
  ["es:9200", {}, /URL must be https:/],
  ["elastic://es", {}, /URL must be https:/],
  ["https://es?index=a", {}, /parameter index/],
  ["https://es?prefix=Shop", {}, /prefix that is not/],
  ["https://es?prefix=-a", {}, /prefix that is not/],
  ["https://es?prefix=" + "a".repeat(51), {}, /prefix that is not/],
  ["https://es#a", {}, /behind a #/],
  ["https://:secret@es", {}, /no user/],
  ["https://es", { apiKey: "k", user: "u", password: "p" }, /only one can be meant/],
  ["https://es", { apiKey: "k", password: "p" }, /no effect without elasticsearch_user/],
  ["https://a:b@es", { apiKey: "k", password: "p" }, /only one can be meant/],
  ["https://es", { user: "u" }, /without elasticsearch_password/],
  ["https://es", { password: "secret" }, /without elasticsearch_user/],
  ["http://es", { ca: "PEM" }, /without https/],
  ["https://a:p%ss@es", {}, /a % in its user or password/],
  ["https://es", { apiKey: "secret\nkey" }, /elasticsearch_api_key: has signs/],
  ["https://es", { apiKey: "secret…" }, /elasticsearch_api_key: has signs/],
];

for (const [url, extras, message] of faults) {
  Deno.test(`readElasticsearchUrl() refuses ${url} with ${Object.keys(extras)}`, () => {
    throws(() => readElasticsearchUrl(url, extras), {
      name: "AppError",
      code: "BAD_INPUT",
      message,
    });
  });
}

Deno.test("readElasticsearchUrl() does not show a password in what it says", () => {
  throws(() => readElasticsearchUrl("https://me:secret@es?odd=1"), (error: Error) => {
    equal(JSON.stringify([error.message, error]).includes("secret"), false);
    return true;
  });
});
