/** Which operation of a document is meant. */

import { type DocumentNode, Kind, type OperationDefinitionNode } from "graphql";
import { AppError } from "../errors.ts";
import { short } from "./scalars.ts";

/** The operation of that name, or the only one. Throws `BAD_INPUT` where there is no such one. */
export function chooseOperation(
  document: DocumentNode,
  name: string | null,
): OperationDefinitionNode {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  const names = operations.flatMap((operation) => operation.name?.value ?? []);
  if (name === null || name === "") {
    const [only, ...more] = operations;
    if (only && more.length === 0) return only;
    throw new AppError("BAD_INPUT", `the document has ${operations.length} operations`, {
      hint: operations.length === 0
        ? "write one, like { __typename }"
        : `name one of them in operationName: ${names.join(", ")}`,
    });
  }
  const found = operations.find((operation) => operation.name?.value === name);
  if (found) return found;
  throw new AppError("BAD_INPUT", `the document has no operation named ${short(name)}`, {
    hint: names.length > 0 ? `it has ${names.join(", ")}` : "its operation has no name",
  });
}
