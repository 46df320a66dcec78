/** What the bench of searches stands on: a real Elasticsearch, a nats-server, the sink as a process. */

import { startNats } from "../lib/embedded/nats.ts";
import { publishPage } from "../lib/events/atomic_publish.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { consumerState } from "../lib/events/consumer_state.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { lastMessage } from "../lib/events/stream_state.ts";
import { migrateNats, storeBytesMax } from "../lib/events/streams.ts";
import { limits } from "../lib/limits.ts";
import { createLog } from "../lib/log.ts";
import { startTestElasticsearch } from "../tests/services/elasticsearch.ts";
import { type Running, startProgram } from "./processes.ts";
import { delay } from "./publisher_stage.ts";
import { note, taskArguments } from "./stage.ts";

export class SearchStage {
  private constructor(
    readonly elasticsearchUrl: string,
    /** Gone with the stage. */
    readonly folder: string,
    readonly natsUrl: string,
    private readonly nats: Nats,
    readonly stop: () => Promise<void>,
  ) {}

  static async open(): Promise<SearchStage> {
    const folder = await Deno.makeTempDir({ prefix: "fraiseql-bench-" });
    const elasticsearch = await startTestElasticsearch(note);
    const log = createLog("warn");
    const server = await startNats({
      dataDir: folder,
      log,
      storeBytesMax: storeBytesMax(limits()),
      messageBytesMax: limits().natsMessageBytesMax,
      onProgress: note,
    });
    const nats = await connectNats({ settings: readNatsUrl(server.url), name: "bench", log });
    await migrateNats(nats, limits());
    const stop = async () => {
      await nats.close();
      await server.stop();
      await elasticsearch.stop();
      await Deno.remove(folder, { recursive: true });
    };
    return new SearchStage(elasticsearch.url, folder, server.url, nats, stop);
  }

  /** Of indices, template and policy of a name of their own. */
  prefixed(name: string): string {
    return `${this.elasticsearchUrl}/?prefix=${name}-`;
  }

  /** The sink as its task runs it, when it is at work. */
  sink(env: Readonly<Record<string, string>>): Promise<Running> {
    return startProgram(Deno.execPath(), {
      args: taskArguments("sink:elasticsearch"),
      env: { FRAISEQL_NATS_URL: this.natsUrl, FRAISEQL_SEARCH_COLUMNS: "total", ...env },
      find: (line) => line.startsWith('{"event":"storing"') ? line : null,
    });
  }

  /** Publishes lines as the publisher does, in messages of a quarter of a megabyte. */
  async publish(lines: readonly Uint8Array[]): Promise<void> {
    const messages = joined(lines, 256 * 1024);
    for (let i = 0; i < messages.length; i += pageMessages) {
      const last = await lastMessage(this.nats, STREAM.events, SUBJECT.checkpoint);
      const published = await publishPage(this.nats, {
        messages: messages.slice(i, i + pageMessages).map((data) => ({
          subject: SUBJECT.event("Order"),
          data,
        })),
        checkpoint: new TextEncoder().encode("{}"),
        expected: last?.sequence ?? 0,
      });
      if (published.kind !== "published") throw new Error(`not published: ${published.kind}`);
    }
  }

  /** When the sink has acknowledged all that was published. */
  async untilStored(): Promise<number> {
    for (;;) {
      const state = await consumerState(this.nats, STREAM.events, "elasticsearch");
      if (state?.waiting === 0) return performance.now();
      await delay(10);
    }
  }
}

/** The messages of a page; it has four megabytes at most. */
const pageMessages = 12;

function joined(lines: readonly Uint8Array[], bytesMax: number): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let text: Uint8Array[] = [];
  let size = 0;
  const end = () => {
    const message = new Uint8Array(size);
    let at = 0;
    for (const line of text) {
      message.set(line, at);
      message[at + line.length] = 0x0a;
      at += line.length + 1;
    }
    messages.push(message);
    [text, size] = [[], 0];
  };
  for (const line of lines) {
    if (size + line.length + 1 > bytesMax && size > 0) end();
    text.push(line);
    size += line.length + 1;
  }
  if (size > 0) end();
  return messages;
}
