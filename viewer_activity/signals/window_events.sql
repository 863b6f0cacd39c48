-- The events of the window that say something about a video: those of others than its own creator.
-- In:  events(video_id, user_id, event_type, ts, device_id, ip_hash), videos(id, creator_id, created_at).
-- Out: window_events(day, video_id, user_id, kind, ts_us, is_early, device_id, ip_hash).
--      day counts from the window's first midnight (UTC); ts_us are microseconds since 1970.
-- Device and address are kept where a signal reads them: with likes, and with views soon after the upload.
create or replace temp table window_events as
with placed as (
    select
        e.video_id,
        e.user_id,
        e.event_type::event_kind as kind,
        epoch_us(e.ts) as ts_us,
        e.event_type = 'view'
            and epoch_us(e.ts) >= epoch_us(v.created_at)
            and epoch_us(e.ts) < epoch_us(v.created_at) + $early_us as is_early,
        e.device_id,
        e.ip_hash
    from events as e
    join videos as v on v.id = e.video_id
    where e.user_id <> v.creator_id
)
select
    ((ts_us - $first_midnight_us) // 86400000000)::integer as day,
    video_id,
    user_id,
    kind,
    ts_us,
    coalesce(is_early, false) as is_early,
    case when kind = 'like' or is_early then device_id end as device_id,
    case when kind = 'like' or is_early then ip_hash end as ip_hash
from placed
where ts_us >= $start_us and ts_us < $end_us;
