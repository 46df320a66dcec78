/** How everything of ours is called in Elasticsearch. */

export interface Names {
  readonly template: string;
  readonly policy: string;
  /** Of every index of events. */
  readonly pattern: string;
  /** The index of an event by its own month, `2026-01-01T00:00:00.123456Z`. */
  index(timestamp: string): string;
  /** Of one of our indices the first moment behind its month; null: it is none of ours. */
  endOf(index: string): Date | null;
}

/** The names behind a prefix, which is empty most often. */
export function namesWith(prefix: string): Names {
  const head = `${prefix}fraiseql-events`;
  const form = new RegExp(`^${head}-(\\d{4})\\.(0[1-9]|1[0-2])$`);
  return {
    template: head,
    policy: `${head}-policy`,
    pattern: `${head}-*`,
    index: (timestamp) => `${head}-${timestamp.slice(0, 4)}.${timestamp.slice(5, 7)}`,
    endOf(index) {
      const [, year, month] = form.exec(index) ?? [];
      return year === undefined ? null : startOfMonth(Number(year), Number(month) + 1);
    },
  };
}

/** The first moment of a month, which may be the 13th: `Date.UTC` takes years below 100 for 19xx. */
export function startOfMonth(year: number, month: number): Date {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, 1);
  return date;
}
