-- Who did what to which video on which day: the log is read once, and every family reads this.
-- In:  counted_events, the variable early_us.
-- Out: window_events(video_day, user_id, kind, ts_us, is_early, device, address): kind as the macro kind() numbers the
--      types, is_early within early_us of the upload. Names of devices and addresses are hashed, a null stays a null:
--      they are only compared inside one video and day, where two of n different ones fall together with a
--      probability of n * n / 2^65, for a million likes a day on one video 1 in 36 million. Whoever makes two names
--      fall together on purpose has what sending the same name twice would have given.
create or replace temp table window_events as
select
    video_day,
    user_id,
    kind(event_type) as kind,
    ts_us,
    coalesce(since_upload_us between 0 and getvariable('early_us') - 1, false) as is_early,
    case when device_id is not null then hash(device_id) end as device,
    case when ip_hash is not null then hash(ip_hash) end as address
from counted_events;
