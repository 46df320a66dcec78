/** How a call wants the bodies of its record batches: by its ticket, or by its header. */

import { type Compression, COMPRESSIONS } from "../lib/arrow/record_batches.ts";
import { suggestion } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Ticket } from "./ticket.ts";

/** The request header; `identity` is none, whatever the ticket says. */
export const compressionHeader = "x-fraiseql-compression";

/** The header's compression where there is a header, else the ticket's; `BAD_INPUT` for another. */
export function compressionOf(header: string | undefined, ticket: Ticket): Compression | null {
  if (header === undefined || header === "") {
    return ticket.kind === "word" ? null : ticket.compression;
  }
  if (header === "identity") return null;
  const known = COMPRESSIONS.find((name) => name === header);
  if (known) return known;
  const names = ["identity", ...COMPRESSIONS];
  const shown = header.slice(0, 60);
  throw new AppError(
    "BAD_INPUT",
    `the header ${compressionHeader} is ${JSON.stringify(shown)}${suggestion(shown, names)}`,
    { hint: `it is one of ${names.join(", ")}` },
  );
}
