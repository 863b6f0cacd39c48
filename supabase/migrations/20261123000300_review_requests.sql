-- Why: explanations tell creators to ask for a review where they know the people to be real. Here they ask: once for a video,
-- a window and a reason, in their own words; a reviewer answers with a reason, and may clear accounts in the same act, which
-- outranks the machine when days are weighed next. Who confirmed an account does not answer for it, nor whose video it is.
--
-- Raises 42501, 22Z61 one's own case, 22ZG2 asked before, 22ZG3 nothing that a review could change, 22ZG4 answered before,
-- 22ZG5 another reviewer has to answer, 22ZG6 malformed; and what label_account raises.

create function public.reviewable_codes() returns text[]
language sql immutable set search_path = '' as $$
  select array['shared_device', 'together_at_one_place', 'moves_in_lockstep', 'one_shot_crowd', 'crowd_for_one_creator',
    'accounts_of_one_age', 'crowd_that_praises', 'crowd_that_comes_for_this_alone', 'one_creator_only', 'mutual_circle',
    'counts_less_here', 'automation', 'paid_engagement', 'traded_account']
$$;
comment on function public.reviewable_codes() is
  'The reasons whose action names a review; bot_account_detection/reasons.py holds the same.';

create table public.review_requests (
  id bigint generated always as identity primary key,
  video_id bigint not null references public.videos (id),
  creator_id bigint not null references public.users (id),
  window_start timestamptz not null,
  window_end timestamptz not null,
  model text not null,
  code text not null,
  words text not null,
  asked_at timestamptz not null default now(),
  status text not null default 'open',
  answer text,
  cleared integer not null default 0,
  decided_by bigint references public.users (id),
  decided_at timestamptz,
  constraint one_review_per_video_window_and_reason unique (video_id, window_start, window_end, code),
  constraint review_status_is_known check (status in ('open', 'upheld', 'rejected')),
  constraint reviewed_reason_is_reviewable check (code = any (public.reviewable_codes())),
  constraint review_words_are_some check (length(words) between 10 and 2000),
  constraint an_answer_has_words_a_person_and_a_time check (
    case when status = 'open' then num_nonnulls(answer, decided_by, decided_at) = 0
      else length(answer) between 3 and 2000 and decided_by is not null and decided_at is not null end),
  constraint nobody_answers_themselves check (decided_by <> creator_id),
  constraint only_who_is_right_is_cleared check (cleared = 0 or (status = 'upheld' and cleared > 0))
);
comment on table public.review_requests is 'What creators asked to be looked at again, and what a reviewer answered.';
comment on column public.review_requests.words is 'The creator''s own.';
comment on column public.review_requests.answer is 'The reviewer''s, for the creator.';
comment on column public.review_requests.cleared is 'How many accounts were cleared with the answer.';
create index review_requests_by_creator on public.review_requests (creator_id);
create index open_review_requests on public.review_requests (asked_at) where status = 'open';

alter table public.review_requests enable row level security;
revoke all on public.review_requests from public, anon, authenticated, service_role;
revoke all on sequence public.review_requests_id_seq from public, anon, authenticated, service_role;
-- Not by whom: creators deal with the platform, and staff find it in the audit log.
grant select (id, video_id, creator_id, window_start, window_end, model, code, words, asked_at, status, answer, cleared,
  decided_at) on public.review_requests to authenticated, service_role;
create policy "Creators read what they asked for" on public.review_requests
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every request" on public.review_requests
  for select to authenticated using ((select public.is_reviewer()));

create function public.guard_review_request() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and old.status = 'open' and new.status <> 'open'
    and to_jsonb(new) - '{status,answer,cleared,decided_by,decided_at}'::text[]
      = to_jsonb(old) - '{status,answer,cleared,decided_by,decided_at}'::text[] then
    return new;
  end if;
  raise exception 'a request is answered once and never changed'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_review_request() is 'Trigger: a request is only ever answered, once.';
create trigger review_requests_are_only_answered before update or delete on public.review_requests
  for each row execute function public.guard_review_request();
create trigger review_requests_are_never_truncated before truncate on public.review_requests
  for each statement execute function public.refuse_truncate();

create function public.ask_review(
  p_video_id bigint, p_window_start timestamptz, p_window_end timestamptz, p_code text, p_words text
) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_me bigint := public.my_user_id();
  v_model text;
  v_id bigint;
begin
  if v_me is null then
    raise exception 'only a signed-in creator asks for a review' using errcode = '42501';
  elsif coalesce(length(trim(p_words)), 0) not between 10 and 2000 then
    raise exception 'say in 10 to 2,000 letters why these are real people'
      using errcode = '22ZG6', detail = jsonb_build_object('video_id', p_video_id)::text;
  elsif not exists (select from public.videos v where v.id = p_video_id and v.creator_id = v_me) then
    raise exception 'creators ask about their own videos' using errcode = '42501';
  end if;
  select x.model into v_model from public.video_explanations x
  where x.video_id = p_video_id and x.window_start = p_window_start and x.window_end = p_window_end
    and x.groups @> jsonb_build_array(jsonb_build_object('code', p_code))
  order by x.model limit 1;
  if v_model is null or not p_code = any (public.reviewable_codes()) then
    raise exception 'nothing of video % stands under a reason that a review could change', p_video_id
      using errcode = '22ZG3', detail = jsonb_build_object('video_id', p_video_id, 'code', p_code)::text;
  end if;
  insert into public.review_requests (video_id, creator_id, window_start, window_end, model, code, words)
  values (p_video_id, v_me, p_window_start, p_window_end, v_model, p_code, trim(p_words))
  on conflict on constraint one_review_per_video_window_and_reason do nothing returning id into v_id;
  if v_id is null then
    raise exception 'you have asked for this review before; its answer stands on this page once it is there'
      using errcode = '22ZG2', detail = jsonb_build_object('video_id', p_video_id, 'code', p_code)::text;
  end if;
  return v_id;
