-- How many people each creator reached by how they came, each by what the other families leave of them: robots that
-- are sent to a creator are no audience.
-- In: traits. Out: one row a creator and combination of traits, in a fixed order.
select
    creator_id,
    batch,
    one_shot,
    crowd,
    praise,
    detached,
    count(*) as accounts,
    sum(nano)::double / 1e9 as audience
from traits
group by all
order by all;
