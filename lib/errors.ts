/**
 * The one error class and the one table from code to every wire status.
 *
 * Whatever cannot be done is thrown as an `AppError`; only an edge (`http/server.ts`,
 * `flight/server.ts`) turns its code into a status. Any other error is a fault of ours: the edge
 * answers `INTERNAL` with an id and the log keeps the cause under that id.
 */

/** gRPC status numbers, as in https://grpc.io/docs/guides/status-codes/. */
const GRPC = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** Every code with its HTTP status (before any data) and its gRPC status. */
export const CODES = {
  PARSE_ERROR: { http: 400, grpc: GRPC.invalidArgument },
  VALIDATION_ERROR: { http: 400, grpc: GRPC.invalidArgument },
  BAD_INPUT: { http: 400, grpc: GRPC.invalidArgument },
  BAD_TICKET: { http: 400, grpc: GRPC.invalidArgument },
  UNAUTHENTICATED: { http: 401, grpc: GRPC.unauthenticated },
  FORBIDDEN: { http: 403, grpc: GRPC.permissionDenied },
  NOT_FOUND: { http: 404, grpc: GRPC.notFound },
  TOO_LARGE: { http: 413, grpc: GRPC.resourceExhausted },
  UNREPRESENTABLE: { http: 422, grpc: GRPC.outOfRange },
  RATE_LIMITED: { http: 429, grpc: GRPC.resourceExhausted },
  TOO_MANY_STREAMS: { http: 429, grpc: GRPC.resourceExhausted },
  UNAVAILABLE: { http: 503, grpc: GRPC.unavailable },
  TIMEOUT: { http: 504, grpc: GRPC.deadlineExceeded },
  CANCELLED: { http: 499, grpc: GRPC.cancelled },
  UNSUPPORTED: { http: 501, grpc: GRPC.unimplemented },
  INTERNAL: { http: 500, grpc: GRPC.internal },
} as const;

export type ErrorCode = keyof typeof CODES;

/** A place in the text of a query; both count from 1. */
export interface SourceLocation {
  readonly line: number;
  readonly column: number;
}

/** One entry of a GraphQL answer's `errors`. */
export interface ErrorEntry {
  readonly message: string;
  readonly locations?: readonly SourceLocation[];
  readonly path?: readonly (string | number)[];
  readonly extensions: {
    readonly code: ErrorCode;
    readonly hint?: string;
    readonly id?: string;
    /** Seconds after which another try is worth it. */
    readonly retryAfterSeconds?: number;
  };
}

export interface AppErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
  readonly locations?: readonly SourceLocation[];
  readonly path?: readonly (string | number)[];
  readonly retryAfterSeconds?: number;
  /** Further errors of the same request, e.g. all that validation found. */
  readonly others?: readonly AppError[];
}

/** A request that cannot be done, with a message that says what was seen and a hint what to do. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly locations: readonly SourceLocation[] | undefined;
  readonly path: readonly (string | number)[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly others: readonly AppError[];

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.locations = options.locations;
    this.path = options.path;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.others = options.others ?? [];
  }

  /** This error and its others as the entries of a GraphQL answer. */
  entries(): ErrorEntry[] {
    return [this.entry(), ...this.others.map((other) => other.entry())];
  }

  /** The same error with another message or other options. */
  with({ message, ...options }: AppErrorOptions & { readonly message?: string }): AppError {
    return new AppError(this.code, message ?? this.message, {
      cause: this.cause,
      others: this.others,
      ...(this.hint !== undefined && { hint: this.hint }),
      ...(this.locations && { locations: this.locations }),
      ...(this.path && { path: this.path }),
      ...(this.retryAfterSeconds !== undefined && { retryAfterSeconds: this.retryAfterSeconds }),
      ...options,
    });
  }

  private entry(): ErrorEntry {
    return {
      message: this.message,
      ...(this.locations && { locations: this.locations }),
      ...(this.path && { path: this.path }),
      extensions: {
        code: this.code,
        ...(this.hint !== undefined && { hint: this.hint }),
        ...(this.retryAfterSeconds !== undefined && { retryAfterSeconds: this.retryAfterSeconds }),
      },
    };
  }
}

/**
 * PostgreSQL's schema is no longer the one that a query was planned by: another type of a column, a
 * label that an enum did not have, a relation that is gone. Whoever meets one tells the engine
 * (`QueryEngine.failed`), which reads the catalog again.
 */
export class SchemaChanged extends AppError {
  constructor(message: string, options: Omit<AppErrorOptions, "hint" | "retryAfterSeconds"> = {}) {
    super("UNAVAILABLE", message, { ...options, hint: schemaChangedHint, retryAfterSeconds: 1 });
  }

  override with(options: AppErrorOptions & { readonly message?: string }): SchemaChanged {
    const { message, cause, path, locations, others } = super.with(options);
    return new SchemaChanged(message, {
      cause,
      others,
      ...(path && { path }),
      ...(locations && { locations }),
    });
  }
}

const schemaChangedHint =
  "the database was changed under the server, which reads its catalog again by itself: ask again; " +
  "if it stays, refresh the schema (action RefreshSchema, or kill -HUP)";

/** The entries of `errors`; a fault of ours carries the request's id. */
export function entriesOf(error: AppError, id: string): ErrorEntry[] {
  return error.entries().map((entry) =>
    entry.extensions.code === "INTERNAL"
      ? { ...entry, extensions: { ...entry.extensions, id } }
      : entry
  );
}

/** The reason of an aborted signal as an `AppError`; anything unknown is a cancel. */
export function abortError(signal: AbortSignal): AppError {
  const reason: unknown = signal.reason;
  if (reason instanceof AppError) return reason;
  if (reason instanceof DOMException && reason.name === "TimeoutError") {
    return new AppError("TIMEOUT", "the request took longer than its deadline", { cause: reason });
  }
  return new AppError("CANCELLED", "the request was cancelled", { cause: reason });
}
