-- Weights as whole billionths, so that sums are exact; all members of a cluster have one vote when they report.
-- In:  weights(user_id, weight, cluster_id, report_weight, cleared).
-- Out: viewer_weights(user_id, weight_nano, report_nano, voter, cleared).
create or replace temp table viewer_weights as
select
    user_id,
    round(weight * 1e9)::bigint as weight_nano,
    round(report_weight * 1e9)::bigint as report_nano,
    coalesce(cluster_id, user_id) as voter,
    cleared
from weights;
