-- Why: fairshare_v1 weighs viewers over the whole window that is paid. A day's scores therefore say over which window
-- its viewers were weighed, and every weight is kept with its reasons, for reviewers: creators read what their videos'
-- events counted (video_aggregates), never who was weighed how.

alter table public.video_aggregates
  add column counted_units double precision,
  -- Was all or nothing; now it grows with the counted viewers of the first hours.
  alter column early_boost drop default,
  alter column early_boost type double precision using early_boost::integer,
  alter column early_boost set default 0,
  add constraint counted_units_are_a_number check (counted_units >= 0 and counted_units < 'infinity'::double precision),
  add constraint early_boost_is_0_to_1 check (early_boost between 0 and 1);
comment on column public.video_aggregates.counted_units is 'What is paid for; null where the model counts every unit in full.';
comment on column public.video_aggregates.early_boost is 'How much of the early bonus, 0..1.';

alter table public.scored_days
  add column weighed_start timestamptz,
  add column weighed_end timestamptz,
  add constraint weighed_over_a_window_around_it check (
    weighed_start <= window_start and window_end <= weighed_end or (weighed_start is null and weighed_end is null));
comment on column public.scored_days.weighed_start is
  'With weighed_end the window over which the viewers were weighed; null where the model weighs nobody.';

create table public.viewer_weights (
  window_start timestamptz not null,
  window_end timestamptz not null,
  model text not null,
  -- No foreign key: the rows come from users itself, in bulk, and users are never deleted.
  user_id bigint not null,
  weight double precision not null,
  factors jsonb not null default '{}',
  cluster_id bigint,
  reasons text[] not null default '{}',
  primary key (window_start, window_end, model, user_id),
  constraint weight_window_is_not_empty check (window_start < window_end),
  constraint weight_is_0_to_1 check (weight between 0 and 1)
);
comment on table public.viewer_weights is 'How much each viewer of a window counts, and why. For reviewers alone.';
comment on column public.viewer_weights.factors is 'Each family''s factor that is below 1.';
comment on column public.viewer_weights.cluster_id is 'The smallest users.id of the accounts that act as one; null outside of any cluster.';
comment on column public.viewer_weights.reasons is 'The codes of bot_account_detection.reasons.';
create index viewer_weights_by_cluster on public.viewer_weights (window_start, window_end, model, cluster_id)
  where cluster_id is not null;
create index viewer_weights_by_user on public.viewer_weights (user_id);

alter table public.viewer_weights enable row level security;
revoke all on public.viewer_weights from public, anon, authenticated, service_role;
grant select on public.viewer_weights to authenticated;
grant select, insert, update, delete on public.viewer_weights to service_role;

create policy "Reviewers read every weight" on public.viewer_weights
  for select to authenticated using ((select public.is_reviewer()));

-- What was paid stands on these rows: in a closed window nothing of its model is scored again, unless it was reversed.
create function public.refuse_final_scores() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_found jsonb;
begin
  select jsonb_build_object('revenue_window_id', w.id, 'window_start', c.window_start, 'window_end', c.window_end)
  into v_found
  from changed_rows c
  join public.revenue_windows w on w.status = 'closed' and w.model = c.model
    and c.window_start >= w.window_start and c.window_end <= w.window_end
  limit 1;
  if found then
    raise exception 'revenue window % is closed: the scores that it was paid by are final', v_found ->> 'revenue_window_id'
      using errcode = '22Z60', detail = v_found::text;
  end if;
  return null;
end
$$;
comment on function public.refuse_final_scores() is 'Trigger: scores and weights of a closed window stay as they were paid.';
revoke all on function public.refuse_final_scores() from public, anon, authenticated, service_role;

create trigger final_scores_get_no_company after insert on public.video_aggregates
  referencing new table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_scores_do_not_change after update on public.video_aggregates
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_scores_stay after delete on public.video_aggregates
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_weights_get_no_company after insert on public.viewer_weights
  referencing new table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_weights_do_not_change after update on public.viewer_weights
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_weights_stay after delete on public.viewer_weights
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();

-- The default model's scores are the ones that videos show: another model's never take their place.
drop function public.refresh_current_eis(text);
create function public.refresh_current_eis(p_model text, p_over_others boolean default false) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_changed bigint;
begin
  update public.videos v
  set eis_current = a.eis, eis_updated_at = a.window_end, eis_model = p_model
  from (
    select distinct on (video_id) video_id, eis, window_end from public.video_aggregates
    where model = p_model and eis is not null order by video_id, window_end desc
  ) a
  where a.video_id = v.id and (v.eis_current, v.eis_updated_at, v.eis_model) is distinct from (a.eis, a.window_end, p_model)
    and (v.eis_model is null or v.eis_model = p_model or p_over_others);
  get diagnostics v_changed = row_count;
  return v_changed;
end
$$;
comment on function public.refresh_current_eis(text, boolean) is
  'Sets videos.eis_current to the score of each video''s latest window under this model; over another model''s only if asked to.';
revoke all on function public.refresh_current_eis(text, boolean) from public, anon, authenticated, service_role;
grant execute on function public.refresh_current_eis(text, boolean) to service_role;
