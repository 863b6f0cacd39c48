-- One row for each video and day with an event, everything side by side, in the order of day and video.
-- In:  weighted_audience, weighted_trust, weighted_devices, window_days, video_index, the variable videos.
-- With $with_quiet, a video that existed and had no event in the whole window is listed once, on the last day.
with last as (
    select max(day) as day, max(end_us) as end_us from window_days
),
listed as (
    select video_day from weighted_audience
    union all
    select last.day * getvariable('videos') + position as video_day
    from video_index
    cross join last
    where $with_quiet
        and position not in (select video_day % getvariable('videos') from weighted_audience)
        and coalesce(created_us < last.end_us, true)
)
select
    v.id as video_id,
    d.start_us,
    d.end_us,
    d.as_of_us,
    v.created_us,
    v.duration_s,
    coalesce(a.views, 0) as raw_views,
    coalesce(a.likes, 0) as raw_likes,
    coalesce(a.comments, 0) as raw_comments,
    coalesce(a.shares, 0) as raw_shares,
    coalesce(a.follows, 0) as raw_follows,
    coalesce(a.reports, 0) as raw_reports,
    coalesce(a.pauses, 0) as raw_pauses,
    coalesce(a.viewers, 0) as raw_viewers,
    coalesce(viewer_nano, 0)::double / 1e9 as views,
    coalesce(a.liker_nano, 0)::double / 1e9 as likes,
    coalesce(commenter_nano, 0)::double / 1e9 as comments,
    coalesce(viewer_nano, 0)::double / 1e9 as viewers,
    coalesce(commenter_nano, 0)::double / 1e9 as commenters,
    coalesce(early_nano, 0)::double / 1e9 as early_viewers,
    coalesce(unit_nano, 0)::double / 1e9 as weighted_units,
    coalesce(budget_femto, 0)::double / 1e15 as budget,
    like_trust::double / nullif(a.liker_nano, 0) as like_vts,
    comment_trust::double / nullif(commenter_nano, 0) as comment_vts,
    coalesce(report_votes_nano, 0)::double / 1e9 as report_votes,
    l.liker_nano::double / nullif(device_nano, 0) as users_per_device
from listed
join window_days as d on d.day = listed.video_day // getvariable('videos')
join video_index as v on v.position = listed.video_day % getvariable('videos')
left join weighted_audience as a on a.video_day = listed.video_day
left join weighted_trust as t on t.video_day = listed.video_day
left join weighted_devices as l on l.video_day = listed.video_day
order by listed.video_day;
