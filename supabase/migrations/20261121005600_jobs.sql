-- Why: work that is due without anybody pressing a button: releasing reserves, closing a month whose revenue is recorded,
-- mailing statements, checking the books. A job is a row, once per key. A worker takes one with a lease and renews it while
-- it works; a lease that ran out is another worker's turn. Every attempt leaves a row. What a job does is safe to do twice.
--
-- Raises 42501, 22Z46 the job is not (or no longer) this worker's, 22Z12 malformed.

create table public.jobs (
  id bigint generated always as identity primary key,
  kind text not null,
  key text not null unique,
  arguments jsonb not null default '{}',
  status text not null default 'waiting',
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  locked_by text,
  locked_until timestamptz,
  result jsonb,
  last_error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint job_kind_is_known check (kind in ('release_reserves', 'monthly_close', 'statement_mail', 'check_ledger')),
  constraint job_status_is_known check (status in ('waiting', 'running', 'failed', 'done', 'dead')),
  constraint a_running_job_has_a_worker check ((status = 'running') = (locked_by is not null and locked_until is not null)),
  constraint a_finished_job_says_when check ((status in ('done', 'dead')) = (finished_at is not null))
);
comment on table public.jobs is 'Due work, once per key: waiting, running, failed (tried again later), done, dead (a person has to look).';
comment on column public.jobs.attempts is 'How often it was taken by a worker; waiting for a person does not count.';
create index jobs_due on public.jobs (next_attempt_at) where status in ('waiting', 'failed', 'running');

create table public.job_runs (
  id bigint generated always as identity primary key,
  job_id bigint not null references public.jobs (id),
  attempt integer not null,
  worker text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  outcome text not null,
  result jsonb,
  error text,
  constraint run_outcome_is_known check (outcome in ('done', 'failed', 'deferred', 'lost'))
);
comment on table public.job_runs is 'Every attempt at a job: what came of it, or that its worker was lost.';
create index job_runs_by_job on public.job_runs (job_id);

alter table public.jobs enable row level security;
alter table public.job_runs enable row level security;
revoke all on public.jobs, public.job_runs from public, anon, authenticated, service_role;
revoke all on sequence public.jobs_id_seq, public.job_runs_id_seq from public, anon, authenticated, service_role;
grant select on public.jobs, public.job_runs to authenticated, service_role;
create policy "Admins read every job" on public.jobs
  for select to authenticated using ((select public.is_admin()));
create policy "Admins read every attempt at a job" on public.job_runs
  for select to authenticated using ((select public.is_admin()));
create trigger job_runs_are_append_only before update or delete on public.job_runs
  for each row execute function public.refuse_row_change();
create trigger job_runs_are_never_truncated before truncate on public.job_runs
  for each statement execute function public.refuse_truncate();

create table public.statement_mails (
  number text primary key references public.statements (number),
  sent_at timestamptz not null default now()
);
comment on table public.statement_mails is 'Statements whose mail has left.';
alter table public.statement_mails enable row level security;
revoke all on public.statement_mails from public, anon, authenticated, service_role;
grant select on public.statement_mails to service_role;
create trigger statement_mails_are_append_only before update or delete on public.statement_mails
  for each row execute function public.refuse_row_change();

create function public.unmailed_statements(p_revenue_window_id bigint, p_after text default '', p_most integer default 500)
returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(to_jsonb(m) order by m.number), '[]') from (
    select s.number, a.email, s.figures
    from public.statements s
    join public.users u on u.id = s.creator_id
    join auth.users a on a.id = u.auth_id
    where s.revenue_window_id = p_revenue_window_id and s.number > p_after and a.email is not null
      and not exists (select from public.statement_mails m where m.number = s.number)
    order by s.number limit p_most
  ) m
$$;
comment on function public.unmailed_statements(bigint, text, integer) is
  'Statements of a window whose creators have a log-in with an address and have not been mailed, by number.';

create function public.statement_was_mailed(p_number text) returns void
language sql security definer set search_path = '' as $$
  insert into public.statement_mails (number) values (p_number) on conflict do nothing
