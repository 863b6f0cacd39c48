-- From how many people the views came.
-- In:  window_events. Out: (video_day, viewers).
-- Asked for the video_days from {first} to {last}, one day after the other in one statement: the people of one day
-- fit into the caches of the machine, those of a month do not.
select video_day, count(distinct user_id) as viewers
from window_events
where kind = kind('view') and video_day between {first} and {last}
group by video_day
