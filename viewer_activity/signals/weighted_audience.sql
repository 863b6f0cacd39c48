-- What every video had on a day, each viewer taken by weight: engagement, different people, budgets.
-- In:  weighted_events, viewer_rates(user_id, rate_femto), the variable early_us.
--      Each viewer counts once a video and day in what is scored, however often they come back.
-- Out: weighted_audience(video_day, raw counts, weighted sums in billionths, budget_femto).
create or replace temp table weighted_audience as
with counted as (
    select
        video_day,
        count(*) filter (where kind = kind('view')) as views,
        count(*) filter (where kind = kind('like')) as likes,
        count(*) filter (where kind = kind('comment')) as comments,
        count(*) filter (where kind = kind('share')) as shares,
        count(*) filter (where kind = kind('follow')) as follows,
        count(*) filter (where kind = kind('report')) as reports,
        count(*) filter (where kind = kind('pause')) as pauses,
        sum(units * weight_nano) as unit_nano,
        -- A viewer gives 1 at most in all, so one event's part fits into 63 bits; sums have 127.
        sum(units * thousandths * coalesce(rate_femto, 0)) as budget_femto
    from weighted_events
    left join viewer_rates using (user_id)
    group by video_day
),
people as (
    select
        video_day,
        sum(weight_nano) filter (where watched) as viewer_nano,
        sum(weight_nano) filter (where liked) as liker_nano,
        sum(weight_nano) filter (where commented) as commenter_nano,
        sum(weight_nano) filter (where came_early) as early_nano,
        count(*) filter (where watched) as viewers
    from (
        select
            video_day,
            user_id,
            any_value(weight_nano) as weight_nano,
            bool_or(kind = kind('view')) as watched,
            bool_or(kind = kind('like')) as liked,
            bool_or(kind = kind('comment')) as commented,
            coalesce(bool_or(kind = kind('view') and since_upload_us between 0 and getvariable('early_us') - 1), false)
                as came_early
        from weighted_events
        where kind in (kind('view'), kind('like'), kind('comment'))
        group by video_day, user_id
    )
    group by video_day
)
select *
from counted
left join people using (video_day);
