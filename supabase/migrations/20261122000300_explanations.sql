-- Why: a creator reads why events of their videos counted less, and what the score would be without them; a reviewer
-- reads what speaks against each cluster of accounts. Both are kept with the weights that they explain. A creator's
-- rows hold counts under codes, and no account, device or limit.

create table public.video_explanations (
  video_id bigint not null references public.videos (id),
  window_start timestamptz not null,
  window_end timestamptz not null,
  model text not null,
  discounted_units double precision not null,
  groups jsonb not null,
  eis double precision,
  eis_without double precision,
  counted_units double precision not null,
  counted_units_without double precision not null,
  early_boost double precision,
  early_boost_without double precision,
  primary key (video_id, window_start, window_end, model),
  constraint explained_window_is_not_empty check (window_start < window_end),
  constraint explained_scores_are_0_to_100 check (eis between 0 and 100 and eis_without between 0 and 100),
  constraint explained_units_are_not_negative check (
    least(discounted_units, counted_units, counted_units_without) >= 0),
  constraint explained_groups_are_a_list check (jsonb_typeof(groups) = 'array')
);
comment on table public.video_explanations is
  'What came from whom, by reason, in the window over which the viewers were weighed; "without": without the disputed events.';
comment on column public.video_explanations.groups is 'A list of {code, events by type, accounts, devices, units, viewers}.';
create index video_explanations_by_discount on public.video_explanations (model, window_end, discounted_units);

create table public.viewer_clusters (
  window_start timestamptz not null,
  window_end timestamptz not null,
  model text not null,
  cluster_id bigint not null,
  accounts bigint not null,
  counted_as double precision not null,
  evidence jsonb not null,
  primary key (window_start, window_end, model, cluster_id),
  constraint cluster_window_is_not_empty check (window_start < window_end),
  constraint cluster_counts_are_not_negative check (accounts > 0 and counted_as >= 0)
);
comment on table public.viewer_clusters is 'Accounts that act as one, and what they did together. For reviewers alone.';

alter table public.video_explanations enable row level security;
alter table public.viewer_clusters enable row level security;
revoke all on public.video_explanations, public.viewer_clusters from public, anon, authenticated, service_role;
grant select on public.video_explanations, public.viewer_clusters to authenticated;
grant select, insert, update, delete on public.video_explanations, public.viewer_clusters to service_role;

create policy "Creators read the explanations of their own videos" on public.video_explanations
  for select to authenticated
  using (video_id in (select v.id from public.videos v where v.creator_id = (select public.my_user_id())));
create policy "Reviewers read every explanation" on public.video_explanations
  for select to authenticated using ((select public.is_reviewer()));
create policy "Reviewers read every cluster" on public.viewer_clusters
  for select to authenticated using ((select public.is_reviewer()));

create trigger final_explanations_get_no_company after insert on public.video_explanations
  referencing new table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_explanations_do_not_change after update on public.video_explanations
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_explanations_stay after delete on public.video_explanations
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_clusters_get_no_company after insert on public.viewer_clusters
  referencing new table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_clusters_do_not_change after update on public.viewer_clusters
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_clusters_stay after delete on public.viewer_clusters
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
