/** A failing case for people: the statements, the query, the three answers. */

import type { Answer } from "./answers.ts";
import type { Fault } from "./compare.ts";
import { worldSql } from "./ddl.ts";
import type { Case } from "./model.ts";
import type { Rig } from "./rig.ts";

export async function explain(rig: Rig, each: Case, fault: Fault): Promise<string> {
  const { texts, http, flight, oracle, sql } = await rig.answers(each);
  return [
    `${fault.kind}\n${fault.message}`,
    `-- schema and rows\n${worldSql(each.world)}`,
    `# query\n${texts.join("\n")}`,
    `-- oracle\n${sql}`,
    `HTTP:   ${show(http)}`,
    `Flight: ${show(flight)}`,
    `oracle: ${show(oracle)}`,
  ].join("\n\n");
}

function show(answer: Answer): string {
  const text = answer.kind === "value"
    ? JSON.stringify(answer.value)
    : `${answer.code}: ${answer.message}`;
  return text.length > 3000 ? `${text.slice(0, 3000)}...` : text;
}
