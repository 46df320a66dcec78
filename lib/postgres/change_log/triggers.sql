-- The trigger functions of each captured table. They are written anew when its columns change, because
-- SQL that names the columns takes half the time of SQL that looks them up in JSON. Where the
-- columns are no longer those it was written for, and where something is out of the ordinary, the same
-- function goes the long way, which asks for everything.

-- SQL that gives a row's JSON as every JSON reader takes it.
create or replace function fraiseql.clean_code(member fraiseql.captured_relations, row_json text)
returns text language sql immutable as $$
  select case when $1.is_plain then $2 else format('fraiseql.clean_json(%s)', $2) end
$$;

-- SQL that says how a table's rows are written as events; `o` and `n` are the row before and after.
-- Null where only the long way will do.
create or replace function fraiseql.row_code(member fraiseql.captured_relations)
returns jsonb language sql stable as $$
  with columns as (
    select a.attname::text as name, c.place as number, a.atttypid as type,
      -- NOT NULL that was not validated says nothing of the rows that were there (PostgreSQL 18).
      a.attnotnull and not exists (select from pg_constraint k where k.conrelid = a.attrelid
        and k.contype = 'n' and not k.convalidated and a.attnum = any (k.conkey)) as attnotnull,
      -- Its values can be large.
      a.attlen = -1 and a.atttypid <> 'numeric'::regtype and a.atttypmod not between 0 and 1000 as is_long,
      array_position(member.key_columns, a.attname::text) as key_place,
      a.attname = any (member.left_out) is true as is_left_out,
      fraiseql.may_hold_json(a.atttypid) as is_json,
      -- Of these types two values are equal exactly where their texts are.
      a.atttypid = any (array['bool', 'int2', 'int4', 'int8', 'uuid', 'date', 'time', 'timestamp',
        'timestamptz', 'bytea', 'text', 'varchar']::regtype[]) or t.typtype = 'e' as is_exact,
      -- Byte by byte: other collations can hold texts equal that differ.
      case when a.atttypid in (25, 1043) then ' collate "C"' else '' end as bytewise,
      a.atttypid = any (array['int2', 'int4', 'int8', 'uuid', 'text', 'varchar']::regtype[])
        as is_text_in_json,
      t.typtype = 'e' as is_enum,
      a.atttypid = any (array['int2', 'int4', 'int8']::regtype[]) as is_number,
      fraiseql.settings_of(a.atttypid) as settings
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    join fraiseql.columns_of(member.relation, member.root) c on c.number = a.attnum
    where a.attrelid = member.relation
  ), arranged as (
    select fraiseql.is_reordered(member.relation, member.root) as anew
  ), sides as (
    select c.*, s.side, format('%s.%I', s.side, c.name) as value, format(
      case when c.is_text_in_json then '%s.%I::text'
        -- Not ::text, which may be a cast of the user's.
        when c.is_enum then 'enum_out(%s.%I)::text' else '(to_json(%s.%I) #>> ''{}'')' end,
      s.side, c.name) as text, format(
      case when c.attnotnull then '%s' else 'coalesce(%s, ''null'')' end, format(
        case when c.is_json then 'fraiseql.clean_json(to_json(%s.%I))'
          when c.is_number then case when c.attnotnull then '%s.%I' else '%s.%I::text' end
          else 'to_json(%s.%I)' end, s.side, c.name)) as json
    from columns c, (values ('o'), ('n')) s(side)
  ), pairs as (
    select o.number, o.name, o.key_place, o.attnotnull, case
        when o.is_exact then concat(o.value, o.bytewise, ' = ', n.value, n.bytewise)
        else concat(o.text, ' = ', n.text) end as is_same,
      format('case when %s then concat(%L, %s, '',"new":'', %s, ''}'') end', case
          when o.is_exact
          then concat(o.value, o.bytewise, ' is distinct from ', n.value, n.bytewise)
          -- Of these, values that are equal can have several texts: 1.0 and 1.00, 0 and -0.
          when o.type = 'numeric'::regtype
          then format('(%1$s is distinct from %2$s or scale(%1$s) is distinct from scale(%2$s))',
            o.value, n.value)
          when o.type in ('float4'::regtype, 'float8'::regtype)
          then format('%3$ssend(%1$s) is distinct from %3$ssend(%2$s)', o.value, n.value,
            case o.type when 'float4'::regtype then 'float4' else 'float8' end)
          else format('record_image_ne(row(%s), row(%s)) and %s::text <> %s::text', o.value, n.value,
            o.json, n.json)
        end, ',' || to_json(o.name)::text || ':{"old":', o.json, n.json) as change,
      row_number() over (partition by o.key_place is null and not o.is_left_out order by o.number) as place,
      o.key_place is null and not o.is_left_out as is_shown
    from sides o join sides n on n.number = o.number where o.side = 'o' and n.side = 'n'
  ), changes as (
    -- A function takes 100 arguments.
    select format('concat(%s)', string_agg(change, ', ' order by number)) as part, min(number) as number
    from pairs where is_shown group by (place - 1) / 50
  )
  select jsonb_object_agg(side, code) || jsonb_build_object(
    'same_key', (
      select string_agg(is_same, ' and ') filter (where key_place is not null)
      from pairs having bool_and(attnotnull or key_place is null) and member.key_is_unique),
    'key', (select name from pairs where key_place = 1),
    'old_row', (select case when anew then 'o_shown' else 'o' end from arranged),
    'settings', (
      select string_agg(distinct format(' set %I = %L', p.name, p.value), '')
      from fraiseql.pinned_settings() p join columns c on p.name = any (c.settings)),
    'changes', coalesce((select string_agg(part, ' || ' order by number) from changes), ''''''))
  from (
    select side, jsonb_build_object(
      'id', case when cardinality(member.key_columns) = 1
        then format('coalesce(%s, '''')', max(text) filter (where key_place = 1))
        else format('array_to_json(array[%s])::text',
          string_agg(text, ', ' order by key_place) filter (where key_place is not null)) end,
      'user', coalesce('coalesce(' || max(text) filter (where name = member.user_column)
        || ', mine.user_id)', 'mine.user_id'),
      'org', coalesce('coalesce(' || max(text) filter (where name = member.org_column)
        || ', mine.org_id)', 'mine.org_id'),
      'json', fraiseql.clean_code(member, format('row_to_json(%s.*)',
        case when member.left_out is null and not anew then side else side || '_shown' end)),
      'shown', case when member.left_out is null and not anew then '' else format(
        ' cross join lateral (select %s) %s_shown',
        string_agg(value, ', ' order by number) filter (where not is_left_out), side) end,
      -- Null is not; the first needs not fetch the value, and takes a tenth of the second's time.
      'is_long', coalesce(string_agg(format('%s(%s) > 65536', case
        when type = any (array['text', 'varchar', 'bytea']::regtype[]) then 'octet_length'
        else 'pg_column_size' end, value), ' or ') filter (where is_long), 'false')) as code
    from sides, arranged group by side, anew
  ) s
  where member.columns_fingerprint is not null and not exists (
    select from pg_attribute v where v.attrelid = member.relation and v.attgenerated = 'v')
$$;

-- Whether the short way that was written for this fingerprint may be gone. It is declared immutable and
-- is not: so it becomes a constant in the session's plan, and is asked again when PostgreSQL drops that
-- plan, which it does with each change of the table, whose oid stands in the same expression. To look
-- at pg_attribute for each statement takes as long as a small write.
create or replace function fraiseql.has_columns(print numeric, relation_ oid, root oid, kind text)
returns boolean language plpgsql immutable as $$
begin
  return fraiseql.has_columns_now(print, relation_, root, kind);
end $$;

-- By a snapshot of its own, since it is volatile.
create or replace function fraiseql.has_columns_now(print numeric, relation_ oid, root oid, kind text)
returns boolean language plpgsql volatile as $$
begin
  return print = fraiseql.fingerprint(relation_, root) and fraiseql.is_part(relation_, root)
    and not (kind = 'update' and fraiseql.is_written_again(relation_, root));
end $$;

-- Whether a row can be written several times in one statement, or look so: by cascades of two foreign
-- keys, and where the key is none that PostgreSQL holds just now.
create or replace function fraiseql.is_written_again(relation_ oid, root_ oid)
returns boolean language plpgsql volatile as $$
begin
  return exists (
    select from pg_constraint f where f.conrelid = relation_ and f.contype = 'f'
      and (f.confupdtype in ('c', 'n', 'd') or f.confdeltype in ('n', 'd'))
  ) or not exists (
    select from fraiseql.captured_tables c
    where c.relation = root_ and fraiseql.is_unique(c.relation, case
      when c.relation::oid = c.relation_oid then c.key_numbers
      else (fraiseql.by_names(c)).key_numbers end));
end $$;

-- The short way of a kind of write, to stand in its trigger function; empty where there is none. For a
-- single row most of its cost is in making plans ready to run: each query takes as long as a tenth of a
-- small write, and each expression and each level of subqueries counts.
create or replace function fraiseql.short_way(member fraiseql.captured_relations, kind text)
returns text language plpgsql stable as $function$
declare
  code jsonb := fraiseql.row_code(member);
  rows_ text := case kind when 'delete' then 'old_rows' else 'new_rows' end;
  unmoved text := code ->> 'same_key';
begin
  if code -> 'o' is null or kind = 'update' and unmoved is null then return ''; end if;
  return format($q$
  mine.statement := fraiseql.statement_number();
  -- Asked first: where the snapshot is old, has_columns() would be asked by it what the columns are.
  if current_setting('transaction_isolation') = 'read committed'
    and current_setting(%1$L, true) is distinct from mine.statement
  then if tg_relid = %3$L::oid and %6$s
    and coalesce(pg_sequence_last_value('fraiseql.change_log_full'::regclass), 1) = 1
  then
    -- One time for all rows: then their positions order them, which stand in the ids.
    mine.at := clock_timestamp();
    mine.slot := pg_sequence_last_value('fraiseql.writers_slot'::regclass);
    mine.user_id := nullif(current_setting('fraiseql.user_id', true), '');
    mine.org_id := nullif(current_setting('fraiseql.org_id', true), '');
    mine.traceparent := nullif(current_setting('fraiseql.traceparent', true), '');
%2$s
    get diagnostics mine.row_count = row_count;
    if not found then
      perform from %4$s limit 1;
      if not found then return null; end if;
    end if;%5$s
    mine.statement := set_config(%1$L, mine.statement, true);
    if pg_sequence_last_value('fraiseql.reader_asleep'::regclass) = 2 then
      perform fraiseql.wake_reader();
    end if;
    -- Not with each statement, since it takes as long as a small write.
    if currval('fraiseql.change_log_position'::regclass) %% %7$s < mine.row_count then
      perform fraiseql.measure();
    end if;
    return null;
  end if; end if;
$q$,
    fraiseql.marker(member.entity_type),
    case kind
      when 'insert' then fraiseql.insert_code(member, code, 'Created')
      when 'delete' then fraiseql.insert_code(member, code, 'Deleted')
      else fraiseql.insert_code(member, code, 'Updated', unmoved) end,
    member.relation::oid, rows_,
    case when kind = 'update' then format($q$
      -- A changed key is Deleted, then Created; all Deleted first, since keys can be handed on.
      if current_setting('fraiseql.moved', true) = mine.statement then
        perform set_config('fraiseql.moved', '', true);
        mine.row_count := 4096; -- measure the log
        saved := fraiseql.pin_settings();%s%s
        perform fraiseql.restore_settings(saved);
      end if;$q$,
      fraiseql.insert_code(member, code, 'Deleted',
        format('not exists (select from new_rows n where %s)', unmoved)),
      fraiseql.insert_code(member, code, 'Created',
        format('not exists (select from old_rows o where %s)', unmoved))) end,
    format('fraiseql.has_columns(%L, %s, %s, %L)', member.columns_fingerprint::text,
      member.relation::oid, member.root::oid, kind),
    -- Of lines that are no longer than insert_code() takes, these are a sixteenth of the log.
    (select least(greatest(s.log_bytes_max / 16 / 65536, 1), 4096) from fraiseql.capture_settings s));
end $function$;

-- The statement of a short way that logs the rows as events of one type, where the `condition` holds:
-- for updates, which rows before and after belong together.
create or replace function fraiseql.insert_code(
  member fraiseql.captured_relations, code jsonb, type_ text, condition text default null)
returns text language plpgsql stable as $function$
declare
  is_update boolean := type_ = 'Updated';
  o jsonb := code -> 'o';
  n jsonb := code -> 'n';
  shown jsonb := case type_ when 'Deleted' then o else n end;
  event_bytes_max integer := (select s.event_bytes_max from fraiseql.capture_settings s);
  -- Of a line that is surely below the limit, where a letter takes six bytes at most; and below what
  -- is written without measuring the log.
  data_bytes integer := least(event_bytes_max / 2 - 6 * octet_length(member.entity_type), 65536);
  other_bytes integer := least(event_bytes_max / 14, 65536);
  -- Those of the settings, where no column gives another.
  user_id text := case when member.user_column is null then 'mine.user_id' else 'u.user_id' end;
  org_id text := case when member.org_column is null then 'mine.org_id' else 'u.org_id' end;
  source text;
begin
  source := case type_
    when 'Created' then format('new_rows n%s%s', n ->> 'shown', ' where ' || condition)
    when 'Deleted' then format('old_rows o%s%s', o ->> 'shown', ' where ' || condition)
    -- Never made by a loop in a loop, whatever number of rows it was planned for.
    else format('old_rows o full join new_rows n on %s%s%s', condition, o ->> 'shown',
      n ->> 'shown') end;
  return format($q$
    insert into fraiseql.change_log (slot, position, xid, key_hash, event_type, entity_type, entity_id,
      recorded_at, user_id, org_id, traceparent, data%1$s)
    select mine.slot, u.position, pg_current_xact_id(), hashtextextended(%2$L || u.id, 0), %3$L, %4$L,
      u.id, mine.at, %5$s, %6$s, mine.traceparent, u.data%7$s
    from (
      select nextval('fraiseql.change_log_position'::regclass) as position, %8$s as id,
        %9$s::text as data%10$s%11$s%12$s
      from %13$s
      offset 0
    ) u
    -- What is out of the ordinary is put aside; it keeps its position.
    where case %14$swhen octet_length(u.data) <= %15$s and octet_length(concat(%16$su.id, %5$s, %6$s)) <= %17$s
        then true
      else fraiseql.log_aside(u.position, %3$L, %4$L, u.id, mine.at, %5$s, %6$s, u.data, %18$s, %19$L) end;$q$,
    case when is_update then ', changes' end, member.entity_type || ' ', type_, member.entity_type,
    user_id, org_id, case when is_update then ', u.changes' end, shown ->> 'id', shown ->> 'json',
    case when member.user_column is not null then format(', %s as user_id', shown ->> 'user') end,
    case when member.org_column is not null then format(', %s as org_id', shown ->> 'org') end,
    case when is_update then format($q$,
        -- Both sides of long rows together may be more than PostgreSQL can hold.
        case when %1$s then fraiseql.long_changes(%2$s, %3$s, %4$L, %5$s)
          else concat('{', substr(%6$s, 2), '}') end as changes,
        o.%7$I is null or n.%7$I is null as is_moved, (%8$s.*)::record as old_row$q$,
      o ->> 'is_long', o ->> 'json', n ->> 'json', member.key_columns, event_bytes_max,
      code ->> 'changes', code ->> 'key', code ->> 'old_row') end,
    source,
    case when is_update then 'when u.is_moved then fraiseql.note_moved() ' end,
    data_bytes, case when is_update then 'u.changes, ' end, other_bytes,
    case when is_update then 'u.changes, ' || case
        when member.left_out is not null and code ->> 'old_row' = 'o'
        then format('fraiseql.without(%s, %L)', fraiseql.clean_code(member, 'row_to_json(u.old_row)'),
          member.left_out)
        else fraiseql.clean_code(member, 'row_to_json(u.old_row)') end || '::text'
      else 'null, null' end,
    member.key_columns);
end $function$;

-- The text of a trigger function: the short way of one kind of write, and the long way behind it.
-- `pairs` are the rows before and after as JSON text, null where there is none, in the order of the
-- events.
create or replace function fraiseql.trigger_code(name_ text, kind text, short text, settings text)
returns text language plpgsql immutable as $install$
declare
  template text := $template$
create or replace function fraiseql.%function%()
returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '0' set jit = 'off' set plan_cache_mode = 'force_generic_plan'%settings% as $trigger%tag%$
<<mine>>
declare
  capture fraiseql.capturing;
  bytes bigint;
  last_position bigint;
  -- Of the events that this trigger logged, where an earlier one of the statement did too.
  keys bigint[];
  old_hashes bigint[];
  new_hashes bigint[];
  keys_again bigint[];
  present_rows text;
  present jsonb;
  seq_scan text;
  -- The rows, where the transition tables do not have all of their columns. Named with the block
  -- where a column of the user's could have the same name.
  old_texts json[];
  new_texts json[];
  -- Of the short way.
  statement text;
  slot smallint;
  at timestamptz;
  user_id text;
  org_id text;
  traceparent text;
  row_count bigint;
  saved text[];
%declare%begin
%short%  saved := fraiseql.pin_settings();
  <<long>> begin
  -- One query for what nearly every write needs to know, since each costs as much as a small write.
  select m.entity_type, m.key_columns, m.key_is_unique, m.left_out, m.is_computed, m.is_plain,
    m.user_column, m.org_column, s.current_slot, s.database_bits, s.event_bytes_max,
    s.truncate_rows_max, s.log_bytes_max, s.refuse_writes,
    (select p.last_value from fraiseql.change_log_position p),
    nullif(current_setting('fraiseql.user_id', true), ''),
    nullif(current_setting('fraiseql.org_id', true), ''),
    nullif(current_setting('fraiseql.traceparent', true), ''),
    fraiseql.is_again(m.entity_type)
  into capture
  from fraiseql.captured_relations m, fraiseql.capture_settings s
  where m.relation = tg_relid
    and (m.relation = m.root or fraiseql.is_part(m.relation, m.root))
    and (select f.last_value from fraiseql.change_log_full f) = 1
    and (select r.last_value from fraiseql.reader_asleep r) = 1
    and m.columns_fingerprint = (
      select sum(hashtextextended(a.attname::text || a.attgenerated::text || a.attnotnull::text, a.attnum)
        # a.atttypid::bigint)
      from pg_attribute a
      where a.attrelid = any (array[m.relation, m.root]) and a.attnum > 0 and not a.attisdropped);
  if not found then capture := fraiseql.capturing(tg_relid); end if;
  exit long when capture.slot is null;
%before%%statement%%after%  exit long when bytes is null;
  if capture.is_again and tg_op <> 'TRUNCATE' then
    keys_again := fraiseql.keys_again(keys);
    if keys_again is not null then
      present_rows := fraiseql.present_rows(capture, tg_relid, '%rows%');
      if present_rows is not null then
        perform set_config('enable_nestloop', 'on', true);
        -- By the key's index: past it lie all versions that this transaction made of any row.
        seq_scan := current_setting('enable_seqscan');
        perform set_config('enable_seqscan', 'off', true);
        execute present_rows into present using
          capture.entity_type, capture.key_columns, capture.left_out;
        perform set_config('enable_seqscan', seq_scan, true);
        keys_again := fraiseql.keys_astray(keys_again, keys, old_hashes, new_hashes, present);
        if keys_again is not null then
          perform fraiseql.put_in_order(keys_again, present);
        end if;
      end if;
    end if;
  end if;
  -- Not with each statement, since it takes as long as a small write.
  if bytes >= 262144 or last_position / 256 <> capture.last_position / 256 then
    perform fraiseql.measure();
  end if;
  end long;
  perform fraiseql.restore_settings(saved);
  return null;
end $trigger%tag%$
$template$;
  statement text := $statement$  with %with% logged as (
    insert into fraiseql.change_log (slot, position, xid, key_hash, old_hash, new_hash,
      event_type, entity_type, entity_id, recorded_at, data, changes, user_id, org_id, traceparent,
      cut)
    select capture.slot, e.position, pg_current_xact_id(),
      hashtextextended(capture.entity_type || ' ' || e.entity_id, 0),
      hashtextextended(e.old::text, 0), hashtextextended(e.new::text, 0),
      case when e.old is null then 'Created' when e.new is null then 'Deleted' else 'Updated' end,
      capture.entity_type, e.entity_id, e.at,
      case when e.room < octet_length(e.data)
        then fraiseql.truncated(e.data::json, capture.key_columns) else e.data end,
      case when e.room >= octet_length(e.data) + octet_length(e.changes) then e.changes end,
      e.user_id, e.org_id, capture.traceparent,
      case when e.room < octet_length(e.data) then 2
        when e.changes is null and e.old is not null and e.new is not null
          or e.room < octet_length(e.data) + octet_length(e.changes) then 1 else 0 end
    from (
      select i.*, nextval('fraiseql.change_log_position') as position, clock_timestamp() as at,
        coalesce(i.new, i.old)::text as data,
        -- What the other keys of the line leave; a letter takes six bytes at most.
        capture.event_bytes_max - 300 - 6 * (octet_length(capture.entity_type)
          + octet_length(i.entity_id) + coalesce(octet_length(i.user_id), 0)
          + coalesce(octet_length(i.org_id), 0)) as room,
        case when i.old is null or i.new is null then null
          when i.old::text = i.new::text then '{}'
          -- They would be cut, and making them of rows of 100 MB takes a minute.
          when greatest(octet_length(i.old::text), octet_length(i.new::text))
            > capture.event_bytes_max then null
          -- Here and not in a function, which would be started anew for each row.
          else (
            select concat('{', string_agg(
              concat(to_json(c.name), ':{"old":', c.was, ',"new":', c.becomes, '}'), ','), '}')
            from rows from (json_each(i.old), json_each(i.new)) as c(name, was, name_too, becomes)
            where c.was::text <> c.becomes::text and c.name <> all (capture.key_columns)
          ) end as changes
      from (
        select
          case when capture.left_out is null then p.old else fraiseql.without(p.old, capture.left_out)
            end as old,
          case when capture.left_out is null then p.new else fraiseql.without(p.new, capture.left_out)
            end as new,
          case when p.key is not null then p.key
            when cardinality(capture.key_columns) = 1
            then coalesce(coalesce(p.new, p.old) ->> capture.key_columns[1], '')
            else fraiseql.composite_key(coalesce(p.new, p.old), capture.key_columns) end as entity_id,
          coalesce(coalesce(p.new, p.old) ->> capture.user_column, capture.user_id) as user_id,
          coalesce(coalesce(p.new, p.old) ->> capture.org_column, capture.org_id) as org_id
        from (%pairs%) p
        offset 0
      ) i
      offset 0
    ) e
    returning key_hash, old_hash, new_hash, position,
      octet_length(data) + coalesce(octet_length(changes), 0) as bytes
  )
  select sum(l.bytes), max(l.position), array_agg(l.key_hash) filter (where capture.is_again),
    array_agg(l.old_hash) filter (where capture.is_again),
    array_agg(l.new_hash) filter (where capture.is_again)
  into bytes, last_position, keys, old_hashes, new_hashes from logged l;
$statement$;
  -- What one write made and a later one of the same statement took away was never there.
  careful_with text := $q$
    olds as materialized (
      select row_number() over (partition by o.key order by o.n) as nth, o.j, o.key
      from old_images o
      where not exists (
        select from new_images n where n.key = o.key and n.j::text = o.j::text and n.n < o.n)
    ),
    news as materialized (
      select row_number() over (partition by n.key order by n.n) as nth, n.j, n.key
      from new_images n
      where not exists (
        select from old_images o where o.key = n.key and o.j::text = n.j::text and n.n < o.n)
    ),
$q$;
  careful_pairs text := $q$
      select o.j as old, null::json as new, o.key from olds o
      where not exists (select from news n where n.key = o.key and n.nth = o.nth)
      union all
      select o.j, n.j, n.key from news n left join olds o on n.key = o.key and n.nth = o.nth$q$;
  images text := $q$
    %side%_images as materialized (
      select %n% t.j, case when cardinality(capture.key_columns) = 1
        then coalesce(t.j ->> capture.key_columns[1], '')
        else fraiseql.composite_key(t.j, capture.key_columns) end as key
      from (
        select case when capture.is_plain then r.j else fraiseql.clean_json(r.j) end as j
        from (
          select row_to_json(i.*) as j from %side%_rows i where mine.%side%_texts is null
          union all select unnest(mine.%side%_texts) offset 0) r
        offset 0) t
    ),$q$;
  write record;
begin
  select * into write from (values
    ('insert', '', $q$
  if capture.is_computed then
    execute fraiseql.computed_rows(tg_relid, 'new_rows') into new_texts;
  end if;
$q$, '', $q$
      select null::json as old, case when capture.is_plain then t.new
        else fraiseql.clean_json(t.new) end as new, null::text as key
      from (
        select row_to_json(n.*) as new from new_rows n where mine.new_texts is null
        union all select unnest(new_texts) offset 0) t$q$,
      '', 'select * from new_rows'),
    ('delete', '', $q$
  if capture.is_computed then
    execute fraiseql.computed_rows(tg_relid, 'old_rows') into old_texts;
  end if;
$q$, '', $q$
      select case when capture.is_plain then t.old else fraiseql.clean_json(t.old) end as old,
        null::json as new, null::text as key
      from (
        select row_to_json(o.*) as old from old_rows o where mine.old_texts is null
        union all select unnest(old_texts) offset 0) t$q$,
      '', 'select * from old_rows'),
    ('update', $q$  is_careful boolean;
$q$, $q$
  if capture.is_computed then
    execute fraiseql.computed_rows(tg_relid, 'old_rows') into old_texts;
    execute fraiseql.computed_rows(tg_relid, 'new_rows') into new_texts;
  end if;
  is_careful := not capture.key_is_unique or fraiseql.is_written_again(tg_relid, (
    select m.root from fraiseql.captured_relations m where m.relation = tg_relid));
$q$, replace(images, '%side%', 'old') || replace(images, '%side%', 'new'), $q$
      -- A changed key is Deleted, then Created; all Deleted first, since keys can be handed on.
      select o.j as old, null::json as new, o.key from old_images o
      where not exists (select from new_images n where n.key = o.key)
      union all
      select o.j, n.j, n.key from new_images n left join old_images o on n.key = o.key$q$,
      '', 'select * from old_rows union all select * from new_rows'),
    -- Root, partitions and children each fire, and so each reads its own rows only.
    ('truncate', $q$  doomed record;
  is_one boolean;
$q$, $q$  exit long when (select c.relkind from pg_class c where c.oid = tg_relid) = 'p';
  -- Rows that this transaction's snapshot does not show are truncated too.
  is_one := current_setting('transaction_isolation') <> 'read committed'
    or not has_table_privilege(tg_relid, 'select') or row_security_active(tg_relid);
  if not is_one then
    execute format('select count(*) > $1 from (select from only %s limit $1 + 1) t',
      tg_relid::regclass) into is_one using capture.truncate_rows_max;
  end if;
  if is_one then
    perform fraiseql.capture_truncated(capture, tg_relid);
    exit long;
  end if;
  for doomed in execute format(
    'select fraiseql.clean_json(%s) as old from only %s t', fraiseql.row_json_code(tg_relid),
    tg_relid::regclass)
  loop
$q$, '', 'select doomed.old::json as old, null::json as new, null::text as key', $q$  end loop;
$q$, '')
  ) as w(name, declare_, before_, with_, pairs, after_, rows_) where w.name = kind;
  -- Names of the user's stand in `short` alone, and so it comes last.
  return replace(replace(replace(replace(replace(replace(replace(replace(replace(template,
    -- Ends the text, whatever a column is named.
    '%tag%', md5(short)), '%declare%', write.declare_), '%before%', write.before_),
    '%statement%', case when kind = 'update'
      then 'if is_careful then' || replace(replace(replace(statement, '%with%',
          replace(write.with_, '%n%', 'row_number() over () as n,') || careful_with), '%pairs%',
          careful_pairs), '%n%', '')
        || 'else' || replace(replace(replace(statement, '%with%', write.with_), '%pairs%',
          write.pairs), '%n%', '') || 'end if;'
      else replace(replace(statement, '%with%', write.with_), '%pairs%', write.pairs) end),
    '%after%', write.after_), '%rows%', write.rows_), '%function%', name_), '%settings%', settings),
    '%short%', short);
end $install$;

-- Brings these tables' trigger functions up to date; they must be captured.
create or replace function fraiseql.write_functions(members_ regclass[])
returns void language plpgsql as $$
declare
  member fraiseql.captured_relations;
  settings text;
  kind text;
  name text;
  code text;
  is_there boolean;
begin
  for member in
    select m.* from fraiseql.captured_relations m where m.relation = any (members_) order by m.number
  loop
    settings := coalesce(fraiseql.row_code(member) ->> 'settings', '');
    foreach kind in array array['insert', 'update', 'delete'] loop
      name := format('capture_%s_%s', kind, member.number);
      code := fraiseql.trigger_code(name, kind, fraiseql.short_way(member, kind), settings);
      select true into is_there from pg_proc p
      where p.pronamespace = 'fraiseql'::regnamespace and p.proname = name
        and obj_description(p.oid, 'pg_proc') = md5(code);
      -- Sessions make their plans anew when it is replaced.
      continue when is_there;
      execute code;
      execute format('comment on function fraiseql.%I() is %L', name, md5(code));
      execute format('revoke all on function fraiseql.%I() from public', name);
    end loop;
  end loop;
end $$;

-- Drops the trigger functions of tables that are captured no longer.
create or replace function fraiseql.drop_functions()
returns void language plpgsql as $$
declare
  name text;
begin
  for name in
    select p.proname from pg_proc p
    where p.pronamespace = 'fraiseql'::regnamespace
      and p.proname ~ '^capture_(insert|update|delete)(_[0-9]+)?$'
      and not exists (select from fraiseql.captured_relations m
        where p.proname = any (array['capture_insert_' || m.number, 'capture_update_' || m.number,
          'capture_delete_' || m.number]))
      and not exists (select from pg_trigger t where t.tgfoid = p.oid)
  loop
    execute format('drop function fraiseql.%I()', name);
  end loop;
end $$;

-- Brings every table's trigger functions up to date: each text is made to be compared, so that this
-- takes a while where many tables are captured.
create or replace function fraiseql.write_triggers()
returns void language plpgsql as $$
begin
  perform fraiseql.write_functions(array(
    select m.relation from fraiseql.captured_relations m join pg_class c on c.oid = m.relation));
  perform fraiseql.drop_functions();
end $$;

do $$
begin
  execute fraiseql.trigger_code('capture_truncate', 'truncate', '', '');
end $$;
