/** The schema file from the disk. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { SchemaFile } from "../lib/query/schema_file.ts";

/** Reads the file; `BAD_INPUT` where it cannot be read, is too long or is no text. */
export async function readSchemaFile(
  path: string,
  { limits }: Pick<Config, "limits">,
): Promise<SchemaFile> {
  const refused = (why: string, hint: string, cause?: unknown) =>
    new AppError("BAD_INPUT", `the schema file ${path} ${why}`, { hint, cause });
  const tooLong = (bytes: number) =>
    refused(
      `has ${bytes} bytes, more than ${limits.schemaFileBytesMax}`,
      "check the path, or raise the limit schema_file_bytes_max",
    );
  try {
    // Before it is read; a pipe tells its size afterwards only.
    const { size } = await Deno.stat(path);
    if (size > limits.schemaFileBytesMax) throw tooLong(size);
    const bytes = await Deno.readFile(path);
    if (bytes.length > limits.schemaFileBytesMax) throw tooLong(bytes.length);
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (error instanceof TypeError) throw refused("is not UTF-8", "save it as UTF-8", error);
    const why = error instanceof Error ? error.message : String(error);
    throw refused(`cannot be read: ${why}`, "check the path of FRAISEQL_SCHEMA", error);
  }
}
