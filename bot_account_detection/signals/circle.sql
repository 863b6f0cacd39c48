-- Creators who keep visiting and praising one another.
-- In:  lively(user_id, creator_id, visits, praised): the visits of creators' own accounts, ordinary(creator_id, visits,
--      praised): everybody else's.
-- Out: one row a pair of creators that visit each other: each one's visits to the other and the praise of both, the
--      fewer of both ways being what counts; what popularity and eagerness would explain of visits and of praise; and
--      with how many others the first one would be such a pair by chance.
with mutual as (
    select
        a.user_id as one,
        a.creator_id as two,
        a.visits as given,
        b.visits as returned,
        least(a.praised, b.praised) as praise
    from lively as a
    join lively as b on b.user_id = a.creator_id and b.creator_id = a.user_id
),
eager as (
    select user_id, sum(visits)::bigint as gave from lively group by user_id
),
-- Praise for those who give none back: what a circle does is no measure of what its members would do anyhow.
generous as (
    select user_id, 1 + coalesce(sum(praised) filter (where coalesce(praise, 0) = 0), 0)::bigint as praised
    from lively
    left join mutual on one = user_id and two = creator_id
    group by user_id
),
liked as (
    select
        creator_id,
        visits::double / (select sum(visits) from ordinary) as share,
        praised::double / greatest(1, (select sum(praised) from ordinary)) as praise_share
    from ordinary
),
-- How many of the creators whom each one praises would praise back by chance.
back as (
    select
        a.user_id,
        -- In whole billionths: a sum of floats would depend on the order in which they come.
        sum(round(1e9 * least(1.0, g.praised * coalesce(s.praise_share, 0)))::bigint)::double / 1e9 as by_chance
    from lively as a
    join generous as g on g.user_id = a.creator_id
    left join liked as s on s.creator_id = a.user_id
    where a.praised > 0
    group by a.user_id
)
select
    one,
    two,
    given,
    returned,
    praise,
    x.gave as all_given,
    greatest(x.gave * coalesce(s.share, 0), y.gave * coalesce(t.share, 0)) as by_chance,
    greatest(p.praised * coalesce(s.praise_share, 0), q.praised * coalesce(t.praise_share, 0)) as praise_by_chance,
    coalesce(o.by_chance, 0) as partners_by_chance
from mutual
join eager as x on x.user_id = one
join eager as y on y.user_id = two
join generous as p on p.user_id = one
join generous as q on q.user_id = two
left join back as o on o.user_id = one
left join liked as s on s.creator_id = two
left join liked as t on t.creator_id = one
order by one, two;
