"""`./run seed --insert`: twice is once, personal data sealed, money through the ledger, log-ins that work."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from core.crypto import data_key, unseal
from core.errors import BadInput
from core.settings import Settings
from data import load_api
from data.accounts import ensure_account
from data.dataset import Dataset, make_dataset
from data.generate_fake_data import main, window
from data.importers import import_folder
from data.insert import insert_dataset, require_consent
from data.plan import Plan
from data.snapshot import write_snapshot
from supabase_conn import user_client
from tests.conftest import RunningStack
from tests.data.conftest import END
from tests.data.test_import import command

TABLES = ("users", "user_info", "documents", "videos", "event", "ledger_transactions", "ledger_entries")


@pytest.fixture
def settings(stack: RunningStack, sql_db_url: str) -> Settings:
    """The stack's settings over a fresh database."""
    return stack.settings.model_copy(update={"supabase_db_url": SecretStr(sql_db_url)})


@pytest.fixture(scope="module")
def small() -> Dataset:
    """Two hundred people, and bots."""
    plan = Plan(end=END, users=200, creator_ratio=0.1, max_events=200, min_tx=1, max_tx=3, seed=5)
    return make_dataset(plan, ["botnet", "framing"])


def contents(db: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that a seeding may touch."""
    return {name: db.execute(f"select * from public.{name} order by 1").fetchall() for name in TABLES}


def test_every_row_arrives_and_a_second_time_changes_nothing(
    settings: Settings, small: Dataset, sql_db: psycopg.Connection
) -> None:
    new = insert_dataset(settings, small).new
    assert new == {name: table.num_rows for name, table in small.tables().items()}
    before = contents(sql_db)
    assert {name: len(rows) for name, rows in before.items() if name in ("users", "event")} == {
        "users": small.world.users.num_rows,
        "event": small.world.events.num_rows,
    }
    again = insert_dataset(settings, small).new
    assert set(again.values()) == {0}
    assert contents(sql_db) == before


def test_personal_data_are_sealed_and_open_only_with_the_key(
    settings: Settings, small: Dataset, sql_db: psycopg.Connection
) -> None:
    insert_dataset(settings, small)
    plain = small.user_info.slice(0, 1).to_pylist()[0]
    owner = plain["user_id"]
    sealed = sql_db.execute("select first_name, phone from user_info where user_id = %s", (owner,)).fetchone()
    key = data_key(settings)
    assert unseal(sealed[0], key, context=f"user_info.first_name:{owner}") == plain["first_name"]
    assert unseal(sealed[1], key, context=f"user_info.phone:{owner}") == plain["phone"]
    everything = " ".join(str(row) for row in sql_db.execute("select * from user_info").fetchall())
    for name in ("last_name", "address", "phone", "email"):
        assert plain[name] not in everything
    linked = "select count(*) from users u join user_info i on i.id = u.user_info_id and i.user_id = u.id"
    assert sql_db.execute(linked).fetchone() == (small.world.users.num_rows,)


def test_bonuses_are_ledger_transactions_that_sum_to_zero(
    settings: Settings, small: Dataset, sql_db: psycopg.Connection
) -> None:
    insert_dataset(settings, small)
    assert sql_db.execute("select sum(balance_cents) from ledger_accounts").fetchone() == (0,)
    expected: dict[int, int] = {}
    for row in small.payments.to_pylist():
        expected[row["user_id"]] = expected.get(row["user_id"], 0) + row["amount_cents"]
    found = dict(sql_db.execute("select u.id, u.current_balance from users u where u.current_balance <> 0").fetchall())
    assert found == expected
    assert len(expected) == small.plan.creators


def test_another_seed_under_the_same_ids_is_refused(
    settings: Settings, small: Dataset, sql_db: psycopg.Connection
) -> None:
    insert_dataset(settings, small)
    before = contents(sql_db)
    other = make_dataset(replace(small.plan, seed=6))
    with pytest.raises(BadInput, match="another seed or size needs another --first-id"):
        insert_dataset(settings, other)
    assert contents(sql_db) == before


def test_a_snapshot_can_be_imported(
    settings: Settings, small: Dataset, sql_db: psycopg.Connection, tmp_path: Path
) -> None:
    write_snapshot(small, tmp_path / "s")
    new = import_folder(settings, tmp_path / "s")
    assert new["events"] == small.world.events.num_rows
    assert set(insert_dataset(settings, small).new.values()) >= {0}
    assert sql_db.execute("select count(*) from event").fetchone() == (small.world.events.num_rows,)


@pytest.fixture
def api_only(stack: RunningStack) -> Settings:
    """Only URL and keys are known."""
    return stack.settings.model_copy(update={"supabase_db_url": None})


def by_itself(seed: int) -> Dataset:
    """A dataset with ids that no other test of the shared stack uses."""
    first_id = 10_000_000 + uuid.uuid4().int % 10**9 * 1000
    plan = Plan(end=END, users=60, creator_ratio=0.1, max_events=300, max_tx=2, seed=seed, first_id=first_id)
    return make_dataset(plan)


def test_over_the_api_alone_the_same_rows_arrive_and_a_second_time_changes_nothing(
    stack: RunningStack, api_only: Settings
) -> None:
    data = by_itself(1)
    last = data.plan.first_id + 10**6
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        assert insert_dataset(api_only, data).new == {n: t.num_rows for n, t in data.tables().items()}

        def rows() -> list[list[tuple[object, ...]]]:
            between = (data.plan.first_id, last)
            return [
                db.execute(f"select * from {table} where {key} between %s and %s order by 1", between).fetchall()
                for table, key in (("users", "id"), ("user_info", "user_id"), ("videos", "id"), ("event", "event_id"))
            ]

        before = rows()
        assert [len(part) for part in before] == [
            data.world.users.num_rows,
            data.world.users.num_rows,
            data.world.videos.num_rows,
            data.world.events.num_rows,
        ]
        assert set(insert_dataset(api_only, data).new.values()) == {0}
        assert rows() == before
        assert db.execute(
            "select count(*) from users where id between %s and %s and user_info_id is null", (data.plan.first_id, last)
        ).fetchone() == (0,)
        other = make_dataset(replace(data.plan, seed=2))
        with pytest.raises(BadInput, match="is the id of another row in the database"):
            insert_dataset(api_only, other)
        assert rows() == before


def test_an_interrupted_run_over_the_api_goes_on(
    stack: RunningStack, api_only: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third batch never leaves; the next run sends what is missing and nothing twice."""
    data = by_itself(3)
    monkeypatch.setattr(load_api, "ROWS", 100)
    real, sent = load_api._json, []

    def stopping(row: dict[str, object]) -> dict[str, object]:
        sent.append(row)
        if len(sent) > 350:
            raise KeyboardInterrupt
        return real(row)

    monkeypatch.setattr(load_api, "_json", stopping)
    with pytest.raises(KeyboardInterrupt):
        insert_dataset(api_only, data)
    monkeypatch.setattr(load_api, "_json", real)
    new = insert_dataset(api_only, data).new
    assert 0 < new["events"] < data.world.events.num_rows
    with psycopg.connect(stack.db_url) as db:
        count = db.execute(
            "select count(*), count(distinct event_id) from event where event_id between %s and %s",
            (data.plan.first_id, data.plan.first_id + 10**6),
        ).fetchone()
    assert count == (data.world.events.num_rows, data.world.events.num_rows)


def test_log_ins_are_real_and_carry_the_simulated_life(stack: RunningStack) -> None:
    data = by_itself(4)
    viewer, creator = (f"{role}-{uuid.uuid4().hex[:8]}@example.com" for role in ("viewer", "creator"))
    password = "correct horse battery"
    done = insert_dataset(stack.settings, data, emails=[viewer], creator_emails=[creator], password=password)
    assert [account.confirmed for account in done.accounts] == [True, True]
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        for account, is_creator, kyc in zip(done.accounts, (False, True), (0, 3), strict=True):
            answer = user_client(stack.settings).auth.sign_in_with_password(
                {"email": account.email, "password": password}
            )
            row = db.execute(
                "select id, is_creator, kyc_level from users where auth_id = %s", (answer.user.id,)
            ).fetchone()
            assert row == (account.user_id, is_creator, kyc)
            sealed = db.execute("select email from user_info where user_id = %s", (account.user_id,)).fetchone()
            key = data_key(stack.settings)
            assert unseal(sealed[0], key, context=f"user_info.email:{account.user_id}") == account.email
        owner = done.accounts[1].user_id
        videos = db.execute("select count(*) from videos where creator_id = %s", (owner,)).fetchone()[0]
        assert videos > 0
        db.execute("update users set kyc_level = 1 where id = %s", (owner,))  # a reviewer's work since then
        again = insert_dataset(stack.settings, data, emails=[viewer], creator_emails=[creator], password=password)
        assert set(again.new.values()) == {0}
        assert [account.password for account in again.accounts] == [None, None]
        assert db.execute("select kyc_level from users where id = %s", (owner,)).fetchone() == (1,)


def test_addresses_that_are_none_are_refused(stack: RunningStack) -> None:
    for text in ("nobody", "@example.com", "a b@example.com"):
        with pytest.raises(BadInput, match="is not an e-mail address"):
            main(insert=True, emails=text)
    with pytest.raises(BadInput, match="needs --insert"):
        main(emails="a@example.com")
    with pytest.raises(BadInput, match="is not an e-mail address"):
        ensure_account(stack.settings, "nobody")


def test_a_hosted_database_is_only_seeded_when_its_address_is_said(stack: RunningStack) -> None:
    hosted = stack.settings.model_copy(update={"supabase_url": "https://abc.supabase.co"})
    far = stack.settings.model_copy(
        update={"supabase_db_url": SecretStr("postgresql://postgres:secret@db.abc.supabase.co:5432/postgres")}
    )
    for settings in (hosted, far):
        for consent in (None, "", "yes", "https://other.supabase.co"):
            with pytest.raises(BadInput, match="say --yes-i-mean") as caught:
                require_consent(settings, consent)
            assert "secret" not in str(caught.value)
        require_consent(settings, settings.supabase_url + "/")
    require_consent(stack.settings, None)


def test_the_window_is_told_by_start_end_and_days() -> None:
    assert window(None, "2026-11-20", 14) == (END, 14)
    assert window("2026-11-06", None, 14) == (END, 14)
    assert window("2026-11-06", "2026-11-20", 3) == (END, 14)
    for start, end in (("2026-11-20", "2026-11-20"), ("2026-11-21", "2026-11-20"), ("2026-11-20T05:00", "2026-11-22")):
        with pytest.raises(BadInput, match="one or more whole days"):
            window(start, end, 14)
    with pytest.raises(BadInput, match="is not an ISO date"):
        window(None, "tomorrow", 14)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--users", "3"], "--users must be at least 10"),
        (["--users", "99999999999"], "--users must be at most 10000000"),
        (["--max-events", "99999999999"], "no --max-… can be more than 10000000"),
        (["--first-id", str(2**63)], "--first-id must be between 1 and 2**62"),
        (["--out", "x" * 300], "can not be used: File name too long"),
        (["--attacks", "bots"], "there is no attack 'bots'"),
        (["--end", "soon"], "--end 'soon' is not an ISO date"),
        (["--format", "xml"], "--format must be one of json, parquet"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(
    settings: Settings, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    run = command(settings, "seed", "--users", "30", "--out", str(tmp_path / "s"), *arguments)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_the_command_writes_a_snapshot_and_inserts(
    settings: Settings, tmp_path: Path, sql_db: psycopg.Connection
) -> None:
    size = ["seed", "--users", "40", "--creator-ratio", "0.2", "--max-events", "50", "--end", "2026-11-20"]
    run = command(settings, *size, "--out", str(tmp_path / "s"))
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert (tmp_path / "s" / "users.jsonl").exists()
    run = command(settings, *size, "--insert")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert sql_db.execute("select count(*) from users").fetchone() == (40,)
