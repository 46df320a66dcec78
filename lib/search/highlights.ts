/** Where in an event the words are that it was found by. */

import { eachValue } from "./data_values.ts";
import type { Term } from "./store.ts";
import { cutWord, foldCase, WORD } from "./words.ts";

export interface Highlight {
  /** The keys of `data` that lead there, through arrays as if they were not there. */
  readonly path: readonly string[];
  /**
   * A piece of the text as HTML: the words that were found in `<em>`, other signs escaped, `…` where
   * the text goes on.
   */
  readonly text: string;
}

/** The texts and numbers of `data` that hold words of the terms, in order, up to the limit. */
export function highlightsOf(data: string, terms: readonly Term[]): Highlight[] {
  const highlights: Highlight[] = [];
  if (terms.length === 0) return highlights;
  eachValue(data, ({ kind, text }, path) => {
    if (kind === "boolean" || highlights.length >= searchHighlightsMax) return;
    const places = placesOf(text.normalize("NFC"));
    const marked = marksOf(places.map(({ word }) => word), terms);
    if (!marked.includes(true)) return;
    const found = places.filter((_, i) => marked[i]);
    highlights.push({ path: [...path], text: fragment(text.normalize("NFC"), found) });
  });
  return highlights;
}

/** Texts of one event; a person looks at the first of them. */
export const searchHighlightsMax = 10;

/** UTF-16 units of a text around what was found in it, at most. */
export const searchFragmentCharsMax = 200;

interface Place {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

/** The words of a text as `wordsOf` gives them, and where each stands. */
function placesOf(text: string): Place[] {
  const { folded, starts } = foldCase(text);
  return [...folded.matchAll(WORD)].map(({ 0: word, index }) => ({
    word: cutWord(word),
    start: starts?.[index] ?? index,
    end: starts?.[index + word.length] ?? index + word.length,
  }));
}

/** Whether each word is of what was found. */
function marksOf(words: readonly string[], terms: readonly Term[]): boolean[] {
  const marks = words.map(() => false);
  for (const term of terms) {
    const wanted = term.kind === "phrase" ? term.words : [term.word];
    for (let at = 0; at + wanted.length <= words.length; at++) {
      const isThere = term.kind === "prefix"
        ? words[at]?.startsWith(term.word)
        : wanted.every((word, i) => words[at + i] === word);
      if (isThere) marks.fill(true, at, at + wanted.length);
    }
  }
  return marks;
}

/** The text around the first of the places, with as many of the others as it has room for. */
function fragment(text: string, found: readonly Place[]): string {
  const [first] = found;
  if (!first) return "";
  const room = Math.max(0, searchFragmentCharsMax - (first.end - first.start));
  const start = wholePair(text, Math.max(0, first.start - Math.floor(room / 3)));
  const end = Math.max(
    first.end,
    wholePair(text, Math.min(text.length, start + searchFragmentCharsMax)),
  );
  let html = start > 0 ? "…" : "";
  let at = start;
  for (const place of found) {
    if (place.end > end) break;
    html += escaped(text.slice(at, place.start)) + "<em>" +
      escaped(text.slice(place.start, place.end)) + "</em>";
    at = place.end;
  }
  return html + escaped(text.slice(at, end)) + (end < text.length ? "…" : "");
}

/** A place that is not within a surrogate pair. */
function wholePair(text: string, at: number): number {
  const isWithin = /[\udc00-\udfff]/.test(text.charAt(at)) &&
    /[\ud800-\udbff]/.test(text.charAt(at - 1));
  return isWithin ? at - 1 : at;
}

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
