-- Back-fill: the rows that were in a table before it was captured, as events. A chunk of rows is read
-- FOR SHARE and appended to the change log in one transaction, together with how far it got. A writer
-- of one of these rows waits for that transaction, and so its event comes later.

-- A row for each table, partition or child that is walked; those that are done stay until the next time.
create table if not exists fraiseql.backfills (
  relation regclass primary key,
  -- The captured table that it is a part of.
  root regclass not null,
  state text not null default 'waiting' check (state in ('waiting', 'running', 'done')),
  -- The columns that it is walked by, with their types, or the file that it lies in; see walk_of(). Where
  -- that is another by now, the keys say nothing, and it is walked from the beginning again.
  walk text,
  -- The texts of the last key that is done, and of the last that there was at the beginning: rows behind
  -- it were written since, and so are captured.
  last_key text[],
  until_key text[],
  rows_done bigint not null default 0,
  -- Of these, not in the log, since their own time is older than events are kept.
  rows_old bigint not null default 0,
  rows_estimated bigint not null,
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);

do $$
begin
  create type fraiseql.backfill_walk as (
    walk text,
    -- In the order of an index; null: by ctid, in the order of the disk.
    names text[],
    types text[]
  );
exception when duplicate_object then null;
end $$;

-- How a relation is walked: by a unique index over NOT NULL columns of its key, of which no two rows are
-- equal and none is missing, so that each chunk ends between two rows. Else in the order of the disk,
-- which costs no sorting; there a row that is updated can move out of sight, and its Updated tells of it.
create or replace function fraiseql.walk_of(relation_ regclass, key_columns text[])
returns fraiseql.backfill_walk language sql stable as $$
  select coalesce((
    select row(
      string_agg(c.number || ':' || a.atttypid, ',' order by c.place),
      array_agg(a.attname::text order by c.place),
      array_agg(format_type(a.atttypid, a.atttypmod) order by c.place))::fraiseql.backfill_walk
    from pg_index i
    cross join lateral unnest(
      (i.indkey::smallint[])[0:i.indnkeyatts - 1], (i.indclass::oid[])[0:i.indnkeyatts - 1],
      (i.indcollation::oid[])[0:i.indnkeyatts - 1], (i.indoption::smallint[])[0:i.indnkeyatts - 1]
    ) with ordinality as c(number, class, collation_, option_, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = c.number
    join pg_opclass o on o.oid = c.class
    where i.indrelid = relation_ and i.indisunique and i.indisvalid and i.indpred is null
      and i.indexprs is null
    group by i.indexrelid, i.indisprimary
    -- Operators of types that are not PostgreSQL's own are not in the search path. The index gives its
    -- rows in the order of `<` where all of it ascends, or all of it descends.
    having bool_and(a.attnotnull and a.attname = any (key_columns) and c.collation_ = a.attcollation
        and o.opcdefault and o.opcnamespace = 'pg_catalog'::regnamespace)
      and (bool_and(c.option_ = 0) or bool_and(c.option_ = 3))
    order by i.indisprimary desc, count(*), i.indexrelid limit 1
  ), row('file:' || pg_relation_filenode(relation_), null, null)::fraiseql.backfill_walk)
$$;

-- Begins, or goes on where there is something unfinished; gives whether there was.
create or replace function fraiseql.begin_backfill(
  root_ regclass, out goes_on boolean, out rows_done bigint, out rows_old bigint,
  out rows_estimated bigint, out parts bigint)
language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  part regclass;
  plan json;
  estimate numeric;
begin
  delete from fraiseql.backfills b where not exists (select from pg_class c where c.oid = b.relation);
  goes_on := exists (select from fraiseql.backfills b where b.root = root_ and b.state <> 'done');
  delete from fraiseql.backfills b where not goes_on and b.root = root_
    or not exists (select from fraiseql.members(b.root) m where m.relation = b.relation);
  for part in
    select m.relation from fraiseql.members(root_) m join pg_class c on c.oid = m.relation
    where c.relkind = 'r'
      and not exists (select from fraiseql.backfills b where b.relation = m.relation and b.root = root_)
  loop
    -- The planner takes small tables for larger than they are, and they are counted in a moment.
    if pg_relation_size(part) <= 1048576 then
      execute format('select count(*) from only %s', part) into estimate;
    else
      execute format('explain (format json) select from only %s', part) into plan;
      estimate := plan -> 0 -> 'Plan' ->> 'Plan Rows';
    end if;
    insert into fraiseql.backfills (relation, root, rows_estimated) values (part, root_, estimate)
    on conflict (relation) do update set
      root = excluded.root, state = 'waiting', walk = null, last_key = null, until_key = null,
      rows_done = 0, rows_old = 0, rows_estimated = excluded.rows_estimated,
      started_at = excluded.started_at, updated_at = excluded.updated_at;
  end loop;
  select coalesce(sum(b.rows_done), 0), coalesce(sum(b.rows_old), 0),
    coalesce(sum(greatest(b.rows_estimated, b.rows_done)), 0), count(*)
  into rows_done, rows_old, rows_estimated, parts
  from fraiseql.backfills b where b.root = root_;
end $$;

-- A column's text as capture writes it: what `->>` gives of the row's JSON.
create or replace function fraiseql.text_code(relation_ regclass, name text)
returns text language sql stable as $$
  select format(case when fraiseql.may_hold_json(a.atttypid)
    then '(fraiseql.clean_json(to_json(t.%I)) #>> ''{}'')' else '(to_json(t.%I) #>> ''{}'')' end, $2)
  from pg_attribute a where a.attrelid = relation_ and a.attname = $2
$$;

-- The type of times that a type is, or is a domain of; null for others.
create or replace function fraiseql.time_type(type_ oid)
returns text language sql stable as $$
  select format_type(f.type, null) from (
    select case t.typtype when 'd' then t.typbasetype else t.oid end as type
    from pg_type t where t.oid = type_
  ) f where f.type = any (array['timestamptz', 'timestamp', 'date']::regtype[])
$$;

-- The row's own time as timestamptz, dates and times without zone in UTC; null where it tells nothing: it
-- is null, infinite, before 1970, which no id of an event can hold, or yet to come.
create or replace function fraiseql.own_time_code(relation_ regclass, name text)
returns text language sql stable as $$
  select format('case when t.%1$I >= ''1970-01-01''::%2$s and t.%1$I <= clock_timestamp()::%2$s
    then t.%1$I::timestamptz end', $2, fraiseql.time_type(a.atttypid))
  from pg_attribute a where a.attrelid = relation_ and a.attname = $2
$$;

-- SQL that appends one chunk: the rows that are next are picked, taken as far as the bytes go, locked, and
-- logged. Its parameters: slot, database's bits, entity type, an event's bytes, retention, a chunk's bytes,
-- a chunk's rows, key columns.
create or replace function fraiseql.chunk_code(
  part fraiseql.backfills, walk fraiseql.backfill_walk, capture fraiseql.capturing, time_column text)
returns text language plpgsql stable as $code$
declare
  key_text text;
  data_columns text;
  sizes text;
  order_by text;
  last_first text;
  behind text;
  picked text;
  locked text;
begin
  select case when cardinality(capture.key_columns) = 1 then format('coalesce(%s, '''')', min(k.code))
    else format('array_to_json(array[%s])::text', string_agg(k.code, ', ' order by k.place)) end
  into key_text
  from (
    select fraiseql.text_code(part.relation, c.name) as code, c.place
    from unnest(capture.key_columns) with ordinality as c(name, place)) k;
  -- In the root's order, as writes by way of it are captured.
  select string_agg(format('t.%I', r.attname), ', ' order by r.attnum)
  into data_columns
  from pg_attribute r
  where r.attrelid = part.root and r.attnum > 0 and not r.attisdropped
    and r.attname <> all (coalesce(capture.left_out, '{}'));
  -- As they lie on the disk, and of texts their own: neither reads what is stored apart.
  select string_agg(format(
    case when a.atttypid = any (array['text', 'varchar', 'bpchar', 'bytea']::regtype[])
      then ' + coalesce(octet_length(t.%I), 0)' else ' + coalesce(pg_column_size(t.%I), 0)' end,
    a.attname), '')
  into sizes
  from pg_attribute a
  where a.attrelid = part.relation and a.attnum > 0 and not a.attisdropped and a.attlen = -1
    and a.attgenerated <> 'v' and a.attname <> all (coalesce(capture.left_out, '{}'));

  if walk.names is null then
    -- Of 16 blocks, each with as many rows as it can hold: a list of places is what PostgreSQL 13 can
    -- read without looking at the whole table.
    picked := format($q$
      select array[t.ctid::text] as key, t.ctid as place, %s as size from only %s t
      where t.ctid = any (array(
        select format('(%%s,%%s)', block, item)::tid
        from generate_series(%s::bigint, %s) block,
          generate_series(1, current_setting('block_size')::integer / 28) item))
        and t.ctid > %L::tid
      order by t.ctid limit $7 $q$,
      '24::bigint' || coalesce(sizes, ''), part.relation, fraiseql.block_of(part.last_key),
      least(fraiseql.block_of(part.last_key) + 15, fraiseql.block_of(part.until_key)),
      coalesce(part.last_key[1], '(0,0)'));
    order_by := 'place';
    last_first := 'place desc';
    locked := format('only %s t where t.ctid = any (array(select place from taken))', part.relation);
  else
    select string_agg(format('k%s', n), ', '), string_agg(format('k%s desc', n), ', ')
    into order_by, last_first
    from generate_subscripts(walk.names, 1) n;
    behind := case when part.last_key is null then 'true' else format('(%s) > (%s)',
      fraiseql.names_code(walk.names), fraiseql.values_code(part.last_key, walk.types)) end;
    picked := format($q$
      select array[%1$s] as key, %2$s, %3$s as size from only %4$s t
      where %5$s and (%6$s) <= (%7$s) order by %6$s limit $7 $q$,
      (select string_agg(format('format(''%%s'', t.%I)', n), ', ') from unnest(walk.names) n),
      (select string_agg(format('t.%I as k%s', n, i), ', ')
        from unnest(walk.names) with ordinality u(n, i)),
      '24::bigint' || coalesce(sizes, ''), part.relation,
      behind, fraiseql.names_code(walk.names), fraiseql.values_code(part.until_key, walk.types));
    -- By the key and not by place: of a row that is being updated, the new version has the key too.
    locked := format($q$
      (select * from taken order by %s limit 1) b, only %s t
      where %s and (%s) <= (%s) $q$,
      last_first, part.relation, behind, fraiseql.names_code(walk.names),
      (select string_agg(format('b.k%s', n), ', ') from generate_subscripts(walk.names, 1) n));
  end if;

  return format($q$
    with picked as materialized (%1$s),
    -- At least one row, however large.
    taken as materialized (
      select p.* from (
        select p.*, sum(p.size) over (order by %2$s rows unbounded preceding) - p.size as before
        from picked p) p
      where p.before < $6
    ),
    locked as materialized (
      select %3$s(select row_to_json(r) from (select %4$s) r)%5$s as data, %6$s as entity_id,
        %7$s as user_id, %8$s as org_id, %9$s as own_time
      from %10$s for share of t
    ),
    logged as (
      insert into fraiseql.change_log (slot, position, xid, key_hash, event_id, event_type, entity_type,
        entity_id, recorded_at, data, user_id, org_id, cut, origin)
      select $1, e.position, pg_current_xact_id(),
        hashtextextended($3 || ' ' || e.entity_id, 0),
        fraiseql.event_id(e.at, e.position, $2), 'Created', $3, e.entity_id, e.at,
        case when e.room < octet_length(e.data) then fraiseql.truncated(e.data::json, $8) else e.data end,
        e.user_id, e.org_id, case when e.room < octet_length(e.data) then 2 else 0 end, 'backfill'
      from (
        select l.entity_id, l.user_id, l.org_id, l.data::text as data,
          nextval('fraiseql.change_log_position') as position,
          coalesce(l.own_time, clock_timestamp()) as at,
          $4 - 300 - 6 * (octet_length($3) + octet_length(l.entity_id)
            + coalesce(octet_length(l.user_id), 0) + coalesce(octet_length(l.org_id), 0)) as room
        from locked l
        where l.own_time is null or l.own_time >= clock_timestamp() - $5
        offset 0
      ) e
      returning position
    )
    select (select count(*) from picked), (select count(*) from taken), (select count(*) from locked),
      (select count(*) from logged),
      (select key from taken order by %11$s limit 1) $q$,
    picked, order_by,
    case when capture.is_plain then '' else 'fraiseql.clean_json(' end, data_columns,
    case when capture.is_plain then '' else ')' end, key_text,
    coalesce(fraiseql.text_code(part.relation, capture.user_column), 'null::text'),
    coalesce(fraiseql.text_code(part.relation, capture.org_column), 'null::text'),
    coalesce(fraiseql.own_time_code(part.relation, time_column), 'null::timestamptz'),
    locked, last_first);
end $code$;

create or replace function fraiseql.names_code(names text[])
returns text language sql immutable as $$
  select string_agg(format('t.%I', n), ', ' order by i) from unnest($1) with ordinality u(n, i)
$$;

create or replace function fraiseql.values_code(texts text[], types text[])
returns text language sql immutable as $$
  select string_agg(format('%L::%s', v, t), ', ' order by i)
  from unnest($1, $2) with ordinality u(v, t, i)
$$;

-- Of a ctid; the first where there is none.
create or replace function fraiseql.block_of(key text[])
returns bigint language sql immutable as $$
  select coalesce(substring($1[1] from '\d+')::bigint, 0)
$$;

-- The last key that there is just now; null in an empty table.
create or replace function fraiseql.last_key(relation_ regclass, walk fraiseql.backfill_walk)
returns text[] language plpgsql as $$
declare
  found text[];
begin
  if walk.names is null then
    return (select array[format('(%s,65535)', pg_relation_size(relation_) / block - 1)]
      from (select current_setting('block_size')::bigint as block) s
      where pg_relation_size(relation_) > 0);
  end if;
  execute format('select array[%s] from only %s t order by %s limit 1',
    (select string_agg(format('format(''%%s'', t.%I)', n), ', ') from unnest(walk.names) n), relation_,
    (select string_agg(format('t.%I desc', n), ', ') from unnest(walk.names) n)) into found;
  return found;
end $$;

-- Appends the next chunk of the table. `outcome` is what there is to do now: `go on`, `done`, `full` (the
-- log must be emptied first), `removed` (it is captured no longer), or `broken`, with the reason.
create or replace function fraiseql.backfill_chunk(
  root_ regclass, rows_max integer, bytes_max bigint, retention interval, log_percent_max integer,
  out outcome text, out reason text, out row_count bigint, out old_count bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
set "TimeZone" = 'UTC' set "DateStyle" = 'ISO, YMD' set "IntervalStyle" = 'iso_8601'
set bytea_output = 'hex' set extra_float_digits = '1' set lc_monetary = 'C'
set xmlbinary = 'base64' set jit = 'off'
-- Far less than the second after which PostgreSQL looks for a deadlock: of a writer and a chunk that wait
-- for each other it is the chunk that gives up.
set lock_timeout = '200ms'
-- A chunk is a small part of the table, whatever the planner thinks.
set enable_seqscan = 'off' set enable_bitmapscan = 'off' set enable_hashjoin = 'off'
set enable_mergejoin = 'off' set max_parallel_workers_per_gather = '0' as $$
declare
  part fraiseql.backfills;
  registered fraiseql.captured_tables;
  settings fraiseql.capture_settings;
  capture fraiseql.capturing;
  walk fraiseql.backfill_walk;
  time_column text;
  picked bigint;
  taken bigint;
  logged bigint;
  last text[];
begin
  row_count := 0;
  old_count := 0;
  select * into part from fraiseql.backfills b where b.root = root_ and b.state <> 'done'
  order by b.state, b.relation::oid limit 1 for update;
  if part.relation is null then
    outcome := case when exists (select from fraiseql.backfills b where b.root = root_)
      then 'done' else 'removed' end;
    return;
  end if;
  select * into registered from fraiseql.captured_tables c where c.relation = root_;
  if registered.relation is null then
    outcome := 'removed';
    return;
  end if;
  if registered.relation::oid <> registered.relation_oid then
    registered := fraiseql.by_names(registered);
  end if;
  select * into settings from fraiseql.capture_settings;
  if (select f.last_value from fraiseql.change_log_full f) = 2
    or fraiseql.change_log_bytes() >= settings.log_bytes_max / 100 * log_percent_max
  then
    outcome := 'full';
    return;
  end if;
  outcome := 'go on';
  if not exists (select from pg_class c where c.oid = part.relation) then
    delete from fraiseql.backfills b where b.relation = part.relation;
    return;
  end if;
  execute format('lock table only %s in row share mode', part.relation);
  -- Its rows are no longer of the table.
  if not fraiseql.is_part(part.relation, root_) then
    delete from fraiseql.backfills b where b.relation = part.relation;
    return;
  end if;
  capture := fraiseql.describe(part.relation, registered);
  if registered.timestamp_name is not null then
    select a.attname::text into time_column from pg_attribute a
    where a.attrelid = registered.relation and a.attnum = registered.timestamp_number
      and not a.attisdropped and fraiseql.time_type(a.atttypid) is not null;
  end if;
  if capture.key_columns is null or registered.timestamp_name is not null and time_column is null then
    outcome := 'broken';
    reason := case when capture.key_columns is null then 'a key column is gone'
      else format('column %s holds no times any longer', registered.timestamp_name) end;
    return;
  end if;
  capture.entity_type := registered.entity_type;

  walk := fraiseql.walk_of(part.relation, capture.key_columns);
  if part.walk is distinct from walk.walk then
    part.walk := walk.walk;
    part.last_key := null;
    part.until_key := fraiseql.last_key(part.relation, walk);
  end if;
  if part.until_key is not null then
    execute fraiseql.chunk_code(part, walk, capture, time_column)
    into picked, taken, row_count, logged, last
    using settings.current_slot, settings.database_bits, capture.entity_type, settings.event_bytes_max,
      retention, bytes_max, rows_max, capture.key_columns;
    if walk.names is null and picked < rows_max and taken = picked then
      -- All of these blocks, and where they hold no row too.
      last := array[format('(%s,65535)',
        least(fraiseql.block_of(part.last_key) + 15, fraiseql.block_of(part.until_key)))];
    end if;
  end if;
  old_count := row_count - coalesce(logged, 0);
  update fraiseql.backfills b set
    walk = part.walk, last_key = coalesce(last, part.last_key), until_key = part.until_key,
    rows_done = b.rows_done + row_count, rows_old = b.rows_old + old_count,
    state = case when last is null or last = part.until_key
        or walk.names is not null and picked < rows_max and taken = picked
      then 'done' else 'running' end,
    updated_at = clock_timestamp()
  where b.relation = part.relation;
  if (select r.last_value from fraiseql.reader_asleep r) = 2 then
    perform fraiseql.wake_reader();
  end if;
end $$;
