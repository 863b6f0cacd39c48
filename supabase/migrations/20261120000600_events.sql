-- Why: what viewers do, one row an event, one partition a day (UTC), so that a day is read, scored and archived as a
-- whole. Rows are written in bulk and never changed.
-- Instead of foreign keys one statement trigger checks all new rows at once: measured on 1 million rows, 8 s against
-- 16 s (docs/decisions). It is as strict, since users and videos are never deleted and keep their ids.

create sequence public.event_event_id_seq as bigint;

create table public.event (
  event_id bigint not null default nextval('public.event_event_id_seq'),
  video_id bigint not null,
  user_id bigint not null,
  event_type text not null,
  ts timestamptz not null,
  device_id text,
  ip_hash text,
  primary key (event_id, ts),
  constraint event_type_is_known check (
    event_type in ('view', 'like', 'comment', 'share', 'follow', 'report', 'pause'))
) partition by range (ts);
alter sequence public.event_event_id_seq owned by public.event.event_id;
comment on table public.event is 'One action of one viewer on one video. Partitions event_YYYYMMDD, one a UTC day.';
comment on column public.event.device_id is 'Opaque id of the device; null means unknown.';
comment on column public.event.ip_hash is 'Keyed hash of the address, never the address; null means unknown.';
-- Days are read whole (a scan of a partition) or in pages by event_id (the key); one video's timeline needs this one.
create index event_by_video on public.event (video_id, ts);

alter table public.event enable row level security;
revoke all on public.event from public, anon, authenticated, service_role;
revoke all on sequence public.event_event_id_seq from public, anon, authenticated, service_role;
grant select on public.event to authenticated;
grant select, insert on public.event to service_role;
grant usage on sequence public.event_event_id_seq to service_role;

-- Creators see figures of their videos (video_aggregates), not who watched: these rows are other people's.
create policy "Reviewers read every event" on public.event
  for select to authenticated using ((select public.is_reviewer()));

create function public.check_event_references() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_id bigint;
begin
  select n.video_id into v_id from new_rows n
  where not exists (select from public.videos v where v.id = n.video_id) limit 1;
  if found then
    raise exception 'an event names the unknown video %', v_id
      using errcode = '23503', detail = jsonb_build_object('video_id', v_id)::text;
  end if;
  select n.user_id into v_id from new_rows n
  where not exists (select from public.users u where u.id = n.user_id) limit 1;
  if found then
    raise exception 'an event names the unknown user %', v_id
      using errcode = '23503', detail = jsonb_build_object('user_id', v_id)::text;
  end if;
  return null;
end
$$;
comment on function public.check_event_references() is 'Trigger: every new event names a known video and a known user.';
revoke all on function public.check_event_references() from public, anon, authenticated, service_role;

create trigger events_name_known_videos_and_users after insert on public.event
  referencing new table as new_rows for each statement execute function public.check_event_references();
create trigger events_are_append_only before update or delete on public.event
  for each row execute function public.refuse_row_change();
create trigger events_are_never_truncated before truncate on public.event
  for each statement execute function public.refuse_truncate();

create function public.ensure_event_partitions(p_from date, p_to date) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_day date;
  v_name text;
  v_made integer := 0;
begin
  if p_from is null or p_to is null or p_to < p_from or p_to - p_from > 3660 then
    raise exception 'days of events must run from a first to a last day, at most ten years apart'
      using errcode = '22Z12', detail = jsonb_build_object('from', p_from, 'to', p_to)::text;
  end if;
  -- One maker at a time, or two would both find a day missing and one of them fail.
  perform pg_advisory_xact_lock(hashtextextended('fairshare.ensure_event_partitions', 0));
  for v_day in select d::date from generate_series(p_from::timestamp, p_to::timestamp, interval '1 day') d loop
    v_name := 'event_' || to_char(v_day, 'YYYYMMDD');
    continue when to_regclass('public.' || v_name) is not null;
    execute format('create table public.%I partition of public.event for values from (%L) to (%L)',
      v_name, v_day::text || ' 00:00:00+00', (v_day + 1)::text || ' 00:00:00+00');
    -- Default privileges would open the partition by its own name.
    execute format('alter table public.%I enable row level security', v_name);
    execute format('revoke all on public.%I from public, anon, authenticated, service_role', v_name);
    v_made := v_made + 1;
  end loop;
  return v_made;
end
$$;
comment on function public.ensure_event_partitions(date, date) is
  'Makes the missing day partitions of event from p_from to p_to, both included; returns how many were made.';
revoke all on function public.ensure_event_partitions(date, date) from public, anon, authenticated, service_role;
grant execute on function public.ensure_event_partitions(date, date) to service_role;

-- Rows inserted with ids of their own leave the sequences behind: the next sign-up would collide.
create function public.advance_id_sequences() returns void
language plpgsql security definer set search_path = '' as $$
begin
  -- Without the lock a sign-up in between could take a number that is then given out again.
  lock table public.users, public.user_info, public.documents, public.videos, public.event
    in share row exclusive mode;
  perform setval('public.users_id_seq', greatest((select max(id) from public.users), nextval('public.users_id_seq')));
  perform setval('public.user_info_id_seq',
    greatest((select max(id) from public.user_info), nextval('public.user_info_id_seq')));
  perform setval('public.documents_id_seq',
    greatest((select max(id) from public.documents), nextval('public.documents_id_seq')));
  perform setval('public.videos_id_seq', greatest((select max(id) from public.videos), nextval('public.videos_id_seq')));
  perform setval('public.event_event_id_seq',
    greatest((select max(event_id) from public.event), nextval('public.event_event_id_seq')));
end
$$;
comment on function public.advance_id_sequences() is 'To be called after rows were inserted with ids of their own.';
revoke all on function public.advance_id_sequences() from public, anon, authenticated, service_role;
grant execute on function public.advance_id_sequences() to service_role;
