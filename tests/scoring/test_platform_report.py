"""The platform's report tells what counted and what did not, by reason, and the parts are the whole."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.worlds import WEEK, World, world
from core.engine import connect
from core.settings import Settings
from core.tables import LABELS
from core.timewindows import Window
from data.load import Batch, load
from revenue_split import windows
from revenue_split.errors import FiguresDisagree
from revenue_split.monthly import platform_report
from revenue_split.policy import CLASSIC_V1, FAIRSHARE_V1, PoolInputs
from revenue_split.report import platform_lines
from tests.scoring.test_explanations import FANS, FARM, farm_world
from viewer_activity.explanations import explain
from viewer_activity.model import score_window
from viewer_activity.score import score_days, score_windows

INPUTS = PoolInputs(gross_cents=5_000_000)


def totals(people, clips, log, labels=None):
    """The reasons of a world's week by code, and its scored days."""
    with connect(threads=1) as con:
        for name, table in (("users", people), ("videos", clips), ("events", log)):
            con.register(name, table)
        scored = score_window(con, "fairshare_v1", WEEK, seen=WEEK, videos=clips, labels=labels)
        weights, acts, _ = scored.in_process()
        rows = explain(con, weights, acts).reasons.to_pylist()
    return {row.pop("code"): row for row in rows}, scored


def test_a_known_world_gives_known_figures():
    """Every one of the farm's likes is confirmed as worthless: three units each, and nothing left of them."""
    rows = [{"user_id": user, "verdict": "confirmed", "reason_code": "automation"} for user in FARM]
    found, scored = totals(*farm_world(), labels=pa.Table.from_pylist(rows, schema=LABELS.schema))
    assert found["automation"] == {"unit_micro": 3 * 114 * 10**6, "weighted_micro": 0, "counted_micro": 0}
    # One view of the creator's own, one view of whoever reported the video: a unit each, and nothing left.
    for code in ("own_event", "reported_it"):
        assert found[code] == {"unit_micro": 10**6, "weighted_micro": 0, "counted_micro": 0}
    assert found["counted"]["unit_micro"] == (len(FANS) * 10 - 1) * 10**6
    assert set(found) == {"automation", "own_event", "reported_it", "counted"}
    weights = dict(zip(scored.weights["user_id"].to_pylist(), scored.weights["weight"].to_pylist(), strict=True))
    left = sum(weights[user] * (9 if user == FANS[0] else 10) for user in FANS)
    assert found["counted"]["weighted_micro"] == pytest.approx(left * 10**6, abs=30)


@pytest.mark.parametrize("which", ["farm", "week"])
def test_the_reasons_sum_to_what_the_scores_say(which):
    """Two ways to the same figures: by reason and video, and by day and video."""
    made = world(12_000, seed=22)
    found, scored = totals(*(farm_world() if which == "farm" else (made.users, made.videos, made.events)))
    others = {code: row for code, row in found.items() if code != "own_event"}
    assert sum(row["unit_micro"] for row in others.values()) == 10**6 * pc.sum(scored.days["eng_units"]).as_py()
    counted = sum(row["counted_micro"] for row in others.values())
    assert counted == pytest.approx(10**6 * pc.sum(scored.days["counted_units"]).as_py(), abs=100)
    assert all(row["unit_micro"] >= row["weighted_micro"] for row in found.values())


@pytest.fixture
def settings(sql_db_url):
    made = world(12_000, seed=22)
    users = made.users
    for name in ("is_creator", "likely_bot"):
        users = users.set_column(users.column_names.index(name), name, pc.fill_null(users[name], False))
    small = World(users, made.videos, made.events)
    found = Settings(
        supabase_url="http://127.0.0.1:9", supabase_publishable_key="sb_publishable_none", supabase_db_url=sql_db_url
    )
    load(found, Batch({"users": small.users, "videos": small.videos, "events": small.events}))
    return found


def close(settings, window=WEEK, policy=FAIRSHARE_V1, **more):
    figures = windows.preview(settings, window, INPUTS, policy, **more)
    return windows.close(settings, figures, f"{policy.name} {window.start} {more}")["revenue_window_id"]


