-- Why: what reviewers and admins decide about payouts is written down like every other act, in the transaction of the act
-- itself, by triggers on the rows that the acts leave.

create function public.audit_row() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_row jsonb := to_jsonb(new);
begin
  -- Notes are a person's words about a person: they stay where their readers are.
  perform public.record_audit(tg_argv[0], tg_table_name, v_row ->> 'id',
    jsonb_strip_nulls(v_row - '{id,note,reason,release_reason,created_at,decided_at}'::text[]),
    coalesce(v_row ->> 'release_reason', v_row ->> 'reason', v_row ->> 'reason_code'));
  return null;
end
$$;
comment on function public.audit_row() is 'Trigger: a row that an act left is written down under the name given to the trigger.';
revoke all on function public.audit_row() from public, anon, authenticated, service_role;

create trigger payout_holds_are_audited after insert on public.payout_holds
  for each row execute function public.audit_row('payout_hold.placed');
create trigger payout_hold_releases_are_audited after update on public.payout_holds
  for each row execute function public.audit_row('payout_hold.released');
create trigger clawbacks_are_audited after insert on public.clawbacks
  for each row execute function public.audit_row('clawback.made');

-- Steps of payouts have events of their own; those that staff took are acts as well.
create function public.audit_payout_step() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if public.staff_role() is not null then
    perform public.record_audit('payout.moved', 'payouts', new.payout_id::text,
      jsonb_build_object('from_status', new.from_status, 'to_status', new.to_status), new.reason);
  end if;
  return null;
end
$$;
comment on function public.audit_payout_step() is 'Trigger: a step of a payout that staff took is written down.';
revoke all on function public.audit_payout_step() from public, anon, authenticated, service_role;
create trigger payout_steps_of_staff_are_audited after insert on public.payout_events
  for each row execute function public.audit_payout_step();
