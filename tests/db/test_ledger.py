"""The ledger: entries that sum to zero, once per key, never overdrawn, never changed."""

from __future__ import annotations

import random
import threading
import time

import psycopg
import pytest
from psycopg.types.json import Jsonb

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


ASKED = (("platform_revenue", None, -500), ("creator_available", 1, 300), ("creator_available", 1, 200))
OTHERWISE = {
    "an amount": ((*ASKED[:1], ("creator_available", 1, 301), ("creator_available", 1, 199)), {}),
    "the order on one account": ((ASKED[0], ASKED[2], ASKED[1]), {}),
    "an account": ((*ASKED[:2], ("creator_reserve", 1, 200)), {}),
    "a creator": ((*ASKED[:2], ("creator_available", 2, 200)), {}),
    "one entry more": ((*ASKED, ("platform_fee", None, 1), ("platform_revenue", None, -1)), {}),
    "one entry less": ((ASKED[0], ("creator_available", 1, 500)), {}),
    "the memo": (ASKED, {"p_memo": "Another"}),
    "no memo": (ASKED, {"p_memo": None}),
    "the currency": (ASKED, {"p_currency": "EUR"}),
    "a reversal": (ASKED, {"p_reverses": 1}),
    "a window": (ASKED, {"p_revenue_window_id": 1}),
}


@pytest.mark.parametrize("way", ["the short way", "the general way"])
def test_a_retry_is_told_from_another_request_by_what_was_written(
    way: str, sql_db: psycopg.Connection, world: World
) -> None:
    post(sql_db, "before", *ASKED)
    if way == "the general way":
        only_general(sql_db)
    first = post(sql_db, "k", *ASKED, p_memo="For May")
    # The order of accounts says nothing; that of the entries on one account does.
    for same in (ASKED, (*ASKED[1:], ASKED[0])):
        assert post(sql_db, "k", *same, p_memo="For May") == first | {"replayed": True}
    for change, (entries, more) in OTHERWISE.items():
        assert code_of(sql_db, "k", *entries, **({"p_memo": "For May"} | more)) == "22Z01", change
    rows = Jsonb([{"kind": kind, "user_id": user, "amount_cents": cents} for kind, user, cents in ASKED])
    for kind, at in (("fee", "2026-01-02 00:00+00"), ("bonus", "2026-01-02 00:00:00.000001+00")):
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute("select post_ledger_transaction('k', %s, %s, %s, 'For May')", (kind, rows, at))
        assert caught.value.sqlstate == "22Z01", (kind, at)


SAME = {
    "what kind, time and memo say": ("p_written.memo,", "p_memo,", ASKED, None),
    "what is asked beyond what was written": (
        "and not exists (select * from asked except select * from written)",
        "",
        (*ASKED, ("platform_fee", None, 1), ("platform_revenue", None, -1)),
        "For May",
    ),
    "what was written beyond what is asked": (
        "and not exists (select * from written except select * from asked)",
        "",
        ASKED[:2],
        "For May",
    ),
}


@pytest.mark.parametrize("part", SAME)
def test_without_a_part_of_the_comparison_another_request_passes(
    part: str, sql_db: psycopg.Connection, world: World
) -> None:
    words, others, entries, memo = SAME[part]
    post(sql_db, "k", *ASKED, p_memo="For May")
    assert code_of(sql_db, "k", *entries, p_memo=memo) == "22Z01"
    mutate(sql_db, "is_same_posting", (words, others))
    assert post(sql_db, "k", *entries, p_memo=memo)["replayed"]


@pytest.mark.parametrize("user", [True, {}, [], "1", -1, 1.5, 0])
def test_who_owns_an_account_is_a_number_or_nobody(user: object, sql_db: psycopg.Connection, world: World) -> None:
    """Nothing else may pass as "nobody", which is the platform."""
    post(sql_db, "open", ("platform_revenue", None, -5), ("platform_fee", None, 5))
    assert code_of(sql_db, "k", ("platform_revenue", user, -5), ("platform_fee", None, 5)) == "22Z12"  # type: ignore[arg-type]


