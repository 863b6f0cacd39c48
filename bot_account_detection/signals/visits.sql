-- Who was on which video, how often and when first. A like or comment after a view is the same visit.
-- In:  acts. Out: visits(user_id, video_id, creator_id, first_us, visits, reports, praise).
create or replace temp table visits as
select
    user_id,
    video_id,
    any_value(creator_id) as creator_id,
    min(ts_us) as first_us,
    greatest(1, count(*) filter (where is_view)) as visits,
    count(*) filter (where is_report) as reports,
    count(*) filter (where is_praise) as praise
from acts
group by user_id, video_id;
