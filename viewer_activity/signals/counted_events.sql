-- The events of the window that say something about a video: those of others than its own creator.
-- In:  events(video_id, user_id, event_type, ts, device_id, ip_hash), video_index,
--      the variables start_us, end_us, first_midnight_us (microseconds since 1970) and videos (their number).
-- Out: counted_events(video_day, user_id, creator_id, event_type, ts_us, since_upload_us, device_id, ip_hash), a view: the
--      families read the columns that they need, so that names of devices are not copied for every event.
--      Days count from the window's first midnight (UTC).
create or replace temp view counted_events as
select
    (epoch_us(e.ts) - getvariable('first_midnight_us')) // 86400000000 * getvariable('videos')
        + v.position as video_day,
    e.user_id,
    v.creator_id,
    e.event_type,
    epoch_us(e.ts) as ts_us,
    epoch_us(e.ts) - v.created_us as since_upload_us,
    e.device_id,
    e.ip_hash
from events as e
join video_index as v on v.id = e.video_id
where e.user_id <> v.creator_id
    and e.ts >= make_timestamptz(getvariable('start_us'))
    and e.ts < make_timestamptz(getvariable('end_us'));
