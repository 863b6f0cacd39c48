"""What speaks against the accounts of a cluster, for reviewers: figures of what they did together."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bot_account_detection.by_sorting import BySorting
from core.engine import Engine

SQL = Path(__file__).with_name("signals") / "cluster_evidence.sql"


def cluster_evidence(con: Engine, weights: pa.Table, way: BySorting) -> pa.Table:
    """One row a cluster of the window that `way` has weighed in `con`, ordered by id.

    `weights` as `viewer_weights.weigh` gives them. Columns: cluster_id, accounts (its members), counted_as (the viewers
    that they count as together), and as JSON the evidence: active accounts, acts, views, reports, videos, creators,
    devices, addresses, most_on_one_device, first and last act, meetings and favourites.
    """
    members = weights.filter(weights["cluster_id"].is_valid()).select(["user_id", "cluster_id", "weight"])
    con.register("members", members)
    way.register_acts()
    table = con.sql(SQL.read_text(encoding="utf-8")).to_arrow_table()
    con.unregister("members")
    way.unregister_acts()
    return table
