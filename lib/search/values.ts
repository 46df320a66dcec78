/** What `eq` on a path of `data` finds, for both stores alike. */

/**
 * Bytes of UTF-8 of a value that is compared as a text. Longer ones are found by words alone: an index
 * of whole texts would be larger than the events, and Lucene takes no more than 32,766 with the path.
 */
export const searchValueBytesMax = 1024;

/** Whether `eq` and `pathPresent` find it. */
export function isFound(text: string): boolean {
  // A UTF-16 unit has three bytes at most.
  if (text.length * 3 <= searchValueBytesMax) return true;
  return text.length <= searchValueBytesMax && encoder.encode(text).length <= searchValueBytesMax;
}

const encoder = new TextEncoder();
