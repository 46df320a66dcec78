/** What `eq` on a path of `data` finds, for both stores alike. */

/**
 * UTF-16 units of a value that is compared as a text. Longer ones are found by words alone: an index
 * of whole texts would be larger than the events, and Lucene takes no more than 32,766 bytes with the
 * path.
 */
export const searchValueCharsMax = 1024;

/** UTF-16 units of the beginning that `startsWith` asks for: Elasticsearch takes no more (`index.max_regex_length`). */
export const searchPrefixCharsMax = 1000;

/** Whether `eq` and `pathPresent` find it. */
export function isFound(text: string): boolean {
  return text.length <= searchValueCharsMax;
}
