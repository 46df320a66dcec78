/** Whether a stream is still the one in which a worker has a place. */

import { AppError } from "../errors.ts";
import type { Nats } from "./connect.ts";
import type { StreamName } from "./names.ts";
import { checkStream } from "./streams.ts";

/** A place in a stream; `created` tells it from another of the same name. */
export interface Place {
  readonly created: string;
  readonly sequence: number;
}

/** Sequences that the stream no longer holds. */
export interface Gap {
  readonly first: number;
  readonly last: number;
}

/** A stream that was made anew, or lost its end: the worker's place is in another one. */
export class StreamReplaced extends AppError {
  constructor(stream: string, reason: string) {
    super("BAD_INPUT", `${stream} is not the stream that was read before: ${reason}`, {
      hint: "it was made anew or lost its end; the publisher fills it again from the change log, " +
        "after which the worker's place must be set anew",
    });
  }
}

/** The sequence to read from; throws `StreamReplaced` where the place is in no such stream. */
export async function checkPlace(
  nats: Nats,
  stream: StreamName,
  place: Place | null,
  onGap: (gap: Gap) => void = () => {},
): Promise<number> {
  const { created, state } = await checkStream(nats, stream);
  if (place !== null && place.created !== created) {
    throw new StreamReplaced(stream, `made ${created}, and not ${place.created}`);
  }
  const last = place?.sequence ?? 0;
  if (last > state.last_seq) {
    throw new StreamReplaced(stream, `it ends at ${state.last_seq}, and ${last} was read`);
  }
  const from = last + 1;
  // An emptied stream begins behind its last message.
  if (place !== null && state.first_seq > from) onGap({ first: from, last: state.first_seq - 1 });
  return from;
}
