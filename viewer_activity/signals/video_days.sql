-- One row for each video and day with an event, all families side by side, in the order of day and video.
-- In:  audience, trust, liking, early, window_days(day, start_us, end_us, as_of_us), videos.
-- With $with_quiet, a video that existed and had no event in the whole window is listed once, on the last day.
with active as (
    select * from audience
    union all by name
    select (select max(day) from window_days) as day, id as video_id
    from videos
    where $with_quiet
        and id not in (select video_id from audience)
        and coalesce(epoch_us(created_at) < (select max(end_us) from window_days), true)
)
select
    active.day,
    active.video_id,
    v.creator_id,
    d.start_us,
    d.end_us,
    d.as_of_us,
    epoch_us(v.created_at) as created_us,
    nullif(v.duration_s, 0)::double as duration_s,
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
join window_days as d on d.day = active.day
join videos as v on v.id = active.video_id
left join trust on trust.day = active.day and trust.video_id = active.video_id
left join liking on liking.day = active.day and liking.video_id = active.video_id
left join early on early.day = active.day and early.video_id = active.video_id
order by active.day, active.video_id;
