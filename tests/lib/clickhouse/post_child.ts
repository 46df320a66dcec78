/** A program that posts three million bytes in two pieces to the URL named, and prints the answer. */

import { post } from "../../../lib/clickhouse/post.ts";

const pieces = [new Uint8Array(2_999_999).fill(97), new Uint8Array(1).fill(98)];
const signal = new AbortController().signal;
const answer = await post(new URL(Deno.args[0] ?? ""), { headers: {}, pieces, signal });
await Deno.stdout.write(await answer.bytes());
