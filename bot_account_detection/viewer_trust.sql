-- How far those who liked, commented and reported are trusted: sums of their trust scores (VTS).
-- In:  window_events, the macro kind(), window_days(day, as_of_us), users(id, created_at, likely_bot, kyc_level,
--      viewer_trust_score), the variable videos.
-- Out: (video_day, like_vts, comment_vts, report_vts): sums of whole billionths of a thousandth of a point, so
--      that they are exact, one term an event: a viewer who comments twice counts twice.
-- A viewer without a row in users is unknown, as is one without an age and without a given score.
with vouching as (
    select video_day, video_day // getvariable('videos') as day, user_id, kind
    from window_events
    where kind in (kind('like'), kind('comment'), kind('report'))
),
points as (
    select
        video_day,
        kind,
        coalesce(
            users.viewer_trust_score,
            -- greatest() passes over a null, so an unknown age must not reach it.
            case when users.created_at is not null then
                $new_account + $per_day * greatest(0, d.as_of_us - epoch_us(users.created_at))::double / 86400e6
            end,
            $unknown
        )
        + case users.kyc_level
            when 0 then $bonus_none
            when 1 then $bonus_contact
            when 2 then $bonus_document
            when 3 then $bonus_full
            else 0
        end
        - case when users.likely_bot then $likely_bot_penalty else 0 end as points
    from vouching
    join window_days as d on d.day = vouching.day
    left join users on users.id = vouching.user_id
),
viewer_trust as (
    select video_day, kind, round(least(100e0, greatest(0e0, points)) * $point)::bigint as vts
    from points
)
select
    video_day,
    sum(vts) filter (where kind = kind('like'))::double as like_vts,
    sum(vts) filter (where kind = kind('comment'))::double as comment_vts,
    sum(vts) filter (where kind = kind('report'))::double as report_vts
from viewer_trust
group by video_day;
