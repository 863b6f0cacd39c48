-- Why: a payout from its request to its end, as data. Which step may follow which stands in payout_transitions; a trigger
-- checks it and writes an event for every step, so that no change goes unseen, whoever makes it.
--
--   requested -> pending -> in_transit -> paid -> returned      requested | pending -> held -> pending
--   pending | held -> canceled                                  in_transit -> failed
--
-- `requested` lasts within the request alone: the same transaction goes on to pending, or to held with its reasons.
--
-- Postings: request  creator_available -> creator_payout_pending   amount and fee
--           void     the mirror of the request                     canceled, failed: back at once, not aged again
--           settle   creator_payout_pending -> payouts_paid, platform_fee
--           return   payouts_paid -> creator_available             the amount; the fee was spent on the transfer
--
-- Refusals: 22Z20 under the minimum, 22Z21 more than is available, 22Z22 more than the KYC level allows, 22Z23 KYC level
-- unknown, 22Z24 another payout is open, 22Z25 on hold, 22Z26 not possible in this state, 22Z27 no such payout, 22Z28
-- payout method not usable, 22Z29 something is owed, 22Z30 a hold that is not there, 22Z31 a clawback's reference was used
-- for something else, 22Z32 a provider's message that says two things, 22Z33 no creator.

create function public.payout_minimum_cents() returns bigint
language sql immutable set search_path = '' as $$ select 500::bigint $$;
comment on function public.payout_minimum_cents() is 'The least that is paid out: 5.00.';

create function public.payout_limits() returns table (kyc_level smallint, most_cents bigint)
language sql immutable set search_path = '' as $$
  values (1::smallint, 9999::bigint), (2::smallint, 49999::bigint), (3::smallint, null::bigint)
$$;
comment on function public.payout_limits() is
  'The most that one payout may be, by KYC level; null: no limit. A level that is not here gets nothing.';

create function public.payout_kyc_needed(p_amount_cents bigint) returns smallint
language sql immutable set search_path = '' as $$
  select min(l.kyc_level) from public.payout_limits() l where l.most_cents is null or l.most_cents >= p_amount_cents
$$;
comment on function public.payout_kyc_needed(bigint) is 'The lowest KYC level that a payout of this amount needs.';

create table public.payout_transitions (
  from_status text not null,
  to_status text not null,
  primary key (from_status, to_status)
);
comment on table public.payout_transitions is 'Which state of a payout may follow which; "none" is before the request.';
insert into public.payout_transitions (from_status, to_status) values
  ('none', 'requested'), ('requested', 'pending'), ('requested', 'held'), ('pending', 'held'), ('held', 'pending'),
  ('pending', 'in_transit'), ('in_transit', 'paid'), ('in_transit', 'failed'), ('paid', 'returned'),
  ('pending', 'canceled'), ('held', 'canceled');

create table public.payouts (
  id bigint generated always as identity primary key,
  creator_id bigint not null references public.users (id),
  method_id bigint not null,
  currency text not null,
  amount_cents bigint not null,
  fee_cents bigint not null,
  kyc_level smallint not null,
  idempotency_key text not null,
  request_hash text not null,
  status text not null,
  status_reason text,
  created_at timestamptz not null default now(),
  constraint one_payout_per_creator_and_key unique (creator_id, idempotency_key),
  constraint payout_goes_to_a_method_of_its_creator foreign key (method_id, creator_id)
    references public.payout_methods (id, user_id),
  constraint payout_key_is_not_empty check (length(idempotency_key) between 1 and 180),
  constraint payout_currency_is_three_letters check (currency ~ '^[A-Z]{3}$'),
  constraint payout_reaches_the_minimum check (amount_cents >= public.payout_minimum_cents()),
  constraint payout_fee_is_not_negative check (fee_cents >= 0),
  constraint kyc_level_suffices check (kyc_level >= public.payout_kyc_needed(amount_cents)),
  constraint attempts_can_name_the_amount unique (id, amount_cents, currency)
);
comment on table public.payouts is 'Payouts; the amount is what arrives, the fee comes on top, both are set aside at the request.';
comment on column public.payouts.kyc_level is 'The creator''s level at the request.';
comment on column public.payouts.status_reason is 'Why it is in this state, in words for the creator; null where nothing is to be said.';
create unique index one_open_payout_per_creator on public.payouts (creator_id, currency)
  where status in ('requested', 'held', 'pending', 'in_transit');
