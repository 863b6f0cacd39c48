-- Why: people and rules that hold payouts, and people who let them go. A hold never seizes: the money stays set aside for
-- its creator, who may also cancel. Letting go asks everything again; while one reason is left, the payout stays held.

create function public.hold_open_payout(p_creator_id bigint, p_payout_id bigint, p_reason text) returns void
language sql set search_path = '' as $$
  update public.payouts p set status = 'held', status_reason = p_reason
  where p.creator_id = p_creator_id and p.status = 'pending' and (p_payout_id is null or p.id = p_payout_id)
$$;
comment on function public.hold_open_payout(bigint, bigint, text) is 'A pending payout becomes held; one in transit has left already.';

create function public.place_payout_hold(p_creator_id bigint, p_reason text, p_payout_id bigint default null)
returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_id bigint;
begin
  if not (public.is_reviewer() or public.is_job()) then
    raise exception 'only a reviewer may hold payouts' using errcode = '42501';
  end if;
  if coalesce(length(p_reason), 0) not between 3 and 300
    or not exists (select from public.users u where u.id = p_creator_id and u.is_creator)
    or (p_payout_id is not null and not exists (
      select from public.payouts p where p.id = p_payout_id and p.creator_id = p_creator_id)) then
    raise exception 'a hold needs a creator, a reason of 3 to 300 letters, and a payout of that creator or none'
      using errcode = '22Z12', detail = jsonb_build_object('creator_id', p_creator_id, 'payout_id', p_payout_id)::text;
  end if;
  perform a.id from public.ledger_accounts a where a.user_id = p_creator_id order by a.id for update;
  insert into public.payout_holds (creator_id, payout_id, reason, placed_by)
  values (p_creator_id, p_payout_id, p_reason, public.my_user_id()) returning id into v_id;
  perform public.hold_open_payout(p_creator_id, p_payout_id, p_reason);
  return v_id;
end
$$;
comment on function public.place_payout_hold(bigint, text, bigint) is
  'A reviewer or a rule holds a creator''s payouts, or one of them; the creator reads the reason.';

create function public.release_payout_hold(p_hold_id bigint, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_hold public.payout_holds;
  v_payouts jsonb;
begin
  if not (public.is_admin() or public.is_job()) then
    raise exception 'only an admin may release a hold' using errcode = '42501';
  end if;
  select * into v_hold from public.payout_holds h where h.id = p_hold_id;
  if not found or coalesce(length(p_reason), 0) not between 3 and 300 then
    raise exception 'a release needs a hold that is there, and a reason of 3 to 300 letters'
      using errcode = '22Z30', detail = jsonb_build_object('hold_id', p_hold_id)::text;
  end if;
  if v_hold.creator_id is not distinct from public.my_user_id() then
    raise exception 'nobody releases a hold on themselves' using errcode = '42501';
  end if;
  perform a.id from public.ledger_accounts a where a.user_id = v_hold.creator_id order by a.id for update;
  update public.payout_holds h set released_at = now(), released_by = public.my_user_id(), release_reason = p_reason
  where h.id = p_hold_id and h.released_at is null;
  if not found then
    return jsonb_build_object('hold_id', p_hold_id, 'payout_ids', '[]'::jsonb);
  end if;
  -- An open payout goes on by itself where nothing else stands against it.
  with freed as (
    update public.payouts p set status = 'pending', status_reason = null
    where p.creator_id = v_hold.creator_id and p.status = 'held' and not exists (
      select from public.payout_reasons(p.creator_id, p.amount_cents, p.method_id, p.currency, p.id))
    returning p.id
  )
  select coalesce(jsonb_agg(f.id), '[]') into v_payouts from freed f;
  return jsonb_build_object('hold_id', p_hold_id, 'payout_ids', v_payouts);
end
$$;
comment on function public.release_payout_hold(bigint, text) is
  'An admin ends a hold; a payout that waited goes on where no other reason is left. Answers which.';

create function public.release_payout(p_payout_id bigint) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_payout public.payouts;
begin
  if not (public.is_admin() or public.is_job()) then
    raise exception 'only an admin may release a payout' using errcode = '42501';
  end if;
  v_payout := public.locked_payout(p_payout_id);
  if v_payout.creator_id is not distinct from public.my_user_id() then
    raise exception 'nobody releases their own payout' using errcode = '42501';
  end if;
  perform from public.users u where u.id = v_payout.creator_id for share;
  update public.payouts p set status = 'pending', status_reason = null where p.id = p_payout_id and p.status = 'held';
  if not found and v_payout.status <> 'pending' then
    raise exception 'payout % is %, not held', p_payout_id, replace(v_payout.status, '_', ' ')
      using errcode = '22Z26', detail = jsonb_build_object('payout_id', p_payout_id, 'from', v_payout.status,
        'to', 'pending')::text;
  end if;
  return jsonb_build_object('payout_id', p_payout_id, 'status', 'pending');
end
$$;
comment on function public.release_payout(bigint) is
  'Lets a held payout go on once no reason is left (22Z25 names those that are): for reasons that were mended elsewhere.';

revoke all on function public.hold_open_payout(bigint, bigint, text), public.place_payout_hold(bigint, text, bigint),
  public.release_payout_hold(bigint, text), public.release_payout(bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.place_payout_hold(bigint, text, bigint), public.release_payout_hold(bigint, text),
  public.release_payout(bigint) to authenticated, service_role;
