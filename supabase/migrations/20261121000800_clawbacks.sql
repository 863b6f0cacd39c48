-- Why: what is taken back from a creator: a chargeback, or a fraud that a person has confirmed. It is a new debit, never an
-- edit: from what is available as far as that reaches, and for the rest the receivable account goes below zero, which the
-- next credits fill first. One reference is one debit, however often it is told.

create table public.clawbacks (
  id bigint generated always as identity primary key,
  creator_id bigint not null references public.users (id),
  kind text not null,
  reference text not null,
  currency text not null,
  amount_cents bigint not null,
  reason text not null,
  created_by bigint references public.users (id),
  created_at timestamptz not null default now(),
  ledger_transaction_id bigint not null references public.ledger_transactions (id),
  constraint clawback_kind_is_known check (kind in ('chargeback', 'fraud')),
  constraint one_clawback_per_reference unique (kind, reference),
  constraint one_transaction_per_clawback unique (ledger_transaction_id),
  constraint clawback_reference_is_short check (length(reference) between 1 and 150),
  constraint clawback_has_a_reason check (length(reason) between 3 and 300),
  constraint clawback_is_positive check (amount_cents > 0)
);
comment on table public.clawbacks is 'Money taken back, once per reference.';
comment on column public.clawbacks.created_by is 'The admin; null when a provider''s dispute brought it.';
create index clawbacks_by_creator on public.clawbacks (creator_id);

alter table public.clawbacks enable row level security;
revoke all on public.clawbacks from public, anon, authenticated, service_role;
revoke all on sequence public.clawbacks_id_seq from public, anon, authenticated, service_role;
grant select on public.clawbacks to authenticated, service_role;
create policy "Creators read what was taken back from them" on public.clawbacks
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every clawback" on public.clawbacks
  for select to authenticated using ((select public.is_reviewer()));
create trigger clawbacks_are_append_only before update or delete on public.clawbacks
  for each row execute function public.refuse_row_change();
create trigger clawbacks_are_never_truncated before truncate on public.clawbacks
  for each statement execute function public.refuse_truncate();

create function public.take_back(
  p_creator_id bigint, p_kind text, p_reference text, p_amount_cents bigint, p_currency text, p_reason text,
  p_event_at timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_found public.clawbacks;
  v_available bigint;
  v_posting jsonb;
  v_id bigint;
begin
  perform public.lock_creator_accounts(p_creator_id, p_currency, array['platform_revenue']);
  -- One reference at a time, also where two messages name different creators.
  perform pg_advisory_xact_lock(hashtextextended('fairshare.clawback:' || p_kind || ':' || p_reference, 0));
  select * into v_found from public.clawbacks c where c.kind = p_kind and c.reference = p_reference;
  if found then
    if (v_found.creator_id, v_found.amount_cents, v_found.currency)
        is distinct from (p_creator_id, p_amount_cents, p_currency) then
      raise exception 'the % % took something else back before', p_kind, p_reference
        using errcode = '22Z31', detail = jsonb_build_object('clawback_id', v_found.id)::text;
    end if;
    return jsonb_build_object('clawback_id', v_found.id, 'replayed', true);
  end if;
  v_available := least(p_amount_cents, public.balance_cents(p_creator_id, 'creator_available', p_currency));
  v_posting := public.post_ledger_transaction('clawback:' || p_kind || ':' || p_reference, p_kind, (
    select jsonb_agg(to_jsonb(e)) from (values
      ('creator_available', p_creator_id, -v_available),
      ('creator_receivable', p_creator_id, v_available - p_amount_cents),
      ('platform_revenue', null::bigint, p_amount_cents)) e(kind, user_id, amount_cents)
    where e.amount_cents <> 0), p_event_at, p_reason, p_currency);
  insert into public.clawbacks
    (creator_id, kind, reference, currency, amount_cents, reason, created_by, ledger_transaction_id)
  values (p_creator_id, p_kind, p_reference, p_currency, p_amount_cents, p_reason, public.my_user_id(),
    (v_posting ->> 'transaction_id')::bigint)
  returning id into v_id;
  insert into public.notifications (user_id, kind, title, body, link)
  select u.id, 'taken_back', format('%s %s were taken back', public.cents_text(p_amount_cents), p_currency),
    p_reason || case when v_available < p_amount_cents
      then format(' %s are still owed and are taken from your next window first.',
        public.cents_text(p_amount_cents - v_available)) else '' end, 'payouts'
  from public.users u where u.id = p_creator_id and u.auth_id is not null;
  return jsonb_build_object('clawback_id', v_id, 'replayed', false);
end
$$;
comment on function public.take_back(bigint, text, text, bigint, text, text, timestamptz) is
  'Debits a creator once per kind and reference: what is available first, the rest is owed.';

create function public.claw_back(
  p_creator_id bigint, p_kind text, p_reference text, p_amount_cents bigint, p_reason text, p_currency text default 'USD'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if not (public.is_admin() or public.is_job()) then
    raise exception 'only an admin may take money back' using errcode = '42501';
  end if;
  if p_amount_cents is null or p_amount_cents not between 1 and 99999999999999 or p_kind is null
    or coalesce(p_currency, '') !~ '^[A-Z]{3}$'
    or not exists (select from public.users u where u.id = p_creator_id and u.is_creator) then
    raise exception 'a clawback needs a creator, a kind, a reference, whole cents and a reason'
      using errcode = '22Z12', detail = jsonb_build_object('creator_id', p_creator_id)::text;
  end if;
  return public.take_back(p_creator_id, p_kind, p_reference, p_amount_cents, p_currency, p_reason, now());
exception
  when check_violation or not_null_violation then
    raise exception 'a clawback needs a kind (chargeback, fraud), a reference and a reason of 3 to 300 letters'
      using errcode = '22Z12', detail = jsonb_build_object('creator_id', p_creator_id)::text;
end
$$;
comment on function public.claw_back(bigint, text, text, bigint, text, text) is
  'An admin takes money back from a creator for a chargeback or a confirmed fraud, once per reference.';

create function public.claw_back_for_dispute(p_payout public.payouts, p_event public.provider_events) returns text
language plpgsql set search_path = '' as $$
declare
  v_reference text := p_event.provider || ':' || (p_event.event ->> 'dispute');
  v_cents bigint := (p_event.event ->> 'amount_cents')::bigint;
begin
  if v_reference is null or v_cents is null or v_cents not between 1 and 99999999999999
    or p_event.event ->> 'currency' is distinct from p_payout.currency then
    return 'conflict';
  end if;
  if exists (select from public.clawbacks c where c.kind = 'chargeback' and c.reference = v_reference
      and (c.creator_id, c.amount_cents) is distinct from (p_payout.creator_id, v_cents)) then
    return 'conflict';
  end if;
  return case when public.take_back(p_payout.creator_id, 'chargeback', v_reference, v_cents, p_payout.currency,
      coalesce(left(p_event.event ->> 'reason', 300), 'A payment was disputed.'), p_event.event_at) -> 'replayed'
    = 'true' then 'already' else 'applied' end;
end
$$;
comment on function public.claw_back_for_dispute(public.payouts, public.provider_events) is
  'A dispute takes its amount back, once per dispute, however many messages tell of it.';

revoke all on function public.take_back(bigint, text, text, bigint, text, text, timestamptz),
  public.claw_back(bigint, text, text, bigint, text, text),
  public.claw_back_for_dispute(public.payouts, public.provider_events) from public, anon, authenticated, service_role;
grant execute on function public.claw_back(bigint, text, text, bigint, text, text) to authenticated, service_role;