def the_whole(report):
    """The parts' sum in decimals, as a reader would add them up."""
    parts = sum(Decimal(str(part["units"])) for part in report["not_counted"])
    return parts + Decimal(str(report["counted_units"]))


def printed(report):
    """The same of the printed lines: the raw units, the parts, what counted."""
    lines = platform_lines(report)
    first = next(n for n, line in enumerate(lines) if line.startswith("units of engagement"))
    last = next(n for n, line in enumerate(lines) if line.startswith("units that counted"))
    return [Decimal(line.split()[-1].replace(",", "")) for line in lines[first : last + 1]]


def test_the_parts_of_a_closed_window_are_its_raw_units_exactly(settings):
    score_windows(settings, [WEEK])
    report = platform_report(settings, close(settings))
    codes = [part["reason"] for part in report["not_counted"]]
    assert codes[-1] == "viewer_budget"
    assert {"counted", "own_event", "new_account"} <= set(codes)
    assert "not_explained" not in codes
    assert the_whole(report) == report["raw_units"] > report["units"] > report["counted_units"] > 0
    raw, *parts, counted = printed(report)
    assert raw + sum(parts) == counted == Decimal(str(report["counted_units"]))


def test_days_that_were_weighed_over_another_window_are_told_as_not_explained(settings):
    """A bonus for the week's last days: they are paid as the week weighed them, and no reason was summed for them."""
    score_windows(settings, [WEEK])
    close(settings)
    late = Window(WEEK.days()[4].start, WEEK.end)
    report = platform_report(settings, close(settings, late, kind="bonus"))
    assert [part["reason"] for part in report["not_counted"]] == ["not_explained"]
    assert the_whole(report) == report["raw_units"] > report["counted_units"]


def test_a_window_of_several_weighed_ones_tells_all_their_reasons(settings):
    days = WEEK.days()
    parts = [Window(days[0].start, days[3].end), Window(days[4].start, WEEK.end)]
    score_windows(settings, parts)
    for part in parts:
        close(settings, part)
    report = platform_report(settings, close(settings, kind="bonus"))
    assert report["not_counted"][-1]["reason"] == "viewer_budget"
    assert the_whole(report) == report["raw_units"]


def test_half_of_a_window_explained_leaves_the_other_half_named(settings):
    """The bonus covers a weighed window and a part of another: what is known is told, and the rest is named."""
    days = WEEK.days()
    first, second = Window(days[0].start, days[2].end), Window(days[3].start, WEEK.end)
    score_windows(settings, [first, second])
    for part in (first, second):
        close(settings, part)
    report = platform_report(settings, close(settings, Window(days[0].start, days[4].end), kind="bonus"))
    codes = [part["reason"] for part in report["not_counted"]]
    assert codes[-2:] == ["viewer_budget", "not_explained"]
    assert the_whole(report) == report["raw_units"]


def test_a_model_that_counts_everything_has_nothing_to_tell(settings):
    score_days(settings, WEEK.days(), model="classic_v1")
    report = platform_report(settings, close(settings, policy=CLASSIC_V1))
    assert report["not_counted"] == []
    assert report["raw_units"] == report["units"] == report["counted_units"]


def test_reasons_that_tell_of_other_units_than_the_shares_are_refused(settings):
    """The guard shown red: two accounts of one window that disagree are no report."""
    score_windows(settings, [WEEK])
    number = close(settings)
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as db:
        db.execute("alter table window_reasons disable trigger user")
        db.execute("update window_reasons set counted_micro = counted_micro + 1000000 where code = 'counted'")
    with pytest.raises(FiguresDisagree):
        platform_report(settings, number)


def test_what_counted_and_is_worth_nothing_is_told(settings):
    """A likely bot's videos keep their counted units and are paid nothing."""
    score_windows(settings, [WEEK])
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as db:
        db.execute(
            "update users set likely_bot = true where id = (select v.creator_id from video_aggregates a "
            "join videos v on v.id = a.video_id order by a.counted_units desc limit 1)"
        )
    report = platform_report(settings, close(settings))
    assert 0 < report["unpaid_units"] < report["counted_units"]
    assert any("of no value" in line for line in platform_lines(report))
