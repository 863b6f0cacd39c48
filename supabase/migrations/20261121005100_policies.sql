-- Why: the rules of money are named and versioned rows, so that a close can be checked against rules that were written
-- down before it, and every window names the very version that was in force. A version is never changed: other rules are
-- the next version. The rules themselves are checked here as they are checked in revenue_split/policy.py.

create table public.policies (
  name text not null,
  version integer not null,
  rules jsonb not null,
  note text,
  created_at timestamptz not null default now(),
  created_by uuid,
  primary key (name, version),
  constraint policy_name_is_a_word check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint policy_version_counts_from_1 check (version >= 1),
  constraint rules_name_themselves check (
    rules ->> 'name' is not distinct from name and rules ->> 'version' is not distinct from version::text),
  constraint policy_note_is_short check (length(note) <= 500)
);
comment on table public.policies is 'Named, versioned rules of revenue windows. Versions are never changed or removed.';
comment on column public.policies.rules is 'Every knob, in basis points, cents, days and points; see revenue_split/policy.py.';
comment on column public.policies.created_by is 'auth.users.id of the admin; null for those that came with the schema or a job.';

alter table public.policies enable row level security;
revoke all on public.policies from public, anon, authenticated, service_role;
grant select on public.policies to authenticated, service_role;
create policy "Reviewers read every policy" on public.policies
  for select to authenticated using ((select public.is_reviewer()));

create trigger policies_are_append_only before update or delete on public.policies
  for each row execute function public.refuse_row_change();
create trigger policies_are_never_truncated before truncate on public.policies
  for each statement execute function public.refuse_truncate();

create function public.policy_is_checked() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform public.check_policy(new.rules);
  return new;
end
$$;
comment on function public.policy_is_checked() is 'Trigger: no rules are kept that a close could not follow.';
create trigger policies_are_checked before insert on public.policies
  for each row execute function public.policy_is_checked();

alter table public.revenue_windows add constraint revenue_windows_policy_fkey
  foreign key (policy_name, policy_version) references public.policies (name, version);
create index revenue_windows_by_policy on public.revenue_windows (policy_name, policy_version);

create function public.keep_policy(p_rules jsonb, p_note text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_name text := p_rules ->> 'name';
  v_latest record;
  v_version integer;
  v_constraint text;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may write down a policy' using errcode = '42501';
  end if;
  perform public.check_policy(p_rules);
  perform pg_advisory_xact_lock(hashtextextended('fairshare.policies', 0));
  select p.version, p.rules into v_latest from public.policies p where p.name = v_name order by p.version desc limit 1;
  if found and v_latest.rules - 'version' = p_rules - 'version' then
    return jsonb_build_object('name', v_name, 'version', v_latest.version, 'kept_before', true);
  end if;
  v_version := coalesce(v_latest.version, 0) + 1;
  insert into public.policies (name, version, rules, note, created_by)
  values (v_name, v_version, p_rules || jsonb_build_object('version', v_version), p_note, (select auth.uid()));
  perform public.record_audit('policy.created', 'policies', v_name || '@' || v_version,
    p_rules || jsonb_build_object('version', v_version), p_note);
  return jsonb_build_object('name', v_name, 'version', v_version, 'kept_before', false);
exception
  when check_violation then
    get stacked diagnostics v_constraint = constraint_name;
    raise exception 'the policy breaks the rule "%"', replace(v_constraint, '_', ' ')
      using errcode = '22Z12', detail = jsonb_build_object('rule', v_constraint)::text;
end
$$;
comment on function public.keep_policy(jsonb, text) is
  'Keeps rules as the next version of their name and answers {name, version, kept_before}; the latest version''s own rules again change nothing.';

revoke all on function public.policy_is_checked(), public.keep_policy(jsonb, text)
  from public, anon, authenticated, service_role;
grant execute on function public.keep_policy(jsonb, text) to authenticated, service_role;

-- The policies that come along; the same as POLICIES in revenue_split/policy.py, which a test compares.
insert into public.policies (name, version, note, rules)
select v.name, 1, v.note, r.rules || jsonb_build_object('name', v.name, 'version', 1) from (values
  ('classic_v1', 'The first published rules.',
    '{"model": "classic_v1", "value_rule": "integrity", "streak_bp": 300, "quality_limit_bp": 200}'::jsonb),
  ('fairshare_v1', 'Counted events of weighed viewers.',
    '{"model": "fairshare_v1", "value_rule": "integrity", "streak_bp": 300, "quality_limit_bp": 200}'),
  ('prorata', 'A plain split by units: the yardstick.',
    '{"model": "classic_v1", "value_rule": "units", "streak_bp": 0, "quality_limit_bp": 0}')
) as v(name, note, own)
cross join lateral (select v.own || '{"gamma": 2, "pool_bp": 4500, "margin_target_bp": 6000, "platform_fee_bp": 1000,
  "risk_reserve_bp": 1000, "min_payout_cents": 1000, "hold_days": 14, "kyc_caps_cents": [0, 5000, 50000, null],
  "approval_limit_cents": 10000000, "early_boost_bp": 500, "quality_centre": 60, "quality_divisor": 400,
  "streak_low": 40, "streak_high": 70, "streak_days": 7}'::jsonb as rules) r;
