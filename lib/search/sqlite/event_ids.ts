/** Event ids as a file has them: their 16 bytes, which are ordered as their texts are. */

/** Null for what is no UUID in lower case. */
export function uuidBytes(text: string): Uint8Array | null {
  return uuid.test(text) ? Uint8Array.fromHex(text.replaceAll("-", "")) : null;
}

/** The text of a UUID that SQLite's `hex` wrote. */
export function uuidText(hex: string): string {
  const text = hex.toLowerCase();
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map((span) => text.slice(...span)).join(
    "-",
  );
}

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;
