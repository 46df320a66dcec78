/** What an `ObserverEvents` ticket asks for: its moments and position as numbers. */

import { AppError } from "../lib/errors.ts";
import { toUtcTimestamp } from "../lib/events/timestamp.ts";
import type { EventsAsked } from "./event_stream.ts";
import type { EventsTicket } from "./ticket.ts";

/** Throws `BAD_TICKET` that names the argument. */
export function eventsAsked(ticket: EventsTicket): EventsAsked {
  const { entityType, limit, follow } = ticket;
  const start = micros("start_date", ticket.startDate);
  const end = micros("end_date", ticket.endDate);
  if (start !== null && end !== null && end < start) {
    throw new AppError("BAD_TICKET", `end_date ${ticket.endDate} is before start_date`, {
      hint: "start_date is inclusive, end_date exclusive",
    });
  }
  return { filter: { entityType, start, end }, after: position(ticket.after), limit, follow };
}

/** Asked when a stream begins: a ticket that was good stays readable as such. */
export function refuseIdle({ filter: { end }, follow }: EventsAsked): void {
  if (!follow || end === null || end > BigInt(Date.now()) * 1000n) return;
  throw new AppError("BAD_TICKET", "follow has nothing to wait for: end_date is past", {
    hint: "leave out end_date to follow, or follow to read what there was",
  });
}

/** A date is its first moment in UTC. */
function micros(argument: string, text: string | null): bigint | null {
  if (text === null) return null;
  const whole = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  const utc = toUtcTimestamp(whole);
  if (utc !== null) {
    const seconds = BigInt(Date.parse(`${utc.slice(0, 19)}Z`)) / 1000n;
    return seconds * 1_000_000n + BigInt(utc.slice(20, 26));
  }
  throw new AppError(
    "BAD_TICKET",
    `${argument} is no moment: ${JSON.stringify(text.slice(0, 60))}`,
    {
      hint: "a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z",
    },
  );
}

function position(text: string | null): bigint {
  if (text === null) return 0n;
  const number = /^\d{1,20}$/.test(text) ? BigInt(text) : positionMax + 1n;
  if (number <= positionMax) return number;
  throw new AppError("BAD_TICKET", `after is no position: ${JSON.stringify(text.slice(0, 60))}`, {
    hint: "take the text in app_metadata of the last batch that was read",
  });
}

/** It has 64 bits. */
const positionMax = 2n ** 64n - 1n;
