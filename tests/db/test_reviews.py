"""Creators ask for a review of a reason, reviewers answer: once each, with words, and never about oneself."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from bot_account_detection.reasons import CATALOGUE
from tests.db.world import World, acting_as, one, people

START, END = "2026-01-01 00:00+00", "2026-01-08 00:00+00"
WORDS = "They are the pupils of my school."


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    """`people`; the owner's video has a reason that may be reviewed, one that may not, and two viewers."""
    world = people(sql_db)
    groups = '[{"code": "shared_device", "units": 9}, {"code": "own_event", "units": 1}, {"code": "counted"}]'
    sql_db.execute(
        "insert into video_explanations (video_id, window_start, window_end, model, discounted_units, groups, "
        "counted_units, counted_units_without) values (%s, %s, %s, 'fairshare_v1', 1, %s, 1, 1)",
        (world.videos["owner"], START, END, groups),
    )
    sql_db.execute("select ensure_event_partitions('2026-01-01', '2026-01-08')")
    for name in ("stranger", "other"):
        sql_db.execute(
            "insert into event (video_id, user_id, event_type, ts) values (%s, %s, 'view', '2026-01-02 12:00+00')",
            (world.videos["owner"], world.users[name]),
        )
        sql_db.execute(
            "insert into viewer_weights (window_start, window_end, model, user_id, weight, factors, reasons) "
            "values (%s, %s, 'fairshare_v1', %s, 0.5, '{\"device\": 0.1}', '{shared_device}')",
            (START, END, world.users[name]),
        )
    return world


def ask(db: psycopg.Connection, world: World, *, by: str = "owner", video: str = "owner",
        code: str | None = "shared_device", words: str | None = WORDS, end: str = END) -> int:  # fmt: skip
    with acting_as(db, by, world):
        call = "select ask_review(%s, %s, %s, %s, %s)"
        return int(one(db, call, world.videos[video], START, end, code, words))


def answer(
    db: psycopg.Connection, world: World, number: int | None, *, by: str = "reviewer", upheld: bool | None = True,
    words: str | None = "You are right.", clear: list[int] | None = None,
) -> Any:  # fmt: skip
    with acting_as(db, by, world):
        return one(db, "select answer_review(%s, %s, %s, %s::bigint[])", number, upheld, words, clear or [])


def state(db: psycopg.Connection) -> list[Any]:
    tables = ("review_requests", "account_labels", "notifications", "audit_log")
    rows = db.execute("select status, answer from review_requests order by id").fetchall()
    return [rows, *(one(db, f"select count(*) from {table}") for table in tables)]


def refused(db: psycopg.Connection, call: Any) -> str | None:
    before = state(db)
    with pytest.raises(psycopg.Error) as caught:
        call()
    assert state(db) == before
    return caught.value.sqlstate


def test_the_database_and_the_catalogue_name_the_same_reasons(sql_db: psycopg.Connection) -> None:
    assert sorted(one(sql_db, "select reviewable_codes()")) == sorted(one.code for one in CATALOGUE if one.may_ask)


def test_a_creator_asks_and_reads_the_answer_and_others_do_not(sql_db: psycopg.Connection, world: World) -> None:
    number = ask(sql_db, world)
    done = answer(sql_db, world, number, upheld=False, words="One device, one hour, one video.")
    assert done == {"review_id": number, "status": "rejected", "cleared": 0}
    seen = "select words, status, answer from review_requests"
    with acting_as(sql_db, "owner", world):
        assert sql_db.execute(seen).fetchall() == [(WORDS, "rejected", "One device, one hour, one video.")]
        told = sql_db.execute("select kind, body, link from notifications").fetchall()
    assert told == [("review_answered", "One device, one hour, one video.", "explanations")]
    for actor in ("other", "stranger"):
        with acting_as(sql_db, actor, world):
            assert sql_db.execute(seen).fetchall() == []
    audit = "select actor_role, figures ->> 'status', reason from audit_log where action = 'review.answered'"
    assert sql_db.execute(audit).fetchall() == [("reviewer", "rejected", "One device, one hour, one video.")]


def test_by_whom_it_was_answered_stands_in_the_audit_log_alone(sql_db: psycopg.Connection, world: World) -> None:
    answer(sql_db, world, ask(sql_db, world))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, "owner", world):
        sql_db.execute("select decided_by from review_requests")


def test_who_is_right_has_accounts_cleared_in_the_same_act(sql_db: psycopg.Connection, world: World) -> None:
    viewers = [world.users["stranger"], world.users["other"]]
    done = answer(sql_db, world, ask(sql_db, world), clear=[*viewers, viewers[0]])
    assert (done["status"], done["cleared"]) == ("upheld", 2)
    labels = sql_db.execute(
        "select user_id, verdict, reason_code, expires_at - decided_at between interval '8759 hours' "
        "and interval '8761 hours' from account_labels order by user_id"
    ).fetchall()
    assert labels == [(user, "cleared", "appeal_upheld", True) for user in sorted(viewers)]
    assert one(sql_db, "select count(*) from audit_log where action = 'account.labelled'") == 2


