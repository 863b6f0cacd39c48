-- Who did what to which video on which day: read once, used by the families that need no more than this.
-- In:  counted_events. Out: window_events(video_day, user_id, kind, is_early); is_early: within $early_us of the
--      upload.
create or replace temp table window_events as
select
    video_day,
    user_id,
    event_type::event_kind as kind,
    coalesce(since_upload_us between 0 and $early_us - 1, false) as is_early
from counted_events;
