-- How many events of each type a video had on a day.
-- In:  window_events. Out: (video_day, views … pauses).
select
    video_day,
    count(*) filter (where kind = kind('view')) as views,
    count(*) filter (where kind = kind('like')) as likes,
    count(*) filter (where kind = kind('comment')) as comments,
    count(*) filter (where kind = kind('share')) as shares,
    count(*) filter (where kind = kind('follow')) as follows,
    count(*) filter (where kind = kind('report')) as reports,
    count(*) filter (where kind = kind('pause')) as pauses
from window_events
group by video_day;
