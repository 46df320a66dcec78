/**
 * The rows of the sample shop, as SQL: each statement makes the rows `from` to `to` ($1, $2) out of
 * their numbers alone. Nothing is random: chance is a hash of the number, so a shop of one size is
 * the same on every machine.
 */

/** How many rows each table gets. */
export interface ShopSize {
  readonly organizations: number;
  readonly users: number;
  readonly products: number;
  readonly orders: number;
}

/** A customer orders ten times a year, a company has fifty customers; the range grows slower. */
export function shopSize(orders: number): ShopSize {
  const users = Math.max(10, Math.round(orders / 10));
  return {
    organizations: Math.max(2, Math.round(users / 50)),
    users,
    products: Math.min(20_000, Math.max(50, Math.round(orders / 50))),
    orders,
  };
}

/** Orders lie in the year before this day. */
const lastDay = "timestamptz '2026-07-01 00:00:00Z'";
const yearMs = 365 * 24 * 60 * 60 * 1000;

/**
 * 0 to count - 1, by a hash of the row's number and the salt. PostgreSQL keeps this hash as it is
 * for good, since hash-partitioned tables rest on it.
 */
const chance = (n: string, salt: number, count: number | string) =>
  `((hashint8extended(${n}, ${salt}) & 9223372036854775807) % ${count})`;

const pickOne = (n: string, salt: number, words: readonly string[]) =>
  `(array[${words.map(text).join(",")}])[${chance(n, salt, words.length)} + 1]`;

const text = (word: string) => `'${word.replaceAll("'", "''")}'`;

/** A version 7 UUID of a moment and a row's number: valid, unique, and in order of time. */
const uuid = (ms: string, n: string, salt: number) =>
  `(lpad(to_hex(${ms}), 12, '0') || '7' || lpad(to_hex(${chance(n, salt, 4096)}), 3, '0') ||
    '8' || lpad(to_hex(${
    chance(n, salt + 1, 4096)
  }), 3, '0') || lpad(to_hex(${n}), 12, '0'))::uuid`;

const lastMs = `(extract(epoch from ${lastDay})::bigint * 1000)`;

/** Spread over the year before the shop's last, in order. */
const joinedMs = (n: string, count: number) =>
  `(${lastMs} - ${2 * yearMs} + ${n} * ${Math.floor(yearMs / count)})`;
const organizationId = (n: string, size: ShopSize) => uuid(joinedMs(n, size.organizations), n, 100);
const userId = (n: string, size: ShopSize) => uuid(joinedMs(n, size.users), n, 200);

/** Microseconds, since whole milliseconds would hide a client that drops the rest. */
const orderedUs = (size: ShopSize) => {
  const stepUs = Math.floor(yearMs * 1000 / size.orders);
  return `((${lastMs} - ${yearMs}) * 1000 + (n - 1) * ${stepUs} + ${chance("n", 300, stepUs)})`;
};

const moment = (ms: string) => `(timestamptz 'epoch' + ${ms} * interval '1 millisecond')`;
const cents = (expression: string) => `(${expression})::numeric / 100`;
const price = (n: string) => cents(`${chance(n, 400, 19_900)} + 99`);

