/** GraphiQL, the query page for browsers, from our own files: no foreign host is asked. */

import { createHash, randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { type Exchange, send, sendEmpty } from "./exchange.ts";
import { acceptsGzip } from "./negotiate.ts";

/** The page itself; all that it loads comes from `/graphiql/`. */
const page = (nonce: string) =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FraiseQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/graphiql/graphiql.css">
<link rel="stylesheet" href="/graphiql/page.css">
</head>
<body>
<div id="graphiql">Loading GraphiQL ...</div>
<noscript>GraphiQL needs JavaScript. Or POST {"query":"{ __typename }"} as JSON to this address.</noscript>
<script src="/graphiql/graphiql.js"></script>
<script src="/graphiql/start.js" type="module" nonce="${nonce}"></script>
</body>
</html>
`;

const pageStyle = "html, body, #graphiql { height: 100%; margin: 0; font-family: sans-serif; }\n";

/**
 * Scripts from our own files only: a query's text in the URL can start none. The nonce is for the
 * style that GraphiQL's dialogs add while they are open.
 */
const pageHeaders = (nonce: string) => ({
  "content-security-policy":
    `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; ` +
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
});

/** Sends the page. */
export function sendGraphiql(exchange: Exchange): void {
  const nonce = randomBytes(16).toString("base64url");
  send(exchange, 200, "text/html; charset=utf-8", page(nonce), pageHeaders(nonce));
}

interface Asset {
  readonly type: string;
  /** Compressed, as it lies in our files. */
  readonly load: () => Promise<Uint8Array>;
}

const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";

// Imported and not read, so that they are part of a compiled program; only when first asked for.
const ASSETS: Readonly<Record<string, Asset>> = {
  "/graphiql/graphiql.js": {
    type: script,
    load: async () =>
      (await import("./graphiql/graphiql.js.gz", { with: { type: "bytes" } })).default,
  },
  "/graphiql/graphiql.css": {
    type: style,
    load: async () =>
      (await import("./graphiql/graphiql.css.gz", { with: { type: "bytes" } })).default,
  },
  "/graphiql/start.js": {
    type: script,
    load: async () =>
      gzipSync((await import("./graphiql/start.js", { with: { type: "bytes" } })).default),
  },
  "/graphiql/page.css": { type: style, load: () => Promise.resolve(gzipSync(pageStyle)) },
};

interface LoadedAsset {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

const loaded = new Map<string, Promise<LoadedAsset>>();

async function load(asset: Asset): Promise<LoadedAsset> {
  const bytes = await asset.load();
  return { bytes, etag: `"${createHash("sha256").update(bytes).digest("base64url")}"` };
}

/** Whether `sendAsset()` has something to send for this path. */
export function isAsset(path: string): boolean {
  return Object.hasOwn(ASSETS, path);
}

/** Sends a file of the page, or 304 where the browser has it. */
export async function sendAsset(exchange: Exchange): Promise<void> {
  const asset = ASSETS[exchange.path]!;
  let loading = loaded.get(exchange.path);
  if (!loading) loaded.set(exchange.path, loading = load(asset));
  const { bytes, etag } = await loading;
  const { headers } = exchange.request;
  const gzip = acceptsGzip(headers["accept-encoding"]?.toString());
  const tag = gzip ? etag : etag.replace(/"$/, '-plain"');
  const common = { etag: tag, "cache-control": "no-cache" };
  if (headers["if-none-match"]?.split(/\s*,\s*/).includes(tag)) {
    sendEmpty(exchange, 304, common);
  } else if (gzip) {
    send(exchange, 200, asset.type, bytes, { ...common, "content-encoding": "gzip" });
  } else send(exchange, 200, asset.type, gunzipSync(bytes), common);
}
