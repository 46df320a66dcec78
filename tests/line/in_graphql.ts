/** What GraphQL must say of the views: what PostgreSQL computes from the change log's own rows. */

import type { Pick } from "./pick.ts";

/** A question, as GraphQL and as PostgreSQL has it: rows of JSON objects. */
export interface Question {
  readonly query: string;
  readonly sql: string;
  /** Its rows have an order. */
  readonly ordered: boolean;
}

interface Field {
  readonly name: string;
  /** As GraphQL and as PostgreSQL has them, in the order of the key first. */
  readonly columns: readonly (readonly [field: string, sql: string])[];
  readonly keys: readonly (readonly [field: string, sql: string])[];
  readonly from: string;
  readonly conditions: (pick: Pick) => readonly (readonly [where: string, sql: string])[];
}

const HOUR = "date_trunc('hour', recorded_at, 'UTC')";
const hourText = (sql: string) =>
  `to_char(${sql} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** Midnight, some days ago. */
function someDay(pick: Pick): string {
  return new Date(Date.now() - pick(120) * 86_400_000).toISOString().slice(0, 10);
}

const FIELDS: readonly Field[] = [
  {
    name: "eventsHourly",
    columns: [
      ["hour", hourText("hour")],
      ["entityType", "entity_type"],
      ["eventType", "event_type"],
      ["eventCount", "event_count::text"],
      ["uniqueEntities", "unique_entities::text"],
    ],
    keys: [["hour", "hour"], ["entityType", 'entity_type collate "C"'], [
      "eventType",
      'event_type collate "C"',
    ]],
    from: `select ${HOUR} as hour, entity_type, event_type, count(*) as event_count,
        count(distinct entity_id) as unique_entities
      from fraiseql.change_log group by 1, 2, 3`,
    conditions: (pick) => {
      const from = `${someDay(pick)}T05:00:00Z`;
      return [
        ["", "true"],
        ['entityType: { eq: "Order" }', "entity_type = 'Order'"],
        ['eventType: { in: ["Created", "Deleted"] }', "event_type in ('Created', 'Deleted')"],
        [`hour: { gte: "${from}" }`, `hour >= '${from}'`],
        ['uniqueEntities: { gt: "2" }', "unique_entities > 2"],
      ];
    },
  },
  {
    name: "orgDaily",
    columns: [
      ["day", "to_char(day, 'YYYY-MM-DD')"],
      ["orgId", "org_id"],
      ["eventCount", "event_count::text"],
      ["uniqueEntities", "unique_entities::text"],
      ["uniqueUsers", "unique_users::text"],
    ],
    keys: [["day", "day"], ["orgId", 'org_id collate "C"']],
    from: `select (recorded_at at time zone 'UTC')::date as day, org_id, count(*) as event_count,
        count(distinct (entity_type, entity_id)) as unique_entities,
        count(distinct user_id) as unique_users
      from fraiseql.change_log group by 1, 2`,
    conditions: (pick) => {
      const [day, org] = [someDay(pick), `org ${pick(5)}`];
      return [
        ["", "true"],
        [`orgId: { eq: "${org}" }`, `org_id = '${org}'`],
        ["orgId: { isNull: true }", "org_id is null"],
        [`orgId: { neq: "${org}" }`, `org_id <> '${org}'`],
        [`day: { lt: "${day}" }`, `day < '${day}'`],
        [`orgId: { in: ["${org}", "org 0"] }`, `org_id in ('${org}', 'org 0')`],
      ];
    },
  },
  {
    name: "eventTypeStats",
    columns: [
      ["hour", hourText("hour")],
      ["eventType", "event_type"],
      ["eventCount", "event_count::text"],
      ["share", "share"],
    ],
    keys: [["hour", "hour"], ["eventType", 'event_type collate "C"']],
    from: `select ${HOUR} as hour, event_type, count(*) as event_count,
        count(*) / (sum(count(*)) over (partition by ${HOUR}))::float8 as share
      from fraiseql.change_log group by 1, 2`,
    conditions: (pick) => {
      const to = `${someDay(pick)}T17:00:00Z`;
      return [
        ["", "true"],
        ['eventType: { eq: "Updated" }', "event_type = 'Updated'"],
        [`hour: { lt: "${to}" }`, `hour < '${to}'`],
        ["share: { lt: 0.5 }", "share < 0.5"],
      ];
    },
  },
];

/** A random question of each of the three views. */
export function viewQuestions(pick: Pick): Question[] {
  return FIELDS.map(({ name, columns, keys, from, conditions }) => {
    const all = conditions(pick);
    const [where, condition] = all[pick(all.length)]!;
    const ordered = pick(2) === 0;
    const limit = 1 + pick(20);
    const order = [["eventCount", "event_count desc"] as const, ...keys];
    const orderBy = order.map(([field], i) => `{ ${field}: ${i === 0 ? "DESC" : "ASC"} }`);
    const given = [
      ...where === "" ? [] : [`where: { ${where} }`],
      ...ordered ? [`orderBy: [${orderBy.join(", ")}], limit: ${limit}`] : [],
    ];
    const values = columns.map(([field, sql]) => `'${field}', ${sql}`);
    return {
      query: `{ ${name}${given.length > 0 ? `(${given.join(", ")})` : ""} ` +
        `{ ${columns.map(([field]) => field).join(" ")} } }`,
      sql: `select json_build_object(${values.join(", ")}) from (${from}) v where ${condition}` +
        (ordered ? ` order by ${order.map(([, sql]) => sql).join(", ")} limit ${limit}` : ""),
      ordered,
    };
  });
}
