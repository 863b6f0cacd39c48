-- The parts of each score as JSON: what a creator may read beside the figure. Unknown parts are null.
-- In: parts, one row a video and day, in the order that the answer keeps.
select to_json({
    'ae': {'like_rate': lpv, 'comment_rate': cpv, 's_like': s_like, 's_comm': s_comm, 's_base': s_base,
        'audience_component': audience_component},
    'cq': {'unique_commenters_rate': unique_commenters_rate, 'avg_commenter_vts': avg_commenter_vts},
    'li': {'avg_vts': avg_liker_vts, 'users_per_device': users_per_device, 'penalty_device': penalty_device},
    'rc': {'report_count': report_count, 'report_votes': report_votes, 'points': report_points},
    'shrinkage': {'eis_before': eis_before, 'own_part': own_part, 'platform_mean': platform_mean},
    'counted': {'viewers': raw_viewers, 'counted_viewers': counted_viewers, 'early_viewers': early_viewers}
})::varchar as features
from parts
order by position;
