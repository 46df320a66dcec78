/** A program that npx started: says when it watches, and when npx has gone. */

import { answer } from "../../commands/say.ts";
import { watchNpx } from "../../commands/npx_end.ts";

const alive = setTimeout(() => {}, 600_000);
watchNpx(() => {
  answer("ended\n");
  clearTimeout(alive);
}, new AbortController().signal);
answer("watching\n");
