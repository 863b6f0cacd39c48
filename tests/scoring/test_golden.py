"""classic_v1 against the published vectors: every figure and every part of it, to 1e-9."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from core.timewindows import Window
from tests.scoring.tables import events, score, users, videos

CASES = json.loads((Path(__file__).parent / "golden" / "classic_eis.json").read_text())["cases"]
TOLERANCE = 1e-9
#: In the set of all cases, each case has its own range of ids.
APART = 10_000


def tables_of(case, shift=0):
    """The case's tables; a second video carries the creator's earlier score."""
    video, start = case["video"], shift * APART
    creator = start + video["creator_id"]
    return (
        [{**user, "id": start + user["id"]} for user in case["users"]],
        [
            {
                "id": start + 1,
                "creator_id": creator,
                "created_at": datetime.fromisoformat(video["created_at"]),
                "duration_s": video["duration_s"],
            },
            {"id": start + 2, "creator_id": creator, "eis_current": video["creator_trust_score_mean"]},
        ],
        [
            {**event, "ts": datetime.fromisoformat(event["ts"]), "user_id": start + event["user_id"],
             "video_id": start + 1}
            for event in case["events"]
        ],
    )  # fmt: skip


def window_of(case):
    return Window(datetime.fromisoformat(case["window_start"]), datetime.fromisoformat(case["window_end"]))


def assert_close(found, expected, where):
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert_close(found[key], value, f"{where}.{key}")
    elif expected is None:
        assert found is None, where
    else:
        assert found == pytest.approx(expected, rel=0, abs=TOLERANCE), where


def assert_as_published(row, case):
    expected = dict(case["expected"])
    features = json.loads(row["features"])
    assert_close(features, expected.pop("details"), f"case {case['case']}")
    assert_close(features["creator"]["eis_before_creator"], expected.pop("eis_before_creator"), "before")
    for name, value in expected.items():
        assert_close(row[name], value, f"case {case['case']}: {name}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case-{case['case']}")
def test_each_case_alone(case):
    people, uploads, log = tables_of(case)
    rows = score(users(people), videos(uploads), events(log), window_of(case)).to_pylist()
    assert_as_published(next(row for row in rows if row["video_id"] == 1), case)


def test_all_cases_in_one_set_of_queries():
    parts = [tables_of(case, shift) for shift, case in enumerate(CASES)]
    assert {window_of(case) for case in CASES} == {window_of(CASES[0])}
    table = score(
        users([row for people, _, _ in parts for row in people]),
        videos([row for _, uploads, _ in parts for row in uploads]),
        events([row for _, _, log in parts for row in log]),
        window_of(CASES[0]),
    )
    rows = {row["video_id"]: row for row in table.to_pylist()}
    for shift, case in enumerate(CASES):
        assert_as_published(rows[shift * APART + 1], case)


def test_the_comparison_goes_red_when_a_figure_is_off_by_a_millionth():
    case = CASES[4]
    people, uploads, log = tables_of(case)
    table = score(users(people), videos(uploads), events(log), window_of(case))
    off = table.set_column(
        table.column_names.index("eis"), "eis", pa.array([eis + 1e-6 for eis in table["eis"].to_pylist()])
    )
    with pytest.raises(AssertionError):
        assert_as_published(next(row for row in off.to_pylist() if row["video_id"] == 1), case)
