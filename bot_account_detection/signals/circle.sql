-- Creators who keep visiting one another.
-- In:  visits, users(id, is_creator). Out: one row a pair of creators that visit each other: the fewer of both ways'
--      visits, what popularity and eagerness would explain of it, and each one's visits to the other.
with lively as (
    select user_id, creator_id, sum(visits)::bigint as visits
    from visits
    where user_id in (select creator_id from videos)
    group by user_id, creator_id
),
eager as (
    select user_id, sum(visits)::bigint as gave from lively group by user_id
),
-- What is popular is asked of those who publish nothing: a circle makes its own members popular with itself.
ordinary as (
    select creator_id, sum(visits)::bigint as visits
    from visits
    where user_id not in (select creator_id from videos)
    group by creator_id
),
liked as (
    select creator_id, visits::double / (select sum(visits) from ordinary) as share from ordinary
)
select
    a.user_id as one,
    a.creator_id as two,
    a.visits as given,
    b.visits as returned,
    x.gave as all_given,
    greatest(x.gave * coalesce(s.share, 0), y.gave * coalesce(t.share, 0)) as by_chance
from lively as a
join lively as b on b.user_id = a.creator_id and b.creator_id = a.user_id
join eager as x on x.user_id = a.user_id
join eager as y on y.user_id = b.user_id
left join liked as s on s.creator_id = a.creator_id
left join liked as t on t.creator_id = b.creator_id
order by one, two;
