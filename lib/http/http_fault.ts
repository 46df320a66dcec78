/** A refusal by HTTP's own rules, whose status is not that of its code. */

import { AppError, type AppErrorOptions, type ErrorCode } from "../errors.ts";

/**
 * An HTTP request that is not well-formed, or asks for what is not here. Its status holds for both
 * media types, where the code's own status would be 200 under `application/json`.
 */
export class HttpFault extends AppError {
  constructor(
    readonly status: number,
    code: ErrorCode,
    message: string,
    options: AppErrorOptions & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(code, message, options);
    this.headers = options.headers ?? {};
  }

  readonly headers: Readonly<Record<string, string>>;
}

/** 405 with the methods that work here. */
export function methodNotAllowed(method: string, path: string, allow: string): HttpFault {
  return new HttpFault(405, "BAD_INPUT", `${method} is not possible on ${path}`, {
    hint: `use ${allow}`,
    headers: { allow },
  });
}
