/**
 * Whole `DataRow` messages of PostgreSQL's protocol, one after the other, as they lie in a socket
 * buffer: byte 'D', int32 length (itself included), int16 number of columns, then for each column
 * int32 length (-1 for NULL) and the value in binary format.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-DATAROW
 *
 * The bytes are valid until the next chunk is asked for: whoever keeps them copies them.
 */
export interface RowChunk {
  /** Which statement of the operation these rows answer, from 0. */
  readonly statement: number;
  readonly bytes: Uint8Array;
  /** Offset of the first message. */
  readonly start: number;
  /** Offset behind the last whole message. */
  readonly end: number;
}
