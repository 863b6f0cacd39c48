-- What every video got from the accounts of each reason, each account under one reason.
-- In:  weighted_events, counted_events, viewer_codes(user_id, code, discounted; who is not there counts),
--      viewer_rates(user_id, rate_femto), the macro kind(), the variables videos and fired_thousandths. Codes are numbers.
-- Out: one row a video and reason, in their order: events by type, accounts, devices, the viewers that they count as,
--      the units that are left of theirs by weight, and what of these their budgets let through. An unknown device is
--      no device.
with reporters as (
    select distinct video_day % getvariable('videos') as position, user_id
    from weighted_events
    where kind = kind('report')
),
acts as (
    select
        video_day % getvariable('videos') as position,
        user_id,
        count(*) filter (where kind = kind('view')) as views,
        count(*) filter (where kind = kind('like')) as likes,
        count(*) filter (where kind = kind('comment')) as comments,
        count(*) filter (where kind = kind('share')) as shares,
        count(*) filter (where kind = kind('follow')) as follows,
        max(weight_nano) as weight_nano,
        sum(units * weight_nano)::hugeint as unit_nano,
        sum(units * thousandths)::hugeint as unit_thousandths,
        min(thousandths) as thousandths
    from weighted_events
    where kind not in (kind('report'), kind('pause'))
    group by position, user_id
),
visitors as (
    select
        a.*,
        a.unit_thousandths * coalesce(b.rate_femto, 0) as budget_femto,
        case
            when r.user_id is not null then $reported_it_code
            -- Nothing speaks against the account, and yet it is one too many of its kind here.
            when a.thousandths < getvariable('fired_thousandths') and not coalesce(c.discounted, false)
                then $counts_less_here_code
            else coalesce(c.code, $counted_code)
        end as code
    from acts as a
    left join viewer_codes as c using (user_id)
    left join viewer_rates as b using (user_id)
    left join reporters as r using (position, user_id)
),
devices as (
    select v.position, v.code, count(distinct hash(e.device_id)) as devices
    from counted_events as e
    join visitors as v on v.position = e.video_day % getvariable('videos') and v.user_id = e.user_id
    where v.code <> $counted_code and e.device_id is not null and e.event_type not in ('report', 'pause')
    group by v.position, v.code
),
figures as (
    select
        position,
        code,
        sum(views)::bigint as views,
        sum(likes)::bigint as likes,
        sum(comments)::bigint as comments,
        sum(shares)::bigint as shares,
        sum(follows)::bigint as follows,
        count(*) as accounts,
        sum(weight_nano) as viewer_nano,
        sum(unit_nano) as unit_nano,
        sum(budget_femto) as budget_femto
    from visitors
    group by position, code
)
select
    position,
    code,
    views,
    likes,
    comments,
    shares,
    follows,
    accounts,
    coalesce(devices, 0) as devices,
    viewer_nano::double / 1e9 as viewers,
    unit_nano::double / 1e9 as weighted_units,
    budget_femto::double / 1e15 as paid_units
from figures
left join devices using (position, code)
order by position, code;
