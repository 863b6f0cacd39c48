"""Sign-up, ids, event partitions and references, the throttle: rules that bulk loads and the portal rely on."""

from __future__ import annotations

import re
import threading
import uuid

import psycopg
import pytest

from tests.db.world import World, acting_as, one, people

DAY = "2026-01-01"


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


def sign_up(db: psycopg.Connection) -> int:
    login = uuid.uuid4()
    db.execute("insert into auth.users (id, email) values (%s, %s)", (login, f"{login}@example.org"))
    return int(one(db, "select id from users where auth_id = %s", login))


def test_a_sign_up_makes_a_viewer_with_empty_personal_data(sql_db: psycopg.Connection) -> None:
    user = sign_up(sql_db)
    row = sql_db.execute("select u.is_creator, u.kyc_level, i.* from users u join user_info i on i.user_id = u.id")
    found = row.fetchall()
    assert len(found) == 1
    assert found[0][:2] == (False, None)
    assert set(found[0][4:]) == {None}
    assert found[0][3] == user


@pytest.mark.parametrize("text", ["+49 151 5550123", "", "v1." + "x" * 20_000], ids=["plain", "empty", "long"])
def test_personal_data_comes_in_sealed_and_short_or_not_at_all(
    sql_db: psycopg.Connection, world: World, text: str
) -> None:
    """People may change their own row over the data API, past the application that seals it."""
    change = "update user_info set phone = %s where user_id = %s"
    with acting_as(sql_db, "owner", world):
        sql_db.execute(change, ("v1.sealed", world.users["owner"]))
    with pytest.raises(psycopg.errors.CheckViolation), acting_as(sql_db, "owner", world):
        sql_db.execute(change, (text, world.users["owner"]))
    assert one(sql_db, "select phone from user_info where user_id = %s", world.users["owner"]) == "v1.sealed"


def test_who_leaves_keeps_the_row_that_events_and_the_ledger_point_to(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    sql_db.execute("delete from auth.users where id = %s", (world.logins["owner"],))
    assert sql_db.execute("select auth_id from users where id = %s", (owner,)).fetchall() == [(None,)]
    for statement in ("delete from users", "truncate users cascade", "update users set id = id + 1000"):
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement)
        assert caught.value.sqlstate == "22Z10"


def test_a_sign_up_after_rows_with_ids_of_their_own_does_not_collide(sql_db: psycopg.Connection) -> None:
    sql_db.execute("insert into users (id) select generate_series(1, 50)")
    sql_db.execute("insert into user_info (id, user_id) select i, i from generate_series(1, 50) i")
    with pytest.raises(psycopg.errors.UniqueViolation):
        sign_up(sql_db)
    sql_db.execute("select advance_id_sequences()")
    assert sign_up(sql_db) > 50


def test_becoming_a_creator_changes_nobody_else(sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, "stranger", world):
        sql_db.execute("select become_creator()")
    creators = {row[0] for row in sql_db.execute("select id from users where is_creator")}
    assert creators == {world.users[name] for name in ("stranger", "owner", "other")}


def add(db: psycopg.Connection, video: int, user: int, ts: str = f"{DAY} 12:00+00", event_id: int | None = None) -> int:
    """Inserts one event and skips one that is there, as a bulk load does; returns how many were new."""
    return db.execute(
        "insert into event (event_id, video_id, user_id, event_type, ts) "
        "values (coalesce(%s, nextval('event_event_id_seq')), %s, %s, 'view', %s) on conflict do nothing",
        (event_id, video, user, ts),
    ).rowcount