create index payouts_by_status on public.payouts (status) where status in ('held', 'pending', 'in_transit');
create index payouts_by_method on public.payouts (method_id, creator_id);

create table public.payout_events (
  id bigint generated always as identity primary key,
  payout_id bigint not null references public.payouts (id),
  from_status text not null,
  to_status text not null,
  reason text,
  actor_id bigint references public.users (id),
  created_at timestamptz not null default now(),
  constraint only_legal_transitions foreign key (from_status, to_status)
    references public.payout_transitions (from_status, to_status)
);
comment on table public.payout_events is 'Every step of every payout, written by a trigger.';
comment on column public.payout_events.actor_id is 'Who was signed in; null for jobs and providers.';
create index payout_events_by_payout on public.payout_events (payout_id, id);
create index payout_events_by_transition on public.payout_events (from_status, to_status);

create table public.payout_postings (
  ledger_transaction_id bigint primary key references public.ledger_transactions (id),
  payout_id bigint not null references public.payouts (id),
  purpose text not null,
  constraint posting_purpose_is_known check (purpose in ('request', 'void', 'settle', 'return')),
  constraint one_posting_per_payout_and_purpose unique (payout_id, purpose)
);
comment on table public.payout_postings is 'Which ledger transaction did what for which payout: each serves one payout, once.';
create unique index settled_or_voided_not_both on public.payout_postings (payout_id) where purpose in ('settle', 'void');

create table public.payout_attempts (
  id bigint generated always as identity primary key,
  payout_id bigint not null references public.payouts (id),
  number integer not null,
  provider text not null references public.payout_providers (name),
  provider_key text not null,
  token text not null,
  amount_cents bigint not null,
  currency text not null,
  status text not null default 'started',
  reference text,
  reason text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint one_attempt_per_provider_key unique (provider_key),
  constraint one_attempt_per_number unique (payout_id, number),
  constraint one_attempt_per_reference unique (provider, reference),
  constraint attempt_is_of_the_payouts_amount foreign key (payout_id, amount_cents, currency)
    references public.payouts (id, amount_cents, currency),
  constraint attempt_status_is_known check (status in ('started', 'accepted', 'succeeded', 'failed')),
  constraint attempt_number_counts check (number >= 1)
);
comment on table public.payout_attempts is
  'Each try with a provider. Written before the provider is asked, so that a lost reply can be looked up by its key.';
comment on column public.payout_attempts.provider_key is 'Our idempotency key with the provider.';
comment on column public.payout_attempts.token is 'The account it was sent to, as it stood at the transfer.';
create unique index one_attempt_that_may_still_pay on public.payout_attempts (payout_id) where status <> 'failed';

create table public.payout_holds (
  id bigint generated always as identity primary key,
  creator_id bigint not null references public.users (id),
  payout_id bigint references public.payouts (id),
  reason text not null,
  placed_by bigint references public.users (id),
  created_at timestamptz not null default now(),
  released_at timestamptz,
  released_by bigint references public.users (id),
  release_reason text,
  constraint hold_has_a_reason check (length(reason) between 3 and 300),
  constraint release_has_a_reason check (released_at is null or length(release_reason) between 3 and 300)
);
comment on table public.payout_holds is 'Why a creator''s payouts wait, or one of them. The creator reads the reason.';
comment on column public.payout_holds.payout_id is 'Null: every payout of the creator waits.';
comment on column public.payout_holds.placed_by is 'Null: a rule placed it, not a person.';
create index payout_holds_by_creator on public.payout_holds (creator_id) where released_at is null;
create index payout_holds_by_payout on public.payout_holds (payout_id);

