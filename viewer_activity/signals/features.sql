-- The parts of each classic score as JSON: what a creator may read beside the figure. Unknown parts are null.
-- In: parts, one row a video and day, in the order that the answer keeps.
select to_json({
    'ae': {
        'lpv': lpv,
        'cpv': cpv,
        'like_target': like_target,
        'comment_target': comment_target,
        'duration_scale': duration_scale,
        'recency_scale': recency_scale,
        's_like': s_like,
        's_comm': s_comm,
        's_base': s_base,
        'active_viewers': active_viewers,
        'audience_component': audience_component
    },
    'cq': {
        'unique_commenters_rate': unique_commenters_rate,
        'avg_commenter_vts': avg_commenter_vts
    },
    'li': {
        'avg_vts': avg_liker_vts,
        'nat_cv': nat_cv,
        'users_per_device': users_per_device,
        'users_per_ip': users_per_ip,
        'penalty_device': penalty_device,
        'penalty_ip': penalty_ip,
        'penalty_naturalness': penalty_naturalness,
        'penalty_total': penalty_total
    },
    'rc': {
        'report_count': report_count,
        'avg_reporter_vts': avg_reporter_vts,
        'penalty': penalty,
        'penalty_scalar': penalty_scalar
    },
    'creator': {
        'eis_before_creator': eis_before_creator,
        'creator_mean_eis': creator_mean_eis,
        'creator_factor': creator_factor
    },
    'early': {
        'views': early_views,
        'devices': early_devices,
        'addresses': early_addresses
    }
})::varchar as features
from parts
order by position;