$$;
comment on function public.statement_was_mailed(text) is 'Notes that the mail has left.';

create function public.plan_jobs(p_now timestamptz default null) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  -- A test may look ahead; a job is still taken by the database's clock alone.
  v_now timestamptz := coalesce(p_now, now());
  v_hour timestamptz := date_trunc('hour', v_now, 'UTC');
  v_day timestamptz := date_trunc('day', v_now, 'UTC');
  v_planned integer;
begin
  insert into public.jobs (kind, key, arguments, next_attempt_at)
  select 'release_reserves', 'release_reserves:' || to_char(v_hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), '{}'::jsonb, v_hour
  where exists (select from public.reserves r where r.released_at is null and r.available_at <= v_now)
  union all
  select 'check_ledger', 'check_ledger:' || to_char(v_day at time zone 'UTC', 'YYYY-MM-DD'), '{}', v_day
  union all
  -- A month of UTC that is over, whose revenue somebody recorded and that no window covers. Other figures are another job.
  select 'monthly_close', 'monthly_close:' || to_char(r.window_start at time zone 'UTC', 'YYYY-MM') || ':' || r.id,
    jsonb_build_object('month', to_char(r.window_start at time zone 'UTC', 'YYYY-MM')), v_now
  from (
    select distinct on (r.window_start, r.window_end) r.* from public.revenue_inputs r where r.kind = 'regular'
    order by r.window_start, r.window_end, r.id desc
  ) r
  where r.window_start = date_trunc('month', r.window_start, 'UTC') and r.window_end <= v_now
    and r.window_end = (r.window_start at time zone 'UTC' + interval '1 month') at time zone 'UTC'
    and not exists (
      select from public.revenue_windows w where w.kind = 'regular' and w.status = 'closed'
        and w.window_start < r.window_end and r.window_start < w.window_end)
  union all
  select 'statement_mail', 'statement_mail:' || w.id, jsonb_build_object('revenue_window_id', w.id), v_now
  from public.revenue_windows w where w.status = 'closed'
  on conflict (key) do nothing;
  get diagnostics v_planned = row_count;
  return v_planned;
end
$$;
comment on function public.plan_jobs(timestamptz) is 'Makes a job of all work that is due, once per key; answers how many are new.';

create function public.claim_job(p_worker text, p_lease_seconds integer default 120) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_job public.jobs;
begin
  if coalesce(length(p_worker), 0) not between 1 and 200 or p_lease_seconds is null or p_lease_seconds not between 1 and 3600 then
    raise exception 'a worker needs a name, and a lease of 1 to 3600 seconds'
      using errcode = '22Z12', detail = jsonb_build_object('worker', p_worker)::text;
  end if;
  select * into v_job from public.jobs j
  where (j.status in ('waiting', 'failed') and j.next_attempt_at <= now())
    or (j.status = 'running' and j.locked_until < now())
  order by j.next_attempt_at, j.id limit 1 for update skip locked;
  if not found then
    return null;
  end if;
  if v_job.status = 'running' then
    insert into public.job_runs (job_id, attempt, worker, started_at, outcome, error)
    values (v_job.id, v_job.attempts, v_job.locked_by, v_job.locked_until, 'lost', 'the worker did not renew its lease');
  end if;
  update public.jobs set status = 'running', attempts = attempts + 1, locked_by = p_worker,
    locked_until = now() + make_interval(secs => p_lease_seconds)
  where id = v_job.id returning * into v_job;
  return jsonb_build_object('id', v_job.id, 'kind', v_job.kind, 'key', v_job.key, 'arguments', v_job.arguments,
    'attempt', v_job.attempts, 'started_at', now());
end
$$;
comment on function public.claim_job(text, integer) is 'Takes the job that has been due for longest, with a lease; null when none is due.';

create function public.renew_job(p_job_id bigint, p_worker text, p_attempt integer, p_lease_seconds integer default 120)
returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  update public.jobs set locked_until = now() + make_interval(secs => least(p_lease_seconds, 3600))
  where id = p_job_id and status = 'running' and locked_by = p_worker and attempts = p_attempt;
  return found;
