/** Rows as JSON, one object a line, as HTTP has them. https://jsonlines.org */

import type { RowFile } from "./to_file.ts";

/** Writes rows as JSON lines. */
export class JsonLinesFile implements RowFile {
  head(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(0);
  }

  row(): void {}

  /** Each row's end is the comma before the next: only the last line's end has no place yet. */
  write(json: Uint8Array<ArrayBuffer>, starts: readonly number[]): Uint8Array<ArrayBuffer> {
    const hasComma = json[0] === comma ? 1 : 0;
    const lines = new Uint8Array(json.length - hasComma + 1);
    lines.set(hasComma ? json.subarray(1) : json);
    for (const start of starts) if (start > 0) lines[start - hasComma] = lineFeed;
    lines[lines.length - 1] = lineFeed;
    return lines;
  }
}

const comma = 44;
const lineFeed = 10;
