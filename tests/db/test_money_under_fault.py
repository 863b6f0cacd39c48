"""Money under fault: many at once, servers that die, replies that get lost. Nothing is lost, nothing counts twice.

Short in `./run test`; with FAIRSHARE_NIGHTLY=1 the figures of the promises: 200 accounts, 20 stops under 16 clients.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.errors import StackError
from local_stack.stack import DATABASE, Stack
from revenue_split import ledger_checks, payouts
from revenue_split.calls import call
from supabase_conn import user_client
from tests.conftest import RunningStack
from tests.db.lossy import LossyProxy, lossy, unix_connector
from tests.db.nightly import NIGHTLY, scaled
from tests.db.world import POLICY, World, call_close, closing, one, people, post, with_kept_policy

ACCOUNTS = scaled(12, 200)
AT_ONCE = 8
STOPS = scaled(2, 20)
CLIENTS = scaled(8, 16)
#: What is promised on a machine of its own. In the short run other tests may have the processor.
RECOVERY_S = 5 if NIGHTLY else 30

pytestmark = pytest.mark.timeout(3_600 if NIGHTLY else 300)


def broken(db: psycopg.Connection) -> list[str]:
    return [found.invariant.code for found in ledger_checks.check(db) if found.rows]


@dataclass
class Creator:
    user_id: int
    login: uuid.UUID
    method_id: int


def creators(db: psycopg.Connection, count: int, cents: int) -> list[Creator]:
    """So many creators with a payout method, and `cents` available each."""
    made = []
    for number in range(count):
        login = uuid.uuid4()
        db.execute("insert into auth.users (id, email) values (%s, %s)", (login, f"{login}@example.org"))
        user = one(db, "update users set is_creator = true, kyc_level = 3 where auth_id = %s returning id", login)
        insert = (
            "insert into payout_methods (user_id, provider, token, label) values (%s, 'simulator', 'sim_paid', 'a')"
        )
        made.append(Creator(user, login, one(db, insert + " returning id", user)))
        if cents:
            post(db, f"start {number}", ("platform_revenue", None, -cents), ("creator_available", user, cents))
    return made


def sign_in(db: psycopg.Connection, login: uuid.UUID) -> None:
    """This connection is that person from now on, as over the data API."""
    db.execute("select set_config('request.jwt.claim.sub', %s, false)", (str(login),))
    db.execute("set role authenticated")


def ask(db: psycopg.Connection, creator: Creator, cents: int, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = one(db, "select public.request_payout(%s, %s, %s)", cents, creator.method_id, key)
    return answer


# -- many at once -----------------------------------------------------------------------------------------------------


def storm(url: str, everybody: list[Creator], cents: int) -> Counter[str]:
    """For one account after the other, eight connections ask at the same moment; their states and SQLSTATEs."""
    together = threading.Barrier(AT_ONCE)
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def run(place: int) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            for creator in everybody:
                db.execute("reset role")
                sign_in(db, creator.login)
                together.wait(60)
                try:
                    outcome = ask(db, creator, cents, f"at once {place}")["status"]
                except psycopg.Error as error:
                    outcome = error.sqlstate or "?"
                with lock:
                    outcomes[outcome] += 1

    threads = [threading.Thread(target=run, args=(place,)) for place in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def overdrawn(db: psycopg.Connection) -> int:
    return int(one(db, "select count(*) from ledger_accounts where kind = 'creator_available' and balance_cents < 0"))


def test_eight_at_once_ask_for_ninety_per_cent_each_and_one_gets_it(
    sql_db: psycopg.Connection, sql_db_url: str
) -> None:
    everybody = creators(sql_db, ACCOUNTS, 10_000)
    outcomes = storm(sql_db_url, everybody, 9_000)
    print(f"{ACCOUNTS} accounts x {AT_ONCE} at once: {dict(outcomes)}, overdrawn {overdrawn(sql_db)}")
    assert outcomes == {"pending": ACCOUNTS, "22Z21": ACCOUNTS * (AT_ONCE - 1)}
    assert one(sql_db, "select count(*) from payouts") == ACCOUNTS
    assert (overdrawn(sql_db), broken(sql_db)) == (0, [])


LOCK = "perform public.lock_creator_accounts(v_creator, p_currency);"
INSERT = "  insert into public.payouts\n"


def lock_after_the_read(db: psycopg.Connection) -> None:
    source = one(db, "select pg_get_functiondef('request_payout'::regproc)")
    assert source.count(LOCK) == source.count(INSERT) == 1
    db.execute(source.replace(LOCK, "").replace(INSERT, f"  perform pg_sleep(0.02);\n  {LOCK}\n{INSERT}"))


def without_the_other_guards(db: psycopg.Connection) -> None:
    """The guards behind the lock: one open payout, no account below zero, and the ledger's own look."""
    db.execute("drop index one_open_payout_per_creator")
    db.execute("alter table ledger_accounts drop constraint no_overdraft")
    source = one(db, "select pg_get_functiondef('post_ledger_transaction'::regproc)")
    look = "and (a.allow_negative or a.balance_cents + v_cents[i] >= 0)"
    assert look in source
    db.execute(source.replace(look, ""))