end
$$;
comment on function public.renew_job(bigint, text, integer, integer) is 'Lengthens the lease; false when the job is no longer this worker''s.';

create function public.finish_job(
  p_job_id bigint, p_worker text, p_attempt integer, p_started_at timestamptz, p_outcome text, p_result jsonb default null,
  p_error text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  -- A minute, then twice as long each time, at most six hours; the eighth failure is the last.
  v_again timestamptz := now() + least(interval '21600 seconds', interval '60 seconds' * 2 ^ least(p_attempt - 1, 20));
  v_job public.jobs;
begin
  if p_outcome is null or p_outcome not in ('done', 'failed', 'deferred') then
    raise exception 'a job ends as done, failed or deferred'
      using errcode = '22Z12', detail = jsonb_build_object('outcome', p_outcome)::text;
  end if;
  update public.jobs j set
    status = case when p_outcome = 'done' then 'done' when p_outcome = 'deferred' then 'waiting'
      when p_attempt >= 8 then 'dead' else 'failed' end,
    attempts = case when p_outcome = 'deferred' then j.attempts - 1 else j.attempts end,
    next_attempt_at = case p_outcome when 'failed' then v_again when 'deferred' then now() + interval '3600 seconds'
      else j.next_attempt_at end,
    finished_at = case when p_outcome = 'done' or (p_outcome = 'failed' and p_attempt >= 8) then now() end,
    locked_by = null, locked_until = null, result = coalesce(p_result, j.result),
    last_error = case when p_outcome = 'done' then null else left(p_error, 2000) end
  where j.id = p_job_id and j.status = 'running' and j.locked_by = p_worker and j.attempts = p_attempt
  returning * into v_job;
  if not found then
    raise exception 'job % is no longer the one of worker %', p_job_id, p_worker
      using errcode = '22Z46', detail = jsonb_build_object('job_id', p_job_id, 'attempt', p_attempt)::text;
  end if;
  insert into public.job_runs (job_id, attempt, worker, started_at, outcome, result, error)
  values (p_job_id, p_attempt, p_worker, p_started_at, p_outcome, p_result, left(p_error, 2000));
  return jsonb_build_object('id', v_job.id, 'status', v_job.status, 'next_attempt_at', v_job.next_attempt_at);
end
$$;
comment on function public.finish_job(bigint, text, integer, timestamptz, text, jsonb, text) is
  'Writes down what came of an attempt: done, failed (again later, dead after the eighth), deferred (a person has to act first).';

create function public.retry_job(p_job_id bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_job public.jobs;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may start a job again' using errcode = '42501';
  end if;
  update public.jobs set status = 'waiting', attempts = 0, next_attempt_at = now(), finished_at = null
  where id = p_job_id and status in ('failed', 'dead', 'waiting') returning * into v_job;
  if not found then
    raise exception 'job % is not one that waits or has failed', p_job_id
      using errcode = '22Z46', detail = jsonb_build_object('job_id', p_job_id)::text;
  end if;
  perform public.record_audit('job.retried', 'jobs', p_job_id::text, jsonb_build_object('key', v_job.key));
  return jsonb_build_object('id', v_job.id, 'status', v_job.status);
end
$$;
comment on function public.retry_job(bigint) is 'An admin has a job tried again at once, with all its attempts.';

revoke all on function public.unmailed_statements(bigint, text, integer), public.statement_was_mailed(text), public.plan_jobs(timestamptz),
  public.claim_job(text, integer), public.renew_job(bigint, text, integer, integer),
  public.finish_job(bigint, text, integer, timestamptz, text, jsonb, text), public.retry_job(bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.unmailed_statements(bigint, text, integer), public.statement_was_mailed(text), public.plan_jobs(timestamptz),
  public.claim_job(text, integer), public.renew_job(bigint, text, integer, integer),
  public.finish_job(bigint, text, integer, timestamptz, text, jsonb, text) to service_role;
grant execute on function public.retry_job(bigint) to authenticated, service_role;
