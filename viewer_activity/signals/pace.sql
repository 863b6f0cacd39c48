-- Do the likes come at a human pace?
-- In:  window_events. Out: (video_day, gaps, gap_spread, gap_sum).
--      gaps: positive times between consecutive likes, in microseconds.
with pace as (
    select
        video_day,
        count(*) as gaps,
        sum(gap::hugeint) as gap_sum,
        sum(gap::hugeint * gap) as gap_squares
    from (
        select video_day, ts_us - lag(ts_us) over (partition by video_day order by ts_us) as gap
        from window_events
        where kind = kind('like')
    )
    where gap > 0
    group by video_day
)
select
    video_day,
    gaps,
    -- n * sum of squares - square of the sum = sample variance * n (n - 1), in whole numbers: no rounding.
    (gaps * gap_squares - gap_sum * gap_sum)::double as gap_spread,
    gap_sum::double as gap_sum
from pace;