def test_with_the_lock_after_the_read_the_same_storm_overdraws(sql_db: psycopg.Connection, sql_db_url: str) -> None:
    """The test above can go red: what was read before the lock is not what is there after it."""
    everybody = creators(sql_db, min(ACCOUNTS, 20), 10_000)
    lock_after_the_read(sql_db)
    without_the_other_guards(sql_db)
    outcomes = storm(sql_db_url, everybody, 9_000)
    print(f"lock after the read, {len(everybody)} accounts: {dict(outcomes)}, overdrawn {overdrawn(sql_db)}")
    assert overdrawn(sql_db) > len(everybody) / 2
    assert "I04" in broken(sql_db)


def test_with_the_lock_after_the_read_the_guards_behind_it_still_hold(
    sql_db: psycopg.Connection, sql_db_url: str
) -> None:
    everybody = creators(sql_db, 4, 10_000)
    lock_after_the_read(sql_db)
    outcomes = storm(sql_db_url, everybody, 9_000)
    assert outcomes["pending"] == 4
    assert "23505" in outcomes  # no clean refusal any more: the index stops it
    assert (overdrawn(sql_db), broken(sql_db)) == (0, [])


# -- a server that dies -----------------------------------------------------------------------------------------------


@pytest.fixture
def mortal() -> Iterator[Stack]:
    """A Postgres of its own, migrated, to be killed."""
    stack = Stack(f"test-{os.getpid()}-mortal")
    try:
        stack.migrate_only()
        yield stack
    finally:
        stack.remove()


@dataclass
class Client:
    """One client: what it was told was done, and how often it had to ask again after a cut."""

    creator: Creator
    acknowledged: dict[str, int] = field(default_factory=dict)
    cuts: int = 0
    replayed: int = 0
    payouts: int = 0
    errors: list[str] = field(default_factory=list)


def work(url: str, client: Client, name: str, stop: threading.Event) -> None:
    """Credits, payout requests and cancels, each repeated under its key until it is answered."""
    db: psycopg.Connection | None = None

    def until_answered(act: Callable[[psycopg.Connection], dict[str, Any]]) -> dict[str, Any]:
        nonlocal db
        while True:
            try:
                if db is None or db.closed:
                    db = psycopg.connect(url, autocommit=True, connect_timeout=5)
                answer = act(db)
            except psycopg.OperationalError:
                client.cuts += 1
                db = None
                time.sleep(0.02)
                continue
            client.replayed += bool(answer["replayed"])
            return answer

    number = 0
    try:
        while not stop.is_set():
            number += 1
            key, cents = f"{name} {number}", 1_000 + number
            entries = [
                {"kind": "platform_revenue", "amount_cents": -cents},
                {"kind": "creator_available", "user_id": client.creator.user_id, "amount_cents": cents},
            ]
            until_answered(lambda db, k=key, e=entries: one(
                db, "select public.post_ledger_transaction(%s, 'bonus', %s, '2026-01-02')", k, Jsonb(e)))  # fmt: skip
            client.acknowledged[key] = cents

            def request(db: psycopg.Connection, key: str = key) -> dict[str, Any]:
                with db.transaction():
                    sign_in(db, client.creator.login)
                    db.execute("select set_config('request.jwt.claim.sub', %s, true)", (str(client.creator.login),))
                    answer = ask(db, client.creator, 500, key)
                    db.execute("reset role")
                return answer

            payout = until_answered(request)["payout_id"]
            client.payouts += 1
            if number % 2:
                until_answered(lambda db, p=payout: one(db, "select public.cancel_payout(%s)", p))
            else:
                until_answered(lambda db, p=payout: pay(db, p))
    except psycopg.Error as error:
        client.errors.append(f"{error.sqlstate}: {error}")
    finally:
        if db is not None:
            db.close()


def pay(db: psycopg.Connection, payout_id: int) -> dict[str, Any]:
    """Begins the transfer and hears that it was paid, in two transactions, as the job does."""
    status = one(db, "select status from payouts where id = %s", payout_id)
    if status == "paid":
        return {"replayed": True}
    return heard_paid(db, one(db, "select public.begin_payout_transfer(%s)", payout_id))


