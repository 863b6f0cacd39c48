"""close_revenue_window: one effect or none, whoever calls it, how often, with what, and whatever dies in between."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.db.world import World, acting_as, call_close, capped, closing, keep_policy, one, people, post

TABLES = (
    "revenue_windows", "video_rev_shares", "window_allocations", "reserves", "notifications",
    "ledger_accounts", "ledger_transactions", "ledger_entries",
)  # fmt: skip


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


def everything(db: psycopg.Connection) -> dict[str, int]:
    """Rows in each table that a close writes."""
    return {table: one(db, f"select count(*) from {table}") for table in TABLES}


def balances(db: psycopg.Connection, user: int | None = None) -> dict[str, int]:
    rows = db.execute(
        "select kind, balance_cents from ledger_accounts where user_id is not distinct from %s", (user,)
    ).fetchall()
    return dict(rows)


def refused(db: psycopg.Connection, key: str, figures: dict[str, Any]) -> str | None:
    """The SQLSTATE of the refusal; nothing may have been written."""
    before = everything(db)
    with pytest.raises(psycopg.Error) as caught:
        call_close(db, key, figures)
    assert everything(db) == before
    return caught.value.sqlstate


def test_a_close_posts_the_pool_once_to_the_cent(sql_db: psycopg.Connection, world: World) -> None:
    caps = capped(sql_db, world, owner=5_001, other=1_100)
    done = call_close(sql_db, "k", closing(world, {"owner": 5_001, "other": 1_100}, residual_cents=7, policy=caps))
    # owner: 5001 = fee 500 + reserve 500 + available 4001; other: 1100 = 110 + 110 + 880, under the minimum of 1000.
    assert balances(sql_db, world.users["owner"]) == {"creator_reserve": 500, "creator_available": 4_001}
    assert balances(sql_db, world.users["other"]) == {"creator_reserve": 110, "creator_carried": 880}
    assert balances(sql_db) == {"platform_revenue": -6_108, "pool_clearing": 0, "platform_fee": 610, "residual": 7}
    assert (done["allocated_cents"], done["residual_cents"], done["pool_cents"]) == (6_101, 7, 6_108)
    assert one(sql_db, "select sum(balance_cents) from ledger_accounts") == 0


@pytest.mark.parametrize(
    ("owed", "available", "carried", "still_owed"),
    [(300, 4_000 - 300, 0, 0), (9_000, 0, 0, 9_000 - 4_000), (4_000, 0, 0, 0)],
)
def test_what_a_creator_owes_is_taken_from_the_next_window_first(
    owed: int, available: int, carried: int, still_owed: int, sql_db: psycopg.Connection, world: World
) -> None:
    owner = world.users["owner"]
    post(sql_db, "debt", ("creator_receivable", owner, -owed), ("platform_revenue", None, owed))
    call_close(sql_db, "k", closing(world, {"owner": 5_000, "other": 2_000}))  # 500 fee, 500 reserve, 4000 to pay
    found = balances(sql_db, owner)
    assert (found.get("creator_available", 0), found.get("creator_carried", 0)) == (available, carried)
    assert (found["creator_receivable"], found["creator_reserve"]) == (-still_owed, 500)
    assert balances(sql_db, world.users["other"])["creator_available"] == 1_600
    assert one(sql_db, "select body from notifications where user_id = %s", owner).endswith("taken for what you owe.")


def test_what_would_be_carried_forward_is_taken_for_a_debt_too(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "debt", ("creator_receivable", owner, -100), ("platform_revenue", None, 100))
    call_close(sql_db, "k", closing(world, {"owner": 1_000}))  # 800 are left, under the minimum of 1000
    assert balances(sql_db, owner) == {"creator_reserve": 100, "creator_carried": 700, "creator_receivable": 0}


def test_closed_twice_with_one_key_gives_the_first_answer_and_one_effect(
    sql_db: psycopg.Connection, world: World
) -> None:
    figures = closing(world, {"owner": 5_000})
    first = call_close(sql_db, "k", figures)
    after_first = everything(sql_db)
    second = call_close(sql_db, "k", figures)
    assert second == first | {"replayed": True}
    assert everything(sql_db) == after_first


def test_the_same_key_with_other_figures_is_an_error(sql_db: psycopg.Connection, world: World) -> None:
    call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    assert refused(sql_db, "k", closing(world, {"owner": 5_001})) == "22Z01"


def test_a_window_that_overlaps_a_closed_one_of_its_kind_is_an_error(sql_db: psycopg.Connection, world: World) -> None:
    call_close(sql_db, "a", closing(world, {"owner": 5_000}, start="2026-01-01", end="2026-01-08"))
    assert refused(sql_db, "b", closing(world, {"owner": 5_000}, start="2026-01-07", end="2026-01-14")) == "22Z03"
    bonus = closing(world, {"owner": 5_000}, start="2026-01-07", end="2026-01-14")
    bonus["window"]["kind"] = "bonus"
    call_close(sql_db, "c", bonus)
    call_close(sql_db, "d", closing(world, {"owner": 5_000}, start="2026-01-08", end="2026-01-15"))
    assert one(sql_db, "select count(*) from revenue_windows") == 3


def test_overlap_is_impossible_even_past_the_function(sql_db: psycopg.Connection, world: World) -> None:
    call_close(sql_db, "a", closing(world, {"owner": 5_000}))
    columns = ", ".join(
        row[0]
        for row in sql_db.execute(
            "select attname from pg_attribute where attrelid = 'revenue_windows'::regclass and attnum > 0 "
            "and attname not in ('id', 'idempotency_key', 'version', 'ledger_transaction_id')"
        )
    )
    copy_of_it = f"insert into revenue_windows ({columns}, idempotency_key, version) select {columns}, 'b', 2"
    with pytest.raises(psycopg.errors.ExclusionViolation):
        sql_db.execute(f"{copy_of_it} from revenue_windows")


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "reviewer"])
def test_only_an_admin_or_a_job_closes(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    before = everything(sql_db)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
        call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    assert everything(sql_db) == before


@pytest.mark.parametrize("actor", ["admin", "service_role"])
def test_an_admin_and_a_job_close(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, actor, world):
        call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    assert one(sql_db, "select closed_by from revenue_windows") == world.logins.get(actor)


def edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def edit(figures: dict[str, Any]) -> dict[str, Any]:
        figures = copy.deepcopy(figures)
        change(figures)
        return figures

    return edit


WRONG = {
    "an allocation more than the pool": ("22Z04", lambda f: f["allocations"][0].update(capped_cents=5_001)),
    "a cent lost from a video": ("22Z04", lambda f: f["shares"][0].update(allocated_cents=4_999)),
    "a smaller fee": (
        "22Z04",
        lambda f: f["allocations"][0].update(platform_fee_cents=499, pay_now_cents=4_001),
    ),
    "no reserve": ("22Z04", lambda f: f["allocations"][0].update(reserve_cents=0, pay_now_cents=4_500)),
    "carried though it reaches the minimum": (
        "22Z06",
        lambda f: f["allocations"][0].update(pay_now_cents=0, carried_cents=4_000),
    ),
    "a residual from nowhere": ("22Z04", lambda f: f["window"].update(residual_cents=1)),
    "a pool above the policy": ("22Z05", lambda f: f["window"].update(gross_cents=11_000)),
    "a pool below the policy": ("22Z05", lambda f: f["window"].update(gross_cents=12_000)),
    "costs that leave no such margin": ("22Z05", lambda f: f["window"]["policy"].update(margin_target_bp=9_000)),
    "a video of somebody else": ("22Z07", lambda f: f["shares"][0].update(video_id=f["shares"][1]["video_id"])),
    "a window that is not over": ("22Z12", lambda f: f["window"].update(window_end="2999-01-01T00:00:00Z")),
    "an end before the start": ("22Z12", lambda f: f["window"].update(window_end="2025-01-01T00:00:00Z")),
    "half a cent": ("22Z12", lambda f: f["window"].update(gross_cents=0.5)),
    "a negative cost": ("22Z12", lambda f: f["window"].update(costs_cents=-1)),
    "no policy": ("22Z12", lambda f: f["window"].pop("policy")),
    "a creator twice": ("22Z04", lambda f: f["allocations"].append(f["allocations"][0])),
    "a video twice": ("22Z04", lambda f: f["shares"].append(f["shares"][0])),
    "an unknown creator": ("22Z04", lambda f: f["allocations"][0].update(creator_id=10**12)),
    "an unknown video": ("22Z12", lambda f: f["shares"][0].update(video_id=10**12)),
    "a video without a number": ("22Z12", lambda f: f["shares"][0].update(video_id="x")),
    "a share without units": ("22Z12", lambda f: f["shares"][0].pop("eng_units")),
    "a share that is no object": ("22Z12", lambda f: f["shares"].append(1)),
    "cents of more than 64 bits": ("22Z12", lambda f: f["allocations"][0].update(alloc_cents=2**63)),
    "shares before caps above the pool": ("22Z04", lambda f: f["allocations"][0].update(alloc_cents=5_001)),
    "the whole past": ("22Z12", lambda f: f["window"].update(window_start="-infinity")),
    "a start before any event": ("22Z12", lambda f: f["window"].update(window_start="1969-12-31T00:00:00Z")),
    "a start that is no time": ("22Z12", lambda f: f["window"].update(window_start="x")),
    "a streak beyond the policy": ("22Z04", lambda f: f["allocations"][0].update(streak_ppb=10**9 + 30_000_001)),
    "a residual that somebody could take": (
        "22Z04",
        lambda f: (
            f["window"].update(pool_cents=5_002, residual_cents=2, gross_cents=11_116),
            f["allocations"][0].update(alloc_cents=5_002),
        ),
    ),
    "no word on caps": ("22Z12", lambda f: f["window"].pop("use_caps")),
    "no currency": ("22Z12", lambda f: f["window"].pop("currency")),
    "another model": ("22Z41", lambda f: f["window"].update(model="")),
    "no name of a policy": ("22Z12", lambda f: f["window"].pop("policy_name")),
    "no caps and no word of it": ("22Z12", lambda f: f["window"]["policy"].pop("kyc_caps_cents")),
    "caps for some levels": ("22Z12", lambda f: f["window"]["policy"].update(kyc_caps_cents=[0])),
    "caps by name": ("22Z12", lambda f: f["window"]["policy"].update(kyc_caps_cents={"0": 0})),
    "half a cent as a cap": ("22Z12", lambda f: f["window"]["policy"].update(kyc_caps_cents=[0, 0.5, 1, None])),
    "a hold without end": ("22Z12", lambda f: f["window"]["policy"].update(hold_days=10**13)),
    "more than everything as a limit": ("22Z12", lambda f: f["window"]["policy"].update(quality_limit_bp=10_001)),
}


@pytest.mark.parametrize("case", WRONG)
def test_figures_that_do_not_hold_write_nothing(case: str, sql_db: psycopg.Connection, world: World) -> None:
    code, change = WRONG[case]
    figures = closing(world, {"owner": 5_000})
    if case == "a video of somebody else":
        figures["shares"].append({"video_id": world.videos["other"]})
        change(figures)
        figures["shares"].pop()
    else:
        figures = edited(change)(figures)
    assert refused(sql_db, "k", figures) == code


def test_cents_that_are_not_in_proportion_to_value_units_are_refused(sql_db: psycopg.Connection, world: World) -> None:
    """The bug that this stops: figures that add up and still favour somebody."""
    figures = closing(world, {"owner": 6_000, "other": 3_000})
    for share, vu in zip(figures["shares"], (5_000.0, 4_000.0), strict=True):
        share["vu"] = vu
    assert refused(sql_db, "k", figures) == "22Z04"
    # Two thirds of the units are two thirds of the cents; a streak of the smaller one moves 59 cents.
    for share, vu in zip(figures["shares"], (6_000.0, 3_000.0), strict=True):
        share["vu"] = vu
    figures["allocations"][1]["streak_ppb"] = 1_030_000_000
    assert refused(sql_db, "k", figures) == "22Z04"
    figures["allocations"][1]["streak_ppb"] = 10**9
    call_close(sql_db, "k", figures)


def test_a_label_since_the_preview_is_noticed(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("update users set likely_bot = true where id = %s", (world.users["owner"],))
    assert refused(sql_db, "k", closing(world, {"owner": 5_000})) == "22Z06"


def scored_figures(db: psycopg.Connection, world: World, mean: str | None, pool: int) -> dict[str, Any]:
    """A window under a policy whose pool moves with quality: 10000 gross, a base pool of 4500."""
    figures = closing(world, {"owner": pool}, policy={"quality_limit_bp": 200})
    figures["window"] |= {"gross_cents": 10_000, "mean_eis": mean}
    return figures


def test_the_pool_follows_from_the_kept_scores_to_the_cent(sql_db: psycopg.Connection, world: World) -> None:
    day = ("2026-01-02 00:00+00", "2026-01-03 00:00+00", "classic_v1")
    insert = (
        "insert into video_aggregates (video_id, window_start, window_end, model, eis, eng_units) "
        "values (%s, %s, %s, %s, %s, %s)"
    )
    sql_db.execute(insert, (world.videos["owner"], *day, 61.5, 2))
    sql_db.execute(insert, (world.videos["other"], *day, 62.25, 1))
    # (2 x 61.5 + 62.25) / 3 = 61.75: q = 1.75 / 400, and 4500 x 1.004375 = 4519.6875.
    assert refused(sql_db, "k", scored_figures(sql_db, world, "247/4", 4_520)) == "22Z05"
    assert refused(sql_db, "k", scored_figures(sql_db, world, "248/4", 4_522)) == "22Z05"
    assert refused(sql_db, "k", scored_figures(sql_db, world, None, 4_500)) == "22Z05"
    assert refused(sql_db, "k", scored_figures(sql_db, world, "61.75", 4_519)) == "22Z12"
    call_close(sql_db, "k", scored_figures(sql_db, world, "247/4", 4_519))
    assert one(sql_db, "select mean_eis from revenue_windows") == Decimal("61.75")


def test_without_a_score_there_is_no_mean_and_the_pool_does_not_move(sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, "k", scored_figures(sql_db, world, "60/1", 4_500)) == "22Z05"
    call_close(sql_db, "k", scored_figures(sql_db, world, None, 4_500))


def test_a_given_pool_is_kept_as_such_and_the_margin_binds_it(sql_db: psycopg.Connection, world: World) -> None:
    figures = closing(world, {"owner": 5_000}, policy={"margin_target_bp": 6_000})
    figures["window"] |= {"given_pool_cents": 5_000, "gross_cents": 12_000}
    # 40 % of 12000 are all that the margin leaves.
    assert refused(sql_db, "k", figures) == "22Z05"
    figures["window"]["gross_cents"] = 0
    call_close(sql_db, "k", figures)
    assert one(sql_db, "select given_pool_cents from revenue_windows") == 5_000


def test_rules_that_are_not_the_kept_ones_are_refused(sql_db: psycopg.Connection, world: World) -> None:
    """The bug that this stops: a caller who brings the rules along that suit the figures."""
    figures = closing(world, {"owner": 5_000})
    version = keep_policy(sql_db, figures["window"]["policy"])
    kept = figures["window"]["policy"] | {"version": version}

    def close(**changes: Any) -> Any:
        window = figures["window"] | {"policy": kept, "policy_version": version} | changes
        parts = [Jsonb(part) for part in (window, figures["shares"], figures["allocations"])]
        return one(sql_db, "select close_revenue_window('k', %s, %s, %s)", *parts)

    for code, changes in (
        ("22Z41", {"policy": kept | {"platform_fee_bp": 0}}),
        ("22Z41", {"policy": kept | {"gamma": 1}}),
        ("22Z41", {"use_caps": False}),
        ("22Z40", {"policy_version": version + 1}),
        ("22Z40", {"policy_name": "nobody"}),
    ):
        with pytest.raises(psycopg.Error) as caught:
            close(**changes)
        assert caught.value.sqlstate == code, changes
    assert close()["replayed"] is False


def test_nobody_gets_more_than_the_cap_of_their_kyc_level(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("update users set kyc_level = 1 where id = %s", (world.users["owner"],))
    assert refused(sql_db, "k", closing(world, {"owner": 5_001})) == "22Z08"
    call_close(sql_db, "k", closing(world, {"owner": 5_000}))


def test_an_unknown_kyc_level_gets_nothing_unless_there_are_no_caps(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("update users set kyc_level = null where id = %s", (world.users["owner"],))
    assert refused(sql_db, "k", closing(world, {"owner": 1})) == "22Z08"
    call_close(sql_db, "k", closing(world, {"owner": 5_000}, policy={"kyc_caps_cents": [None] * 4}))


def test_what_was_carried_is_released_when_the_minimum_is_reached(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    call_close(sql_db, "a", closing(world, {"owner": 1_000}))
    assert balances(sql_db, owner) == {"creator_reserve": 100, "creator_carried": 800}
    second = {"start": "2026-01-08", "end": "2026-01-15"}
    # Figures that forget the 800 cents would carry another 800: 1600 are above the minimum of 1000.
    assert refused(sql_db, "b", closing(world, {"owner": 1_000}, **second)) == "22Z06"
    done = call_close(sql_db, "b", closing(world, {"owner": 1_000}, carried_before={"owner": 800}, **second))
    assert done["released_carry_cents"] == 800
    assert balances(sql_db, owner) == {"creator_reserve": 200, "creator_carried": 0, "creator_available": 1_600}


def test_an_empty_pool_closes_without_a_posting(sql_db: psycopg.Connection, world: World) -> None:
    figures = closing(world, {})
    assert call_close(sql_db, "k", figures)["ledger_transaction_id"] is None
    assert one(sql_db, "select count(*) from ledger_entries") == 0


def test_a_reserve_matures_in_seconds_of_utc_not_in_local_days(sql_db: psycopg.Connection, world: World) -> None:
    # In this zone the clock changes within most fortnights of spring; 14 days must stay 14 x 86,400 s.
    sql_db.execute("set timezone = 'Europe/Berlin'")
    call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    held = one(sql_db, "select extract(epoch from r.available_at - w.closed_at) from reserves r, revenue_windows w")
    assert held == 14 * 86_400


def test_a_creator_with_a_login_is_told(sql_db: psycopg.Connection, world: World) -> None:
    call_close(sql_db, "k", closing(world, {"owner": 5_001}))
    told = sql_db.execute("select user_id, body from notifications").fetchall()
    assert [user for user, _ in told] == [world.users["owner"]]
    assert told[0][1].startswith("50.01 earned. Fee 5.00, in reserve until ")


def test_a_closed_window_can_not_be_edited_only_marked_as_reversed(sql_db: psycopg.Connection, world: World) -> None:
    call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    for statement in (
        "update revenue_windows set gross_cents = 1",
        "delete from revenue_windows",
        "truncate revenue_windows cascade",
        "update video_rev_shares set allocated_cents = 1",
        "delete from window_allocations",
        "update reserves set amount_cents = 1",
    ):
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement)
        assert caught.value.sqlstate == "22Z10", statement
    sql_db.execute("update revenue_windows set status = 'reversed'")
    with pytest.raises(psycopg.Error):
        sql_db.execute("update revenue_windows set status = 'closed'")


def test_killed_in_the_middle_leaves_nothing_and_the_retry_closes_once(
    sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    figures = closing(world, {"owner": 5_000})
    before = everything(sql_db)
    with psycopg.connect(sql_db_url) as victim:
        call_close(victim, "k", figures)  # everything is written, nothing committed
        sql_db.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            victim.commit()
    assert everything(sql_db) == before
    assert call_close(sql_db, "k", figures)["replayed"] is False


def test_killed_while_the_function_runs_leaves_nothing(
    sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    figures = closing(world, {"owner": 5_000})
    before = everything(sql_db)
    died = threading.Event()
    # A lock that the close needs after it has written its window: it hangs there until it is killed.
    with psycopg.connect(sql_db_url) as blocker, psycopg.connect(sql_db_url) as victim:
        blocker.execute("lock table reserves in access exclusive mode")

        def run() -> None:
            try:
                call_close(victim, "k", figures)
            except psycopg.OperationalError:
                died.set()

        thread = threading.Thread(target=run)
        thread.start()
        pid = victim.info.backend_pid
        wait_for(sql_db, "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s", pid)
        sql_db.execute("select pg_terminate_backend(%s)", (pid,))
        thread.join(10)
    assert died.is_set()
    assert everything(sql_db) == before
    assert call_close(sql_db, "k", figures)["replayed"] is False


def test_two_at_once_with_one_key_close_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    answers = at_once(sql_db_url, ["k", "k"], closing(world, {"owner": 5_000}))
    assert sorted(answer["replayed"] for answer in answers) == [False, True]
    assert one(sql_db, "select count(*) from ledger_transactions") == 1


def test_two_at_once_with_two_keys_close_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    answers = at_once(sql_db_url, ["a", "b"], closing(world, {"owner": 5_000}))
    assert sorted(answer.get("sqlstate", "closed") for answer in answers) == ["22Z03", "closed"]
    assert one(sql_db, "select count(*) from ledger_transactions") == 1


def at_once(url: str, keys: list[str], figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Each key in a connection of its own, started together; answers or SQLSTATEs."""
    together = threading.Barrier(len(keys))
    answers: list[dict[str, Any]] = []

    def run(key: str) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            together.wait()
            try:
                answers.append(call_close(db, key, figures))
            except psycopg.Error as error:
                answers.append({"sqlstate": error.sqlstate})

    threads = [threading.Thread(target=run, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def wait_for(db: psycopg.Connection, query: str, *parameters: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not one(db, query, *parameters):
        assert time.monotonic() < deadline, f"never true: {query}"
        time.sleep(0.02)
