/** Queries made at random from a schema, the same for the same seed. */

import {
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
} from "graphql";

/** mulberry32: the same numbers for the same seed. */
export function randomOf(seed: number) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (most: number) => Math.floor(next() * most);
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;
  return { below, pick, chance: (of: number) => next() < of };
}
export type Random = ReturnType<typeof randomOf>;

/** A query of the schema's root; now and then with an input that is wrong. */
export function randomQuery(schema: GraphQLSchema, random: Random): string {
  return selectionOf(schema, schema.getQueryType() as GraphQLObjectType, random, 0);
}

/** A value of the type, right in form more often than not. */
function valueOf(type: GraphQLInputType, random: Random, depth: number): string {
  const name = String(type);
  if (random.chance(0.02)) return random.pick(["null", "[]", "{}", '"x"', "1", "$v"]);
  if (name.endsWith("!")) {
    return valueOf((type as { ofType: GraphQLInputType } & GraphQLInputType).ofType, random, depth);
  }
  if (name.startsWith("[")) {
    const item = (type as { ofType: GraphQLInputType } & GraphQLInputType).ofType;
    return `[${
      Array.from({ length: random.below(3) }, () => valueOf(item, random, depth + 1)).join(" ")
    }]`;
  }
  if (isInputObjectType(type)) {
    if (depth > 6) return "{}";
    const fields = Object.values(type.getFields());
    const count = type.isOneOf ? 1 : random.below(3);
    const chosen = new Set(Array.from({ length: count }, () => random.pick(fields)));
    return `{ ${
      [...chosen].map((field) => `${field.name}: ${valueOf(field.type, random, depth + 1)}`).join(
        " ",
      )
    } }`;
  }
  if (isEnumType(type)) return random.pick(type.getValues()).name;
  return ({
    Int: () => String(random.below(70_000)),
    Float: () => "1.5",
    Boolean: () => random.pick(["true", "false"]),
    String: () => JSON.stringify(random.pick(["a", "%", "\\", "'", "done", ""])),
    BigInt: () => '"12"',
    Decimal: () => "1.25",
    JSON: () => random.pick(["{a: [1, null]}", '"x"', "[]"]),
    ID: () => '"00000000-0000-0000-0000-000000000000"',
    UUID: () => '"00000000-0000-0000-0000-000000000000"',
    Date: () => '"2026-01-31"',
  }[name] ?? (() => '"x"'))();
}

function selectionOf(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  random: Random,
  depth: number,
): string {
  const fields = Object.values(type.getFields());
  const parts = Array.from({ length: 1 + random.below(4) }, () => {
    if (random.chance(0.1)) return "__typename";
    const field = random.pick(fields);
    const inner = schema.getType(String(field.type).replaceAll(/[[\]!]/g, "")) as GraphQLObjectType;
    const isObject = "getInterfaces" in inner;
    if (isObject && depth > 4) return "__typename";
    const given = field.args.filter((arg) => String(arg.type).endsWith("!") || random.chance(0.4));
    const args = given.map((arg) => `${arg.name}: ${valueOf(arg.type, random, 0)}`).join(" ");
    const alias = random.chance(0.7) ? `a${random.below(1000)}: ` : "";
    const directive = random.chance(0.1) ? ` @skip(if: ${random.pick(["true", "false"])})` : "";
    const text = `${alias}${field.name}${args && `(${args})`}${directive}` +
      (isObject ? ` ${selectionOf(schema, inner, random, depth + 1)}` : "");
    return random.chance(0.1) ? `... on ${type.name} { ${text} }` : text;
  });
  return `{ ${parts.join(" ")} }`;
}
