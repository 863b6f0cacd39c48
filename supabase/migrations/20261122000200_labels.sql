-- Why: a person's verdict on an account outranks the machine, in every window that ends before it expires. The machine
-- reads verdicts and writes none: only a signed-in reviewer's call makes a row, and no row is ever changed. Who
-- reported a video whose reports a reviewer then upheld or dismissed is believed more or less next time.
--
-- Raises 42501 the caller is no reviewer, 22Z61 the verdict is on the reviewer's own account or video, 22Z62 no such
-- verdict, code or subject, 22Z63 the expiry is not within the next 400 days, 22Z64 there is nothing to decide.

create table public.account_labels (
  id bigint generated always as identity primary key,
  user_id bigint not null references public.users (id),
  verdict text not null,
  reason_code text not null,
  note text,
  expires_at timestamptz,
  decided_by bigint not null references public.users (id),
  decided_at timestamptz not null default clock_timestamp(),
  constraint account_verdict_is_known check (verdict in ('confirmed', 'cleared', 'withdrawn')),
  constraint account_verdict_expires check (expires_at > decided_at or (verdict = 'withdrawn' and expires_at is null)),
  constraint label_reason_is_a_code check (reason_code ~ '^[a-z][a-z_]{2,39}$'),
  constraint label_note_is_short check (length(note) <= 2000)
);
comment on table public.account_labels is 'What reviewers decided about accounts, each verdict a row; the latest one stands.';
comment on column public.account_labels.verdict is
  'confirmed: does not count; cleared: counts in full, whatever the machine says; withdrawn: the machine decides again.';
comment on column public.account_labels.reason_code is 'A code of bot_account_detection.reasons.';
create index account_labels_by_user on public.account_labels (user_id, id);

create table public.report_verdicts (
  id bigint generated always as identity primary key,
  video_id bigint not null references public.videos (id),
  verdict text not null,
  reason_code text not null,
  note text,
  reporters integer not null,
  decided_by bigint not null references public.users (id),
  decided_at timestamptz not null default clock_timestamp(),
  constraint report_verdict_is_known check (verdict in ('upheld', 'dismissed')),
  constraint report_reason_is_a_code check (reason_code ~ '^[a-z][a-z_]{2,39}$'),
  constraint report_note_is_short check (length(note) <= 2000),
  constraint somebody_reported check (reporters > 0)
);
comment on table public.report_verdicts is 'What reviewers decided about the reports of a video since the verdict before.';
create index report_verdicts_by_video on public.report_verdicts (video_id, id);

create table public.reporter_records (
  user_id bigint primary key references public.users (id),
  upheld integer not null default 0,
  dismissed integer not null default 0,
  constraint report_counts_are_not_negative check (least(upheld, dismissed) >= 0)
);
comment on table public.reporter_records is 'How many verdicts upheld or dismissed what an account had reported.';

alter table public.account_labels enable row level security;
alter table public.report_verdicts enable row level security;
alter table public.reporter_records enable row level security;
revoke all on public.account_labels, public.report_verdicts, public.reporter_records
  from public, anon, authenticated, service_role;
revoke all on sequence public.account_labels_id_seq, public.report_verdicts_id_seq
  from public, anon, authenticated, service_role;
grant select on public.account_labels, public.report_verdicts, public.reporter_records to authenticated, service_role;

create policy "Reviewers read every verdict on accounts" on public.account_labels
  for select to authenticated using ((select public.is_reviewer()));
create policy "Reviewers read every verdict on reports" on public.report_verdicts
  for select to authenticated using ((select public.is_reviewer()));
create policy "Reviewers read how reporters fared" on public.reporter_records
  for select to authenticated using ((select public.is_reviewer()));

create trigger account_labels_are_append_only before update or delete on public.account_labels
  for each row execute function public.refuse_row_change();
create trigger account_labels_are_never_truncated before truncate on public.account_labels
  for each statement execute function public.refuse_truncate();
