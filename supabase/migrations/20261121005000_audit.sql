-- Why: who did what, when, with which figures, for every act of an admin, a reviewer or a job that moves money, rules or
-- people's standing. A row is written in the transaction of the act itself: no act without its row, no row without its
-- act. What is refused leaves nothing, as it did nothing.
--
-- Append-only four times over, as the ledger: no role may insert, update or delete, a row trigger, a truncate trigger,
-- and what was wrong is answered by a later act.

create table public.audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor_id uuid,
  actor_role text not null,
  action text not null,
  object_type text not null,
  object_id text not null,
  figures jsonb not null default '{}',
  reason text,
  constraint audited_action_is_two_words check (action ~ '^[a-z][a-z_]{1,39}\.[a-z][a-z_]{1,39}$'),
  constraint audited_actor_is_known check (actor_role in ('admin', 'reviewer', 'person', 'job', 'database')),
  constraint a_person_has_a_login check ((actor_role in ('job', 'database')) or actor_id is not null),
  constraint audited_reason_is_short check (length(reason) <= 2000)
);
comment on table public.audit_log is 'Every act of staff and jobs, with its figures, written in the act''s own transaction.';
comment on column public.audit_log.actor_id is 'auth.users.id of the person; null for jobs and for work inside the database.';
comment on column public.audit_log.actor_role is
  'What the actor was at that moment: admin, reviewer, person (signed in, no staff), job (the secret key), database.';
comment on column public.audit_log.action is 'object.verb, such as window.closed.';
create index audit_log_by_object on public.audit_log (object_type, object_id);
create index audit_log_by_time on public.audit_log (at);

alter table public.audit_log enable row level security;
revoke all on public.audit_log from public, anon, authenticated, service_role;
revoke all on sequence public.audit_log_id_seq from public, anon, authenticated, service_role;
grant select on public.audit_log to authenticated, service_role;
create policy "Admins read every act" on public.audit_log
  for select to authenticated using ((select public.is_admin()));
create policy "Reviewers read their own acts" on public.audit_log
  for select to authenticated using ((select public.is_reviewer()) and actor_id = (select auth.uid()));

create trigger audit_log_is_append_only before update or delete on public.audit_log
  for each row execute function public.refuse_row_change();
create trigger audit_log_is_never_truncated before truncate on public.audit_log
  for each statement execute function public.refuse_truncate();

create function public.caller_role() returns text
language sql stable set search_path = '' as $$
  select coalesce(nullif(current_setting('role', true), 'none'), session_user::text)
$$;
comment on function public.caller_role() is 'The database role that asked, also from within a function that runs as its owner.';

create function public.is_job() returns boolean
language sql stable set search_path = '' as $$
  select public.caller_role() = 'service_role' or pg_has_role(public.caller_role(), current_user, 'usage')
$$;
comment on function public.is_job() is
  'For functions that run as their owner: the caller is a job, by the secret key or over the database''s own connection.';

create function public.record_audit(
  p_action text, p_object_type text, p_object_id text, p_figures jsonb, p_reason text default null
) returns void
language sql security definer set search_path = '' as $$
  insert into public.audit_log (actor_id, actor_role, action, object_type, object_id, figures, reason)
  values (
    (select auth.uid()),
    case when (select auth.uid()) is not null then coalesce(public.staff_role(), 'person')
      when public.caller_role() = 'service_role' then 'job' else 'database' end,
    p_action, p_object_type, p_object_id, coalesce(p_figures, '{}'), p_reason)
$$;
comment on function public.record_audit(text, text, text, jsonb, text) is
  'Writes down an act within its own transaction; called by the functions and triggers that act.';

create function public.record_staff_act(
  p_action text, p_object_type text, p_object_id text, p_figures jsonb default '{}', p_reason text default null
) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if public.is_reviewer() is distinct from true then
    raise exception 'only staff write down their acts' using errcode = '42501';
  end if;
  -- A prefix of its own: nobody can write down by hand what the database writes when it happens.
  if coalesce(p_action, '') !~ '^portal\.[a-z][a-z_]{1,39}$' or coalesce(length(p_object_type), 0) not between 1 and 40
    or coalesce(length(p_object_id), 0) not between 1 and 200 or length(p_figures::text) > 10000
    or length(p_reason) > 2000 then
    raise exception 'an act of the portal is portal.verb on an object, with short figures'
      using errcode = '22Z12', detail = jsonb_build_object('action', p_action)::text;
  end if;
  perform public.record_audit(p_action, p_object_type, p_object_id, p_figures, p_reason);
end
$$;
comment on function public.record_staff_act(text, text, text, jsonb, text) is
  'For what the portal does for staff with the service''s rights: portal.verb, an object and figures.';

-- Standing of people: whoever changes it, over whatever way, it is written down with before and after.
create function public.audit_standing() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform public.record_audit('user.standing_changed', 'users', new.id::text,
    case when old.kyc_level is distinct from new.kyc_level then
      jsonb_build_object('kyc_level_before', old.kyc_level, 'kyc_level', new.kyc_level) else '{}' end
    || case when old.likely_bot is distinct from new.likely_bot then
      jsonb_build_object('likely_bot_before', old.likely_bot, 'likely_bot', new.likely_bot) else '{}' end);
  return null;
end
$$;
comment on function public.audit_standing() is 'Trigger: a change of KYC level or bot label is written down.';
create trigger standing_is_audited after update of kyc_level, likely_bot on public.users
  for each row when (
    (old.kyc_level, old.likely_bot) is distinct from (new.kyc_level, new.likely_bot))
  execute function public.audit_standing();

create function public.audit_document() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform public.record_audit('document.reviewed', 'documents', new.id::text, jsonb_strip_nulls(jsonb_build_object(
    'user_id', new.user_id, 'kind', new.kind, 'status_before', old.status, 'status', new.status,
    'reviewed_by', new.reviewed_by)), new.reason_code);
  return null;
end
$$;
comment on function public.audit_document() is 'Trigger: a decision on a document is written down.';
create trigger document_reviews_are_audited after update of status, reason_code on public.documents
  for each row when ((old.status, old.reason_code) is distinct from (new.status, new.reason_code))
  execute function public.audit_document();

create function public.audit_staff() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform public.record_audit(
    case tg_op when 'INSERT' then 'staff.granted' when 'UPDATE' then 'staff.changed' else 'staff.removed' end,
    'staff', case when tg_op = 'DELETE' then old.user_id else new.user_id end::text,
    jsonb_strip_nulls(jsonb_build_object(
      'role_before', case when tg_op <> 'INSERT' then old.role end, 'role', case when tg_op <> 'DELETE' then new.role end)));
  return null;
end
$$;
comment on function public.audit_staff() is 'Trigger: who becomes or stops being staff is written down.';
create trigger staff_changes_are_audited after insert or update or delete on public.staff
  for each row execute function public.audit_staff();

revoke all on function public.caller_role(), public.is_job(), public.record_audit(text, text, text, jsonb, text),
  public.record_staff_act(text, text, text, jsonb, text), public.audit_standing(), public.audit_document(),
  public.audit_staff() from public, anon, authenticated, service_role;
grant execute on function public.record_staff_act(text, text, text, jsonb, text) to authenticated;