AGAINST_THE_RULES = {
    "a creator's account without a creator": "('creator_available', null, 'USD', false, 0, 0)",
    "the platform's account with an owner": "('platform_fee', 1, 'USD', false, 0, 0)",
    "an account that may be negative": "('creator_available', 1, 'EUR', true, 0, 0)",
    "a debt that may not": "('creator_receivable', 1, 'EUR', false, 0, 0)",
    "an account with money from nowhere": "('creator_available', 1, 'EUR', false, 5, 0)",
    "an account with a past": "('creator_available', 1, 'EUR', false, 0, 1)",
}


@pytest.mark.parametrize("case", AGAINST_THE_RULES)
def test_an_account_opens_by_the_rules_even_for_its_owner(case: str, sql_db: psycopg.Connection, world: World) -> None:
    columns = "kind, user_id, currency, allow_negative, balance_cents, version"
    statement = f"insert into ledger_accounts ({columns}) values {AGAINST_THE_RULES[case]}"
    with pytest.raises(psycopg.errors.CheckViolation):
        sql_db.execute(statement)
    sql_db.execute("alter table ledger_accounts disable trigger ledger_accounts_open_by_the_rules")
    sql_db.execute(statement)


IMMOVABLE = {
    "ledger_accounts_stay_whose_they_are": "update ledger_accounts set currency = 'EUR', version = version + 1",
    "ledger_accounts_move_with_entries": "update ledger_accounts set balance_cents = balance_cents + 1 where id = 1",
}


@pytest.mark.parametrize("trigger", IMMOVABLE)
def test_it_is_the_trigger_that_holds_an_account(trigger: str, sql_db: psycopg.Connection, world: World) -> None:
    post(sql_db, "k", *ASKED)
    with pytest.raises(psycopg.Error) as caught:
        sql_db.execute(IMMOVABLE[trigger])
    assert caught.value.sqlstate == "22Z10"
    sql_db.execute(f"alter table ledger_accounts disable trigger {trigger}")
    sql_db.execute(IMMOVABLE[trigger])


ENTRY = "insert into ledger_entries (transaction_id, account_id, amount_cents, account_version, balance_after_cents) "
TRANSACTION = "insert into ledger_transactions (idempotency_key, kind, currency, event_at) values "
VALUES = {
    "account_kind_is_known": (
        "account_kind",
        "insert into ledger_accounts (kind, currency, allow_negative) values ('x', 'USD', false)",
    ),
    "ledger_currency_is_three_letters": ("ledger_currency", TRANSACTION + "('a', 'bonus', 'usd', now())"),
    "transaction_kind_is_a_word": ("transaction_kind", TRANSACTION + "('a', 'Bonus 1', 'USD', now())"),
    "idempotency_key_is_not_empty": ("posting_key", TRANSACTION + "('', 'bonus', 'USD', now())"),
    "no_zero_entry": ("entry_cents", ENTRY + "values (1, 1, 0, 9, 0)"),
}


@pytest.mark.parametrize("rule", VALUES)
def test_a_value_s_type_says_what_it_may_be_even_to_its_owner(
    rule: str, sql_db: psycopg.Connection, world: World
) -> None:
    domain, statement = VALUES[rule]
    post(sql_db, "k", *ASKED)
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        sql_db.execute(statement)
    assert caught.value.diag.constraint_name == rule
    sql_db.execute(f"alter domain {domain} drop constraint {rule}")
    sql_db.execute(statement)


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


def mutate(db: psycopg.Connection, function: str, *changes: tuple[str, str]) -> None:
    """The function with other words in the place of some, each of which is there once."""
    source: str = one(db, f"select pg_get_functiondef('{function}'::regproc)")
    for words, others in changes:
        assert source.count(words) == 1, words
        source = source.replace(words, others)
    db.execute(source.encode())


def only_general(db: psycopg.Connection) -> None:
    """Closes the short way, so that every posting goes the general one."""
    mutate(db, "post_ledger_transaction", ("between 2 and 8", "between 2 and 0"))


