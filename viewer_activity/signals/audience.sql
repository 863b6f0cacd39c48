-- How many events of each type a video had on a day, and from how many people.
-- In:  window_events. Out: audience(day, video_id, views … pauses, viewers, commenters).
create or replace temp table audience as
with counted as (
    select
        day,
        video_id,
        count(*) filter (where kind = 'view') as views,
        count(*) filter (where kind = 'like') as likes,
        count(*) filter (where kind = 'comment') as comments,
        count(*) filter (where kind = 'share') as shares,
        count(*) filter (where kind = 'follow') as follows,
        count(*) filter (where kind = 'report') as reports,
        count(*) filter (where kind = 'pause') as pauses
    from window_events
    group by day, video_id
),
people as (
    select
        day,
        video_id,
        count(*) filter (where kind = 'view') as viewers,
        count(*) filter (where kind = 'comment') as commenters
    from (select distinct day, video_id, user_id, kind from window_events where kind in ('view', 'comment'))
    group by day, video_id
)
select counted.*, coalesce(viewers, 0) as viewers, coalesce(commenters, 0) as commenters
from counted
left join people using (day, video_id);
