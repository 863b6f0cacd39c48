-- The audiences of the creators that have too many of one kind.
-- In: traits, odd(creator_id). Out: one row an account and creator, in a fixed order.
select user_id, creator_id, nano, used, batch, one_shot, crowd, praise, detached
from traits
where creator_id in (select creator_id from odd)
order by creator_id, user_id;
