-- How many events of each type a video had on a day, and from how many people.
-- In:  window_events. Out: audience(video_day, views … pauses, viewers, commenters).
create or replace temp table audience as
with counted as (
    select
        video_day,
        count(*) filter (where kind = 'view') as views,
        count(*) filter (where kind = 'like') as likes,
        count(*) filter (where kind = 'comment') as comments,
        count(*) filter (where kind = 'share') as shares,
        count(*) filter (where kind = 'follow') as follows,
        count(*) filter (where kind = 'report') as reports,
        count(*) filter (where kind = 'pause') as pauses
    from window_events
    group by video_day
),
watching as (
    select video_day, count(*) as viewers
    from (select distinct video_day, user_id from window_events where kind = 'view')
    group by video_day
),
commenting as (
    select video_day, count(*) as commenters
    from (select distinct video_day, user_id from window_events where kind = 'comment')
    group by video_day
)
select counted.*, coalesce(viewers, 0) as viewers, coalesce(commenters, 0) as commenters
from counted
left join watching using (video_day)
left join commenting using (video_day);