create trigger report_verdicts_are_append_only before update or delete on public.report_verdicts
  for each row execute function public.refuse_row_change();
create trigger report_verdicts_are_never_truncated before truncate on public.report_verdicts
  for each statement execute function public.refuse_truncate();

-- What scoring reads: one row an account that a person has decided something about.
create view public.labels_in_force with (security_invoker = true) as
with latest as (
  select distinct on (l.user_id) l.user_id, l.verdict, l.reason_code, l.expires_at
  from public.account_labels l order by l.user_id, l.id desc
)
select coalesce(l.user_id, r.user_id) as user_id, l.verdict, l.reason_code, l.expires_at,
  coalesce(r.upheld, 0) as reports_upheld, coalesce(r.dismissed, 0) as reports_dismissed
from (select * from latest where verdict <> 'withdrawn') l
full join public.reporter_records r on r.user_id = l.user_id;
comment on view public.labels_in_force is 'The verdict that stands on each account, and how its reports fared.';

-- A verdict that came after a window was weighed is not in its scores: it has to be weighed again before it is closed.
create view public.scored_day_states with (security_invoker = true) as
with s as (select * from public.scored_days) -- so that nobody writes through it
select s.window_start, s.window_end, s.model, s.weighed_start, s.weighed_end,
  s.weighed_start is not null and exists (
    select from public.account_labels l
    join public.viewer_weights w on w.user_id = l.user_id
    where l.decided_at > s.scored_at and w.window_start = s.weighed_start and w.window_end = s.weighed_end
      and w.model = s.model
  ) as is_stale
from s;
comment on view public.scored_day_states is 'The scored days, and whether a verdict on one of their viewers came since.';

revoke all on public.labels_in_force, public.scored_day_states from public, anon, authenticated, service_role;
grant select on public.labels_in_force, public.scored_day_states to authenticated, service_role;

create function public.label_account(
  p_user_id bigint, p_verdict text, p_reason_code text, p_note text default null, p_expires_at timestamptz default null
) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_reviewer bigint := public.my_user_id();
  v_id bigint;
begin
  if public.is_reviewer() is distinct from true then
    raise exception 'only a reviewer decides about an account' using errcode = '42501';
  end if;
  if p_user_id = v_reviewer then
    raise exception 'nobody decides about their own account' using errcode = '22Z61',
      detail = jsonb_build_object('user_id', p_user_id)::text;
  end if;
  if not exists (select from public.users u where u.id = p_user_id)
    or (case p_verdict
        when 'confirmed' then p_reason_code in (
          'automation', 'paid_engagement', 'traded_account', 'hijacked_account', 'returned_after_ban')
        when 'cleared' then p_reason_code in (
          'household', 'institution', 'real_event', 'identity_shown', 'appeal_upheld')
        when 'withdrawn' then p_reason_code in ('decided_in_error', 'new_evidence')
      end) is distinct from true
    or length(p_note) > 2000 then
    raise exception 'there is no such account, verdict or reason, or the note is longer than 2,000 letters'
      using errcode = '22Z62',
      detail = jsonb_build_object('user_id', p_user_id, 'verdict', p_verdict, 'reason_code', p_reason_code)::text;
  end if;
  if p_verdict = 'withdrawn' and p_expires_at is not null
    or p_verdict <> 'withdrawn' and (p_expires_at is null or p_expires_at <= now()
      or p_expires_at > now() + interval '9600 hours') then
    raise exception 'a verdict needs an expiry within the next 400 days, its withdrawal none' using errcode = '22Z63',
      detail = jsonb_build_object('expires_at', p_expires_at)::text;
  end if;
  -- One at a time for an account, so that the latest row is the latest verdict.
  perform pg_advisory_xact_lock(hashtextextended('fairshare.label ' || p_user_id, 0));
  if p_verdict = 'withdrawn' and (
    select l.verdict from public.account_labels l where l.user_id = p_user_id order by l.id desc limit 1
  ) is not distinct from 'withdrawn' or p_verdict = 'withdrawn' and not exists (
    select from public.account_labels l where l.user_id = p_user_id) then
    raise exception 'there is no verdict on account % to withdraw', p_user_id using errcode = '22Z64',
      detail = jsonb_build_object('user_id', p_user_id)::text;
  end if;
  insert into public.account_labels (user_id, verdict, reason_code, note, expires_at, decided_by)
  values (p_user_id, p_verdict, p_reason_code, p_note, p_expires_at, v_reviewer) returning id into v_id;
  perform public.record_audit('account.labelled', 'account', p_user_id::text,
    jsonb_build_object('label_id', v_id, 'verdict', p_verdict, 'reason_code', p_reason_code, 'expires_at', p_expires_at),
    p_note);
  return v_id;
