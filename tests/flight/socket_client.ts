/**
 * The least HTTP/2 client, for what a good client never does: stop reading, go away in the middle,
 * send half a message. One call a connection. https://www.rfc-editor.org/rfc/rfc9113
 */

const encoder = new TextEncoder();

const FRAME = { data: 0, headers: 1, resetStream: 3, settings: 4, goAway: 7, windowUpdate: 8 };
const endStream = 1;
const endHeaders = 4;
const acknowledged = 1;

export class SocketClient {
  private rest: Uint8Array = new Uint8Array();

  private constructor(private readonly socket: Deno.TcpConn) {}

  static async connect(url: string): Promise<SocketClient> {
    const { hostname, port } = new URL(url);
    const client = new SocketClient(await Deno.connect({ hostname, port: Number(port) }));
    await client.write(encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    await client.frame(FRAME.settings, 0, 0, new Uint8Array());
    return client;
  }

  /** Headers of a gRPC call, uncompressed. */
  async headers(path: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
    const all = {
      ":method": "POST",
      ":scheme": "http",
      ":path": path,
      ":authority": "test",
      "content-type": "application/grpc",
      te: "trailers",
      ...more,
    };
    const block = Object.entries(all).flatMap((
      [name, value],
    ) => [0, ...text(name), ...text(value)]);
    await this.frame(FRAME.headers, endHeaders, 1, Uint8Array.from(block));
  }

  /** A gRPC message, or with `length` one that says to be longer or shorter than it is. */
  async message(bytes: Uint8Array, length = bytes.length, flag = 0): Promise<void> {
    const framed = new Uint8Array(5 + bytes.length);
    framed[0] = flag;
    new DataView(framed.buffer).setUint32(1, length);
    framed.set(bytes, 5);
    await this.frame(FRAME.data, 0, 1, framed);
  }

  async end(): Promise<void> {
    await this.frame(FRAME.data, endStream, 1, new Uint8Array());
  }

  /** Lets the server send so many bytes more, on the stream and the connection. */
  async allow(bytes: number): Promise<void> {
    const increment = new Uint8Array(4);
    new DataView(increment.buffer).setUint32(0, bytes);
    await this.frame(FRAME.windowUpdate, 0, 0, increment);
    await this.frame(FRAME.windowUpdate, 0, 1, increment);
  }

  async goAway(): Promise<void> {
    await this.frame(FRAME.goAway, 0, 0, new Uint8Array(8));
  }

  /** Reads frames until the stream has ended; gives how many bytes of DATA came. */
  async readAll(): Promise<{ data: number; ended: boolean }> {
    let data = 0;
    for (;;) {
      const frame = await this.readFrame();
      if (!frame) return { data, ended: false };
      if (frame.type === FRAME.data) data += frame.payload.length;
      if (frame.type === FRAME.settings && !(frame.flags & acknowledged)) {
        await this.frame(FRAME.settings, acknowledged, 0, new Uint8Array());
      }
      if (frame.type === FRAME.resetStream) return { data, ended: false };
      if (frame.stream === 1 && frame.type <= FRAME.headers && frame.flags & endStream) {
        // gRPC ends with headers, where the status stands; anything else was cut.
        return { data, ended: frame.type === FRAME.headers };
      }
    }
  }

  close(): void {
    this.socket.close();
  }

  private async readFrame() {
    const head = await this.read(9);
    if (!head) return null;
    const view = new DataView(head.buffer, head.byteOffset);
    const payload = await this.read(view.getUint32(0) >>> 8);
    return payload &&
      { type: head[3] ?? 0, flags: head[4] ?? 0, stream: view.getUint32(5), payload };
  }

  /** Exactly so many bytes; null at the end of the connection. */
  private async read(length: number): Promise<Uint8Array | null> {
    while (this.rest.length < length) {
      const buffer = new Uint8Array(65_536);
      const count = await this.socket.read(buffer).catch(() => null); // reset is an end too
      if (count === null) return null;
      const joined = new Uint8Array(this.rest.length + count);
      joined.set(this.rest);
      joined.set(buffer.subarray(0, count), this.rest.length);
      this.rest = joined;
    }
    const taken = this.rest.slice(0, length);
    this.rest = this.rest.subarray(length);
    return taken;
  }

  private async frame(type: number, flags: number, stream: number, payload: Uint8Array) {
    const frame = new Uint8Array(9 + payload.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, payload.length << 8 | type);
    frame[4] = flags;
    view.setUint32(5, stream);
    frame.set(payload, 9);
    await this.write(frame);
  }

  private async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.socket.write(bytes.subarray(at));
  }
}

/** A string literal of HPACK without Huffman coding, up to 16 KiB long. */
function text(value: string): number[] {
  const bytes = encoder.encode(value);
  const length = bytes.length < 127
    ? [bytes.length]
    : [127, (bytes.length - 127) & 127 | 128, (bytes.length - 127) >> 7];
  return [...length, ...bytes];
}
