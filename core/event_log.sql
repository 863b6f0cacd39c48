-- Every event in a span, in no order, as numbers. Names of devices and addresses are hashed, for they are only
-- compared: two of n different ones fall together with a probability of n * n / 2^65, and on purpose only by whoever
-- could send the same name twice. 0 is an unknown one.
-- In: events(video_id, user_id, event_type, ts, device_id, ip_hash).
select
    user_id,
    video_id,
    -- In a way that looks at the words of a file once and not at every row.
    (list_position($kinds, event_type) - 1)::utinyint as kind,
    epoch_us(ts) as ts_us,
    case when device_id is not null then hash(device_id) else 0 end as device,
    case when ip_hash is not null then hash(ip_hash) else 0 end as address
from events
where ts >= make_timestamptz($since_us) and ts < make_timestamptz($until_us)