def heard_paid(db: psycopg.Connection, begun: dict[str, Any]) -> dict[str, Any]:
    """The provider says that it was paid; the same message each time."""
    event = {"kind": "transfer.paid", "provider_key": begun["provider_key"], "amount_cents": begun["amount_cents"],
             "currency": "USD", "event_at": "2026-01-03T00:00:00Z"}  # fmt: skip
    answer: dict[str, Any] = one(
        db, "select public.record_provider_event('simulator', %s, %s)", f"paid {begun['payout_id']}", Jsonb(event)
    )
    return answer


def kill(stack: Stack) -> None:
    """SIGKILL to the server and all its children at once: nobody can tidy up."""
    process = stack.postgres._postmaster()
    assert process is not None
    for each in [process, *process.children(recursive=True)]:
        each.kill()
    process.wait(10)


def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged_and_doubles_nothing(mortal: Stack) -> None:
    url = mortal.postgres.url(DATABASE)
    with psycopg.connect(url, autocommit=True) as db:
        clients = [Client(creator) for creator in creators(db, CLIENTS, 0)]
    stop = threading.Event()
    threads = [
        threading.Thread(target=work, args=(url, client, f"client {n}", stop)) for n, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    recoveries = []
    try:
        for _ in range(STOPS):
            before = sum(len(client.acknowledged) for client in clients)
            time.sleep(1.5)
            kill(mortal)
            began = time.monotonic()
            mortal.postgres.start()
            recoveries.append(time.monotonic() - began)
            assert sum(len(client.acknowledged) for client in clients) > before, "no work was done between two stops"
    finally:
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join(60)
    assert [client.errors for client in clients] == [[]] * CLIENTS
    acknowledged = {key: cents for client in clients for key, cents in client.acknowledged.items()}
    cuts, replayed = sum(c.cuts for c in clients), sum(c.replayed for c in clients)
    print(f"{STOPS} stops under {CLIENTS} clients: {len(acknowledged)} credits, {sum(c.payouts for c in clients)} "
          f"payouts acknowledged, {cuts} cuts, {replayed} found done when asked again, "
          f"recovery {max(recoveries):.2f} s at most, {sum(recoveries) / STOPS:.2f} s on average")  # fmt: skip
    with psycopg.connect(url, autocommit=True) as db:
        kept = dict(db.execute(
            "select t.idempotency_key, e.amount_cents from ledger_transactions t "
            "join ledger_entries e on e.transaction_id = t.id and e.amount_cents > 0 where t.kind = 'bonus'"
        ).fetchall())  # fmt: skip
        assert kept == acknowledged
        assert one(db, "select count(*) from payouts") == sum(client.payouts for client in clients)
        for client in clients:
            paid = one(db, "select coalesce(sum(amount_cents + fee_cents), 0) from payouts where creator_id = %s "
                           "and status = 'paid'", client.creator.user_id)  # fmt: skip
            pending = one(db, "select balance_cents(%s, 'creator_payout_pending', 'USD')", client.creator.user_id)
            found = one(db, "select balance_cents(%s, 'creator_available', 'USD')", client.creator.user_id)
            assert found == sum(client.acknowledged.values()) - paid - pending
        assert broken(db) == []
    assert max(recoveries) < RECOVERY_S
    assert replayed > 0 or STOPS < 5  # some reply was lost after its commit, and asking again found it done


# -- replies that get lost --------------------------------------------------------------------------------------------


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    world = people(sql_db)
    give = (("platform_revenue", None, -10_000), ("creator_available", world.users["owner"], 10_000))
    post(sql_db, "start", *give)
    return world


@pytest.fixture
def cut(stack: RunningStack) -> Iterator[LossyProxy]:
    with lossy(unix_connector(stack.stack.postgres.socket_dir / ".s.PGSQL.5432")) as proxy:
        yield proxy


def through(proxy: LossyProxy, url: str) -> str:
    """The same database by way of the proxy."""
    name = urlsplit(url).path
    return f"postgresql://postgres@127.0.0.1:{proxy.port}{name}?sslmode=disable&gssencmode=disable"


def lost_and_again(proxy: LossyProxy, url: str, act: Callable[[psycopg.Connection], Any]) -> Any:
    """Acts with a reply that gets lost, then again; the second answer."""
    with psycopg.connect(through(proxy, url), autocommit=True) as db:
        proxy.lose_replies(1)
        with pytest.raises(psycopg.OperationalError):
            act(db)
    with psycopg.connect(through(proxy, url), autocommit=True) as db:
        return act(db)


def test_a_posting_whose_reply_got_lost_is_there_once(
    sql_db: psycopg.Connection, sql_db_url: str, world: World, cut: LossyProxy
) -> None:
    entries = (("platform_revenue", None, -7), ("creator_available", world.users["other"], 7))
    assert lost_and_again(cut, sql_db_url, lambda db: post(db, "k", *entries))["replayed"] is True
    assert (cut.lost, one(sql_db, "select balance_cents(%s, 'creator_available', 'USD')", world.users["other"])) == (
        1,
        7,
    )


def test_a_close_whose_reply_got_lost_is_there_once(
    sql_db: psycopg.Connection, sql_db_url: str, world: World, cut: LossyProxy
) -> None:
    figures = with_kept_policy(sql_db, closing(world, {"owner": 5_000}, policy=POLICY))
    assert lost_and_again(cut, sql_db_url, lambda db: call_close(db, "k", figures))["replayed"] is True
    assert one(sql_db, "select count(*) from revenue_windows") == 1
    assert broken(sql_db) == []


def test_a_payout_whose_replies_got_lost_all_the_way_is_asked_sent_and_paid_once(
    sql_db: psycopg.Connection, sql_db_url: str, world: World, cut: LossyProxy
) -> None:
    creator = Creator(world.users["owner"], world.logins["owner"], one(
        sql_db, "insert into payout_methods (user_id, provider, token, label) "
        "values (%s, 'simulator', 'sim_paid', 'a') returning id", world.users["owner"]))  # fmt: skip

    def request(db: psycopg.Connection) -> dict[str, Any]:
        sql = "select set_config('request.jwt.claim.sub', '{}', false); set role authenticated; "
        sql += "select public.request_payout(9000, {}, 'k')"
        cursor = db.execute(sql.format(creator.login, creator.method_id).encode())
        while cursor.nextset():
            pass
        answer: dict[str, Any] = cursor.fetchone()[0]  # type: ignore[index]
        return answer

    first = lost_and_again(cut, sql_db_url, request)
    assert first["replayed"] is True
    begun = lost_and_again(cut, sql_db_url, lambda db: one(db, "select begin_payout_transfer(%s)", first["payout_id"]))
    assert (begun["attempt"], begun["resumed"]) == (1, True)
    paid = lost_and_again(cut, sql_db_url, lambda db: heard_paid(db, begun))
    assert paid["replayed"] is True
    assert cut.lost == 3
    assert one(sql_db, "select available_cents from creator_balances where user_id = %s", creator.user_id) == 975
    assert one(sql_db, "select count(*) from payout_attempts") == 1
    assert broken(sql_db) == []


def test_a_release_whose_reply_got_lost_releases_once(
    sql_db: psycopg.Connection, sql_db_url: str, world: World, cut: LossyProxy
) -> None:
    call_close(sql_db, "k", closing(world, {"owner": 5_000}, policy={"hold_days": 0}))
    second = lost_and_again(cut, sql_db_url, lambda db: one(db, "select release_due_reserves()"))
    assert second == {"released": 0, "cents": 0}
    assert one(sql_db, "select balance_cents(%s, 'creator_available', 'USD')", world.users["owner"]) == 10_000 + 4_500
    assert broken(sql_db) == []


def test_over_the_data_api_a_request_whose_reply_got_lost_is_there_once(stack: RunningStack) -> None:
    """The portal's way: the click's key is kept, the second click finds the first one's payout."""
    address = urlsplit(stack.url)

    def connect() -> socket.socket:
        return socket.create_connection((address.hostname or "", address.port or 0))

    client = user_client(stack.settings)
    email, password = f"lost-{uuid.uuid4().hex[:8]}@example.org", "correct horse battery"
    client.auth.sign_up({"email": email, "password": password})
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        db.execute("update auth.users set email_confirmed_at = now() where email = %s", (email,))
        user = one(db, "update users u set is_creator = true, kyc_level = 3 from auth.users a "
                       "where a.id = u.auth_id and a.email = %s returning u.id", email)  # fmt: skip
        post(db, f"start {email}", ("platform_revenue", None, -10_000), ("creator_available", user, 10_000))
        with lossy(connect) as proxy:
            near = stack.settings.model_copy(update={"supabase_url": f"http://127.0.0.1:{proxy.port}"})
            client = user_client(near)
            client.auth.sign_in_with_password({"email": email, "password": password})
            method = call(client, "add_payout_method", p_provider="simulator", p_token="sim_paid", p_label="Mine")
            arguments = {"amount_cents": 9_000, "method_id": method, "idempotency_key": "click"}
            proxy.lose_replies(1)
            with pytest.raises(StackError, match="does not answer"):
                payouts.request(client, **arguments)
            answer = payouts.request(client, **arguments)
            assert (answer["replayed"], proxy.lost) == (True, 1)
            shown = payouts.eligibility(client)
            assert (shown.available_cents, shown.pending_cents) == (10_000 - 9_025, 9_025)
            assert [reason.code for reason in shown.reasons] == ["open"]
            payouts.cancel(client, answer["payout_id"])
            assert payouts.eligibility(client).available_cents == 10_000
