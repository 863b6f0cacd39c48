-- From how many addresses the likes came, and from how many people at each.
-- In:  window_events. Out: (video_day, address_pairs, addresses): distinct (liker, address) and distinct addresses;
--      pairs / addresses = mean number of likers per address.
select video_day, sum(likers)::bigint as address_pairs, count(*) as addresses
from (
    select video_day, address, count(distinct user_id) as likers
    from window_events
    where kind = kind('like') and address is not null
    group by video_day, address
)
group by video_day;
