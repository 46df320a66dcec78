-- Which tables are captured: the registry and the triggers.

-- What the table consists of: itself, its partitions, and tables that inherit from it.
create or replace function fraiseql.members(root regclass)
returns table (relation regclass) language sql stable as $$
  with recursive family as (
    select root::oid as relation
    union
    select i.inhrelid from pg_inherits i join family f on i.inhparent = f.relation
  )
  select f.relation::regclass from family f join pg_class c on c.oid = f.relation
  where c.relkind in ('r', 'p')
$$;

-- Whether it is the table itself or one of its parts just now: not once it was detached. From below,
-- since a table has far fewer parents than parts.
create or replace function fraiseql.is_part(relation_ oid, root oid)
returns boolean language plpgsql stable as $$
begin
  return relation_ = root or exists (
    with recursive parents as (
      select i.inhparent from pg_inherits i where i.inhrelid = relation_
      union
      select i.inhparent from pg_inherits i join parents p on i.inhrelid = p.inhparent
    )
    select from parents p where p.inhparent = root);
end $$;

-- Whether no two rows can have the same key at any time, in any part of the table.
create or replace function fraiseql.is_unique(relation_ regclass, numbers smallint[])
returns boolean language sql stable as $$
  select exists (
    select from pg_index i where i.indrelid = relation_ and i.indisunique and i.indimmediate
      and i.indisvalid and i.indpred is null and i.indexprs is null
      and (i.indkey::smallint[])[0:i.indnkeyatts - 1] <@ numbers
      -- Any number of rows can have nulls.
      and not exists (
        select from pg_attribute a where a.attrelid = i.indrelid and not a.attnotnull
          and a.attnum = any ((i.indkey::smallint[])[0:i.indnkeyatts - 1]))
  ) and not exists (
    select from pg_inherits h join pg_class c on c.oid = h.inhparent
    where h.inhparent = relation_ and c.relkind = 'r'
  )
$$;

create or replace function fraiseql.attach(relation regclass)
returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  part record;
  number integer;
begin
  perform fraiseql.detach(relation);
  select r.number into number from fraiseql.captured_relations r where r.relation = attach.relation;
  for part in select * from (values
    ('insert', 'after insert', 'referencing new table as new_rows'),
    ('update', 'after update', 'referencing old table as old_rows new table as new_rows'),
    ('delete', 'after delete', 'referencing old table as old_rows'),
    ('truncate', 'before truncate', '')) as p(name, time_, tables)
  loop
    execute format(
      'create trigger fraiseql_%1$s %2$s on %3$s %4$s for each statement
       execute function fraiseql.%5$I()', part.name, part.time_, relation, part.tables,
      case part.name when 'truncate' then 'capture_truncate'
        else format('capture_%s_%s', part.name, number) end);
  end loop;
end $$;

create or replace function fraiseql.detach(relation regclass)
returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  trigger_name text;
begin
  for trigger_name in
    select t.tgname from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where t.tgrelid = relation and p.pronamespace = 'fraiseql'::regnamespace and not t.tgisinternal
  loop
    execute format('drop trigger %I on %s', trigger_name, relation);
  end loop;
end $$;

-- Captures a table from now on, with all its parts; what was said of it before is replaced. Columns
-- are named as in the table; `listed` is `only` or `except`.
create or replace function fraiseql.capture(
  relation_ regclass, entity_type_ text, key_ text[], listed_ text default 'except',
  columns_ text[] default '{}', user_column text default null, org_column text default null,
  timestamp_column text default null)
returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  captured fraiseql.captured_tables;
  members_ regclass[] := array(select relation from fraiseql.members(relation_));
  -- What was a part of it, and is one no longer.
  left_ regclass[] := array(
    select m.relation from fraiseql.captured_relations m join pg_class c on c.oid = m.relation
    where m.root = relation_ and m.relation <> all (members_));
  member regclass;
  foreign_type regtype := (
    select fraiseql.foreign_type(m.relation) from fraiseql.members(relation_) m
    order by 1 nulls last limit 1);
begin
  if foreign_type is not null then
    raise exception using errcode = 'insufficient_privilege', message = format(
      'type %s in %s is owned by %s, whose casts would run with the rights of the owner of schema fraiseql',
      foreign_type, relation_,
      (select pg_get_userbyid(t.typowner) from pg_type t where t.oid = foreign_type));
  end if;
  delete from fraiseql.captured_tables where relation = relation_;
  captured.relation := relation_;
  captured.key_names := key_;
  captured.column_names := columns_;
  captured.user_name := user_column;
  captured.org_name := org_column;
  captured.timestamp_name := timestamp_column;
  captured := fraiseql.by_names(captured);
  insert into fraiseql.captured_tables (relation, relation_oid, entity_type, key_names, key_numbers,
    key_is_unique, listed, column_names, column_numbers, user_name, user_number, org_name, org_number,
    timestamp_name, timestamp_number)
  values (relation_, captured.relation_oid, entity_type_, key_, captured.key_numbers,
    fraiseql.is_unique(relation_, captured.key_numbers), listed_, columns_, captured.column_numbers,
    user_column, captured.user_number, org_column, captured.org_number, timestamp_column,
    captured.timestamp_number);
  insert into fraiseql.captured_relations (relation, root) select m, relation_ from unnest(members_) m
  on conflict (relation) do update set root = excluded.root;
  perform fraiseql.describe_members(members_);
  perform fraiseql.write_functions(members_);
  -- From here on locks keep writers out, so what takes long is done by now.
  foreach member in array left_ loop
    perform fraiseql.detach(member);
  end loop;
  foreach member in array members_ loop
    perform fraiseql.attach(member);
  end loop;
  perform fraiseql.drop_functions();
end $$;

create or replace function fraiseql.uncapture(relation_ regclass)
returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  member regclass;
begin
  for member in
    select m.relation from fraiseql.captured_relations m join pg_class c on c.oid = m.relation
    where m.root = relation_
  loop
    perform fraiseql.detach(member);
  end loop;
  delete from fraiseql.captured_tables where relation = relation_;
  perform fraiseql.drop_functions();
end $$;

revoke all on all functions in schema fraiseql from public;
