"""How fast money moves at full size: a window of many creators, and a month that is run, run again, and killed.

Each has a Postgres of its own. `python -m benchmarks.money URL FILE` is a measured process: it previews and closes
the window of `window` in that database and writes its seconds. With `API KEY EMAIL PASSWORD` behind, it closes as that
admin over the data API, as the page does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from benchmarks.measure import run_measured
from benchmarks.worlds import world
from core.settings import Settings
from core.timewindows import Window, parse_utc
from data.accounts import ensure_account
from local_stack.stack import DATABASE, Stack
from revenue_split import ledger_checks, policies, windows
from revenue_split.policy import CLASSIC_V1, PoolInputs
from supabase_conn import user_client

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

PREVIEW_GOAL_S, CLOSE_GOAL_S, MEMORY_GOAL_GIB = 5.0, 20.0, 2.0
GOALS_FROM_CREATORS = 100_000
VIDEOS_EACH = 2
DAY = Window(parse_utc("2026-01-02"), parse_utc("2026-01-03"))
MONTH = Window(parse_utc("2026-10-01"), parse_utc("2026-11-01"))
_WORLD = """
insert into public.users (id, is_creator, kyc_level, created_at)
select n, true, 3, timestamptz '2025-01-01 00:00+00' from generate_series(1, %(creators)s) n;
insert into public.videos (id, creator_id)
select n, (n - 1) / %(each)s + 1 from generate_series(1, %(creators)s * %(each)s) n;
insert into public.video_aggregates (video_id, window_start, window_end, model, eis, eng_units)
select n, %(start)s, %(end)s, 'classic_v1', 30 + n %% 61, 1 + n %% 997
from generate_series(1, %(creators)s * %(each)s) n;
insert into public.scored_days (window_start, window_end, model, videos, events)
values (%(start)s, %(end)s, 'classic_v1', %(creators)s * %(each)s, 0);
"""

_CLIENTS = "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
#: A monthly run is killed as soon as one of these is true, in this order.
MOMENTS = (
    "select exists (select from scored_days)",
    "select exists (select from revenue_windows)",
    "select exists (select from statements)",
)


@dataclass(frozen=True, slots=True)
class WindowMeasured:
    """Seconds of a preview and of a close, and the highest memory of the program and of any database process."""

    creators: int
    preview_s: float
    close_s: float
    memory_gib: float
    database_gib: float
    #: Processor seconds of the database's process: what the close costs on a machine that does other things as well.
    database_cpu_s: float

    @property
    def met(self) -> bool:
        """Whether the goals hold, as far as there are any for this size."""
        memory = max(self.memory_gib, self.database_gib)
        fast = self.preview_s < PREVIEW_GOAL_S and self.close_s < CLOSE_GOAL_S
        return self.creators > GOALS_FROM_CREATORS or (fast and memory < MEMORY_GOAL_GIB)

    def line(self) -> str:
        """What is printed."""
        return (
            f"window of {self.creators} creators: preview {self.preview_s:.1f} s, close {self.close_s:.1f} s "
            f"({self.database_cpu_s:.1f} s of them the database's processor), "
            f"memory {self.memory_gib:.2f} GiB, in the database {self.database_gib:.2f} GiB"
        )


@dataclass(frozen=True, slots=True)
class MonthMeasured:
    """Seconds of the first and the second run, and whether a killed run ended with the same files."""

    events: int
    first_s: float
    second_s: float
    statements: int
    memory_gib: float
    same_twice: bool
    same_after_kills: bool
    books: bool

    @property
    def met(self) -> bool:
        """The same bytes each time, and the books in order."""
        return self.same_twice and self.same_after_kills and self.books

    def line(self) -> str:
        """What is printed."""
        words = {True: "the same bytes", False: "OTHER BYTES"}
        return (
            f"month of {self.events} events, {self.statements} statements: first run {self.first_s:.1f} s, "
            f"second {self.second_s:.1f} s ({words[self.same_twice]}), killed {len(MOMENTS)} times and resumed: "
            f"{words[self.same_after_kills]}; {self.memory_gib:.2f} GiB; books {'in order' if self.books else 'BROKEN'}"
        )


def window(creators: int, *, over_api: bool = False) -> WindowMeasured:
    """Previews and closes a day of `creators` creators with two videos each, in a Postgres of its own; with `over_api`
    by a signed-in admin over the local data API.
    """
    with _postgres() as stack, tempfile.TemporaryDirectory(prefix="fairshare-bench-") as folder:
        url, seconds = stack.postgres.url(DATABASE), Path(folder) / "seconds.json"
        with psycopg.connect(url, autocommit=True) as db:
            values = {"creators": creators, "each": VIDEOS_EACH, "start": DAY.start, "end": DAY.end}
            for statement in _WORLD.split(";"):
                if statement.strip():
                    db.execute(statement.encode(), values)
            db.execute("select public.advance_id_sequences()")
            db.execute("vacuum analyze")
            admin = _admin(stack, db) if over_api else []
            with _database_use(db) as use:
                _, memory = run_measured([sys.executable, "-m", "benchmarks.money", url, str(seconds), *admin])
        return WindowMeasured(
            creators=creators,
            memory_gib=memory,
            database_gib=use.bytes / 2**30,
            database_cpu_s=use.cpu_s,
            **json.loads(seconds.read_text()),
        )


def _admin(stack: Stack, db: psycopg.Connection) -> list[str]:
    """Starts the data API and signs an admin up; what a client of theirs needs."""
    settings = stack.up()
    account = ensure_account(settings, "bench@example.org")
    assert account.password is not None
    db.execute("insert into public.staff (user_id, role) values (%s, 'admin')", (account.user_id,))
    return [settings.supabase_url, settings.supabase_publishable_key, account.email, account.password]


def _signed_in(api: str, key: str, email: str, password: str) -> Client:
    client = user_client(Settings.model_validate({"supabase_url": api, "supabase_publishable_key": key}))
    client.auth.sign_in_with_password({"email": email, "password": password})
    return client


def _preview_and_close(url: str, admin: list[str]) -> dict[str, float]:
    settings = _settings(url)
    who = _signed_in(*admin) if admin else settings
    # About 16.00 a creator, so that most are paid and some carried; by one admin, since two would close in two calls.
    inputs = PoolInputs(gross_cents=400_000_000)
    policy = policies.keep(settings, replace(CLASSIC_V1, approval_limit_cents=None))
    begin = time.perf_counter()
    figures = windows.preview(settings, DAY, inputs, policy)
    between = time.perf_counter()
    windows.close(who, figures, "bench")
    end = time.perf_counter()
    return {"preview_s": between - begin, "close_s": end - between}


def month(events: int) -> MonthMeasured:
    """A month of `events` events: run, run again, and in an equal database killed at every moment and resumed."""
    with _postgres() as stack, tempfile.TemporaryDirectory(prefix="fairshare-bench-") as folder:
        server, root = stack.postgres, Path(folder)
        server.create_database("month_0", template=DATABASE)
        world(events, window=MONTH).write(root / "world")
        run_measured([sys.executable, "-m", "cli", "import", str(root / "world")], _environment(server.url("month_0")))
        for name in ("month_a", "month_b"):
            server.create_database(name, template="month_0")
        first_s, memory = run_measured(_monthly(root / "a"), _environment(server.url("month_a")))
        second_s, _ = run_measured(_monthly(root / "a2"), _environment(server.url("month_a")))
        _killed(server.url("month_b"), root / "b")
        run_measured(_monthly(root / "b"), _environment(server.url("month_b")))
        with psycopg.connect(server.url("month_b"), autocommit=True) as db:
            books = not any(found.rows for found in ledger_checks.check(db))
        first = _files(root / "a")
        return MonthMeasured(
            events=events,
            first_s=first_s,
            second_s=second_s,
            statements=sum(name.endswith(".pdf") for name in first),
            memory_gib=memory,
            same_twice=first == _files(root / "a2"),
            same_after_kills=first == _files(root / "b"),
            books=books,
        )


def _killed(url: str, out: Path) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for moment in MOMENTS:
            process = subprocess.Popen(_monthly(out), env=_environment(url), stdout=subprocess.DEVNULL)
            while process.poll() is None and not (db.execute(moment.encode()).fetchone() or (False,))[0]:
                time.sleep(0.002)
            process.kill()
            process.wait()


def _monthly(out: Path) -> list[str]:
    arguments = ["monthly", f"{MONTH.start:%Y-%m}", "--gross-cents", "2500000", "--out", str(out)]
    return [sys.executable, "-m", "cli", *arguments]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _settings(url: str) -> Settings:
    return Settings.model_validate(
        {"supabase_url": "http://127.0.0.1:1", "supabase_publishable_key": "unused", "supabase_db_url": url}
    )


def _environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE", "FAIRSHARE"))}
    return kept | {
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_PUBLISHABLE_KEY": "unused",
        "SUPABASE_DB_URL": url,
    }


@contextmanager
def _postgres() -> Iterator[Stack]:
    stack = Stack(f"bench-money-{os.getpid()}")
    try:
        stack.migrate_only()
        yield stack
    finally:
        stack.remove()


@dataclass(slots=True)
class _Use:
    """The most own memory of one database process (shared buffers left out), and the most processor seconds of one."""

    bytes: int = 0
    cpu_s: float = 0.0

    def look(self, pid: int) -> None:
        """Linux alone: elsewhere nothing is found and nothing is told."""
        status, stat = Path(f"/proc/{pid}/status"), Path(f"/proc/{pid}/stat")
        if not (status.exists() and stat.exists()):
            return
        words = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        self.bytes = max(self.bytes, int(words.get("RssAnon", "0 kB").split()[0]) * 1024)
        ticks = stat.read_text().rpartition(")")[2].split()[11:13]
        self.cpu_s = max(self.cpu_s, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))


@contextmanager
def _database_use(db: psycopg.Connection) -> Iterator[_Use]:
    use, stop = _Use(), threading.Event()

    def sample() -> None:
        while not stop.wait(0.2):
            for (pid,) in db.execute(_CLIENTS).fetchall():
                use.look(pid)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield use
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(_preview_and_close(sys.argv[1], sys.argv[3:])))
