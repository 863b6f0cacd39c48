-- What every account had to do with every creator: how often it came, whether it praised, whether it came for this
-- creator alone.
-- In:  visits, the variable sitting_us.
-- Out: pairs(user_id, creator_id, visits, reports, videos, praised, alone): praised and alone are numbers of videos;
--      a video was visited alone if no other creator's was first visited within the same sitting.
create or replace temp table pairs as
with sittings as (
    select user_id, min(creator_id) as creator_id, count(*) as videos
    from visits
    group by user_id, first_us // getvariable('sitting_us')
    having min(creator_id) = max(creator_id)
),
alone as (
    select user_id, creator_id, sum(videos)::bigint as videos from sittings group by user_id, creator_id
),
together as (
    select
        user_id,
        creator_id,
        sum(visits)::bigint as visits,
        sum(reports)::bigint as reports,
        count(*) as videos,
        count(*) filter (where praise > 0) as praised
    from visits
    group by user_id, creator_id
)
select together.*, coalesce(alone.videos, 0) as alone
from together
left join alone using (user_id, creator_id);