// deno-fmt-ignore: lists of words
const firstNames = ["Ada", "Amina", "André", "Anna", "Bao", "Björn", "Carlos", "Chloé", "Dana", "Elif", "Emeka", "Fatima", "Grace", "Hana", "Ines", "Ivan", "Jürgen", "Kofi", "Lena", "Li", "Maria", "Mateo", "Nadia", "Noah", "Olga", "Omar", "Priya", "Raj", "Søren", "Yuki"];
// deno-fmt-ignore: as above
const lastNames = ["Andersen", "Brown", "Chen", "Diallo", "Eriksson", "Fischer", "García", "Haddad", "Ivanova", "Jones", "Kim", "Lovelace", "Müller", "Nguyen", "O'Brien", "Okafor", "Patel", "Quispe", "Rossi", "Sato", "Silva", "Tanaka", "Usman", "Varga", "Weber", "Yilmaz", "Zhang"];
const companyNames = ["Acorn", "Beacon", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbour"];
const companyKinds = ["Labs", "Trading", "Foods", "Logistics", "Studio", "Energy"];
const things = ["Lamp", "Desk", "Chair", "Kettle", "Backpack", "Notebook", "Headphones", "Bottle"];
const looks = ["Oak", "Steel", "Linen", "Cork", "Glass", "Walnut", "Copper", "Wool"];
const tags = ["new", "sale", "eco", "handmade", "office", "kitchen", "travel", "gift"];
const regions = ["EU", "EU", "EU", "US", "US", "APAC", "LATAM", "MEA"];
const errorCodes = [
  "PAYMENT_DECLINED",
  "PAYMENT_DECLINED",
  "CARD_EXPIRED",
  "INSUFFICIENT_FUNDS",
  "OUT_OF_STOCK",
];
const notes = [
  "Please ring twice",
  "Leave with the neighbour",
  'Engrave "for Ada"',
  "Grüße aus Köln",
  "It's a gift 🎁",
  "first line\nsecond line",
];

/** The statements by table, in the order in which they can run. */
export function shopRows(size: ShopSize): readonly { rows: number; sql: string }[] {
  return [
    { rows: size.organizations, sql: organizations(size) },
    { rows: size.users, sql: users(size) },
    { rows: size.products, sql: products() },
    { rows: size.orders, sql: orders(size) },
  ];
}

const series = "generate_series($1::bigint, $2::bigint) n";

const organizations = (size: ShopSize) => `
  insert into organizations (id, name, country, plan, parent_id, created_at)
  select ${organizationId("n", size)},
    ${pickOne("n", 1, companyNames)} || ' ' || ${pickOne("n", 2, companyKinds)} || ' ' || n,
    ${pickOne("n", 3, ["DE", "FR", "US", "JP", "BR", "IN", "NG", "SE"])},
    ${pickOne("n", 4, ["free", "free", "team", "enterprise"])},
    case when n > 4 and n % 5 = 0 then ${organizationId("(n / 5)", size)} end,
    ${moment(joinedMs("n", size.organizations))}
  from ${series}`;

const users = (size: ShopSize) => `
  insert into users (id, organization_id, name, email, phone, is_active, born_on, preferences,
    created_at, last_seen_at)
  select ${userId("n", size)},
    ${organizationId(`(${chance("n", 10, size.organizations)} + 1)`, size)},
    first || ' ' || last,
    translate(lower(first || '.' || last), 'éöüíáø''', 'eouiao') || n || '@example.com',
    case when ${chance("n", 11, 3)} > 0
      then '+49 30 ' || lpad(${chance("n", 12, 10_000_000)}::text, 7, '0') end,
    ${chance("n", 13, 20)} > 0,
    case when ${chance("n", 14, 4)} > 0
      then date '1950-01-01' + ${chance("n", 15, 20_000)}::int end,
    case when ${chance("n", 16, 2)} = 0 then jsonb_build_object(
      'language', ${pickOne("n", 17, ["en", "de", "fr", "ja", "pt"])},
      'newsletter', ${chance("n", 18, 2)} = 0,
      'theme', jsonb_build_object('dark', ${chance("n", 19, 2)} = 0)) end,
    ${moment(joinedMs("n", size.users))},
    case when ${chance("n", 20, 10)} > 0
      then ${lastDay} - ${chance("n", 21, 31_536_000)} * interval '1 second' end
  from ${series}, lateral (select ${pickOne("n", 22, firstNames)} as first,
    ${pickOne("n", 23, lastNames)} as last) names`;

const products = () => `
  insert into products (id, sku, name, description, price, weight_kg, stock, tags, attributes,
    created_at)
  select n, 'SKU-' || lpad(n::text, 6, '0'), look || ' ' || thing || ' ' || n,
    case when ${chance("n", 30, 3)} > 0
      then 'A ' || lower(thing) || ' of ' || lower(look) || '.' end,
    ${price("n")},
    case when ${chance("n", 31, 8)} > 0 then ${chance("n", 32, 20_000)} / 1000.0 end,
    ${chance("n", 33, 500)},
    (array[${tags.map(text).join(",")}])[${chance("n", 34, 5)} + 1 : ${chance("n", 34, 5)} +
      ${chance("n", 35, 4)}],
    jsonb_build_object('material', look,
      'colour', ${pickOne("n", 36, ["red", "blue", "green", "black"])},
      'warrantyMonths', ${chance("n", 37, 4)} * 12,
      'size', jsonb_build_object('widthCm', ${chance("n", 38, 200)}, 'heightCm', ${
  chance("n", 39, 200)
})),
    ${lastDay} - interval '3 years' + ${chance("n", 40, 63_072_000)} * interval '1 second'
  from ${series}, lateral (select ${pickOne("n", 41, things)} as thing,
    ${pickOne("n", 42, looks)} as look) names`;

/** Both tables by one statement, so that an order's total is the sum of its items. */
const orders = (size: ShopSize) => `
  with numbers as materialized (
    select n, us, ${uuid("us / 1000", "n", 301)} as id,
      ${chance("n", 50, 100)} as luck, ${chance("n", 51, 4)} as more_items,
      -- A chance below a chance: few products sell much.
      ${chance("n", 52, `(${chance("n", 53, size.products)} + 1)`)} as favourite
    from ${series}, lateral (select ${orderedUs(size)} as us) as moments
  ), items as materialized (
    select n, id, product_id, ${chance("n + item", 54, 3)} + 1 as quantity,
      ${price("product_id")} as unit_price
    from numbers, generate_series(0, more_items) item, lateral (select
      (favourite + item * ${Math.floor(size.products / 4)}) % ${size.products} + 1 as product_id
    ) as chosen
  ), sums as (
    select n, sum(quantity * unit_price) as total, count(*) as item_count from items group by n
  ), new_orders as (
    insert into orders (id, user_id, status, error_code, region, total, item_count, is_gift,
      ordered_on, created_at, shipped_at, notes)
    select id, ${userId(`(${chance("n", 55, size.users)} + 1)`, size)}, status,
      case when status = 'failed' then ${pickOne("n", 56, errorCodes)} end,
      ${pickOne("n", 57, regions)}, total, item_count, ${chance("n", 58, 10)} = 0,
      (created_at at time zone 'UTC')::date, created_at,
      case when status in ('shipped', 'delivered')
        then created_at + (${chance("n", 59, 259_200)} + 3600) * interval '1 second' end,
      case when ${chance("n", 60, 10)} < 3 then ${pickOne("n", 61, notes)} end
    from numbers join sums using (n), lateral (select
      timestamptz 'epoch' + us * interval '1 microsecond' as created_at,
      (case when luck < 5 then 'failed' when luck < 13 then 'cancelled' when luck < 18 then 'pending'
        when luck < 35 then 'paid' when luck < 50 then 'shipped' else 'delivered'
      end)::order_status as status) as derived
    order by n
  )
  insert into order_items (order_id, product_id, quantity, unit_price)
  select id, product_id, quantity, unit_price from items order by n, product_id`;
