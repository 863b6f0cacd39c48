"""The demo closes a window, does nothing twice, and goes on after an interruption."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local_stack.stack import DATABASE, Stack

SMALL = ("--users", "400", "--days", "4", "--no-serve")


@pytest.fixture
def own() -> Iterator[Stack]:
    local = Stack(f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    yield local
    local.remove()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "cli", "demo", *arguments]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=240)


def cents(text: str, name: str) -> int:
    found = re.search(rf"^  {re.escape(name)}.*? ([\d,]+)\.(\d\d) USD", text, re.MULTILINE)
    assert found, f"{name} is not in: {text}"
    return int(found[1].replace(",", "") + found[2])


def contents(stack: Stack) -> dict[str, int]:
    tables = ("users", "videos", "event", "video_aggregates", "revenue_windows", "video_rev_shares", "ledger_entries")
    with psycopg.connect(stack.postgres.url(DATABASE)) as connection:
        return {t: connection.execute(f"select count(*) from public.{t}").fetchone()[0] for t in tables}  # type: ignore[index]


def test_the_demo_pays_out_its_pool_to_the_cent_and_a_second_run_changes_nothing(own: Stack) -> None:
    first = demo(*SMALL, "--stack", own.name)
    assert first.returncode == 0, first.stderr
    parts = ("paid: available now", "paid: in safety reserve", "carried", "platform fee", "residual")
    assert sum(cents(first.stdout, part) for part in parts) == cents(first.stdout, "pool") > 0
    assert "adds up to the cent; all invariants of the books hold" in first.stdout
    assert [line for line in first.stdout.splitlines() if len(line.rstrip()) > 80] == []
    for attack in ("view_farm", "framing", "report_brigade"):
        assert attack in first.stdout
    before = contents(own)
    second = demo(*SMALL, "--stack", own.name)
    assert second.returncode == 0, second.stderr
    assert contents(own) == before

    def without_times(text: str) -> str:
        return text[: text.index("Time\n")] + text[text.index("Log-ins") :]

    assert without_times(second.stdout) == without_times(first.stdout)
    other = demo("--users", "500", "--days", "4", "--no-serve", "--stack", own.name)
    assert other.returncode == 2
    assert "holds a demo with other options" in other.stderr
    assert contents(own) == before


@pytest.mark.parametrize("after_s", [0.8, 2.0, 3.0, 4.5])
def test_an_interrupted_demo_goes_on_when_it_is_typed_again(own: Stack, after_s: float) -> None:
    process = subprocess.Popen(
        command(*SMALL, "--stack", own.name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # Minus SIGINT: the work was done and Python was leaving.
    assert process.returncode in (0, 130, -signal.SIGINT), said
    again = demo(*SMALL, "--stack", own.name)
    assert again.returncode == 0, again.stderr
    assert "adds up to the cent; all invariants of the books hold" in again.stdout
    assert contents(own)["revenue_windows"] == 1


def test_imported_data_close_a_window_too(own: Stack, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,is_creator\n1,true\n2,false\n3,\n")
    (tmp_path / "videos.csv").write_text("id,creator_id,title\n10,1,Zoë 😀\n")
    rows = [f"{n},10,{2 + n % 2},view,2021-09-20T0{n}:00:00Z" for n in range(1, 9)]
    (tmp_path / "events.csv").write_text("event_id,video_id,user_id,event_type,ts\n" + "\n".join(rows) + "\n")
    done = demo("--data", str(tmp_path), "--no-serve", "--stack", own.name)
    assert done.returncode == 0, done.stderr
    assert cents(done.stdout, "pool") == 9  # 8 events at 4 cents: 32 gross, less costs and margin 30 %
    assert "adds up to the cent" in done.stdout


def test_bad_input_is_one_line_and_nothing_is_started(tmp_path: Path) -> None:
    for arguments in (("--data", str(tmp_path / "none")), ("--attacks", "nonsense"), ("--users", "3")):
        refused = demo(*arguments, "--no-serve")
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: ")
        assert refused.stderr.count("\n") == 1
