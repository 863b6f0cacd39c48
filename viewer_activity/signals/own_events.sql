-- What creators did on their own videos in the window: never counted.
-- In:  events, video_index, the variables start_us and end_us. Out: one row a video, by position.
select
    position,
    count(*) filter (where event_type = 'view') as views,
    count(*) filter (where event_type = 'like') as likes,
    count(*) filter (where event_type = 'comment') as comments,
    count(*) filter (where event_type = 'share') as shares,
    count(*) filter (where event_type = 'follow') as follows
from events as e
join video_index as v on v.id = e.video_id
where e.user_id = v.creator_id
    and e.event_type <> 'pause'
    and e.ts >= make_timestamptz(getvariable('start_us'))
    and e.ts < make_timestamptz(getvariable('end_us'))
group by position
order by position;
