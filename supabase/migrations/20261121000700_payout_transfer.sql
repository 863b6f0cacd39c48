-- Why: what happens between us and a provider. begin_payout_transfer() is the last look before money leaves: everything is
-- asked again under the lock, and the attempt is written before the provider is called, so that a reply that got lost can
-- be looked up by its key. What a provider says, at once or by webhook, comes in through record_provider_event() alone:
-- kept once per event, applied in whatever order it comes.
--
-- Messages: transfer.accepted, transfer.paid, transfer.failed (it will not be paid), transfer.busy (nothing was done, try
-- again), transfer.returned (it was paid and came back), dispute.opened (a claim against the creator).
-- Outcomes: applied, already (nothing new), unmatched (no attempt of that key), conflict (it contradicts what was said
-- before: nothing moves, the creator's payouts are held and a person has to look).

create table public.provider_events (
  id bigint generated always as identity primary key,
  provider text not null references public.payout_providers (name),
  event_id text not null,
  kind text not null,
  provider_key text,
  payout_id bigint references public.payouts (id),
  event jsonb not null,
  event_at timestamptz not null,
  created_at timestamptz not null default now(),
  outcome text,
  constraint one_row_per_provider_event unique (provider, event_id),
  constraint provider_event_id_is_short check (length(event_id) between 1 and 200),
  constraint provider_event_kind_is_known check (kind in ('transfer.accepted', 'transfer.paid', 'transfer.failed',
    'transfer.busy', 'transfer.returned', 'dispute.opened')),
  constraint provider_event_outcome_is_known check (outcome in ('applied', 'already', 'unmatched', 'conflict'))
);
comment on table public.provider_events is 'What providers told us, as it came, and what it did.';
create index provider_events_by_payout on public.provider_events (payout_id);

alter table public.provider_events enable row level security;
revoke all on public.provider_events from public, anon, authenticated, service_role;
revoke all on sequence public.provider_events_id_seq from public, anon, authenticated, service_role;
grant select on public.provider_events to authenticated, service_role;
create policy "Admins read every provider event" on public.provider_events
  for select to authenticated using ((select public.is_admin()));

create function public.guard_provider_event() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and old.outcome is null and new.outcome is not null
    and to_jsonb(new) - '{outcome,payout_id}'::text[] = to_jsonb(old) - '{outcome,payout_id}'::text[] then
    return new;
  end if;
  raise exception 'what a provider said stays as it was said'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_provider_event() is 'Trigger: a message is kept as it came; its outcome is added once.';
create trigger provider_events_are_kept before update or delete on public.provider_events
  for each row execute function public.guard_provider_event();
create trigger provider_events_are_never_truncated before truncate on public.provider_events
  for each statement execute function public.refuse_truncate();

create function public.begin_payout_transfer(p_payout_id bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_payout public.payouts;
  v_attempt public.payout_attempts;
  v_resumed boolean;
  v_why text;
begin
  v_payout := public.locked_payout(p_payout_id);
  perform from public.users u where u.id = v_payout.creator_id for share;
  perform from public.payout_methods m where m.id = v_payout.method_id for share;
  if v_payout.status = 'pending' then
    select string_agg(r.sentence, ' ') into v_why from public.payout_reasons(
      v_payout.creator_id, v_payout.amount_cents, v_payout.method_id, v_payout.currency, p_payout_id) r;
    if v_why is not null then
      update public.payouts p set status = 'held', status_reason = v_why where p.id = p_payout_id;
      return jsonb_build_object('payout_id', p_payout_id, 'status', 'held', 'reason', v_why);
    end if;
    update public.payouts p set status = 'in_transit', status_reason = null where p.id = p_payout_id;
  elsif v_payout.status <> 'in_transit' then
    raise exception 'payout % is % and is not sent', p_payout_id, replace(v_payout.status, '_', ' ')
      using errcode = case v_payout.status when 'held' then '22Z25' else '22Z26' end,
        detail = jsonb_build_object('payout_id', p_payout_id, 'from', v_payout.status, 'to', 'in_transit')::text;
  end if;
  -- An attempt that may still pay is taken up again under its own key; a new one only after one that certainly did nothing.
  select * into v_attempt from public.payout_attempts a where a.payout_id = p_payout_id and a.status <> 'failed';
  v_resumed := found;
  if not v_resumed then
    insert into public.payout_attempts (payout_id, number, provider, provider_key, token, amount_cents, currency)
    select p_payout_id, 1 + (select count(*) from public.payout_attempts a where a.payout_id = p_payout_id),
      m.provider, 'po_' || replace(gen_random_uuid()::text, '-', ''), m.token, v_payout.amount_cents, v_payout.currency
    from public.payout_methods m where m.id = v_payout.method_id
    returning * into v_attempt;
  end if;
  return jsonb_build_object('payout_id', p_payout_id, 'status', 'in_transit', 'attempt', v_attempt.number,
    'resumed', v_resumed, 'provider', v_attempt.provider, 'provider_key', v_attempt.provider_key,
    'token', v_attempt.token, 'amount_cents', v_attempt.amount_cents, 'currency', v_attempt.currency);
end
$$;
comment on function public.begin_payout_transfer(bigint) is
  'Asks everything again under the lock and answers what to send under which key, or that the payout is held now.';

create function public.record_provider_event(p_provider text, p_event_id text, p_event jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_event public.provider_events;
  v_attempt public.payout_attempts;
  v_payout public.payouts;
  v_outcome text := 'unmatched';
begin
  insert into public.provider_events (provider, event_id, kind, provider_key, event, event_at)
  values (p_provider, p_event_id, p_event ->> 'kind', p_event ->> 'provider_key', p_event,
    (p_event ->> 'event_at')::timestamptz)
  on conflict on constraint one_row_per_provider_event do nothing
  returning * into v_event;
  if not found then
    select * into strict v_event from public.provider_events e
    where e.provider = p_provider and e.event_id = p_event_id;
    if v_event.event <> p_event then
      raise exception 'the event % of % said something else before', p_event_id, p_provider
        using errcode = '22Z32', detail = jsonb_build_object('event_id', p_event_id)::text;
    end if;
    return jsonb_build_object('outcome', v_event.outcome, 'payout_id', v_event.payout_id, 'replayed', true);
  end if;
  if not isfinite(v_event.event_at) then
    raise exception 'an event happened at some time' using errcode = '22Z12',
      detail = jsonb_build_object('event_id', p_event_id)::text;
  end if;

  select * into v_attempt from public.payout_attempts a
  where a.provider = p_provider and a.provider_key = v_event.provider_key;
  if found then
    v_payout := public.locked_payout(v_attempt.payout_id, case v_event.kind
      when 'dispute.opened' then array['platform_revenue'] else array['payouts_paid', 'platform_fee'] end);
    select * into strict v_attempt from public.payout_attempts a where a.id = v_attempt.id;
    if v_event.kind = 'dispute.opened' then
      v_outcome := public.claw_back_for_dispute(v_payout, v_event);
    elsif (p_event ->> 'amount_cents')::bigint is distinct from v_attempt.amount_cents
        or p_event ->> 'currency' is distinct from v_attempt.currency then
      v_outcome := 'conflict';
    else
      v_outcome := public.apply_transfer_news(v_payout, v_attempt, v_event);
    end if;
    if v_outcome = 'conflict' then
      perform public.place_payout_hold(v_payout.creator_id,
        format('The payment provider gave two accounts of payout %s; a person is looking at it.', v_payout.id));
    end if;
  end if;
  update public.provider_events e set outcome = v_outcome, payout_id = v_payout.id where e.id = v_event.id;
  return jsonb_build_object('outcome', v_outcome, 'payout_id', v_payout.id, 'replayed', false);
exception
  when check_violation or not_null_violation or foreign_key_violation or unique_violation or invalid_text_representation
    or invalid_datetime_format or datetime_field_overflow or numeric_value_out_of_range then
    raise exception 'the event can not be kept: %', sqlerrm
      using errcode = '22Z12', detail = jsonb_build_object('event_id', p_event_id)::text;
end
$$;
comment on function public.record_provider_event(text, text, jsonb) is
  'Keeps what a provider says, once per event, and applies it; answers its outcome. See the migration for the kinds.';

create function public.apply_transfer_news(
  p_payout public.payouts, p_attempt public.payout_attempts, p_event public.provider_events
) returns text
language plpgsql set search_path = '' as $$
declare
  v_open boolean := p_attempt.status in ('started', 'accepted');
  v_reason text := left(p_event.event ->> 'reason', 300);
begin
  case p_event.kind
    when 'transfer.accepted' then
      if p_attempt.status <> 'started' then
        return 'already';
      end if;
      update public.payout_attempts a set status = 'accepted', reference = p_event.event ->> 'reference'
      where a.id = p_attempt.id;
    when 'transfer.paid' then
      if not v_open then
        return case p_attempt.status when 'succeeded' then 'already' else 'conflict' end;
      end if;
      perform public.settle_payout(p_payout, p_attempt, p_event);
    when 'transfer.returned' then
      -- News may overtake each other: what came back was paid before, also where nobody has said so yet.
      if v_open then
        perform public.settle_payout(p_payout, p_attempt, p_event);
      elsif p_payout.status <> 'paid' then
        return 'already';
      end if;
      perform public.return_payout(p_payout, coalesce(v_reason, 'The account did not take it.'), p_event.event_at);
    when 'transfer.failed', 'transfer.busy' then
      if not v_open then
        return case p_attempt.status when 'failed' then 'already' else 'conflict' end;
      end if;
      update public.payout_attempts a set status = 'failed', finished_at = now(), reason = v_reason,
        reference = coalesce(a.reference, p_event.event ->> 'reference')
      where a.id = p_attempt.id;
      if p_event.kind = 'transfer.failed' then
        perform public.void_payout(p_payout, 'failed', coalesce(v_reason, 'The provider did not take it.'),
          p_event.event_at);
      end if;
  end case;
  return 'applied';
end
$$;
comment on function public.apply_transfer_news(public.payouts, public.payout_attempts, public.provider_events) is
  'What a message about a transfer changes, given what is known; answers the outcome. The caller holds the locks.';

create function public.settle_payout(
  p_payout public.payouts, p_attempt public.payout_attempts, p_event public.provider_events
) returns void
language plpgsql set search_path = '' as $$
declare
  v_posting jsonb;
begin
  update public.payout_attempts a set status = 'succeeded', finished_at = now(),
    reference = coalesce(a.reference, p_event.event ->> 'reference')
  where a.id = p_attempt.id;
  v_posting := public.post_ledger_transaction('payout:' || p_payout.id || ':settle', 'payout_settle', (
    select jsonb_agg(to_jsonb(e)) from (values
      ('creator_payout_pending', p_payout.creator_id, -(p_payout.amount_cents + p_payout.fee_cents)),
      ('payouts_paid', null::bigint, p_payout.amount_cents),
      ('platform_fee', null, p_payout.fee_cents)) e(kind, user_id, amount_cents)
    where e.amount_cents <> 0), p_event.event_at, 'Payout ' || p_payout.id, p_payout.currency);
  insert into public.payout_postings (ledger_transaction_id, payout_id, purpose)
  values ((v_posting ->> 'transaction_id')::bigint, p_payout.id, 'settle');
  update public.payouts p set status = 'paid', status_reason = null where p.id = p_payout.id;
end
$$;
comment on function public.settle_payout(public.payouts, public.payout_attempts, public.provider_events) is
  'The money has left: attempt, ledger and state. The caller holds the locks.';

create function public.return_payout(p_payout public.payouts, p_reason text, p_event_at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_owed bigint := public.receivable_part(p_payout.amount_cents,
    public.balance_cents(p_payout.creator_id, 'creator_receivable', p_payout.currency));
  v_posting jsonb;
begin
  v_posting := public.post_ledger_transaction('payout:' || p_payout.id || ':return', 'payout_return', (
    select jsonb_agg(to_jsonb(e)) from (values
      ('payouts_paid', null::bigint, -p_payout.amount_cents),
      ('creator_available', p_payout.creator_id, p_payout.amount_cents - v_owed),
      ('creator_receivable', p_payout.creator_id, v_owed)) e(kind, user_id, amount_cents)
    where e.amount_cents <> 0), p_event_at, 'Payout ' || p_payout.id || ' came back', p_payout.currency);
  insert into public.payout_postings (ledger_transaction_id, payout_id, purpose)
  values ((v_posting ->> 'transaction_id')::bigint, p_payout.id, 'return');
  update public.payouts p set status = 'returned', status_reason = p_reason where p.id = p_payout.id;
end
$$;
comment on function public.return_payout(public.payouts, text, timestamptz) is
  'The amount came back: available at once, what is owed first. The caller holds the locks.';

revoke all on function public.guard_provider_event(), public.begin_payout_transfer(bigint),
  public.record_provider_event(text, text, jsonb),
  public.apply_transfer_news(public.payouts, public.payout_attempts, public.provider_events),
  public.settle_payout(public.payouts, public.payout_attempts, public.provider_events),
  public.return_payout(public.payouts, text, timestamptz) from public, anon, authenticated, service_role;
grant execute on function public.begin_payout_transfer(bigint), public.record_provider_event(text, text, jsonb)
  to service_role;
