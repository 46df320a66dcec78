import { deepStrictEqual as equal } from "node:assert/strict";
import { acceptsGzip, ANSWER_TYPES, chooseType } from "../../../lib/http/negotiate.ts";

const graphql = "application/graphql-response+json";
const json = "application/json";

const types: [accept: string | undefined, chosen: string | null][] = [
  [undefined, json],
  ["", json],
  ["*/*", json],
  ["application/*", json],
  [json, json],
  [graphql, graphql],
  ["APPLICATION/GraphQL-Response+JSON", graphql],
  [`${graphql}, ${json}`, json],
  [`${graphql}, ${json};q=0.9`, graphql],
  [`${json};q=0.9, ${graphql};q=0.8`, json],
  [`${graphql};q=0, */*`, json],
  [`${json};q=0, */*`, graphql],
  [`${json};q=0.000, ${graphql};q=0.001`, graphql],
  [`${json}; charset=utf-8`, json],
  [`${json}; charset="UTF-8"`, json],
  [`${json}; charset=latin1`, null],
  [`${graphql};q=nonsense`, null],
  [`${graphql};q=2`, null],
  [`${graphql};q=0`, null],
  ["text/html", null],
  ["text/*, image/png", null],
  ["@@@, ;;;, ,", null],
  [`@@@, ${graphql}`, graphql],
];

for (const [accept, chosen] of types) {
  Deno.test(`chooseType() takes ${chosen} for accept: ${accept}`, () => {
    equal(chooseType(accept, ANSWER_TYPES), chosen);
  });
}

const encodings: [header: string | undefined, gzip: boolean][] = [
  [undefined, false],
  ["", false],
  ["gzip", true],
  ["GZIP", true],
  ["x-gzip", true],
  ["br, deflate", false],
  ["gzip, deflate, br", true],
  ["gzip;q=0", false],
  ["*", true],
  ["*;q=0", false],
  ["gzip;q=0, *", false],
  ["gzip;q=0.5, identity", false],
  ["gzip;q=0.5, identity;q=0.5", true],
  ["identity;q=0, gzip;q=0.1", true],
];

for (const [header, gzip] of encodings) {
  Deno.test(`acceptsGzip() is ${gzip} for accept-encoding: ${header}`, () => {
    equal(acceptsGzip(header), gzip);
  });
}
