import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { FakeEngine } from "./fake_engine.ts";
import { serve } from "./serve.ts";

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";

Deno.test("serveHttp() gives GraphiQL to a browser and JSON to a program at the same address", async () => {
  await using http = await serve(new FakeEngine());
  const page = await fetch(`${http.url}/graphql`, { headers: { accept: browser } });
  match(await page.text(), /<title>FraiseQL/);
  equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  const data = await fetch(`${http.url}/graphql?query={__typename}`);
  equal(await data.json(), { data: { __typename: "Query" } });
});

Deno.test("serveHttp() gives a page whose every file comes from this server, and allows no other", async () => {
  await using http = await serve(new FakeEngine());
  const page = await fetch(`${http.url}/graphql`, { headers: { accept: browser } });
  const policy = page.headers.get("content-security-policy") ?? "";
  match(policy, /default-src 'none'; script-src 'self';/);
  ok(!/https?:/.test(policy));
  const text = await page.text();
  const links = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((found) => found[1]!);
  ok(links.length >= 4);
  for (const link of links.filter((link) => !link.startsWith("data:"))) {
    match(link, /^\/graphiql\//);
    for (const encoding of ["gzip", "identity"]) {
      const headers = { "accept-encoding": encoding };
      const file = await fetch(http.url + link, { headers });
      const bytes = await file.bytes();
      equal(file.status, 200);
      ok(bytes.length > 0);
      const tag = file.headers.get("etag")!;
      const again = await fetch(http.url + link, { headers: { ...headers, "if-none-match": tag } });
      equal([again.status, await again.text()], [304, ""]);
    }
  }
});
