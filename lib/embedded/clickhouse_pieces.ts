/**
 * The engine gives a result in pieces that are whole documents each; this makes one of them where
 * the format allows it.
 */

type Bytes = Uint8Array<ArrayBuffer>;

/** Whether pieces of the format, one after the other, are the whole. */
export function canStream(format: string): boolean {
  return format === "ArrowStream" || PLAIN.test(format);
}

/** Rows and nothing else: no head, no foot, nothing between. */
const PLAIN =
  /^(CSV|TSV|TSVRaw|TabSeparated|TabSeparatedRaw|TSKV|Native|RowBinary|LineAsString|RawBLOB|JSONEachRow|JSONCompactEachRow|JSONStringsEachRow|JSONCompactStringsEachRow)$/;

/** The pieces as one document. */
export async function* oneDocument(
  pieces: AsyncIterable<Bytes>,
  format: string,
): AsyncGenerator<Bytes, undefined> {
  if (format !== "ArrowStream") {
    yield* pieces;
    return undefined;
  }
  // Each piece is schema, batches, end: the schema is wanted once, the end behind the last one.
  let isFirst = true;
  for await (const piece of pieces) {
    const start = isFirst ? 0 : schemaBytes(piece);
    const bytes = piece.subarray(start, piece.length - endOfStream.length);
    if (bytes.length > 0) yield bytes;
    isFirst = false;
  }
  if (!isFirst) yield endOfStream;
  return undefined;
}

/** A continuation mark and a length of zero. */
const endOfStream = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);

/** The first message: a mark, its length, and no body. */
function schemaBytes(piece: Uint8Array): number {
  return 8 + new DataView(piece.buffer, piece.byteOffset).getInt32(4, true);
}
