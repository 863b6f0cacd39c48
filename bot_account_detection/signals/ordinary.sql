-- What everybody else did. What is popular is asked of those who publish nothing: a circle makes its own members
-- popular with itself.
-- In: visits, videos(creator_id). Out: ordinary(creator_id, visits, praised), a table.
create or replace temp table ordinary as
select creator_id, sum(visits)::bigint as visits, count(*) filter (where praise > 0) as praised
from visits
where user_id not in (select creator_id from videos)
group by creator_id;
