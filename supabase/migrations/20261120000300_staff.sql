-- Why: reviewers and admins are rows here, written by the service alone, never metadata that a user can edit.

create table public.staff (
  user_id bigint primary key references public.users (id),
  role text not null,
  granted_at timestamptz not null default now(),
  constraint staff_role_is_known check (role in ('reviewer', 'admin'))
);
comment on table public.staff is 'Who works for the platform: reviewer (fraud, KYC, appeals) or admin (also money).';

alter table public.staff enable row level security;
revoke all on public.staff from public, anon, authenticated, service_role;
grant select on public.staff to authenticated;
grant select, insert, update, delete on public.staff to service_role;

create function public.staff_role() returns text
language sql stable security definer set search_path = '' as $$
  select s.role from public.staff s
  join public.users u on u.id = s.user_id
  where u.auth_id = (select auth.uid())
$$;
comment on function public.staff_role() is 'reviewer, admin, or null for everybody else.';

create function public.is_admin() returns boolean
language sql stable security definer set search_path = '' as $$
  select public.staff_role() is not distinct from 'admin'
$$;
comment on function public.is_admin() is 'The signed-in person is an admin.';

create function public.is_reviewer() returns boolean
language sql stable security definer set search_path = '' as $$
  select coalesce(public.staff_role() in ('reviewer', 'admin'), false)
$$;
comment on function public.is_reviewer() is 'The signed-in person may review: a reviewer, or an admin.';

revoke all on function public.staff_role(), public.is_admin(), public.is_reviewer()
  from public, anon, authenticated, service_role;
grant execute on function public.staff_role(), public.is_admin(), public.is_reviewer() to authenticated, service_role;

create policy "Staff read their own role" on public.staff
  for select to authenticated using (user_id = (select public.my_user_id()));
create policy "Admins read every role" on public.staff
  for select to authenticated using ((select public.is_admin()));
create policy "Reviewers read every account" on public.users
  for select to authenticated using ((select public.is_reviewer()));
create policy "Reviewers read personal data" on public.user_info
  for select to authenticated using ((select public.is_reviewer()));
