-- What each account did in all: on how many videos it was, and how rare they are in sum.
-- In:  visits, popular. Out: lives(user_id, videos, rarity, fingerprint).
--      The fingerprint is the least of the videos in an order that has nothing to do with time or popularity (a
--      multiplicative generator, the same on every engine): accounts with the same list have the same one.
create or replace temp table lives as
select
    user_id,
    count(*) as videos,
    sum(rarity)::bigint as rarity,
    min(video_id % 2147483647 * 48271 % 2147483647) as fingerprint
from visits
join popular using (video_id)
group by user_id;