def test_the_reviewer_sees_the_viewers_and_their_weights_and_nobody_else_does(
    sql_db: psycopg.Connection, world: World
) -> None:
    number = ask(sql_db, world)
    call = "select review_accounts(%s)"
    with acting_as(sql_db, "reviewer", world):
        found = one(sql_db, call, number)
    seen = {"weight": 0.5, "factors": {"device": 0.1}, "reasons": ["shared_device"]}
    assert found == [{"user_id": user} | seen for user in sorted((world.users["stranger"], world.users["other"]))]
    for actor in ("owner", "other", "stranger"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            sql_db.execute(call, (number,))


@pytest.mark.parametrize("code", ["own_event", "counted", "moves_in_lockstep", "nonsense", None])
def test_what_no_review_could_change_is_not_asked(code: str | None, sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, lambda: ask(sql_db, world, code=code)) == "22ZG3"
    assert refused(sql_db, lambda: ask(sql_db, world, end="2026-01-09 00:00+00")) == "22ZG3"


@pytest.mark.parametrize("words", [None, "", "         x", "x" * 2001])
def test_it_is_asked_in_words(words: str | None, sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, lambda: ask(sql_db, world, words=words)) == "22ZG6"


def test_it_is_asked_once_whatever_was_answered(sql_db: psycopg.Connection, world: World) -> None:
    number = ask(sql_db, world)
    assert refused(sql_db, lambda: ask(sql_db, world)) == "22ZG2"
    answer(sql_db, world, number, upheld=False)
    assert refused(sql_db, lambda: ask(sql_db, world, words="I ask once more.")) == "22ZG2"


@pytest.mark.parametrize("actor", ["anon", "stranger", "other", "reviewer", "admin", "service_role"])
def test_nobody_asks_about_a_video_of_somebody_else(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, lambda: ask(sql_db, world, by=actor)) == "42501"


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "other", "service_role"])
def test_nobody_but_a_reviewer_answers(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    number = ask(sql_db, world)
    assert refused(sql_db, lambda: answer(sql_db, world, number, by=actor)) == "42501"


def test_nobody_answers_about_their_own_video(sql_db: psycopg.Connection, world: World) -> None:
    number = ask(sql_db, world)
    sql_db.execute("insert into staff (user_id, role) values (%s, 'reviewer')", (world.users["owner"],))
    assert refused(sql_db, lambda: answer(sql_db, world, number, by="owner")) == "22Z61"
    with pytest.raises(psycopg.errors.CheckViolation):
        sql_db.execute(
            "update review_requests set status = 'upheld', answer = 'yes', decided_by = creator_id, decided_at = now()"
        )


def test_who_confirmed_an_account_leaves_the_answer_to_another(sql_db: psycopg.Connection, world: World) -> None:
    user, number = world.users["stranger"], ask(sql_db, world)
    label = "select label_account(%s, 'confirmed', 'automation', null, now() + interval '90 days')"
    with acting_as(sql_db, "reviewer", world):
        sql_db.execute(label, (user,))
    assert refused(sql_db, lambda: answer(sql_db, world, number, clear=[user])) == "22ZG5"
    assert answer(sql_db, world, number, by="admin", clear=[user])["cleared"] == 1


def test_an_answer_is_given_once(sql_db: psycopg.Connection, world: World) -> None:
    number = ask(sql_db, world)
    answer(sql_db, world, number)
    assert refused(sql_db, lambda: answer(sql_db, world, number, by="admin", upheld=False)) == "22ZG4"
    for statement in ("update review_requests set answer = 'another'", "delete from review_requests",
                      "truncate review_requests"):  # fmt: skip
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement.encode())
        assert caught.value.sqlstate == "22Z10"


def test_an_answer_has_a_decision_and_words_and_clears_only_who_was_there(
    sql_db: psycopg.Connection, world: World
) -> None:
    number = ask(sql_db, world)
    viewer, elsewhere = world.users["stranger"], world.users["admin"]
    bad: list[dict[str, Any]] = [
        {"words": " "}, {"words": None}, {"words": "x" * 2001}, {"upheld": None}, {"clear": [elsewhere]},
        {"upheld": False, "clear": [viewer]}, {"clear": list(range(1, 1002))},
    ]  # fmt: skip
    for more in bad:
        assert refused(sql_db, lambda more=more: answer(sql_db, world, number, **more)) == "22ZG6"
    assert refused(sql_db, lambda: answer(sql_db, world, None)) == "22ZG6"
    assert refused(sql_db, lambda: answer(sql_db, world, 10**12)) == "22ZG6"


def test_a_verdict_that_may_not_be_given_takes_the_answer_with_it(sql_db: psycopg.Connection, world: World) -> None:
    """The reviewer is a viewer of the video: nobody decides about their own account, and nothing is half done."""
    number, reviewer = ask(sql_db, world), world.users["reviewer"]
    sql_db.execute(
        "insert into event (video_id, user_id, event_type, ts) values (%s, %s, 'view', '2026-01-02 13:00+00')",
        (world.videos["owner"], reviewer),
    )
    assert refused(sql_db, lambda: answer(sql_db, world, number, clear=[world.users["other"], reviewer])) == "22Z61"
