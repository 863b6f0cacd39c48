-- Why: what moves much money needs two people. Above the limit in its policy, or under a policy that the admin wrote
-- down themselves, a close or a reversal becomes a proposal: the whole request is kept as it was looked at, and another
-- admin approves exactly that, or rejects it. A proposal that could not be carried out is refused at once.
--
-- A job's request above the limit waits for one admin: the first person is whoever gave the job its figures.
--
-- A proposal that nobody decides is void after seven days: who approves then would approve what nobody remembers. A void
-- or withdrawn one leaves its key free, so that the same request can be made anew; a rejected key never closes.
--
-- Raises 22Z01 the key stands for another request, 22Z42 the proposal is settled already, 22Z43 a second person is needed,
-- 22ZG0 its time is over.

create function public.proposal_lifetime() returns interval
language sql immutable set search_path = '' as $$
  select interval '168 hours'
$$;
comment on function public.proposal_lifetime() is 'How long a proposal may be decided: seven days, in hours, so that no change of clocks moves it.';

create table public.window_proposals (
  id bigint generated always as identity primary key,
  action text not null,
  idempotency_key text not null,
  request_hash text not null,
  request jsonb not null,
  summary jsonb not null,
  why text not null,
  status text not null default 'open',
  proposed_by uuid,
  proposed_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + public.proposal_lifetime(),
  decided_by uuid,
  decided_at timestamptz,
  reason text,
  constraint proposal_action_is_known check (action in ('close', 'reverse')),
  constraint proposal_status_is_known check (status in ('open', 'approved', 'rejected', 'withdrawn', 'expired')),
  constraint an_end_has_a_time check ((status <> 'open') = (decided_at is not null)),
  constraint a_decision_has_a_person check ((status in ('approved', 'rejected', 'withdrawn')) = (decided_by is not null)),
  constraint a_rejection_says_why check (status not in ('rejected', 'withdrawn') or length(reason) between 1 and 2000),
  constraint nothing_is_approved_too_late check (status <> 'approved' or decided_at < expires_at),
  constraint withdrawn_by_who_proposed check (status <> 'withdrawn' or decided_by = proposed_by),
  constraint approved_by_another check (status <> 'approved' or decided_by is distinct from proposed_by)
);
comment on table public.window_proposals is 'Closes and reversals that wait for a second admin, or that one has decided.';
comment on column public.window_proposals.request is 'The whole request; what is approved is this and nothing else.';
comment on column public.window_proposals.summary is 'The totals that it would have, as computed when it was proposed.';
comment on column public.window_proposals.why is 'Which rule asks for the second person.';
comment on column public.window_proposals.proposed_by is 'auth.users.id; null for a job.';
comment on column public.window_proposals.expires_at is
  'From then on it can not be decided; its status says so once somebody asks with its key again.';
-- A void or withdrawn request may be made again under its key.
create unique index one_standing_proposal_per_key on public.window_proposals (idempotency_key)
  where status in ('open', 'approved', 'rejected');

alter table public.window_proposals enable row level security;
revoke all on public.window_proposals from public, anon, authenticated, service_role;
revoke all on sequence public.window_proposals_id_seq from public, anon, authenticated, service_role;
-- Not the request: it is large, and approving it does not need a copy.
grant select (id, action, idempotency_key, summary, why, status, proposed_by, proposed_at, expires_at, decided_by,
  decided_at, reason) on public.window_proposals to authenticated, service_role;
create policy "Admins read every proposal" on public.window_proposals
  for select to authenticated using ((select public.is_admin()));

create function public.guard_proposal() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and old.status = 'open' and new.status <> 'open'
    and to_jsonb(new) - '{status,decided_by,decided_at,reason}'::text[]
      = to_jsonb(old) - '{status,decided_by,decided_at,reason}'::text[] then
    return new;
  end if;
  raise exception 'a proposal is decided once and never changed'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_proposal() is 'Trigger: a proposal is only ever decided, once.';
create trigger proposals_are_only_decided before update or delete on public.window_proposals
  for each row execute function public.guard_proposal();
create trigger proposals_are_never_truncated before truncate on public.window_proposals
  for each statement execute function public.refuse_truncate();

create function public.second_person_needed(p_policy_name text, p_policy_version integer, p_rules jsonb, p_cents bigint)
returns text
language sql stable security definer set search_path = '' as $$
  select case
    when p_cents > (p_rules ->> 'approval_limit_cents')::bigint then
      format('%s is above the limit of %s in the policy', public.cents_text(p_cents),
        public.cents_text((p_rules ->> 'approval_limit_cents')::bigint))
    when exists (
      select from public.policies p where p.name = p_policy_name and p.version = p_policy_version
        and p.created_by = (select auth.uid())) then 'the policy was written down by the same admin'
  end
$$;
comment on function public.second_person_needed(text, integer, jsonb, bigint) is
  'Why another admin has to approve, as words; null when nobody has to.';