def test_partitions_are_utc_days_made_once(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("set timezone = 'America/New_York'")
    assert one(sql_db, "select ensure_event_partitions('2026-01-01', '2026-01-03')") == 3
    assert one(sql_db, "select ensure_event_partitions('2026-01-02', '2026-01-04')") == 1
    video, user = world.videos["owner"], world.users["stranger"]
    add(sql_db, video, user, "2026-01-01 23:59:59.999999+00")
    add(sql_db, video, user, "2026-01-02 00:00+00")
    rows = sql_db.execute("select tableoid::regclass::text, count(*) from event group by 1 order by 1").fetchall()
    assert rows == [("event_20260101", 1), ("event_20260102", 1)]


def test_two_at_once_make_the_same_partitions(sql_db: psycopg.Connection, sql_db_url: str) -> None:
    made: list[int] = []

    def run() -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            made.append(one(db, "select ensure_event_partitions('2026-01-01', '2026-01-20')"))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(made) == [0, 0, 0, 20]


def test_days_backwards_or_without_end_are_refused(sql_db: psycopg.Connection) -> None:
    for days in ("'2026-01-02', '2026-01-01'", "null, '2026-01-01'", "'2000-01-01', '2026-01-01'"):
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(f"select ensure_event_partitions({days})")
        assert caught.value.sqlstate == "22Z12"


def test_the_same_event_twice_is_there_once(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute(f"select ensure_event_partitions('{DAY}', '{DAY}')")
    video, user = world.videos["owner"], world.users["stranger"]
    assert [add(sql_db, video, user, event_id=7) for _ in range(2)] == [1, 0]


def test_an_event_of_an_unknown_video_or_user_is_refused_with_its_whole_batch(
    sql_db: psycopg.Connection, world: World
) -> None:
    sql_db.execute(f"select ensure_event_partitions('{DAY}', '{DAY}')")
    video, user = world.videos["owner"], world.users["stranger"]
    batch = (
        "insert into event (video_id, user_id, event_type, ts) "
        f"select %s + (i = 1000)::int * 10^12::bigint, %s + (i = 500)::int * %s, 'view', '{DAY} 12:00+00' "
        "from generate_series(1, 1000) i"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=r"unknown video 1\d+"):
        sql_db.execute(batch, (video, user, 0))
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="unknown"):
        sql_db.execute(batch, (video, user, 10**12))
    assert one(sql_db, "select count(*) from event") == 0


def test_without_its_trigger_an_unknown_video_would_pass(sql_db: psycopg.Connection, world: World) -> None:
    """The check above can go red."""
    sql_db.execute(f"select ensure_event_partitions('{DAY}', '{DAY}')")
    sql_db.execute("drop trigger events_name_known_videos_and_users on event")
    assert add(sql_db, 10**12, world.users["stranger"]) == 1


@pytest.mark.parametrize("statement", ["update event set ts = ts", "delete from event", "truncate event"])
def test_events_are_never_changed(statement: str, sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute(f"select ensure_event_partitions('{DAY}', '{DAY}')")
    add(sql_db, world.videos["owner"], world.users["stranger"])
    with pytest.raises(psycopg.Error) as caught:
        sql_db.execute(statement)
    assert caught.value.sqlstate == "22Z10"
    assert one(sql_db, "select count(*) from event") == 1


def test_one_day_is_read_from_one_partition(sql_db: psycopg.Connection) -> None:
    sql_db.execute("select ensure_event_partitions('2026-01-01', '2026-01-10')")
    plan = sql_db.execute(
        "explain select * from event where ts >= '2026-01-03 00:00+00' and ts < '2026-01-04 00:00+00'"
    ).fetchall()
    assert set(re.findall(r"event_\d{8}", str(plan))) == {"event_20260103"}


def test_the_latest_score_becomes_current(sql_db: psycopg.Connection, world: World) -> None:
    video = world.videos["owner"]
    for day, eis in (("2026-01-01", 40.0), ("2026-01-02", 60.0)):
        sql_db.execute(
            "insert into video_aggregates (video_id, window_start, window_end, model, eis) "
            "values (%s, %s::timestamptz, %s::timestamptz + interval '24 hours', 'classic_v1', %s)",
            (video, f"{day} 00:00+00", f"{day} 00:00+00", eis),
        )
    assert one(sql_db, "select refresh_current_eis('classic_v1')") == 1
    assert one(sql_db, "select refresh_current_eis('classic_v1')") == 0
    assert one(sql_db, "select eis_current from videos where id = %s", video) == 60.0


def test_the_throttle_counts_what_it_allows(sql_db: psycopg.Connection) -> None:
    answers = [one(sql_db, "select throttle('who', 'sign-in', 2, 60)") for _ in range(4)]
    assert answers[:2] == [0, 0]
    assert all(1 <= seconds <= 60 for seconds in answers[2:])
    assert one(sql_db, "select throttle('who', 'reset', 2, 60)") == 0
    assert one(sql_db, "select throttle('else', 'sign-in', 2, 60)") == 0
    sql_db.execute("update auth_attempts set at = at - interval '60 seconds'")
    assert one(sql_db, "select throttle('who', 'sign-in', 2, 60)") == 0


def test_two_at_once_do_not_share_the_last_place(sql_db: psycopg.Connection, sql_db_url: str) -> None:
    answers: list[int] = []

    def run() -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            answers.append(one(db, "select throttle('who', 'sign-in', 3, 60)"))

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers.count(0) == 3
