-- How far those who liked, commented and reported are trusted: sums of their trust scores.
-- In:  vouching, viewer_trust(day, user_id, vts).
-- Out: trust(video_day, like_vts, comment_vts, report_vts): exact sums in the unit of vts, one term an event,
--      so a viewer who comments twice counts twice.
create or replace temp table trust as
select
    video_day,
    sum(vts) filter (where kind = 'like') as like_vts,
    sum(vts) filter (where kind = 'comment') as comment_vts,
    sum(vts) filter (where kind = 'report') as report_vts
from vouching
join viewer_trust using (day, user_id)
group by video_day;
