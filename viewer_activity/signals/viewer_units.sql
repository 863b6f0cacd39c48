-- All units of every viewer in the window: what a budget is shared out over, in thousandths of a unit.
-- In: weighted_events, viewer_weights. Out: one row a viewer with units, ordered by id.
with given as (
    select user_id, sum(units * thousandths)::bigint as units
    from weighted_events
    where units > 0
    group by user_id
)
select user_id, given.units, coalesce(w.weight_nano, 1000000000) as weight_nano
from given
left join viewer_weights as w using (user_id)
order by user_id;
