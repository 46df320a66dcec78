/** `fraiseql replay --sink elasticsearch`: from the stream of events to where they are searched. */

import type { Config } from "../lib/config.ts";
import { STREAM } from "../lib/events/names.ts";
import { checkStream } from "../lib/events/streams.ts";
import { type ReplayedSearch, replaySearch } from "../sinks/elasticsearch_replay.ts";
import { openSearchStore, searchStoreName } from "../sinks/search_place.ts";
import type { ReplayAsked } from "./replay.ts";
import { answer, progress, say } from "./say.ts";
import { searchSettings } from "./search.ts";

/** Hands what is not there to the sink, and says how much that is. */
export async function replayToSearch(config: Config, asked: ReplayAsked): Promise<void> {
  const { limits, eventRetentionDays: retentionDays } = config;
  const settings = searchSettings(config);
  const name = searchStoreName(settings);
  const onProgress = progress(`replay of ${STREAM.events}`, "messages");
  await checkStream(asked.nats, STREAM.events);
  const store = openSearchStore(settings, limits);
  const done = await replaySearch({ ...asked, store, retentionDays, limits, onProgress })
    .finally(() => store.close());
  const { found, missing } = done;
  answer(`${found} events of that time in ${STREAM.events}, ${missing} not in ${name}`);
  answer(asked.isDry ? "\n" : `, ${missing} added\n`);
  for (const line of notesOf(done, asked.from, name, retentionDays)) say(line);
}

/** What the numbers do not tell. */
function notesOf(
  { heldSince, coming }: ReplayedSearch,
  from: Date,
  name: string,
  retentionDays: number,
): string[] {
  const notes: string[] = [];
  if (heldSince === null) notes.push(`${STREAM.events} holds no messages: nothing can come back`);
  else if (from < heldSince) {
    notes.push(
      `${STREAM.events} reaches back to what was published at ${heldSince.toISOString()}: ` +
        "what was published before that cannot come back from it",
    );
  }
  if (from.getTime() < Date.now() - retentionDays * 86_400_000) {
    notes.push(`events older than ${retentionDays} days were left out: ${name} keeps none`);
  }
  if (coming > 0) {
    notes.push(`the sink has ${coming} more messages before it and stores them itself`);
  }
  return notes;
}
