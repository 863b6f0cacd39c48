-- The events by which a viewer vouches for a video, or against it.
-- In:  window_events. Out: vouching(day, video_id, user_id, kind).
create or replace temp table vouching as
select day, video_id, user_id, kind
from window_events
where kind in ('like', 'comment', 'report');
