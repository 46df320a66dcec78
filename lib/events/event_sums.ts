/**
 * Counts and an order-free hash of event ids, by entity type and hour: two sets of events with the
 * same sums are the same events, in whatever order, each as often.
 */

import { createHash } from "node:crypto";

export interface EventSum {
  count: number;
  /** The sum of the ids' hashes modulo 2^64, as `fraiseql.event_hash` makes them. */
  hash: bigint;
}

export class EventSums {
  readonly #sums = new Map<string, EventSum>();

  /** The hour is `2026-01-01T00`, in UTC. */
  add(entityType: string, hour: string, count: number, hash: bigint): void {
    const key = `${hour} ${entityType}`;
    const sum = this.#sums.get(key) ?? { count: 0, hash: 0n };
    sum.count += count;
    sum.hash = BigInt.asUintN(64, sum.hash + hash);
    this.#sums.set(key, sum);
  }

  addEvent(entityType: string, timestamp: string, id: string): void {
    this.add(entityType, timestamp.slice(0, hourChars), 1, eventHash(id));
  }

  get(key: string): EventSum {
    return this.#sums.get(key) ?? { count: 0, hash: 0n };
  }

  keys(): string[] {
    return [...this.#sums.keys()];
  }

  /** Those of the hours from `2026-01-01T00` on, as sums of their own. */
  from(hour: string): EventSums {
    const some = new EventSums();
    for (const [key, { count, hash }] of this.#sums) {
      if (key >= hour) some.add(key.slice(hourChars + 1), key.slice(0, hourChars), count, hash);
    }
    return some;
  }

  get events(): number {
    return [...this.#sums.values()].reduce((sum, { count }) => sum + count, 0);
  }
}

const hourChars = "2026-01-01T00".length;

/** As `fraiseql.event_hash`: eight bytes of the SHA-256 of the id's bytes. */
export function eventHash(id: string): bigint {
  const bytes = Uint8Array.fromHex(id.replaceAll("-", ""));
  return createHash("sha256").update(bytes).digest().readBigUInt64BE(0);
}

/** An hour of an entity type in which the two sides differ. */
export interface Difference {
  readonly entityType: string;
  readonly hour: string;
  readonly logged: number;
  readonly stored: number;
}

/** Where they differ, oldest first; counts can be the same where events are not. */
export function differences(logged: EventSums, stored: EventSums): Difference[] {
  const keys = new Set([...logged.keys(), ...stored.keys()]);
  return [...keys].sort().flatMap((key) => {
    const [a, b] = [logged.get(key), stored.get(key)];
    if (a.count === b.count && a.hash === b.hash) return [];
    const space = key.indexOf(" ");
    return [{
      hour: key.slice(0, space),
      entityType: key.slice(space + 1),
      logged: a.count,
      stored: b.count,
    }];
  });
}
