-- How far those who liked, commented and reported are trusted: sums of their trust scores (VTS).
-- In:  window_events, the macros kind() and vts(), window_days(day, as_of_us), users(id, created_at, likely_bot,
--      kyc_level, viewer_trust_score), the variable videos.
-- Out: (video_day, like_vts, comment_vts, report_vts): exact sums in the unit of vts(), one term an event: a viewer
--      who comments twice counts twice.
with vouching as (
    select video_day, video_day // getvariable('videos') as day, user_id, kind
    from window_events
    where kind in (kind('like'), kind('comment'), kind('report'))
),
trusted as (
    select
        video_day,
        kind,
        vts(u.viewer_trust_score, u.created_at, u.kyc_level, u.likely_bot, d.as_of_us) as vts
    from vouching
    join window_days as d on d.day = vouching.day
    left join users as u on u.id = vouching.user_id
)
select
    video_day,
    sum(vts) filter (where kind = kind('like'))::double as like_vts,
    sum(vts) filter (where kind = kind('comment'))::double as comment_vts,
    sum(vts) filter (where kind = kind('report'))::double as report_vts
from trusted
group by video_day;
