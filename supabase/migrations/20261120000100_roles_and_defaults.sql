-- Why: the API roles reach nothing unless a later migration says so. Hosted Supabase brings the three roles along; the
-- local stack creates them only later, so they are made here if they are missing. Both give the roles every right on
-- each new table by default privileges: these are taken back first, and every migration revokes again by name, since a
-- default set for another role can not be changed from here.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'anon') then
    create role anon nologin;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    create role authenticated nologin;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    create role service_role nologin bypassrls;
  end if;
end
$$;

alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;

grant usage on schema public to anon, authenticated, service_role;

-- Errors of our own have the SQLSTATEs 22Z01 and up (22 is the class of unacceptable data): the data API passes that class
-- on with code and detail, while of unknown classes the local stack keeps nothing. The detail is JSON: what it is about.

-- Append-only tables share these two guards (revokes come first, these are the second and third lock). They hold for
-- every role, the owner included, as long as nobody disables them.
create function public.refuse_row_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception '% is append-only: % is not possible, post a correction instead', tg_table_name, lower(tg_op)
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'operation', tg_op)::text;
end
$$;
comment on function public.refuse_row_change() is 'Trigger: no row of this table is ever changed or deleted.';

create function public.refuse_truncate() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception '% is append-only: truncate is not possible', tg_table_name
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'operation', tg_op)::text;
end
$$;
comment on function public.refuse_truncate() is 'Trigger: this table is never emptied.';

revoke all on function public.refuse_row_change(), public.refuse_truncate()
  from public, anon, authenticated, service_role;
