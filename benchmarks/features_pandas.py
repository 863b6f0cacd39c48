"""The features of classic_v1 as one would write them with pandas: `python -m benchmarks.features_pandas DIR`.

For comparison alone. Reads users, videos and events as Parquet and writes one row a video and day with an event.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from benchmarks.worlds import WEEK
from core.tables import EVENT_TYPES
from viewer_activity.classic_v1 import RULE

KEYS = ["video_id", "day"]
#: Whole numbers of one row a video and day, in all three ways of computing them; and the one that is not whole.
COUNTS = (
    *(f"{kind}s" for kind in EVENT_TYPES),
    "viewers",
    "commenters",
    "device_pairs",
    "devices",
    "address_pairs",
    "addresses",
    "early_views",
    "early_devices",
    "early_addresses",
)


def features(videos: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """One row a video and day (from 0), ordered by both: COUNTS and pace_cv."""
    names = {"id": "video_id", "created_at": "uploaded_at"}
    e = events.merge(videos[["id", "creator_id", "created_at"]].rename(columns=names), on="video_id")
    e = e[(e.user_id != e.creator_id) & (e.ts >= WEEK.start) & (e.ts < WEEK.end)]
    e = e.assign(day=(e.ts - pd.Timestamp(WEEK.start)).dt.days)
    found = e.groupby([*KEYS, "event_type"]).size().unstack(fill_value=0)
    found = found.reindex(columns=list(EVENT_TYPES), fill_value=0).rename(columns=lambda kind: f"{kind}s")
    likes = e[e.event_type == "like"]
    found["viewers"] = e[e.event_type == "view"].groupby(KEYS).user_id.nunique()
    found["commenters"] = e[e.event_type == "comment"].groupby(KEYS).user_id.nunique()
    for name, column in (("device", "device_id"), ("address", "ip_hash")):
        people = likes.groupby([*KEYS, column]).user_id.nunique().groupby(KEYS)
        found[f"{name}_pairs"] = people.sum()
        found["devices" if name == "device" else "addresses"] = people.size()
    early = e[(e.event_type == "view") & ((e.ts - e.uploaded_at) < pd.Timedelta(RULE.early_us, "us"))]
    early = early[early.ts >= early.uploaded_at].groupby(KEYS)
    found["early_views"] = early.size()
    found["early_devices"], found["early_addresses"] = early.device_id.nunique(), early.ip_hash.nunique()
    found = found.fillna(0).astype("int64")
    gaps = likes.sort_values([*KEYS, "ts"]).groupby(KEYS).ts.diff() / pd.Timedelta(1, "us")
    gaps = gaps[gaps > 0].groupby([likes.video_id, likes.day])
    found["pace_cv"] = gaps.std() / gaps.mean()
    return found.reset_index().sort_values(["day", "video_id"], ignore_index=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    features(pd.read_parquet(place / "videos.parquet"), pd.read_parquet(place / "events.parquet")).to_parquet(
        place / "features.parquet"
    )
