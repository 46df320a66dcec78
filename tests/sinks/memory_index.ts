/** A store of searched events in memory, which can be down or picky. */

import { AppError } from "../../lib/errors.ts";
import { EventSums } from "../../lib/events/event_sums.ts";
import type { IndexedEvent, SearchIndex, StoredSum } from "../../lib/search/store.ts";

/** What outlives every connection to it. */
export class MemoryDocuments {
  readonly byId = new Map<string, IndexedEvent>();
  isDown = false;
  /** Thrown by every write. */
  fault: AppError | null = null;
  /** Why an event is refused for good; null: it is not. */
  refusal: (event: IndexedEvent) => string | null = () => null;
  /** Months that a sweep removes. */
  readonly oldMonths: string[] = [];
  sweeps = 0;
}

export class MemoryIndex implements SearchIndex {
  constructor(private readonly documents: MemoryDocuments) {}

  async ensure(): Promise<void> {
    await this.#answer();
  }

  async write(events: readonly IndexedEvent[]) {
    await this.#answer();
    const { byId, fault, refusal } = this.documents;
    if (fault !== null) throw fault;
    return events.flatMap((event, row) => {
      const reason = refusal(event);
      if (reason !== null) return [{ row, reason }];
      if (!byId.has(event.eventId)) byId.set(event.eventId, event);
      return [];
    });
  }

  async sums(fromMicros: number): Promise<StoredSum[]> {
    await this.#answer();
    const sums = new EventSums();
    for (const { entityType, timestamp, eventId, micros } of this.documents.byId.values()) {
      if (micros >= fromMicros) sums.addEvent(entityType, timestamp, eventId);
    }
    return sums.keys().map((key) => {
      const { count, hash } = sums.get(key);
      return { hour: key.slice(0, 13), entityType: key.slice(14), count, hash };
    });
  }

  async sweep(): Promise<readonly string[]> {
    await this.#answer();
    this.documents.sweeps++;
    return this.documents.oldMonths.splice(0);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #answer(): Promise<void> {
    if (!this.documents.isDown) return Promise.resolve();
    return Promise.reject(new AppError("UNAVAILABLE", "memory is down"));
  }
}
