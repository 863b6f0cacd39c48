"""The ledger: entries that sum to zero, once per key, never overdrawn, never changed."""

from __future__ import annotations

import random
import threading

import psycopg
import pytest

from tests.db.world import World, acting_as, one, people, post


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


def available(db: psycopg.Connection, user: int) -> int:
    return int(one(db, "select current_balance(u) from users u where id = %s", user))


def code_of(db: psycopg.Connection, key: str, *entries: tuple[str, int | None, int], **more: object) -> str | None:
    """The SQLSTATE with which the posting is refused; it must leave no entry."""
    before = one(db, "select count(*) from ledger_entries")
    with pytest.raises(psycopg.Error) as caught:
        post(db, key, *entries, **more)
    assert one(db, "select count(*) from ledger_entries") == before
    return caught.value.sqlstate


def test_a_posting_moves_money_and_creates_none(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "k", ("platform_revenue", None, -700), ("creator_available", owner, 500), ("platform_fee", None, 200))
    assert available(sql_db, owner) == 500
    assert one(sql_db, "select sum(balance_cents) from ledger_accounts") == 0
    assert one(sql_db, "select sum(amount_cents) from ledger_entries") == 0


def test_what_does_not_sum_to_zero_is_refused(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    assert code_of(sql_db, "k", ("platform_revenue", None, -700), ("creator_available", owner, 699)) == "22Z09"
    assert code_of(sql_db, "k") == "22Z09"


@pytest.mark.parametrize("cents", [0, 0.5, "7", None, 10**18])
def test_an_amount_is_a_whole_number_other_than_zero(sql_db: psycopg.Connection, world: World, cents: object) -> None:
    entries = (("platform_revenue", None, cents), ("creator_available", world.users["owner"], 1))
    assert code_of(sql_db, "k", *entries) == "22Z12"  # type: ignore[arg-type]


MOST = 10**18 - 1
MALFORMED = {
    "an unknown kind of account": [("nope", None, 1)],
    "a creator's account without a creator": [("creator_available", None, 1)],
    "the platform's account with an owner": [("platform_fee", 2, 1)],
    "an unknown creator": [("creator_available", 10**12, 1)],
    "more on one account than can be counted": [("platform_fee", None, MOST)] * 10,
}


@pytest.mark.parametrize("case", MALFORMED)
def test_entries_that_can_not_be_kept_are_refused_in_words(case: str, sql_db: psycopg.Connection, world: World) -> None:
    entries = MALFORMED[case]
    against = [("platform_revenue", None, -cents) for _, _, cents in entries]
    assert code_of(sql_db, "k", *entries, *against) == "22Z12"  # type: ignore[arg-type]


@pytest.mark.parametrize("when", ["infinity", "-infinity"])
def test_a_posting_happened_at_some_time(sql_db: psycopg.Connection, world: World, when: str) -> None:
    entries = '[{"kind": "platform_revenue", "amount_cents": -1}, {"kind": "platform_fee", "amount_cents": 1}]'
    with pytest.raises(psycopg.Error) as caught:
        sql_db.execute("select post_ledger_transaction('k', 'bonus', %s, %s)", (entries, when))
    assert caught.value.sqlstate == "22Z12"
    assert one(sql_db, "select count(*) from ledger_transactions") == 0


def test_a_retry_gives_the_same_answer_and_one_effect(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    entries = (("platform_revenue", None, -500), ("creator_available", owner, 500))
    first = post(sql_db, "k", *entries)
    assert post(sql_db, "k", *entries) == first | {"replayed": True}
    assert available(sql_db, owner) == 500


def test_the_same_key_for_another_payload_is_an_error(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "k", ("platform_revenue", None, -500), ("creator_available", owner, 500))
    assert code_of(sql_db, "k", ("platform_revenue", None, -501), ("creator_available", owner, 501)) == "22Z01"
    assert available(sql_db, owner) == 500


def test_an_account_is_never_overdrawn(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "k1", ("platform_revenue", None, -500), ("creator_available", owner, 500))
    take = (("creator_available", owner, -501), ("payouts_paid", None, 501))
    assert code_of(sql_db, "k2", *take) == "22Z11"
    assert available(sql_db, owner) == 500
    # Not in between either: the first entry would take the account to -1, the second lift it again.
    dip = (("creator_available", owner, -501), ("creator_available", owner, 1), ("payouts_paid", None, 500))
    assert code_of(sql_db, "k3", *dip) == "22Z11"


def test_a_refused_posting_leaves_its_key_free(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    assert code_of(sql_db, "k", ("creator_available", owner, -1), ("payouts_paid", None, 1)) == "22Z11"
    post(sql_db, "k", ("platform_revenue", None, -1), ("creator_available", owner, 1))
    assert available(sql_db, owner) == 1


def test_only_debts_go_below_zero_through_the_receivable(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "k", ("creator_receivable", owner, -300), ("platform_revenue", None, 300))
    assert one(sql_db, "select receivable_cents from creator_balances where user_id = %s", owner) == -300


def test_versions_and_balances_have_no_gap(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    for n in (1, 2, 3):
        post(sql_db, f"k{n}", ("platform_revenue", None, -10 * n), ("creator_available", owner, 10 * n))
    rows = sql_db.execute(
        "select e.account_version, e.balance_after_cents from ledger_entries e "
        "join ledger_accounts a on a.id = e.account_id where a.user_id = %s order by 1",
        (owner,),
    ).fetchall()
    assert rows == [(1, 10), (2, 10 + 20), (3, 10 + 20 + 30)]


def test_a_reversal_mirrors_its_original_once(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    there = (("platform_revenue", None, -500), ("creator_available", owner, 500))
    back = (("platform_revenue", None, 500), ("creator_available", owner, -500))
    first = post(sql_db, "k", *there)["transaction_id"]
    other = (("platform_revenue", None, 499), ("creator_available", owner, -499))
    assert code_of(sql_db, "r", *other, p_reverses=first) == "22Z13"
    reversal = post(sql_db, "r", *back, p_reverses=first)["transaction_id"]
    assert available(sql_db, owner) == 0
    post(sql_db, "k2", *there)
    assert code_of(sql_db, "r2", *back, p_reverses=first) == "22Z13"
    assert code_of(sql_db, "r3", *there, p_reverses=reversal) == "22Z13"


WAYS_TO_CHANGE = (
    "update ledger_entries set amount_cents = 1",
    "delete from ledger_entries",
    "truncate ledger_entries",
    "update ledger_transactions set memo = 'x'",
    "delete from ledger_transactions",
    "truncate ledger_transactions cascade",
    "update ledger_accounts set balance_cents = 10",
    "update ledger_accounts set user_id = null, kind = 'residual', version = version + 1",
    "delete from ledger_accounts",
    "truncate ledger_accounts cascade",
)


@pytest.mark.parametrize("statement", WAYS_TO_CHANGE)
def test_the_ledger_is_append_only_even_for_its_owner(statement: str, sql_db: psycopg.Connection, world: World) -> None:
    post(sql_db, "k", ("platform_revenue", None, -5), ("creator_available", world.users["owner"], 5))
    with pytest.raises(psycopg.Error) as caught:
        sql_db.execute(statement)
    assert caught.value.sqlstate == "22Z10"
    for actor in ("owner", "admin", "service_role"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            sql_db.execute(statement)
    assert available(sql_db, world.users["owner"]) == 5


def test_only_the_service_posts(sql_db: psycopg.Connection, world: World) -> None:
    entries = (("platform_revenue", None, -5), ("creator_available", world.users["owner"], 5))
    for actor in ("anon", "owner", "admin"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            post(sql_db, "k", *entries)
    with acting_as(sql_db, "service_role", world):
        post(sql_db, "k", *entries)


def test_people_read_their_transactions_from_the_ledger(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "k", ("platform_revenue", None, -500), ("creator_available", owner, 500))
    seen = {}
    for actor in ("owner", "other"):
        with acting_as(sql_db, actor, world):
            query = "select recipient, amount_cents, status, payment_type, direction from transactions"
            seen[actor] = sql_db.execute(query).fetchall()
    assert seen == {"owner": [(owner, 500, "available", "bonus", "credit")], "other": []}


def race(url: str, jobs: list[tuple[str, tuple[tuple[str, int | None, int], ...]]]) -> list[str]:
    """Every job in a connection of its own, started together: 'done' or the SQLSTATE."""
    together = threading.Barrier(len(jobs))
    outcomes: list[str] = []

    def run(key: str, entries: tuple[tuple[str, int | None, int], ...]) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            together.wait()
            try:
                post(db, key, *entries)
                outcomes.append("done")
            except psycopg.Error as error:
                outcomes.append(error.sqlstate or "")

    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(outcomes)


def test_eight_at_once_can_not_take_ninety_per_cent_each(
    sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    owner = world.users["owner"]
    post(sql_db, "k", ("platform_revenue", None, -1_000), ("creator_available", owner, 1_000))
    take = (("creator_available", owner, -900), ("payouts_paid", None, 900))
    outcomes = race(sql_db_url, [(f"take {n}", take) for n in range(8)])
    assert outcomes == ["22Z11"] * 7 + ["done"]
    assert available(sql_db, owner) == 100


LOCKS = {
    "the short way": ("post_small_transaction", "  if v_overdrawn is not null then"),
    "the general way": ("post_ledger_transaction", "    select jsonb_build_object('account_id'"),
}


@pytest.mark.parametrize("way", LOCKS)
def test_without_the_lock_the_same_race_goes_wrong(
    way: str, sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    """The guard above can go red: without `for update` balances are read before they are settled."""
    function, after_the_read = LOCKS[way]
    source = one(sql_db, f"select pg_get_functiondef('{function}'::regproc)")
    unlocked = source.replace("order by a.id for update", "order by a.id")
    assert unlocked != source
    assert unlocked.count(after_the_read) == 1
    if way == "the general way":
        only_general(sql_db)
    sql_db.execute(unlocked.replace(after_the_read, f"  perform pg_sleep(0.3);\n{after_the_read}"))
    owner = world.users["owner"]
    # The payee's account is there already: making it would queue the eight by itself.
    opening = (("platform_revenue", None, -1_001), ("creator_available", owner, 1_000), ("payouts_paid", None, 1))
    post(sql_db, "k", *opening)
    take = (("creator_available", owner, -900), ("payouts_paid", None, 900))
    outcomes = race(sql_db_url, [(f"take {n}", take) for n in range(8)])
    # The unique version of an entry still stops the second payout, as an error of its own instead of a clean refusal.
    assert "23505" in outcomes


def only_general(db: psycopg.Connection) -> None:
    """Closes the short way, so that every posting goes the general one."""
    db.execute(
        "create or replace function post_small_transaction(p_idempotency_key text, p_kind text, p_entries jsonb, "
        "p_event_at timestamptz, p_memo text, p_currency text, p_hash text) returns bigint "
        "language sql as 'select null::bigint'"
    )


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_write_and_refuse_the_same(seed: int, sql_db: psycopg.Connection, world: World) -> None:
    """The short way is an optimisation: entry by entry, version by version and refusal by refusal the general one."""
    chance = random.Random(seed)
    accounts = [("platform_revenue", None), ("platform_fee", None), ("creator_available", world.users["owner"]),
                ("creator_available", world.users["other"]), ("creator_receivable", world.users["owner"])]  # fmt: skip
    post(sql_db, "open", *((kind, user, 100) for kind, user in accounts[1:]), ("platform_revenue", None, -400))
    requests = []
    for number in range(40):
        picked = [chance.choice(accounts) for _ in range(chance.randrange(1, 6))]
        cents = [chance.randrange(-150, 150) or 1 for _ in picked]
        balanced = [*cents, -sum(cents)] if chance.random() < 0.9 else [*cents, 7]
        key = f"k{chance.randrange(30)}" if chance.random() < 0.3 else f"n{number}"
        requests.append((key, [(*chance.choice(accounts), c) if i == len(picked) else (*picked[i], c)
                               for i, c in enumerate(balanced)]))  # fmt: skip
    told = []
    for closed in (False, True):
        answers: list[object] = []
        with sql_db.transaction(force_rollback=True):
            if closed:
                only_general(sql_db)
            first = one(sql_db, "select coalesce(max(id), 0) from ledger_transactions")
            for key, entries in requests:
                try:
                    with sql_db.transaction():
                        answers.append(post(sql_db, key, *entries)["replayed"])
                except psycopg.Error as error:
                    answers.append((error.sqlstate, error.diag.message_primary))
            rows = sql_db.execute(
                "select t.idempotency_key, t.request_hash, e.account_id, e.amount_cents, e.account_version, "
                "e.balance_after_cents from ledger_entries e join ledger_transactions t on t.id = e.transaction_id "
                "where t.id > %s order by e.account_id, e.account_version",
                (first,),
            ).fetchall()
            told.append((answers, rows, sql_db.execute("select id, balance_cents, version from ledger_accounts "
                                                       "order by id").fetchall()))  # fmt: skip
    assert told[0] == told[1]
    kinds = {type(answer) for answer in told[0][0]}
    assert kinds == {bool, tuple}  # some were posted, some refused


def test_opposite_transfers_do_not_deadlock(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    a, b = world.users["owner"], world.users["other"]
    for user in (a, b):
        post(sql_db, f"k{user}", ("platform_revenue", None, -1_000), ("creator_available", user, 1_000))
    there = (("creator_available", a, -10), ("creator_available", b, 10))
    back = (("creator_available", b, -10), ("creator_available", a, 10))
    jobs = [(f"{name} {n}", entries) for n in range(10) for name, entries in (("there", there), ("back", back))]
    assert race(sql_db_url, jobs) == ["done"] * 20
    assert (available(sql_db, a), available(sql_db, b)) == (1_000, 1_000)


def test_one_key_from_many_threads_posts_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    owner = world.users["owner"]
    give = (("platform_revenue", None, -500), ("creator_available", owner, 500))
    assert race(sql_db_url, [("the key", give)] * 8) == ["done"] * 8
    assert available(sql_db, owner) == 500
