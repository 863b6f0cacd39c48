-- One number for each act's address, video and hour, so that spots with several acts can be found by sorting.
-- In: acts. Out: spot, one entry an act with a known address, in no order.
select hash(ip_hash, video_id, ts_us // $together_block_us) as spot
from acts
where ip_hash is not null;