create function public.propose(
  p_action text, p_idempotency_key text, p_hash text, p_request jsonb, p_summary jsonb, p_why text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_proposal public.window_proposals;
begin
  insert into public.window_proposals (action, idempotency_key, request_hash, request, summary, why, proposed_by)
  values (p_action, p_idempotency_key, p_hash, p_request, p_summary, p_why, (select auth.uid()))
  returning * into v_proposal;
  perform public.record_audit('proposal.made', 'window_proposals', v_proposal.id::text,
    p_summary || jsonb_build_object('action', p_action, 'idempotency_key', p_idempotency_key), p_why);
  return public.proposal_answer(v_proposal, false);
end
$$;
comment on function public.propose(text, text, text, jsonb, jsonb, text) is 'Keeps a request until another admin decides.';

create function public.proposal_answer(p_proposal public.window_proposals, p_replayed boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('status', case p_proposal.status when 'open' then 'awaiting_approval' else p_proposal.status end,
    'proposal_id', p_proposal.id, 'expires_at', p_proposal.expires_at, 'why', p_proposal.why, 'reason', p_proposal.reason, 'replayed', p_replayed)
$$;
comment on function public.proposal_answer(public.window_proposals, boolean) is 'What a caller is told of a proposal.';

-- The request that a key stands for: the first answer, or nothing where the key is new or free again.
create function public.known_answer(p_action text, p_idempotency_key text, p_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_proposal public.window_proposals;
begin
  update public.window_proposals p set status = 'expired', decided_at = now()
  where p.idempotency_key = p_idempotency_key and p.status = 'open' and p.expires_at <= now()
  returning * into v_proposal;
  if found then
    perform public.record_audit('proposal.expired', 'window_proposals', v_proposal.id::text,
      jsonb_build_object('action', v_proposal.action, 'expires_at', v_proposal.expires_at));
    return null;
  end if;
  select * into v_proposal from public.window_proposals p
  where p.idempotency_key = p_idempotency_key and p.status in ('open', 'approved', 'rejected');
  if not found then
    return null;
  elsif v_proposal.request_hash <> p_hash or v_proposal.action <> p_action then
    raise exception 'the key % stands for proposal % with other figures', p_idempotency_key, v_proposal.id
      using errcode = '22Z01', detail = jsonb_build_object('idempotency_key', p_idempotency_key,
        'proposal_id', v_proposal.id)::text;
  end if;
  return public.proposal_answer(v_proposal, true);
end
$$;
comment on function public.known_answer(text, text, text) is
  'The answer that a proposal''s key was given, null for a new or free key; raises 22Z01 for another request.';

-- The hosted data API ends what a signed-in person asks for after 8 seconds, unless the function itself says how long it
-- may take; a minute is the most.
create function public.close_revenue_window(
  p_idempotency_key text, p_window jsonb, p_shares jsonb, p_allocations jsonb
) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  v_policy jsonb;
  v_hash text;
  v_window public.revenue_windows;
  v_answer jsonb;
  v_why text;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may close a revenue window' using errcode = '42501';
  end if;
  if coalesce(length(p_idempotency_key), 0) not between 1 and 180 then
    raise exception 'a close needs a key of at most 180 letters'
      using errcode = '22Z12', detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  end if;
  v_policy := public.check_window_request(p_window, p_shares, p_allocations);
  if (select auth.uid()) is not null and not (p_window ->> 'use_caps')::boolean then
    raise exception 'only a job closes a window without the caps of KYC' using errcode = '42501';
  end if;
  v_hash := encode(sha256(convert_to(
    jsonb_build_array(p_window, p_shares, p_allocations)::text, 'utf8')), 'hex');

  -- Closes are rare and large: one at a time, so that the second of two equal ones finds the first one's result.
  perform public.lock_windows();
  select * into v_window from public.revenue_windows w where w.idempotency_key = p_idempotency_key;
  if found then
    if v_window.request_hash <> v_hash then
      raise exception 'the key % closed the window % to % with other figures', p_idempotency_key,
        v_window.window_start, v_window.window_end
        using errcode = '22Z01', detail = jsonb_build_object('idempotency_key', p_idempotency_key,
          'revenue_window_id', v_window.id)::text;
    end if;
    return v_window.result || '{"replayed": true}';
  end if;
  v_answer := public.known_answer('close', p_idempotency_key, v_hash);
  if v_answer is not null then
    return v_answer;
  end if;

  v_why := public.second_person_needed(p_window ->> 'policy_name', (p_window ->> 'policy_version')::integer, v_policy,
    public.window_cents(p_window, 'pool_cents'));
  if v_why is null then
    return public.write_revenue_window(p_idempotency_key, v_hash, p_window, p_shares, p_allocations,
      (select auth.uid()), null);
  end if;
  -- Written once and taken back: what could not be closed is no proposal, and the totals are those of the close itself.
  begin
    v_answer := public.write_revenue_window(p_idempotency_key, v_hash, p_window, p_shares, p_allocations,
      (select auth.uid()), null);
    raise exception 'taken back' using errcode = '22Z99';
  exception when sqlstate '22Z99' then
    null;
  end;
  return public.propose('close', p_idempotency_key, v_hash,
    jsonb_build_object('window', p_window, 'shares', p_shares, 'allocations', p_allocations),
    v_answer - '{revenue_window_id,ledger_transaction_id,closed_at,status,replayed}'::text[] || jsonb_build_object(
      'kind', coalesce(p_window ->> 'kind', 'regular'),
      'policy', (p_window ->> 'policy_name') || '@' || (p_window ->> 'policy_version')), v_why);
end
$$;
comment on function public.close_revenue_window(text, jsonb, jsonb, jsonb) is
  'Closes a window once per key and answers the totals; or keeps it as a proposal for a second admin and answers that.';

create function public.lock_windows() returns void
language sql set search_path = '' as $$
  select pg_advisory_xact_lock(hashtextextended('fairshare.close_revenue_window', 0))
$$;
comment on function public.lock_windows() is 'One close or reversal at a time, until the transaction ends.';

create function public.decide_proposal(p_proposal_id bigint, p_approve boolean, p_reason text default null) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  v_proposal public.window_proposals;
  v_answer jsonb;
begin
  if (select auth.uid()) is null or public.is_admin() is distinct from true then
    raise exception 'only a signed-in admin may decide on a proposal' using errcode = '42501';
  end if;
  perform public.lock_windows();
  select * into v_proposal from public.window_proposals p where p.id = p_proposal_id for update;
  if not found or p_approve is null then
    raise exception 'there is no proposal %, or no decision', p_proposal_id
      using errcode = '22Z12', detail = jsonb_build_object('proposal_id', p_proposal_id)::text;
  elsif v_proposal.status <> 'open' then
    if v_proposal.decided_by = (select auth.uid()) and (v_proposal.status = 'approved') = p_approve then
      return public.proposal_answer(v_proposal, true);
    end if;
    raise exception 'the proposal % was % before', p_proposal_id, v_proposal.status
      using errcode = '22Z42', detail = jsonb_build_object('proposal_id', p_proposal_id, 'status', v_proposal.status)::text;
  elsif v_proposal.expires_at <= now() then
    raise exception 'the proposal % had to be decided before % (UTC) and is void: ask for it anew', p_proposal_id,
      to_char(v_proposal.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') using errcode = '22ZG0',
      detail = jsonb_build_object('proposal_id', p_proposal_id, 'expires_at', v_proposal.expires_at)::text;
  elsif not p_approve and coalesce(length(p_reason), 0) not between 1 and 2000 then
    raise exception 'a rejection needs a reason of at most 2000 letters'
      using errcode = '22Z12', detail = jsonb_build_object('proposal_id', p_proposal_id)::text;
  elsif p_approve and v_proposal.proposed_by = (select auth.uid()) then
    raise exception 'who proposes does not approve: another admin has to'
      using errcode = '22Z43', detail = jsonb_build_object('proposal_id', p_proposal_id)::text;
  end if;

  update public.window_proposals set status = case when p_approve then 'approved'
      when proposed_by = (select auth.uid()) then 'withdrawn' else 'rejected' end,
    decided_by = (select auth.uid()), decided_at = now(), reason = p_reason
  where id = p_proposal_id returning * into v_proposal;
  perform public.record_audit('proposal.' || v_proposal.status, 'window_proposals', p_proposal_id::text,
    v_proposal.summary || jsonb_build_object('action', v_proposal.action), p_reason);
  if not p_approve then
    return public.proposal_answer(v_proposal, false);
  elsif v_proposal.action = 'reverse' then
    v_answer := public.write_reversal(v_proposal.idempotency_key, v_proposal.request_hash,
      (v_proposal.request ->> 'revenue_window_id')::bigint, v_proposal.request ->> 'reason', v_proposal.proposed_by,
      v_proposal.decided_by);
  else
    v_answer := public.write_revenue_window(v_proposal.idempotency_key, v_proposal.request_hash,
      v_proposal.request -> 'window', v_proposal.request -> 'shares', v_proposal.request -> 'allocations',
      v_proposal.proposed_by, v_proposal.decided_by);
  end if;
  return v_answer || jsonb_build_object('proposal_id', p_proposal_id);
end
$$;
comment on function public.decide_proposal(bigint, boolean, text) is
  'Another admin approves a proposal in time, which carries it out, or any admin ends it with a reason: rejected, or withdrawn by whoever proposed it.';

revoke all on function public.proposal_lifetime(), public.guard_proposal(), public.second_person_needed(text, integer, jsonb, bigint),
  public.propose(text, text, text, jsonb, jsonb, text), public.proposal_answer(public.window_proposals, boolean),
  public.known_answer(text, text, text), public.close_revenue_window(text, jsonb, jsonb, jsonb), public.lock_windows(),
  public.decide_proposal(bigint, boolean, text) from public, anon, authenticated, service_role;
grant execute on function public.close_revenue_window(text, jsonb, jsonb, jsonb) to authenticated, service_role;
grant execute on function public.decide_proposal(bigint, boolean, text) to authenticated;
