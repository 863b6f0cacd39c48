-- What creators' own accounts did on other creators' videos.
-- In: visits, videos(creator_id). Out: lively(user_id, creator_id, visits, praised), a table.
create or replace temp table lively as
select
    user_id,
    creator_id,
    sum(visits)::bigint as visits,
    count(*) filter (where praise > 0) as praised
from visits
where user_id in (select creator_id from videos)
group by user_id, creator_id;
