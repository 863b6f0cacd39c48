-- Why: where a creator's money goes. The provider keeps the account's particulars; here stand its token and a label that
-- the creator recognises. A method is never edited: who wants another one adds it and removes the first, so that a payout
-- on its way can not be turned aside (each payout names its method, and a removed one is noticed before the transfer).

create table public.payout_providers (
  name text primary key,
  is_simulator boolean not null,
  fee_cents bigint not null,
  fee_bp bigint not null,
  constraint provider_name_is_a_word check (name ~ '^[a-z][a-z_]{1,39}$'),
  constraint provider_fee_is_not_negative check (fee_cents >= 0 and fee_bp between 0 and 10000)
);
comment on table public.payout_providers is 'Who carries payouts out, and what a transfer costs: cents and basis points.';
comment on column public.payout_providers.is_simulator is 'No money moves: the pages say so.';
insert into public.payout_providers (name, is_simulator, fee_cents, fee_bp) values ('simulator', true, 25, 0);

create table public.payout_methods (
  id bigint generated always as identity primary key,
  user_id bigint not null references public.users (id),
  provider text not null references public.payout_providers (name),
  token text not null,
  label text not null,
  created_at timestamptz not null default now(),
  removed_at timestamptz,
  constraint a_method_stays_with_its_owner unique (id, user_id),
  constraint method_token_is_a_token check (token ~ '^[A-Za-z0-9_-]{3,100}$'),
  constraint method_label_is_short check (length(label) between 1 and 60)
);
comment on table public.payout_methods is 'Accounts at a provider that creators have money sent to.';
comment on column public.payout_methods.token is 'The account at the provider, as the provider calls it; no account number.';
create unique index one_method_per_token on public.payout_methods (user_id, provider, token) where removed_at is null;
create index payout_methods_by_provider on public.payout_methods (provider);

alter table public.payout_providers enable row level security;
alter table public.payout_methods enable row level security;
revoke all on public.payout_providers, public.payout_methods from public, anon, authenticated, service_role;
revoke all on sequence public.payout_methods_id_seq from public, anon, authenticated, service_role;
grant select on public.payout_providers, public.payout_methods to authenticated, service_role;

create policy "People read who carries payouts out" on public.payout_providers
  for select to authenticated using (true);
create policy "Creators read their own payout methods" on public.payout_methods
  for select to authenticated using (user_id = (select public.my_user_id()));
create policy "Reviewers read every payout method" on public.payout_methods
  for select to authenticated using ((select public.is_reviewer()));

create function public.guard_payout_method() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and old.removed_at is null and new.removed_at is not null
    and to_jsonb(new) - 'removed_at' = to_jsonb(old) - 'removed_at' then
    return new;
  end if;
  raise exception 'a payout method is only ever removed: add another one'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_payout_method() is 'Trigger: a method keeps its account; it can only be removed, once.';
create trigger payout_methods_are_only_removed before update or delete on public.payout_methods
  for each row execute function public.guard_payout_method();
create trigger payout_methods_are_never_truncated before truncate on public.payout_methods
  for each statement execute function public.refuse_truncate();

create function public.add_payout_method(p_provider text, p_token text, p_label text) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_user_id bigint := public.my_user_id();
  v_id bigint;
begin
  if not exists (select from public.users u where u.id = v_user_id and u.is_creator) then
    raise exception 'only a creator has payout methods' using errcode = '42501';
  end if;
  -- One person after the other here, so that the limit holds.
  perform from public.users u where u.id = v_user_id for no key update;
  select m.id into v_id from public.payout_methods m
  where m.user_id = v_user_id and m.provider = p_provider and m.token = p_token and m.removed_at is null;
  if found then
    return v_id;
  end if;
  if (select count(*) from public.payout_methods m where m.user_id = v_user_id and m.removed_at is null) >= 10 then
    raise exception 'ten payout methods are the most: remove one first'
      using errcode = '22Z28', detail = jsonb_build_object('most', 10)::text;
  end if;
  insert into public.payout_methods (user_id, provider, token, label)
  values (v_user_id, p_provider, p_token, p_label) returning id into v_id;
  return v_id;
exception
  when check_violation or not_null_violation or foreign_key_violation then
    raise exception 'a payout method needs a known provider, its token and a label of at most 60 letters'
      using errcode = '22Z28', detail = jsonb_build_object('provider', p_provider)::text;
end
$$;
comment on function public.add_payout_method(text, text, text) is
  'Adds an account for the signed-in creator and answers its id; the same account twice is the same method.';

create function public.remove_payout_method(p_method_id bigint) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.payout_methods m set removed_at = now()
  where m.id = p_method_id and m.user_id = public.my_user_id() and m.removed_at is null;
  if not found and not exists (
    select from public.payout_methods m where m.id = p_method_id and m.user_id = public.my_user_id()) then
    raise exception 'there is no such payout method of yours'
      using errcode = '22Z28', detail = jsonb_build_object('method_id', p_method_id)::text;
  end if;
end
$$;
comment on function public.remove_payout_method(bigint) is
  'Removes a method of the signed-in creator; a payout that waits for it is held at its transfer.';

revoke all on function public.guard_payout_method(), public.add_payout_method(text, text, text),
  public.remove_payout_method(bigint) from public, anon, authenticated, service_role;
grant execute on function public.add_payout_method(text, text, text), public.remove_payout_method(bigint)
  to authenticated;
