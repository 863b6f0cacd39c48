-- Why: the portal keeps log-ins on the server. The browser holds a random id, the database its hash, the tokens sealed.
-- Only the service reaches these tables.

create table public.portal_sessions (
  session_hash text primary key,
  auth_id uuid not null,
  access_token_sealed text,
  refresh_token_sealed text not null,
  created_at timestamptz not null default now(),
  refreshed_at timestamptz,
  expires_at timestamptz not null
);
comment on table public.portal_sessions is 'Log-ins of the portal: hash of the browser''s id, tokens sealed by the application.';
create index portal_sessions_by_person on public.portal_sessions (auth_id);
create index portal_sessions_by_expiry on public.portal_sessions (expires_at);

create table public.login_tickets (
  ticket_hash text primary key,
  session_hash text not null references public.portal_sessions (session_hash) on delete cascade,
  created_at timestamptz not null default now(),
  used_at timestamptz
);
comment on table public.login_tickets is 'One-time tickets that turn a finished log-in into the browser''s cookie.';
create index login_tickets_by_session on public.login_tickets (session_hash);

create table public.auth_attempts (
  id bigint generated always as identity primary key,
  key_hash text not null,
  action text not null,
  at timestamptz not null default now()
);
comment on table public.auth_attempts is 'Recent attempts per hashed account or address: all log-ins share the server''s own address.';
create index auth_attempts_by_key on public.auth_attempts (key_hash, action, at);

alter table public.portal_sessions enable row level security;
alter table public.login_tickets enable row level security;
alter table public.auth_attempts enable row level security;
revoke all on public.portal_sessions, public.login_tickets, public.auth_attempts
  from public, anon, authenticated, service_role;
revoke all on sequence public.auth_attempts_id_seq from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.portal_sessions, public.login_tickets to service_role;
grant select, delete on public.auth_attempts to service_role;

create function public.throttle(p_key_hash text, p_action text, p_limit integer, p_seconds integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_now timestamptz;
  v_count bigint;
  v_free_at timestamptz;
begin
  if p_key_hash is null or p_action is null or coalesce(p_limit, 0) < 1 or coalesce(p_seconds, 0) < 1 then
    raise exception 'a throttle needs a key, an action, a limit and a time of at least 1'
      using errcode = '22Z12', detail = jsonb_build_object('action', p_action)::text;
  end if;
  -- Two attempts at once must not both take the last place.
  perform pg_advisory_xact_lock(hashtextextended(p_key_hash || ' ' || p_action, 0));
  v_now := clock_timestamp();
  delete from public.auth_attempts a
  where a.key_hash = p_key_hash and a.action = p_action and a.at <= v_now - make_interval(secs => p_seconds);
  select count(*) into v_count from public.auth_attempts a where a.key_hash = p_key_hash and a.action = p_action;
  if v_count >= p_limit then
    -- A place is free when the p_limit-th latest attempt grows old enough.
    select a.at + make_interval(secs => p_seconds) into v_free_at from public.auth_attempts a
    where a.key_hash = p_key_hash and a.action = p_action order by a.at desc offset p_limit - 1 limit 1;
    return greatest(1, ceil(extract(epoch from v_free_at - v_now)))::integer;
  end if;
  insert into public.auth_attempts (key_hash, action, at) values (p_key_hash, p_action, v_now);
  return 0;
end
$$;
comment on function public.throttle(text, text, integer, integer) is
  '0: the attempt is allowed and counted. Otherwise the seconds to wait, and nothing is counted.';
revoke all on function public.throttle(text, text, integer, integer) from public, anon, authenticated, service_role;
grant execute on function public.throttle(text, text, integer, integer) to service_role;
