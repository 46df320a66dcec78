create table plain (id int primary key, a int, b text, n numeric);
create table pairs (x int, y text, v text, primary key (x, y));
create table parted (id int, region text, v text, primary key (id, region)) partition by list (region);
create table parted_east partition of parted for values in ('east');
create table parted_west partition of parted for values in ('west') partition by hash (id);
create table parted_west_0 partition of parted_west for values with (modulus 2, remainder 0);
create table parted_west_1 partition of parted_west for values with (modulus 2, remainder 1);
create table parted_rest partition of parted default;
create table parents (id int primary key, name text);
create table children (
  id int primary key,
  parent_id int references parents on update cascade on delete cascade,
  other_id int references parents on update cascade on delete set null,
  v text
);
create table shifting (id int primary key deferrable initially immediate, v text);
create table noisy (id int primary key, v int, note text);
create table animals (id int primary key, name text);
create table dogs (bark text, primary key (id)) inherits (animals);

-- Row triggers of the user's that write to the same table, before and after.
create function noise() returns trigger language plpgsql as $$
begin
  if pg_trigger_depth() > 2 then return new; end if;
  if tg_when = 'BEFORE' then
    if new.note = 'replace' then delete from noisy where id = new.id; end if;
    if new.note = 'others' then update noisy set v = v + 1 where id <> new.id; end if;
    return new;
  end if;
  if tg_op = 'DELETE' then
    if old.note = 'again' then insert into noisy values (old.id, old.v, null); end if;
    return null;
  end if;
  if new.note = 'count' then update noisy set v = v + 10 where id = new.id; end if;
  if new.note = 'back' then update noisy set v = v - 1, note = null where id = new.id; end if;
  if new.note = 'undo' and tg_op = 'UPDATE' then
    update noisy set v = old.v, note = old.note where id = new.id;
  end if;
  if new.note = 'gone' then delete from noisy where id = new.id; end if;
  if new.note = 'moved' then update noisy set id = id + 3, note = null where id = new.id; end if;
  return null;
end $$;
create trigger noise_before before insert on noisy for each row execute function noise();
create trigger noise_after after insert or update or delete on noisy
  for each row execute function noise();
