"""Paper people: valid phones, ISO dates, addresses that reach nobody; and files that can be read back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import phonenumbers
import pytest

from core.errors import BadInput
from core.tables import EVENTS, USERS, VIDEOS, read_table
from data.dataset import Dataset, make_dataset
from data.people import LOCALES, personal_data, phones
from data.plan import Plan
from data.snapshot import write_snapshot


@pytest.mark.parametrize("region", sorted({region for _, region, _, _ in LOCALES}))
def test_phones_are_valid_e164_of_their_region_and_all_different(region: str) -> None:
    found = phones(region, 300, np.random.default_rng(1)).tolist()
    assert len(set(found)) == 300
    for text in found:
        number = phonenumbers.parse(text)  # no region given: only E.164 can be parsed
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == text


def test_everybody_is_grown_up_by_an_iso_date_and_has_an_address_that_reaches_nobody(dataset: Dataset) -> None:
    info = dataset.user_info
    for text in info["date_of_birth"].to_pylist():
        born = date.fromisoformat(text)
        assert 18 <= (dataset.plan.end.date() - born).days / 365.25 < 100
    emails = info["email"].to_pylist()
    assert len(set(emails)) == len(emails)
    assert all(email.isascii() and email.endswith("@example.com") for email in emails)
    assert len(set(info["phone"].to_pylist())) == info.num_rows
    assert all(None not in info[name].to_pylist() for name in info.column_names)


def test_names_are_written_in_the_letters_of_their_language(dataset: Dataset) -> None:
    names = "".join(dataset.user_info["first_name"].to_pylist())
    assert any("ぁ" <= c <= "龯" for c in names)
    assert any("а" <= c <= "я" for c in names)
    assert any(c in "äöüéèçłş" for c in names)


def test_papers_follow_the_kyc_level(dataset: Dataset) -> None:
    level = dict(zip(*(dataset.world.users[c].to_pylist() for c in ("id", "kyc_level")), strict=True))
    papers: dict[int, set[str]] = {}
    for row in dataset.documents.to_pylist():
        assert (row["reason_code"] is not None) == (row["status"] == "rejected")
        if row["status"] == "approved":
            papers.setdefault(row["user_id"], set()).add(row["kind"])
    assert set(papers) == {user for user, known in level.items() if known}
    assert all("proof_of_address" in papers[user] for user, known in level.items() if (known or 0) >= 2)
    paths = dataset.documents["storage_path"].to_pylist()
    assert len(set(paths)) == len(paths)


def test_payments_are_whole_cents_between_min_and_max_for_each_creator(dataset: Dataset) -> None:
    cents = dataset.payments["amount_cents"].to_numpy()
    assert cents.dtype == np.int64
    assert cents.min() > 0
    keys = dataset.payments["idempotency_key"].to_pylist()
    assert len(set(keys)) == len(keys)
    assert np.unique(dataset.payments["user_id"].to_numpy(), return_counts=True)[1].max() <= 2


@pytest.mark.parametrize(("kind", "ending"), [("json", "jsonl"), ("parquet", "parquet")])
def test_a_snapshot_reads_back_as_it_was_and_writes_the_same_bytes_twice(
    dataset: Dataset, tmp_path: Path, kind: str, ending: str
) -> None:
    for folder in ("one", "two"):
        write_snapshot(dataset, tmp_path / folder, kind)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) == 11
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    for name, spec in (("users", USERS), ("videos", VIDEOS), ("events", EVENTS)):
        assert read_table(tmp_path / "one" / f"{name}.{ending}", spec).equals(getattr(dataset.world, name))


def test_long_and_empty_tables_are_parquet_even_in_a_json_snapshot(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.snapshot.JSON_ROWS", 50)
    few = make_dataset(Plan(end=plan.end, users=40, creator_ratio=0.1, min_events=30, max_events=90, max_tx=0))
    write_snapshot(few, tmp_path / "s")
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert {"users.jsonl", "events.parquet", "payments.parquet"} <= names
    assert read_table(tmp_path / "s" / "events.parquet", EVENTS).equals(few.world.events)


def test_a_snapshot_replaces_a_snapshot_and_nothing_else(plan: Plan, tmp_path: Path) -> None:
    small = make_dataset(Plan(end=plan.end, users=20, creator_ratio=0.2, max_events=30))
    write_snapshot(small, tmp_path / "s")
    write_snapshot(small, tmp_path / "s", "parquet")
    assert not list((tmp_path / "s").glob("*.jsonl"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="holds other files"):
        write_snapshot(small, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(BadInput, match="--format must be one of json, parquet"):
        write_snapshot(small, tmp_path / "t", "xml")
    assert not (tmp_path / "t").exists()


def test_personal_data_of_one_id_do_not_depend_on_the_clock(plan: Plan) -> None:
    ids = np.arange(1, 50)
    assert personal_data(plan, ids).equals(personal_data(plan, ids))
