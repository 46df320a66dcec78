/**
 * A store of searched events that keeps them in an array and looks at each: what the others are
 * compared with, and what tests without a service search in.
 */

import { abortError, AppError } from "../../lib/errors.ts";
import { EventSums } from "../../lib/events/event_sums.ts";
import { eachValue } from "../../lib/search/data_values.ts";
import type {
  IndexedEvent,
  SearchCondition,
  SearchIndex,
  SearchOptions,
  SearchPage,
  SearchQuery,
  SearchStore,
  StoredEvent,
  StoredSum,
  Term,
} from "../../lib/search/store.ts";
import { isFound } from "../../lib/search/values.ts";

export class SearchModel implements SearchIndex, SearchStore {
  readonly events = new Map<string, IndexedEvent>();
  /** Queries asked, in order. */
  readonly asked: SearchQuery[] = [];

  constructor(private readonly retentionDays = 90) {}

  ensure(): Promise<void> {
    return Promise.resolve();
  }

  write(events: readonly IndexedEvent[]): Promise<readonly []> {
    for (const event of events) {
      if (!this.events.has(event.eventId)) this.events.set(event.eventId, event);
    }
    return Promise.resolve([]);
  }

  // deno-lint-ignore require-await -- what it throws is to be a rejection
  async search(query: SearchQuery, { signal }: SearchOptions): Promise<SearchPage> {
    this.asked.push(query);
    if (signal.aborted) throw abortError(signal);
    const { terms, condition, first } = query;
    const after = query.after && placeOf(query.after);
    const found = [...this.events.values()].filter((event) =>
      terms.every((term) => event.texts.some((text) => holdsTerm(text.split(" "), term))) &&
      (condition === null || holds(event, condition))
    );
    const sign = query.order === "oldest" ? 1 : -1;
    const compare = (a: Place, b: Place) =>
      sign * (a.micros - b.micros || (a.eventId < b.eventId ? -1 : Number(a.eventId > b.eventId)));
    const rest = found.sort(compare).filter((event) => !after || compare(event, after) > 0);
    return {
      hits: rest.slice(0, first).map((event) => ({
        event: storedOf(event),
        place: [event.micros, event.eventId],
      })),
      total: query.wantsTotal ? found.length : null,
      hasMore: rest.length > first,
    };
  }

  sums(fromMicros: number): Promise<StoredSum[]> {
    const sums = new EventSums();
    for (const { entityType, timestamp, eventId, micros } of this.events.values()) {
      if (micros >= fromMicros) sums.addEvent(entityType, timestamp, eventId);
    }
    return Promise.resolve(
      sums.keys().map((key) => ({
        hour: key.slice(0, 13),
        entityType: key.slice(14),
        ...sums.get(key),
      })),
    );
  }

  sweep(now: Date): Promise<string[]> {
    const end = now.getTime() - this.retentionDays * 86_400_000;
    const swept = new Set<string>();
    for (const { eventId, timestamp } of this.events.values()) {
      const month = timestamp.slice(0, 7);
      const next = new Date(`${month}-01T00:00:00Z`);
      next.setUTCMonth(next.getUTCMonth() + 1);
      if (next.getTime() > end) continue;
      swept.add(month);
      this.events.delete(eventId);
    }
    return Promise.resolve([...swept]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Place {
  readonly micros: number;
  readonly eventId: string;
}

function placeOf([micros, eventId, ...more]: readonly (string | number)[]): Place {
  if (Number.isSafeInteger(micros) && typeof eventId === "string" && more.length === 0) {
    return { micros: Number(micros), eventId };
  }
  throw new AppError("BAD_INPUT", "after is no place of this store");
}

/** An event as a search gives it. */
export function storedOf(event: IndexedEvent): StoredEvent {
  const { eventId, eventType, entityType, entityId, timestamp, data, userId, orgId } = event;
  return { eventId, eventType, entityType, entityId, timestamp, data, userId, orgId };
}

function holdsTerm(words: readonly string[], term: Term): boolean {
  switch (term.kind) {
    case "word":
      return words.includes(term.word);
    case "prefix":
      return words.some((word) => word.startsWith(term.word));
    case "phrase":
      return words.some((_, at) => term.words.every((word, i) => words[at + i] === word));
    default:
      return term satisfies never;
  }
}

function holds(event: IndexedEvent, condition: SearchCondition): boolean {
  switch (condition.kind) {
    case "and":
      return condition.items.every((item) => holds(event, item));
    case "or":
      return condition.items.some((item) => holds(event, item));
    case "not":
      return !holds(event, condition.item);
    case "in": {
      const value = event[condition.field];
      return value !== null && condition.values.includes(value);
    }
    case "startsWith":
      return event[condition.field]?.startsWith(condition.value) ?? false;
    case "present":
      return event[condition.field] !== null;
    case "micros":
      return event.micros >= (condition.from ?? -Infinity) &&
        event.micros <= (condition.to ?? Infinity);
    case "path":
      return valuesAt(event.data, condition.path).some((value) => condition.values.includes(value));
    case "pathPresent":
      return valuesAt(event.data, condition.path).length > 0;
    case "number": {
      const [least, greatest] = event.numbers[condition.column] ?? [NaN, NaN];
      switch (condition.operator) {
        case "gt":
          return greatest > condition.value;
        case "gte":
          return greatest >= condition.value;
        case "lt":
          return least < condition.value;
        case "lte":
          return least <= condition.value;
        default:
          return condition.operator satisfies never;
      }
    }
    default:
      return condition satisfies never;
  }
}

function valuesAt(data: string, path: readonly string[]): string[] {
  const values: string[] = [];
  eachValue(data, ({ text }, at) => {
    if (at.join(".") === path.join(".") && isFound(text)) values.push(text);
  });
  return values;
}
