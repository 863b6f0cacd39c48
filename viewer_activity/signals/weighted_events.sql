-- Every event of the window with the weight of its viewer, and the units that it may give.
-- In:  counted_events (video_day, user_id, event_type, since_upload_us, device_id), viewer_weights(user_id,
--      weight_nano, report_nano, voter, cleared), the variable videos.
-- Out: weighted_events(video_day, user_id, kind, since_upload_us, device, weight_nano, voter, units), a table.
--      Weights are whole billionths, so that every sum is exact whatever its order. A viewer without a weight is
--      unknown and counts in full. Who reports a video gives it nothing: a report takes its author's own engagement back, so that
--      a crowd that comes to report neither raises nor lowers what it has come for.
create or replace temp table weighted_events as
with numbered as (
    -- Before any join: there the words of a file are looked at once, behind it at every row.
    select
        video_day,
        user_id,
        creator_id,
        kind(event_type) as kind,
        since_upload_us,
        -- Hashed and for likes alone: nothing else is asked for its device.
        case when event_type = 'like' and device_id is not null then hash(device_id) end as device
    from counted_events
),
reporters as (
    select distinct video_day % getvariable('videos') as position, user_id
    from counted_events
    where event_type = 'report'
)
select
    e.video_day,
    e.user_id,
    e.kind,
    e.since_upload_us,
    e.device,
    -- A report votes as far as its author's reports are believed; whatever else its author did here does not count.
    case
        when e.kind = kind('report') then coalesce(w.report_nano, 1000000000)
        when r.user_id is null then coalesce(w.weight_nano, 1000000000) * coalesce(d.thousandths, 1000) // 1000
        else 0
    end as weight_nano,
    coalesce(d.thousandths, 1000) as thousandths,
    coalesce(w.voter, e.user_id) as voter,
    case when r.user_id is not null then 0 else
        case e.kind
            when kind('view') then $unit_view
            when kind('like') then $unit_like
            when kind('comment') then $unit_comment
            when kind('share') then $unit_share
            else 0
        end
    end as units
from numbered as e
left join viewer_weights as w using (user_id)
left join discounts as d on d.user_id = e.user_id and d.creator_id = e.creator_id and not coalesce(w.cleared, false)
left join reporters as r on r.position = e.video_day % getvariable('videos') and r.user_id = e.user_id;
