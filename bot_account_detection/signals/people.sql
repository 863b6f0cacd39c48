-- The accounts with enough videos to move in lockstep, in the order of their fingerprints: accounts with the same list
-- of videos stand side by side. An account's number is its place in this order, from 0.
-- In: lives. Out: (user_id, videos, rarity).
select user_id, videos, rarity
from lives
where videos >= $lockstep_videos
order by fingerprint, user_id;
