/** Something between a program and Elasticsearch: TLS, a check of who asks, a fault now and then. */

export interface ProxyOptions {
  /** What is behind it. */
  readonly target: string;
  /** Speaks https by this certificate, in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Refuses who does not say this in the header `Authorization`. */
  readonly authorization?: string;
  /** Answers in the place of Elasticsearch; null: it is asked. */
  readonly answer?: (asked: Asked) => Response | null | Promise<Response | null>;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface ElasticsearchProxy {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one on a free port, for the name `localhost` where it speaks TLS. */
export function startElasticsearchProxy(options: ProxyOptions): ElasticsearchProxy {
  const { target, tls, authorization, answer = () => null } = options;
  const handle = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const path = pathname + search;
    const body = await request.bytes();
    if (authorization !== undefined && request.headers.get("authorization") !== authorization) {
      return fault(401, "security_exception", "unable to authenticate");
    }
    const own = await answer({ method: request.method, path, body });
    if (own) return own;
    const headers = new Headers(request.headers);
    for (const name of ["host", "authorization", "content-length"]) headers.delete(name);
    const { method } = request;
    const sent = method === "GET" || method === "HEAD" ? {} : { body };
    const given = await fetch(target + path, { method, headers, ...sent });
    // It is unpacked by now.
    const type = given.headers.get("content-type") ?? "application/json";
    return new Response(given.body, { status: given.status, headers: { "content-type": type } });
  };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    ...tls,
  }, handle);
  const { port } = server.addr;
  return {
    url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    port,
    stop: () => server.shutdown(),
  };
}

/** An answer as Elasticsearch gives it for a request that it refuses as a whole. */
export function fault(status: number, type: string, reason: string): Response {
  return Response.json({ error: { type, reason }, status }, { status });
}
