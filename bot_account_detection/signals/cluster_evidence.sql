-- What the accounts of each cluster did together: for reviewers.
-- In:  acts, members(user_id, cluster_id, weight). Out: one row a cluster, ordered by id: figures, and as JSON the
--      creators and videos on which most of its accounts met.
with done as (
    select acts.*, cluster_id from acts join members using (user_id)
),
figures as (
    select
        cluster_id,
        count(*) as acts,
        count(*) filter (where is_view) as views,
        count(*) filter (where is_report) as reports,
        count(distinct user_id) as active,
        count(distinct video_id) as videos,
        count(distinct creator_id) as creators,
        count(distinct device_id) as devices,
        count(distinct ip_hash) as addresses,
        min(ts_us) as first_us,
        max(ts_us) as last_us
    from done
    group by cluster_id
),
on_device as (
    select cluster_id, max(accounts) as most_on_one_device
    from (
        select cluster_id, device_id, count(distinct user_id) as accounts
        from done
        where device_id is not null
        group by cluster_id, device_id
    )
    group by cluster_id
),
met as (
    select cluster_id, video_id, any_value(creator_id) as creator_id, count(distinct user_id) as accounts,
        count(*) as acts, max(ts_us) - min(ts_us) as span_us
    from done
    group by cluster_id, video_id
),
meetings as (
    select
        cluster_id,
        to_json(list({'video_id': video_id, 'creator_id': creator_id, 'accounts': accounts, 'acts': acts,
            'span_minutes': span_us // 60000000} order by accounts desc, acts desc, video_id)[:8]) as meetings
    from met
    group by cluster_id
),
favourites as (
    select
        cluster_id,
        to_json(list({'creator_id': creator_id, 'acts': acts} order by acts desc, creator_id)[:5]) as favourites
    from (select cluster_id, creator_id, sum(acts)::bigint as acts from met group by cluster_id, creator_id)
    group by cluster_id
),
people as (
    select cluster_id, count(*) as accounts, sum(round(weight * 1e9))::double / 1e9 as counted_as
    from members
    group by cluster_id
)
select
    cluster_id,
    accounts,
    counted_as,
    to_json({
        'active': active, 'acts': acts, 'views': views, 'reports': reports, 'videos': videos, 'creators': creators,
        'devices': devices, 'addresses': addresses, 'most_on_one_device': coalesce(most_on_one_device, 0),
        'first': make_timestamptz(first_us), 'last': make_timestamptz(last_us),
        'meetings': meetings, 'favourites': favourites
    })::varchar as evidence
from people
join figures using (cluster_id)
left join on_device using (cluster_id)
left join meetings using (cluster_id)
left join favourites using (cluster_id)
order by cluster_id;
