/** Samples of rounds -> medians with their spread, ratios within a round, and tables to read. */

/** What a part of the bench gives: a table for people, and every sample for programs. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes?: readonly string[];
}

/** The middle of some numbers; NaN of none. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] ?? NaN;
  return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** The value that such a share of the numbers stays below; NaN of none. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** `median [least..most]`; the median alone of one sample, a dash of none. */
export function spread(samples: readonly number[], show: (value: number) => string): string {
  if (samples.length === 0) return "-";
  const middle = show(median(samples));
  if (samples.length === 1) return middle;
  return `${middle} [${show(Math.min(...samples))}..${show(Math.max(...samples))}]`;
}

/**
 * How many times as much, round by round. Both sides of a round were measured one after the other,
 * so that noise that lasts falls on both.
 */
export function ratios(ours: readonly number[], peers: readonly number[]): number[] {
  return ours.slice(0, peers.length).map((value, round) => value / peers[round]!);
}

/** A ratio as people say it, with its spread. */
export function ratioText(samples: readonly number[]): string {
  return spread(samples, (value) => value.toFixed(2));
}

/** Three digits that matter, with a unit of SI: `1.23M`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (Math.abs(value) >= size) return digits(value / size) + unit;
  }
  return digits(value);
}

/** A time in the unit that suits it. */
export function seconds(value: number): string {
  return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
}

/** Bytes as MB of a million. */
export function megabytes(bytes: number): string {
  return `${digits(bytes / 1e6)} MB`;
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : 2);
}

/** The table as Markdown. */
export function toMarkdown({ title, columns, rows, notes = [] }: Table): string {
  const widths = columns.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  return [
    `### ${title}`,
    "",
    line(columns),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...rows.map(line),
    ...notes.flatMap((note) => ["", note]),
    "",
  ].join("\n");
}
