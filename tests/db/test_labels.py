"""Reviewers' verdicts in the database: who may, what is refused, what is left, and what scoring makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow.compute as pc
import pytest

from benchmarks.worlds import WEEK, world
from core.settings import Settings
from data.load import Batch, load
from revenue_split import windows
from revenue_split.errors import DaysNotScored
from revenue_split.policy import FAIRSHARE_V1, PoolInputs
from tests.db.world import World, acting_as, furnished, one
from tests.db.world import people as sign_up
from viewer_activity.gateway import open_store
from viewer_activity.score import score_windows

SOON = datetime.now(UTC) + timedelta(days=90)
CALL = "select label_account(%s, %s, %s, %s, %s)"
INPUTS = PoolInputs(gross_cents=5_000_000)


@pytest.fixture
def people(sql_db: psycopg.Connection) -> World:
    return furnished(sql_db)


def verdicts(db: psycopg.Connection) -> list[tuple]:
    return db.execute("select user_id, verdict, reason_code, decided_by from account_labels order by id").fetchall()


def label(db, people, actor, user, verdict="confirmed", code="automation", *, note="seen", expires=SOON):
    with acting_as(db, actor, people):
        return one(db, CALL, user, verdict, code, note, expires)


@pytest.mark.parametrize("actor", ["reviewer", "admin"])
def test_a_reviewers_verdict_is_kept_with_its_audit_row(sql_db, people, actor):
    before = verdicts(sql_db)
    number = label(sql_db, people, actor, people.users["stranger"])
    assert verdicts(sql_db) == [*before, (people.users["stranger"], "confirmed", "automation", people.users[actor])]
    row = sql_db.execute(
        "select actor_id, actor_role, object_id, figures, reason from audit_log where action = 'account.labelled'"
        " order by id desc limit 1"
    ).fetchone()
    assert row[:3] == (people.logins[actor], actor, str(people.users["stranger"]))
    assert (row[3]["label_id"], row[3]["verdict"], row[4]) == (number, "confirmed", "seen")


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "service_role"])
def test_nobody_else_decides_and_the_machine_does_not_either(sql_db, people, actor):
    before = verdicts(sql_db)
    with pytest.raises(psycopg.Error) as refused:
        label(sql_db, people, actor, people.users["other"])
    assert refused.value.sqlstate == "42501"
    with pytest.raises(psycopg.Error) as refused, acting_as(sql_db, actor, people):
        sql_db.execute("update account_labels set verdict = 'cleared'")
    assert refused.value.sqlstate == "42501"
    assert verdicts(sql_db) == before


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"user": "reviewer"}, "22Z61"),
        ({"verdict": "guilty"}, "22Z62"),
        ({"code": "household"}, "22Z62"),
        ({"note": "x" * 2001}, "22Z62"),
        ({"expires": None}, "22Z63"),
        ({"expires": datetime(2020, 1, 1, tzinfo=UTC)}, "22Z63"),
        ({"expires": SOON + timedelta(days=400)}, "22Z63"),
        ({"verdict": "withdrawn", "code": "new_evidence"}, "22Z63"),
        ({"verdict": "withdrawn", "code": "new_evidence", "expires": None}, "22Z64"),
    ],
    ids=str,
)
def test_a_verdict_that_can_not_be_is_refused_and_leaves_nothing(sql_db, people, changed, code):
    before = verdicts(sql_db), one(sql_db, "select count(*) from audit_log")
    given = {"user": "other"} | changed
    with pytest.raises(psycopg.Error) as refused:
        label(sql_db, people, "reviewer", people.users[given.pop("user")], **given)
    assert refused.value.sqlstate == code
    assert (verdicts(sql_db), one(sql_db, "select count(*) from audit_log")) == before


def test_the_latest_verdict_stands_and_none_is_ever_changed(sql_db, people):
    user = people.users["other"]
    in_force = "select verdict from labels_in_force where user_id = %s"
    for verdict, code in (("confirmed", "automation"), ("cleared", "appeal_upheld")):
        label(sql_db, people, "reviewer", user, verdict, code)
        assert one(sql_db, in_force, user) == verdict
    label(sql_db, people, "reviewer", user, "withdrawn", "new_evidence", expires=None)
    assert one(sql_db, in_force, user) is None
    for change in ("update account_labels set verdict = 'cleared'", "delete from account_labels"):
        with pytest.raises(psycopg.Error) as refused:
            sql_db.execute(change)
        assert refused.value.sqlstate == "22Z10"
    assert [row[1] for row in verdicts(sql_db)][-3:] == ["confirmed", "cleared", "withdrawn"]


def test_verdicts_on_reports_move_what_reporters_are_worth(sql_db, people):
    video = people.videos["owner"]
    for name in ("stranger", "other"):
        sql_db.execute(
            "insert into event (video_id, user_id, event_type, ts) values (%s, %s, 'report', '2026-01-01 13:00+00')",
            (video, people.users[name]),
        )
    decide = "select decide_reports(%s, %s, %s)"
    with pytest.raises(psycopg.Error) as refused, acting_as(sql_db, "owner", people):
        sql_db.execute(decide, (video, "dismissed", "no_violation"))
    assert refused.value.sqlstate == "42501"
    records = "select user_id, upheld, dismissed from reporter_records where user_id <> %s order by 1"
    owner = (people.users["owner"],)
    assert sql_db.execute(records, owner).fetchall() == []
    with acting_as(sql_db, "reviewer", people):
        assert one(sql_db, decide, video, "dismissed", "no_violation") == 2
    known = sorted((people.users[name], 0, 1) for name in ("stranger", "other"))
    assert sql_db.execute(records, owner).fetchall() == known
    with pytest.raises(psycopg.Error) as refused, acting_as(sql_db, "reviewer", people):
        sql_db.execute(decide, (video, "upheld", "breaks_rules"))
    assert refused.value.sqlstate == "22Z64"
    assert sql_db.execute(records, owner).fetchall() == known
    assert one(sql_db, "select count(*) from audit_log where action = 'reports.decided'") == 1


@pytest.fixture
def week(sql_db_url, sql_db):
    """A week of events, a reviewer, and settings without an API."""
    made = world(8_000, seed=23)
    users = made.users
    for name in ("is_creator", "likely_bot"):
        users = users.set_column(users.column_names.index(name), name, pc.fill_null(users[name], False))
    settings = Settings(
        supabase_url="http://127.0.0.1:9", supabase_publishable_key="sb_publishable_none", supabase_db_url=sql_db_url
    )
    load(settings, Batch({"users": users, "videos": made.videos, "events": made.events}))
    return settings


def test_a_verdict_makes_a_weighed_window_be_weighed_again_and_outranks_the_machine(week, sql_db):
    staff = sign_up(sql_db)
    score_windows(week, [WEEK])
    assert not any(day.scored for day in score_windows(week, [WEEK]))
    weight = "select weight from viewer_weights where user_id = %s"
    user = one(sql_db, "select user_id from viewer_weights where weight > 0.3 order by user_id limit 1")
    label(sql_db, staff, "reviewer", user)
    with open_store(week) as store:
        assert all(mark.is_stale for mark in store.marks("fairshare_v1"))
    with pytest.raises(DaysNotScored):
        windows.preview(week, WEEK, INPUTS, FAIRSHARE_V1)
    assert all(day.scored for day in score_windows(week, [WEEK]))
    assert one(sql_db, weight, user) == 0.0
    assert windows.preview(week, WEEK, INPUTS, FAIRSHARE_V1).result.pool_cents > 0
    # A verdict on somebody who was not there changes nothing of this window.
    label(sql_db, staff, "reviewer", staff.users["stranger"])
    assert not any(day.scored for day in score_windows(week, [WEEK]))
    # The machine does not override the person, however often it weighs.
    score_windows(week, [WEEK], again=True)
    assert one(sql_db, weight, user) == 0.0
    label(sql_db, staff, "reviewer", user, "cleared", "identity_shown")
    score_windows(week, [WEEK])
    assert one(sql_db, weight, user) == 1.0
