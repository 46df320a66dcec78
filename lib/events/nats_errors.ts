/** What JetStream's refusals mean, in our codes. */

import { errors } from "@nats-io/transport-node";
import { JetStreamApiError } from "@nats-io/jetstream";
import { AppError } from "../errors.ts";

/** JetStream's own numbers, as far as they mean something to us. */
export const API_ERROR = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  subjectsOverlap: 10065,
  notEnabledForAccount: 10039,
  insufficientResources: 10023,
  storageResourcesExceeded: 10047,
  wrongLastSequence: 10071,
  expectedStream: 10060,
  bytesExceeded: 10077,
  messagesExceeded: 10122,
  atomicDisabled: 10174,
} as const;

/** The number of JetStream's refusal; null where it is none. */
export function apiErrorCode(error: unknown): number | null {
  return error instanceof JetStreamApiError ? error.code : null;
}

/** Nobody listens on the subject: no stream takes it. */
export function isNoResponders(error: unknown): boolean {
  return error instanceof errors.RequestError && error.isNoResponders();
}

function isServers(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status >= 500;
}

/** The server does not let this user do it. */
export function isForbidden(error: unknown): boolean {
  return error instanceof errors.PermissionViolationError ||
    (error instanceof Error && /permissions? violation/i.test(error.message));
}

/** An error of a request to JetStream as an `AppError`: what was asked, what was seen, what to do. */
export function natsError(asked: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = apiErrorCode(error);
  const text = error instanceof Error ? error.message : String(error);
  switch (code) {
    case API_ERROR.streamNotFound:
      return new AppError("NOT_FOUND", `${asked}: ${text}`, {
        hint: "run fraiseql migrate, which makes the streams",
        cause: error,
      });
    case API_ERROR.subjectsOverlap:
      return new AppError("BAD_INPUT", `${asked}: ${text}`, {
        hint:
          "another stream takes subjects of fraiseql.>: change or remove that one, or name an " +
          "account of its own in FRAISEQL_NATS_URL",
        cause: error,
      });
    case API_ERROR.notEnabledForAccount:
      return new AppError("UNSUPPORTED", `${asked}: ${text}`, {
        hint: "enable JetStream for the account of the user in FRAISEQL_NATS_URL",
        cause: error,
      });
    case API_ERROR.insufficientResources:
    case API_ERROR.storageResourcesExceeded:
      return new AppError("TOO_LARGE", `${asked}: ${text}`, {
        hint: "raise max_file_store of the server or the account, or lower the limits " +
          "event_stream_bytes_max, batch_stream_bytes_max, ingest_stream_bytes_max, " +
          "dead_stream_bytes_max",
        cause: error,
      });
    case null:
      break;
    default:
      // Of its own it says with 5xx: a cluster without a leader, a shutdown.
      if (isServers(error)) break;
      return new AppError("INTERNAL", `${asked}: ${text} (${code})`, { cause: error });
  }
  if (isForbidden(error)) {
    return new AppError("FORBIDDEN", `${asked}: ${text}`, {
      hint: "docs/nats.md lists the rights that each worker's user needs",
      cause: error,
    });
  }
  return new AppError("UNAVAILABLE", `${asked}: ${isNoResponders(error) ? noOne : text}`, {
    hint: "NATS is down, or the user may not ask this: see docs/nats.md",
    cause: error,
  });
}

const noOne = "JetStream does not answer";