READ = (
    "select a.balance_cents, a.version into v_balance, v_version from public.ledger_accounts a "
    "where a.id = v_accounts[i]; perform pg_sleep(0.3);"
)
AFTER_THE_READ = "    select jsonb_build_object('account_id'"
#: Balances are read before they are locked, and what was read is written. What stops it then: the trigger that wants a
#: higher version, and the unique version of an entry.
WITHOUT_LOCK = {
    "the short way": (
        "22Z10",
        [
            ("set balance_cents = a.balance_cents + v_cents[i], version = a.version + 1\n",
             "set balance_cents = v_balance + v_cents[i], version = v_version + 1\n"),
            (" and (a.allow_negative or a.balance_cents + v_cents[i] >= 0)", ""),
            ("    loop\n      update", f"    loop\n      {READ}\n      update"),
        ],
    ),
    "the general way": (
        "23505",
        [
            ("order by a.id for update", "order by a.id"),
            (AFTER_THE_READ, f"    perform pg_sleep(0.3);\n{AFTER_THE_READ}"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WITHOUT_LOCK)
def test_without_the_lock_the_same_race_goes_wrong(
    way: str, sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    """The guard above can go red: without the lock balances are read before they are settled."""
    stopped_by, changes = WITHOUT_LOCK[way]
    if way == "the general way":
        only_general(sql_db)
    mutate(sql_db, "post_general_transaction" if way == "the general way" else "post_ledger_transaction", *changes)
    owner = world.users["owner"]
    # The payee's account is there already: making it would queue the eight by itself.
    opening = (("platform_revenue", None, -1_001), ("creator_available", owner, 1_000), ("payouts_paid", None, 1))
    post(sql_db, "k", *opening)
    take = (("creator_available", owner, -900), ("payouts_paid", None, 900))
    outcomes = race(sql_db_url, [(f"take {n}", take) for n in range(8)])
    # The second payout is still stopped, as an error of its own instead of a clean refusal.
    assert stopped_by in outcomes


def test_most_postings_take_the_short_way(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    post(sql_db, "new accounts", ("platform_revenue", None, -500), ("creator_available", owner, 500))
    changes = (
        "  if coalesce(length(p_idempotency_key)",
        "  raise 'the general way';\n  if coalesce(length(p_idempotency_key)",
    )
    mutate(sql_db, "post_general_transaction", changes)
    post(sql_db, "k", ("creator_available", owner, -5), ("creator_available", owner, 7), ("platform_revenue", None, -2))
    assert available(sql_db, owner) == 502


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
                "select t.idempotency_key, t.memo, e.account_id, e.amount_cents, e.account_version, "
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
    # In the order of the request instead of the accounts' they do; that is what the test is worth.
    slow = (
        "    insert into public.ledger_entries",
        "    perform pg_sleep(0.3);\n    insert into public.ledger_entries",
    )
    mutate(sql_db, "post_ledger_transaction", ("order by account_id, e.ord", "order by e.ord"), slow)
    assert "40P01" in race(sql_db_url, [("a to b", there), ("b to a", back)])


@pytest.mark.parametrize("waits", [True, False])
def test_money_that_comes_in_meanwhile_counts(
    waits: bool, sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    """What a statement finds too little is looked at once more under the lock; without that look it is refused."""
    owner = world.users["owner"]
    post(sql_db, "open", ("platform_revenue", None, -2), ("creator_available", owner, 1), ("payouts_paid", None, 1))
    if not waits:
        mutate(sql_db, "post_ledger_transaction", ("if v_account.balance_cents + v_cents[i] < 0 then", "if true then"))
    take = ("take", (("creator_available", owner, -100), ("payouts_paid", None, 100)))
    outcomes: list[str] = []
    with psycopg.connect(sql_db_url) as giver:
        post(giver, "give", ("platform_revenue", None, -500), ("creator_available", owner, 500))
        taker = threading.Thread(target=lambda: outcomes.extend(race(sql_db_url, [take])))
        taker.start()
        waiting = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        for _ in range(200):
            if one(sql_db, waiting):
                break
            time.sleep(0.02)
        giver.commit()
    taker.join(30)
    assert outcomes == (["done"] if waits else ["22Z11"])


def test_one_key_from_many_threads_posts_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    owner = world.users["owner"]
    give = (("platform_revenue", None, -500), ("creator_available", owner, 500))
    assert race(sql_db_url, [("the key", give)] * 8) == ["done"] * 8
    assert available(sql_db, owner) == 500
