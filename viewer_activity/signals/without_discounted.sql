-- The events without those of the accounts that somebody spoke against: what would have been.
-- In:  all_weighted_events, viewer_codes(user_id, code, discounted), the variable fired_thousandths.
-- Out: weighted_events.
create temp table weighted_events as
select *
from all_weighted_events
where user_id not in (select user_id from viewer_codes where discounted)
    and thousandths >= getvariable('fired_thousandths');
