-- The features of classic_v1 inside Postgres, for comparison alone: one row a video and day with an event.
-- In: videos(id, creator_id, created_at), events(video_id, user_id, event_type, ts, device_id, ip_hash).
with e as (
  select e.video_id, (e.ts at time zone 'UTC')::date - (%(start)s::timestamptz at time zone 'UTC')::date as day,
    e.user_id, e.event_type, e.ts, e.device_id, e.ip_hash,
    e.event_type = 'view' and e.ts >= v.created_at
      and e.ts < v.created_at + make_interval(secs => %(early_s)s) as is_early
  from events e
  join videos v on v.id = e.video_id
  where e.user_id <> v.creator_id and e.ts >= %(start)s and e.ts < %(end)s
),
counts as (
  select video_id, day,
    count(*) filter (where event_type = 'view') as views,
    count(*) filter (where event_type = 'like') as likes,
    count(*) filter (where event_type = 'comment') as comments,
    count(*) filter (where event_type = 'share') as shares,
    count(*) filter (where event_type = 'follow') as follows,
    count(*) filter (where event_type = 'report') as reports,
    count(*) filter (where event_type = 'pause') as pauses,
    count(distinct user_id) filter (where event_type = 'view') as viewers,
    count(distinct user_id) filter (where event_type = 'comment') as commenters,
    count(*) filter (where is_early) as early_views,
    count(distinct device_id) filter (where is_early) as early_devices,
    count(distinct ip_hash) filter (where is_early) as early_addresses
  from e
  group by video_id, day
),
devices as (
  select video_id, day, sum(likers) as device_pairs, count(*) as devices
  from (
    select video_id, day, device_id, count(distinct user_id) as likers
    from e where event_type = 'like' and device_id is not null group by video_id, day, device_id
  ) d
  group by video_id, day
),
addresses as (
  select video_id, day, sum(likers) as address_pairs, count(*) as addresses
  from (
    select video_id, day, ip_hash, count(distinct user_id) as likers
    from e where event_type = 'like' and ip_hash is not null group by video_id, day, ip_hash
  ) a
  group by video_id, day
),
pace as (
  select video_id, day, stddev_samp(gap) / avg(gap) as pace_cv
  from (
    select video_id, day,
      extract(epoch from ts - lag(ts) over (partition by video_id, day order by ts))::double precision as gap
    from e where event_type = 'like'
  ) g
  where gap > 0
  group by video_id, day
)
select counts.*, coalesce(device_pairs, 0)::bigint as device_pairs, coalesce(devices, 0) as devices,
  coalesce(address_pairs, 0)::bigint as address_pairs, coalesce(addresses, 0) as addresses, pace_cv
from counts
left join devices using (video_id, day)
left join addresses using (video_id, day)
left join pace using (video_id, day)
order by day, video_id
