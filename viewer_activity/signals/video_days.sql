-- One row for each video and day with an event, all families side by side, in the order of day and video.
-- In:  audience, trust, liking, early, window_days(day, start_us, end_us, as_of_us), video_index,
--      the variable videos.
-- With $with_quiet, a video that existed and had no event in the whole window is listed once, on the last day.
with last as (
    select max(day) as day, max(end_us) as end_us from window_days
),
active as (
    select * from audience
    union all by name
    select last.day * getvariable('videos') + position as video_day
    from video_index
    cross join last
    where $with_quiet
        and position not in (select video_day % getvariable('videos') from audience)
        and coalesce(created_us < last.end_us, true)
)
select
    d.day,
    v.id as video_id,
    v.creator_id,
    d.start_us,
    d.end_us,
    d.as_of_us,
    v.created_us,
    v.duration_s,
    coalesce(views, 0) as views,
    coalesce(likes, 0) as likes,
    coalesce(comments, 0) as comments,
    coalesce(shares, 0) as shares,
    coalesce(follows, 0) as follows,
    coalesce(reports, 0) as reports,
    coalesce(pauses, 0) as pauses,
    coalesce(viewers, 0) as viewers,
    coalesce(commenters, 0) as commenters,
    like_vts::double / likes as like_vts,
    comment_vts::double / comments as comment_vts,
    report_vts::double / reports as report_vts,
    device_pairs::double / devices as users_per_device,
    address_pairs::double / addresses as users_per_address,
    -- Coefficient of variation = sqrt(spread / (n (n - 1))) / (sum / n).
    case when gaps >= 2 then sqrt(gap_spread / (gaps * (gaps - 1.0e0))) / (gap_sum / gaps) end as pace_cv,
    coalesce(early_views, 0) as early_views,
    coalesce(early_devices, 0) as early_devices,
    coalesce(early_addresses, 0) as early_addresses
from active
join window_days as d on d.day = active.video_day // getvariable('videos')
join video_index as v on v.position = active.video_day % getvariable('videos')
left join trust on trust.video_day = active.video_day
left join liking on liking.video_day = active.video_day
left join early on early.video_day = active.video_day
order by active.video_day;