end
$$;
comment on function public.ask_review(bigint, timestamptz, timestamptz, text, text) is
  'A creator asks a reviewer to look at one reason on one of their videos; answers the request''s number.';

create function public.review_accounts(p_review_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  if public.is_reviewer() is distinct from true then
    raise exception 'only a reviewer sees the accounts behind a reason' using errcode = '42501';
  end if;
  -- One value and not rows: the data API gives no more than a thousand of those.
  return (select coalesce(jsonb_agg(jsonb_build_object('user_id', w.user_id, 'weight', w.weight, 'factors', w.factors,
    'reasons', w.reasons) order by w.user_id), '[]')
  from public.review_requests r
  join public.viewer_weights w on w.window_start = r.window_start and w.window_end = r.window_end and w.model = r.model
    and r.code = any (w.reasons)
  where r.id = p_review_id and exists (
    select from public.event e
    where e.video_id = r.video_id and e.user_id = w.user_id and e.ts >= r.window_start and e.ts < r.window_end));
end
$$;
comment on function public.review_accounts(bigint) is
  'For reviewers: the viewers of the video to whom the reason of a request was said among others, with their weights.';

create function public.answer_review(
  p_review_id bigint, p_upheld boolean, p_answer text, p_clear bigint[] default '{}'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_me bigint := public.my_user_id();
  v_review public.review_requests;
  v_clear bigint[] := array(select distinct c from unnest(coalesce(p_clear, '{}')) c order by c);
begin
  if public.is_reviewer() is distinct from true then
    raise exception 'only a reviewer answers a request' using errcode = '42501';
  end if;
  select * into v_review from public.review_requests r where r.id = p_review_id for update;
  if not found or p_upheld is null or coalesce(length(trim(p_answer)), 0) not between 3 and 2000
    or cardinality(v_clear) > 1000 or (not p_upheld and cardinality(v_clear) > 0) then
    raise exception 'an answer needs a request that is there, a decision, 3 to 2,000 letters for the creator, and clears at most 1,000 accounts, of a request that is upheld'
      using errcode = '22ZG6', detail = jsonb_build_object('review_id', p_review_id)::text;
  elsif v_review.status <> 'open' then
    raise exception 'request % was answered before: %', p_review_id, v_review.status
      using errcode = '22ZG4', detail = jsonb_build_object('review_id', p_review_id, 'status', v_review.status)::text;
  elsif v_review.creator_id = v_me then
    raise exception 'nobody decides about their own video'
      using errcode = '22Z61', detail = jsonb_build_object('video_id', v_review.video_id)::text;
  elsif exists (
    select from public.account_labels l
    where l.user_id = any (v_clear) and l.verdict = 'confirmed' and l.decided_by = v_me
      and l.id = (select max(k.id) from public.account_labels k where k.user_id = l.user_id)) then
    raise exception 'you confirmed one of these accounts: another reviewer has to look at it'
      using errcode = '22ZG5', detail = jsonb_build_object('review_id', p_review_id)::text;
  elsif exists (
    select from unnest(v_clear) c where not exists (
      select from public.event e where e.video_id = v_review.video_id and e.user_id = c
        and e.ts >= v_review.window_start and e.ts < v_review.window_end)) then
    raise exception 'an account that is to be cleared was never at this video in these days'
      using errcode = '22ZG6', detail = jsonb_build_object('review_id', p_review_id)::text;
  end if;
  perform public.label_account(c, 'cleared', 'appeal_upheld', 'review ' || p_review_id, now() + interval '8760 hours')
  from unnest(v_clear) c;
  update public.review_requests r set status = case when p_upheld then 'upheld' else 'rejected' end,
    answer = trim(p_answer), cleared = cardinality(v_clear), decided_by = v_me, decided_at = now()
  where r.id = p_review_id returning * into v_review;
  perform public.record_audit('review.answered', 'review_requests', p_review_id::text, jsonb_build_object(
    'status', v_review.status, 'video_id', v_review.video_id, 'creator_id', v_review.creator_id, 'code', v_review.code,
    'cleared', v_review.cleared), v_review.answer);
  insert into public.notifications (user_id, kind, title, body, link)
  select u.id, 'review_answered', format('Your request about video %s was %s', v_review.video_id, v_review.status),
    v_review.answer, 'explanations'
  from public.users u where u.id = v_review.creator_id and u.auth_id is not null;
  return jsonb_build_object('review_id', p_review_id, 'status', v_review.status, 'cleared', v_review.cleared);
end
$$;
comment on function public.answer_review(bigint, boolean, text, bigint[]) is
  'A reviewer upholds or rejects a request with a reason, and may clear accounts of one that is right.';

revoke all on function public.reviewable_codes(), public.guard_review_request(),
  public.ask_review(bigint, timestamptz, timestamptz, text, text), public.review_accounts(bigint),
  public.answer_review(bigint, boolean, text, bigint[]) from public, anon, authenticated, service_role;
grant execute on function public.ask_review(bigint, timestamptz, timestamptz, text, text), public.review_accounts(bigint),
  public.answer_review(bigint, boolean, text, bigint[]) to authenticated;