alter table public.payout_transitions enable row level security;
alter table public.payouts enable row level security;
alter table public.payout_events enable row level security;
alter table public.payout_postings enable row level security;
alter table public.payout_attempts enable row level security;
alter table public.payout_holds enable row level security;
revoke all on public.payout_transitions, public.payouts, public.payout_events, public.payout_postings,
  public.payout_attempts, public.payout_holds from public, anon, authenticated, service_role;
revoke all on sequence public.payouts_id_seq, public.payout_events_id_seq, public.payout_attempts_id_seq,
  public.payout_holds_id_seq from public, anon, authenticated, service_role;
grant select on public.payout_transitions, public.payout_events, public.payout_attempts, public.payout_holds,
  public.payout_postings to authenticated, service_role;
grant select on public.payouts to service_role;
-- Not the key and the hash: they are the caller's.
grant select (id, creator_id, method_id, currency, amount_cents, fee_cents, kyc_level, status, status_reason, created_at)
  on public.payouts to authenticated;

create policy "People read which steps a payout may take" on public.payout_transitions
  for select to authenticated using (true);
create policy "Creators read their own payouts" on public.payouts
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every payout" on public.payouts
  for select to authenticated using ((select public.is_reviewer()));
create policy "Creators read the events of their own payouts" on public.payout_events
  for select to authenticated
  using (payout_id in (select p.id from public.payouts p where p.creator_id = (select public.my_user_id())));
create policy "Reviewers read every payout event" on public.payout_events
  for select to authenticated using ((select public.is_reviewer()));
create policy "Reviewers read every payout posting" on public.payout_postings
  for select to authenticated using ((select public.is_reviewer()));
create policy "Reviewers read every payout attempt" on public.payout_attempts
  for select to authenticated using ((select public.is_reviewer()));
create policy "Creators read the holds on their payouts" on public.payout_holds
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every payout hold" on public.payout_holds
  for select to authenticated using ((select public.is_reviewer()));

create function public.payout_hash(p_amount_cents bigint, p_method_id bigint) returns text
language sql immutable set search_path = '' as $$
  select encode(sha256(convert_to(format('%s %s', p_amount_cents, p_method_id), 'utf8')), 'hex')
$$;
comment on function public.payout_hash(bigint, bigint) is 'Tells a retry of a request from another request.';

-- A payout's figures never change; its state takes legal steps alone. Who pushes a held payout by hand meets the reasons
-- for which it is held.
create function public.guard_payout() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_from text := case when tg_op = 'INSERT' then 'none' else old.status end;
  v_why text;
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE'
      and to_jsonb(new) - '{status,status_reason}'::text[] <> to_jsonb(old) - '{status,status_reason}'::text[]) then
    raise exception 'a payout is never deleted and its figures never change'
      using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
  end if;
  if not exists (
    select from public.payout_transitions t where t.from_status = v_from and t.to_status = new.status) then
    raise exception 'payout % is %: it can not become %', new.id, v_from, new.status
      using errcode = '22Z26', detail = jsonb_build_object('payout_id', new.id, 'from', v_from, 'to', new.status)::text;
  end if;
  if v_from = 'held' and new.status = 'pending' then
    select string_agg(r.sentence, ' ') into v_why
    from public.payout_reasons(new.creator_id, new.amount_cents, new.method_id, new.currency, new.id) r;
    if v_why is not null then
      raise exception 'payout % stays on hold: %', new.id, v_why
        using errcode = '22Z25', detail = jsonb_build_object('payout_id', new.id, 'reasons', v_why)::text;
    end if;
  end if;
  return new;
end
$$;
comment on function public.guard_payout() is 'Trigger: legal steps alone, figures never change, a held payout goes on only without reasons.';

create function public.record_payout_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.payout_events (payout_id, from_status, to_status, reason, actor_id)
  values (new.id, case when tg_op = 'INSERT' then 'none' else old.status end, new.status, new.status_reason,
    public.my_user_id());
  if new.status in ('held', 'paid', 'failed', 'returned') then
    insert into public.notifications (user_id, kind, title, body, link)
    select new.creator_id, 'payout_' || new.status,
      format('Your payout of %s %s %s', public.cents_text(new.amount_cents), new.currency, case new.status
        when 'held' then 'is on hold' when 'paid' then 'is paid' when 'failed' then 'has failed' else 'came back' end),
      coalesce(new.status_reason, case new.status when 'paid' then 'It has arrived.' else 'The amount is available again.' end),
      'payouts'
    from public.users u where u.id = new.creator_id and u.auth_id is not null;
  end if;
  return null;
