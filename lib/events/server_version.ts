/** The NATS server's version, and the least that will do. */

/** Atomic batches came with this one, and a page of events is one. */
export const natsVersionMin = "2.12.0";

/** Whether a version is below the least; a pre-release counts as what it leads to. */
export function tooOld(version: string): boolean {
  const parts = (text: string) => text.split(/[.-]/).slice(0, 3).map((part) => Number(part) || 0);
  const [seen, least] = [parts(version), parts(natsVersionMin)];
  for (let i = 0; i < 3; i++) {
    const difference = (seen[i] ?? 0) - (least[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
