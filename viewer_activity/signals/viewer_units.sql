-- All units of every viewer in the window: what a budget is shared out over, in thousandths of a unit.
-- In: weighted_events, viewer_weights. Out: one row a viewer with units, ordered by id.
select
    user_id,
    sum(units * thousandths)::bigint as units,
    coalesce(any_value(w.weight_nano), 1000000000) as weight_nano
from weighted_events
left join viewer_weights as w using (user_id)
group by user_id
having sum(units) > 0
order by user_id;
