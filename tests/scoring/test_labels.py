"""What people decide outranks the machine, in both modes, until it expires; the machine overrides nobody."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.worlds import WEEK, world
from bot_account_detection.labels import decided, reliability, report_weights
from core.engine import connect
from core.tables import LABELS
from tests.scoring.test_split import contents, read, run
from viewer_activity.model import score_window

UNTIL = WEEK.end
LATER = UNTIL + timedelta(days=30)


def labels(*rows):
    return pa.Table.from_pylist([dict(row) for row in rows], schema=LABELS.schema)


def label(user, verdict, *, reason="automation", expires=LATER, **more):
    return {"user_id": user, "verdict": verdict, "reason_code": reason, "expires_at": expires} | more


def weights():
    """Three accounts; the last two are one cluster."""
    return pa.table(
        {
            "user_id": [1, 2, 3],
            "weight": [0.9, 0.02, 0.5],
            "cluster_id": pa.array([None, 2, 2], pa.int64()),
            "reasons": [[], ["moves_in_lockstep", "new_account"], ["moves_in_lockstep"]],
        }
    )


def test_a_confirmed_account_does_not_count_and_a_cleared_one_counts_in_full():
    found = decided(
        weights(), labels(label(1, "confirmed"), label(2, "cleared", reason="household")), UNTIL
    ).to_pylist()
    assert [row["weight"] for row in found] == [0.0, 1.0, 0.5]
    # Who was cleared speaks for themselves, and the machine's reasons are gone.
    assert [row["cluster_id"] for row in found] == [None, None, 2]
    assert [row["reasons"] for row in found] == [["automation"], ["household"], ["moves_in_lockstep"]]


@pytest.mark.parametrize("one", [label(2, "cleared", expires=UNTIL), label(7, "confirmed"), label(2, None)], ids=str)
def test_what_has_expired_names_nobody_or_decides_nothing_changes_nothing(one):
    assert decided(weights(), labels(one), UNTIL).equals(weights())


def test_a_verdict_without_an_end_holds():
    assert decided(weights(), labels(label(2, "cleared", expires=None)), UNTIL)["weight"].to_pylist() == [0.9, 1.0, 0.5]


def test_reporters_are_believed_less_with_each_dismissal_and_more_again():
    word = reliability(np.array([0.0, 0.0, 0.0, 1.0, 50.0]), np.array([0.0, 1.0, 8.0, 1.0, 0.0]))
    assert word[0] == word[4] == 1.0
    assert word[0] > word[3] > word[1] > word[2] > 0
    found = report_weights(weights(), labels(label(3, None, reports_upheld=0, reports_dismissed=2)))
    assert found.tolist() == [0.9, 0.02, 0.25]


@pytest.fixture(scope="module")
def small():
    return world(12_000, seed=22)


def scored(small, *rows):
    with connect() as con:
        for name in ("users", "videos", "events"):
            con.register(name, getattr(small, name))
        return score_window(
            con, "fairshare_v1", WEEK, seen=WEEK, videos=small.videos, labels=labels(*rows) if rows else None
        )


def busiest(small):
    others = pc.value_counts(small.events["user_id"]).to_pylist()
    return max(others, key=lambda one: (one["counts"], one["values"]))["values"]


def test_a_verdict_moves_the_counted_units_of_what_the_account_did(small):
    user = busiest(small)
    plain, confirmed, cleared = (
        scored(small, *([label(user, verdict)] if verdict else [])) for verdict in (None, "confirmed", "cleared")
    )

    def given(found):
        rows = found.days.filter(pc.is_in(found.days["video_id"], value_set=seen))
        return pc.sum(rows["counted_units"]).as_py()

    seen = small.events.filter(pc.equal(small.events["user_id"], user))["video_id"].combine_chunks().unique()
    assert given(confirmed) < given(plain) < given(cleared)
    at = plain.weights["user_id"].to_pylist().index(user)
    assert confirmed.weights["weight"][at].as_py() == 0.0
    assert cleared.weights["weight"][at].as_py() == 1.0


def test_a_dismissed_reporters_vote_moves_the_score_less(small):
    reports = small.events.filter(pc.equal(small.events["event_type"], "report"))
    rows = [label(user, None, reports_dismissed=10) for user in sorted(set(reports["user_id"].to_pylist()))]

    def credibility(found):
        return pc.mean(found.days["report_credibility"]).as_py()

    assert credibility(scored(small)) < credibility(scored(small, *rows)) < 90.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    inputs = tmp_path_factory.mktemp("labels")
    world(12_000, seed=22).write(inputs)
    return inputs


def written(path, *rows):
    pq.write_table(labels(*rows), path)
    return path


def test_a_split_of_files_takes_verdicts(folder, tmp_path, small):
    user = busiest(small)
    assert run(folder, tmp_path / "plain") == 0
    file = written(tmp_path / "labels.parquet", label(user, "confirmed", reason="paid_engagement"))
    assert run(folder, tmp_path / "out", labels=file) == 0
    row = next(row for row in read(tmp_path / "out", "viewer_weights").to_pylist() if row["user_id"] == user)
    assert (row["weight"], row["reasons"][0]) == (0.0, "paid_engagement")
    assert contents(tmp_path / "out") != contents(tmp_path / "plain")
    # No verdicts are no labels.
    empty = written(tmp_path / "none.parquet")
    assert run(folder, tmp_path / "same", labels=empty) == 0
    assert contents(tmp_path / "same") == contents(tmp_path / "plain")


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([label(10**15, "confirmed")], {}, ["user_id", "row 1", "is not the id of any row in users"]),
        ([label(1, "cleared"), label(1, "confirmed")], {}, ["user_id", "row 2", "stands there twice"]),
        ([label(1, "guilty")], {}, ["verdict", "row 1", "guilty"]),
        ([label(1, "cleared")], {"policy": "classic_v1"}, ["classic_v1 counts everybody in full"]),
    ],
    ids=["stranger", "twice", "no verdict", "classic"],
)
def test_bad_labels_are_one_line_and_leave_nothing(folder, tmp_path, capsys, rows, options, words):
    file = written(tmp_path / "labels.parquet", *rows)
    assert run(folder, tmp_path / "out", labels=file, **options) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in [*words, "labels.parquet"])
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_label_is_no_time_machine():
    """`expires_at` counts against the window's end, not against the day of the run: the same input, the same bytes."""
    long_ago = datetime(2026, 11, 8, tzinfo=UNTIL.tzinfo) + timedelta(seconds=1)
    assert decided(weights(), labels(label(1, "confirmed", expires=long_ago)), UNTIL)["weight"][0].as_py() == 0.0