end
$$;
comment on function public.record_payout_event() is 'Trigger: every step of a payout is an event row, some are also told to the creator.';

-- At the commit, whoever wrote: the state and the ledger say the same.
create function public.check_payout_postings() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_status text;
  v_found text[];
begin
  select p.status into v_status from public.payouts p where p.id = new.id;
  select coalesce(array_agg(o.purpose order by o.purpose), '{}') into v_found
  from public.payout_postings o where o.payout_id = new.id;
  if v_found is distinct from (case
      when v_status in ('held', 'pending', 'in_transit') then '{request}'::text[]
      when v_status in ('canceled', 'failed') then '{request,void}'
      when v_status = 'paid' then '{request,settle}'
      when v_status = 'returned' then '{request,return,settle}' end) then
    raise exception 'payout % is %, and the ledger has % for it', new.id, v_status, v_found
      using errcode = '22Z26', detail = jsonb_build_object('payout_id', new.id, 'status', v_status)::text;
  end if;
  return null;
end
$$;
comment on function public.check_payout_postings() is 'Trigger at the commit: a payout''s state agrees with its postings.';

create function public.guard_payout_attempt() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and to_jsonb(new) - '{status,reference,reason,finished_at}'::text[]
      = to_jsonb(old) - '{status,reference,reason,finished_at}'::text[]
    and (old.status = 'started' or (old.status = 'accepted' and new.status <> 'started')) then
    return new;
  end if;
  raise exception 'an attempt that has ended stays as it is'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_payout_attempt() is 'Trigger: an attempt goes from started to its end, once.';

create function public.guard_payout_hold() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and old.released_at is null and new.released_at is not null
    and to_jsonb(new) - '{released_at,released_by,release_reason}'::text[]
      = to_jsonb(old) - '{released_at,released_by,release_reason}'::text[] then
    return new;
  end if;
  raise exception 'a hold is only ever released, once'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_payout_hold() is 'Trigger: a hold can only be released, once.';

create trigger payouts_take_legal_steps before insert or update or delete on public.payouts
  for each row execute function public.guard_payout();
create trigger payouts_leave_events after insert or update on public.payouts
  for each row execute function public.record_payout_event();
create constraint trigger payouts_agree_with_the_ledger after insert or update on public.payouts
  deferrable initially deferred for each row execute function public.check_payout_postings();
create trigger payouts_are_never_truncated before truncate on public.payouts
  for each statement execute function public.refuse_truncate();
create trigger payout_attempts_end_once before update or delete on public.payout_attempts
  for each row execute function public.guard_payout_attempt();
create trigger payout_attempts_are_never_truncated before truncate on public.payout_attempts
  for each statement execute function public.refuse_truncate();
create trigger payout_holds_are_only_released before update or delete on public.payout_holds
  for each row execute function public.guard_payout_hold();
create trigger payout_holds_are_never_truncated before truncate on public.payout_holds
  for each statement execute function public.refuse_truncate();
create trigger payout_events_are_append_only before update or delete on public.payout_events
  for each row execute function public.refuse_row_change();
create trigger payout_events_are_never_truncated before truncate on public.payout_events
  for each statement execute function public.refuse_truncate();
create trigger payout_postings_are_append_only before update or delete on public.payout_postings
  for each row execute function public.refuse_row_change();
create trigger payout_postings_are_never_truncated before truncate on public.payout_postings
  for each statement execute function public.refuse_truncate();

revoke all on function public.payout_minimum_cents(), public.payout_limits(), public.payout_kyc_needed(bigint),
  public.payout_hash(bigint, bigint), public.guard_payout(), public.record_payout_event(),
  public.check_payout_postings(), public.guard_payout_attempt(), public.guard_payout_hold()
  from public, anon, authenticated, service_role;
