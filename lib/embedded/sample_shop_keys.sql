alter table organizations add primary key (id);
alter table users add primary key (id);
alter table products add primary key (id);
alter table orders add primary key (id);
alter table order_items add primary key (order_id, product_id);
alter table users add constraint users_email_key unique (email);
alter table products add constraint products_sku_key unique (sku);

create index organizations_parent_id_idx on organizations (parent_id);
create index users_organization_id_idx on users (organization_id);
create index orders_user_id_idx on orders (user_id);
create index orders_created_at_idx on orders (created_at);
create index order_items_product_id_idx on order_items (product_id);

alter table organizations add constraint organizations_parent_id_fkey
  foreign key (parent_id) references organizations;
alter table users add constraint users_organization_id_fkey
  foreign key (organization_id) references organizations;
alter table orders add constraint orders_user_id_fkey
  foreign key (user_id) references users;
alter table order_items add constraint order_items_order_id_fkey
  foreign key (order_id) references orders on delete cascade;
alter table order_items add constraint order_items_product_id_fkey
  foreign key (product_id) references products;

create view order_summaries as
  select o.id, o.status, o.total, o.item_count, o.created_at,
    u.name as user_name, g.name as organization_name
  from orders o join users u on u.id = o.user_id join organizations g on g.id = u.organization_id;
comment on view order_summaries is 'Each order with the names of who ordered.';
comment on column order_summaries.user_name is 'Who ordered.';
comment on column order_summaries.organization_name is 'For which organization.';

create materialized view monthly_revenue as
  select date_trunc('month', ordered_on)::date as month, region, count(*) as order_count,
    sum(total)::numeric(14,2) as revenue
  from orders where status in ('paid', 'shipped', 'delivered') group by 1, 2;
create unique index monthly_revenue_key on monthly_revenue (month, region);
comment on materialized view monthly_revenue is 'What was earned by month and region, as of the last refresh.';
comment on column monthly_revenue.month is 'First day of the month.';
comment on column monthly_revenue.revenue is 'Sum of the orders that were paid.';

create view va_orders as
  select o.id, o.status, o.error_code, o.region, o.total, o.item_count, o.is_gift, o.ordered_on,
    o.created_at, o.shipped_at, o.notes, o.user_id, u.name as user_name, u.email as user_email,
    u.organization_id, g.name as organization_name
  from orders o join users u on u.id = o.user_id join organizations g on g.id = u.organization_id;
comment on view va_orders is 'Orders with who ordered, flat, for analytics.';

create view va_users as
  select u.id, u.name, u.email, u.phone, u.is_active, u.born_on, u.created_at, u.last_seen_at,
    u.organization_id, g.name as organization_name, g.country, g.plan
  from users u join organizations g on g.id = u.organization_id;
comment on view va_users is 'Users with their organization, flat, for analytics.';
