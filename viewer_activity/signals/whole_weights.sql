-- Weights as whole billionths, so that sums are exact; all members of a cluster have one vote when they report.
-- In: weights(user_id, weight, cluster_id). Out: viewer_weights(user_id, weight_nano, voter).
create or replace temp table viewer_weights as
select user_id, round(weight * 1e9)::bigint as weight_nano, coalesce(cluster_id, user_id) as voter
from weights;
