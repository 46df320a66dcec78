/**
 * A plain HTTP client, the same for every server: it takes an answer off the socket and looks at no
 * byte of it but the status and the end, so that what it costs itself is small.
 */

export interface HttpRead {
  readonly url: string;
  readonly query: string;
  readonly gzip?: boolean;
  /** A slow reader: at this speed for so many seconds, then as fast as it can. */
  readonly bytesPerSecond?: number;
  readonly slowSeconds?: number;
}

export interface HttpResult {
  readonly seconds: number;
  /** Until the first bytes of the answer came. */
  readonly firstSeconds: number;
  /** Of the answer on the wire, headers and chunk marks included. */
  readonly bytes: number;
}

/** Asks and drains; throws where the answer is no whole 200. */
export async function readHttp(asked: HttpRead): Promise<HttpResult> {
  const { hostname, port, pathname } = new URL(asked.url);
  const body = JSON.stringify({ query: asked.query });
  const request = `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n` +
    "content-type: application/json\r\naccept: application/json\r\nconnection: close\r\n" +
    (asked.gzip ? "accept-encoding: gzip\r\n" : "") +
    `content-length: ${body.length}\r\n\r\n${body}`;
  // One of its own, since many read at once.
  const buffer = new Uint8Array(256 * 1024);
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const socket = await Deno.connect({ hostname, port: Number(port) });
  socket.setNoDelay(true);
  try {
    await socket.write(new TextEncoder().encode(request));
    let bytes = 0;
    let firstSeconds = 0;
    let head = "";
    let tail = "";
    for (let size = await socket.read(buffer); size !== null; size = await socket.read(buffer)) {
      if (bytes === 0) {
        firstSeconds = elapsed();
        head = new TextDecoder().decode(buffer.subarray(0, Math.min(size, 2000)));
      }
      bytes += size;
      tail = (tail + new TextDecoder("latin1").decode(buffer.subarray(Math.max(0, size - 5), size)))
        .slice(-5);
      if (asked.bytesPerSecond && elapsed() < (asked.slowSeconds ?? 0)) {
        const ahead = bytes / asked.bytesPerSecond - elapsed();
        if (ahead > 0) await new Promise((done) => setTimeout(done, ahead * 1000));
      }
    }
    const seconds = elapsed();
    checkWhole(head, tail, bytes);
    return { seconds, firstSeconds, bytes };
  } finally {
    socket.close();
  }
}

function checkWhole(head: string, tail: string, bytes: number): void {
  if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(`not a 200: ${head.slice(0, 400)}`);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const whole = length === undefined
    ? tail === "0\r\n\r\n"
    : bytes === head.indexOf("\r\n\r\n") + 4 + Number(length);
  if (!whole) throw new Error(`the answer was cut after ${bytes} bytes`);
}

/** Asks once and gives the data, to see that both sides answer the same. */
export async function readData(url: string, query: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await response.json();
  if (errors || !data) throw new Error(`${url}: ${JSON.stringify(errors).slice(0, 600)}`);
  return data;
}
