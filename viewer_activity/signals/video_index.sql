-- Numbers the videos from 0, so that a video on a day is one number: video_day = day * videos + position.
-- In:  videos(id, creator_id, created_at, duration_s).
-- Out: video_index(position, id, creator_id, created_us, duration_s); a length of 0 is no length.
create or replace temp table video_index as
select
    row_number() over (order by id) - 1 as position,
    id,
    creator_id,
    epoch_us(created_at) as created_us,
    nullif(duration_s, 0)::double as duration_s
from videos;
