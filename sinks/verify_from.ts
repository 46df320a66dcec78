/** From when on a store is compared with the change log. */

/** The hour `2026-01-01T00` and its beginning: of it and later ones all that was stored is there. */
export function verifyFrom(
  retentionDays: number,
  since: Date | null,
): { readonly from: Date; readonly hour: string } {
  const sinceMs = since === null ? -Infinity : floorHour(since.getTime());
  const from = new Date(Math.max(oldestMs(retentionDays), sinceMs));
  return { from, hour: from.toISOString().slice(0, "2026-01-01T00".length) };
}

/** The first hour of which no event can leave a store by its age while this runs. */
function oldestMs(retentionDays: number): number {
  return floorHour(Date.now() - retentionDays * 24 * hourMs) + 2 * hourMs;
}

const hourMs = 3_600_000;
const floorHour = (ms: number) => Math.floor(ms / hourMs) * hourMs;
