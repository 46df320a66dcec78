/**
 * TLS, API key and user, which the node of the tests does not have: what stands before it has them,
 * and refuses who does not come as it wants.
 */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  type ElasticsearchUrlExtras,
  readElasticsearchUrl,
} from "../../../lib/elasticsearch/url.ts";
import { indexed } from "../../contracts/search_events.ts";
import { testElasticsearch } from "../../services/elasticsearch.ts";
import { startElasticsearchProxy } from "../../services/elasticsearch_proxy.ts";
import { makeCertificates } from "../postgres/certificates.ts";
import { Opened, soon } from "./opened.ts";

const server = await testElasticsearch();
const straight = readElasticsearchUrl(server.server);
const certificates = await makeCertificates();
const { ca, otherCa, cert, key } = {
  ca: await Deno.readTextFile(certificates.ca),
  otherCa: await Deno.readTextFile(certificates.otherCa),
  cert: await Deno.readTextFile(certificates.server.cert),
  key: await Deno.readTextFile(certificates.server.key),
};
await certificates.remove();

/** What stands before Elasticsearch, and lets in who says that. */
async function guarded(
  authorization: string,
  work: (url: string, prefix: string) => Promise<void>,
): Promise<void> {
  const proxy = startElasticsearchProxy({
    target: straight.base,
    tls: { cert, key },
    authorization,
  });
  try {
    await work(proxy.url, new URL(server.url()).search);
  } finally {
    await proxy.stop();
  }
}

function opened(url: string, extras: ElasticsearchUrlExtras): Opened {
  const settings = readElasticsearchUrl(url, extras);
  // The client of the test itself goes straight.
  return new Opened({ url: server.server + new URL(url).search, settings });
}

const allowed: [
  name: string,
  authorization: string,
  user: string,
  extras: ElasticsearchUrlExtras,
][] = [
  ["an API key", `ApiKey ${btoa("id:key")}`, "", { apiKey: "id:key" }],
  ["a user of the URL", `Basic ${btoa("me:p@ss")}`, "me:p%40ss@", {}],
  ["user and password", `Basic ${btoa("me:p@ss")}`, "", { user: "me", password: "p@ss" }],
];

for (const [name, authorization, user, extras] of allowed) {
  Deno.test(`write() and search() come in over TLS by ${name}`, async () => {
    await guarded(authorization, async (base, prefix) => {
      const url = base.replace("https://", `https://${user}`) + prefix;
      await using elasticsearch = opened(url, { ...extras, ca });
      await elasticsearch.index.ensure(soon());
      deepEqual(await elasticsearch.index.write([indexed(0)], soon()), []);
      equal(await elasticsearch.count(), 1);
    });
  });
}

Deno.test("ensure() throws UNAUTHENTICATED for another key, with the keys of the configuration", async () => {
  await guarded(`ApiKey ${btoa("id:key")}`, async (url, prefix) => {
    await using elasticsearch = opened(url + prefix, { apiKey: "id:other", ca });
    await rejects(elasticsearch.index.ensure(soon()), {
      code: "UNAUTHENTICATED",
      hint: /FRAISEQL_ELASTICSEARCH_API_KEY/,
    });
  });
});

for (const [name, given] of [["no authority", null], ["another authority", otherCa]] as const) {
  Deno.test(`ensure() throws UNAVAILABLE where the certificate is signed by ${name} that is known`, async () => {
    await guarded("any", async (url, prefix) => {
      await using elasticsearch = opened(url + prefix, { ca: given });
      await rejects(elasticsearch.index.ensure(soon()), {
        code: "UNAVAILABLE",
        hint: /FRAISEQL_ELASTICSEARCH_CA_FILE/,
      });
    });
  });
}

Deno.test("the way over TLS needs the network to Elasticsearch, and nothing else", async () => {
  await guarded(`ApiKey ${btoa("id:key")}`, async (url, prefix) => {
    await using elasticsearch = opened(url + prefix, { apiKey: "id:key", ca });
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--no-check",
        `--allow-net=${new URL(url).host}`,
        fileURLToPath(new URL("./net_only.ts", import.meta.url)),
        JSON.stringify(elasticsearch.settings),
      ],
      stdin: "null",
    });
    const { stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    equal(decoder.decode(stderr) + decoder.decode(stdout), "stored\n");
    equal(await elasticsearch.count(), 1);
  });
});