end
$$;
comment on function public.label_account(bigint, text, text, text, timestamptz) is
  'A reviewer''s verdict on an account; see the migration for verdicts, codes and errors.';

create function public.decide_reports(
  p_video_id bigint, p_verdict text, p_reason_code text, p_note text default null
) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_reviewer bigint := public.my_user_id();
  v_owner bigint;
  v_since timestamptz;
  v_reporters bigint[];
  v_id bigint;
begin
  if public.is_reviewer() is distinct from true then
    raise exception 'only a reviewer decides about reports' using errcode = '42501';
  end if;
  select v.creator_id into v_owner from public.videos v where v.id = p_video_id;
  if v_owner is null
    or (case p_verdict
        when 'upheld' then p_reason_code in ('breaks_rules')
        when 'dismissed' then p_reason_code in ('no_violation', 'report_brigade')
      end) is distinct from true
    or length(p_note) > 2000 then
    raise exception 'there is no such video, verdict or reason, or the note is longer than 2,000 letters'
      using errcode = '22Z62',
      detail = jsonb_build_object('video_id', p_video_id, 'verdict', p_verdict, 'reason_code', p_reason_code)::text;
  end if;
  if v_owner = v_reviewer then
    raise exception 'nobody decides about their own video' using errcode = '22Z61',
      detail = jsonb_build_object('video_id', p_video_id)::text;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('fairshare.decide_reports ' || p_video_id, 0));
  select coalesce(max(d.decided_at), '-infinity') into v_since
  from public.report_verdicts d where d.video_id = p_video_id;
  select array_agg(distinct e.user_id order by e.user_id) into v_reporters from public.event e
  where e.video_id = p_video_id and e.event_type = 'report' and e.ts > v_since and e.user_id <> v_reviewer;
  if v_reporters is null then
    raise exception 'nobody has reported video % since the last verdict', p_video_id using errcode = '22Z64',
      detail = jsonb_build_object('video_id', p_video_id)::text;
  end if;
  insert into public.report_verdicts (video_id, verdict, reason_code, note, reporters, decided_by)
  values (p_video_id, p_verdict, p_reason_code, p_note, cardinality(v_reporters), v_reviewer) returning id into v_id;
  insert into public.reporter_records as r (user_id, upheld, dismissed)
  select u, (p_verdict = 'upheld')::integer, (p_verdict = 'dismissed')::integer from unnest(v_reporters) u
  on conflict (user_id) do update set upheld = r.upheld + excluded.upheld, dismissed = r.dismissed + excluded.dismissed;
  perform public.record_audit('reports.decided', 'video', p_video_id::text,
    jsonb_build_object('verdict_id', v_id, 'verdict', p_verdict, 'reason_code', p_reason_code,
      'reporters', cardinality(v_reporters)), p_note);
  return cardinality(v_reporters);
end
$$;
comment on function public.decide_reports(bigint, text, text, text) is
  'A reviewer''s verdict on a video''s reports since the last one; returns how many people had reported.';

revoke all on function public.label_account(bigint, text, text, text, timestamptz),
  public.decide_reports(bigint, text, text, text) from public, anon, authenticated, service_role;
grant execute on function public.label_account(bigint, text, text, text, timestamptz),
  public.decide_reports(bigint, text, text, text) to authenticated;
