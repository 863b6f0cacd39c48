-- What every account did, its own videos left out: the window and the weeks before it.
-- In:  events(video_id, user_id, event_type, ts, device_id, ip_hash), videos(id, creator_id), the variables
--      since_us and until_us (microseconds since 1970).
-- Out: acts(user_id, video_id, creator_id, is_view, is_report, is_praise, ts_us, device_id, ip_hash), a table: the log is read
--      once. Names of devices and addresses are hashed, for they are only compared: two of n different ones fall
--      together with a probability of n * n / 2^65, and on purpose only by whoever could send the same name twice.
--      A pause is no act: players send it by themselves.
create or replace temp table acts as
select
    e.user_id,
    e.video_id,
    v.creator_id,
    e.event_type = 'view' as is_view,
    e.event_type = 'report' as is_report,
    e.event_type in ('like', 'comment', 'share', 'follow') as is_praise,
    epoch_us(e.ts) as ts_us,
    case when e.device_id is not null then hash(e.device_id) end as device_id,
    case when e.ip_hash is not null then hash(e.ip_hash) end as ip_hash
from events as e
join videos as v on v.id = e.video_id
where e.user_id <> v.creator_id
    and e.event_type <> 'pause'
    and e.ts >= make_timestamptz(getvariable('since_us'))
    and e.ts < make_timestamptz(getvariable('until_us'));
