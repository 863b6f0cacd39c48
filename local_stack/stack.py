"""The local Supabase as one thing: `up`, `down`, `status`, `reset`.

A stack lives in `.local/<name>/`: `pgdata/` (Postgres), `project/` (what the API server reads), `mailbox/` (auth
mail), `logs/`, and `env` (address and generated keys, git-ignored, mode 600). Stacks of different names run side by
side. Every step may be repeated: what runs is kept, what died is started again, what is half-made is made anew.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
from dotenv import dotenv_values

from core import crypto
from core.errors import StackError
from core.settings import DEFAULT_STACK, ROOT, Settings, load_settings, stack_env_file
from local_stack import node, postgres

DATABASE = "fairshare"
_FIRST_PORT = 54321
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 10
_SERVER = Path(__file__).resolve().parent / "server.mjs"


@dataclass(frozen=True, slots=True)
class Status:
    """What of a stack is alive."""

    name: str
    exists: bool
    postgres: bool
    api: bool
    url: str | None

    @property
    def running(self) -> bool:
        return self.postgres and self.api


class Stack:
    """One named local Supabase."""

    def __init__(self, name: str = DEFAULT_STACK) -> None:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise StackError(f"a stack's name takes letters, digits, - and _, not {name!r}")
        self.name = name
        self.env_file = stack_env_file(name)
        self.dir = self.env_file.parent
        self.mailbox = self.dir / "mailbox"
        self.logs = self.dir / "logs"
        self._project = self.dir / "project"
        self._pid_file = self.dir / "api.pid"
        self.postgres = postgres.Server(self.dir / "pgdata")

    # -- the four commands ------------------------------------------------------------------------------------

    def up(self) -> Settings:
        """Starts what is not running, applies pending migrations and returns the settings. Raises StackError."""
        if self.status().running and not self._pending_migrations():
            return self.settings()
        self.logs.mkdir(parents=True, exist_ok=True)
        self._stop_api()
        self.postgres.start()
        if self.postgres.create_database(DATABASE):
            # A fresh database and the mail and files of an older one do not belong together.
            shutil.rmtree(self.mailbox, ignore_errors=True)
            shutil.rmtree(self._project, ignore_errors=True)
        self.mailbox.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = self._write_environment()
        self._lay_out_project(environment)
        self._start_api(environment)
        return self.settings()

    def down(self) -> bool:
        """Stops everything of this stack; its data stay. Returns False when nothing ran."""
        stopped_api = self._stop_api()
        stopped_postgres = self.postgres.stop()
        return stopped_api or stopped_postgres

    def reset(self) -> None:
        """Stops the stack and removes its data, mail, files and logs; the keys stay valid for the next start."""
        self.down()
        for part in self.dir.glob("*"):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            elif part != self.env_file:
                part.unlink()

    def remove(self) -> None:
        """Stops the stack and removes all of it, keys included."""
        self.down()
        shutil.rmtree(self.dir, ignore_errors=True)

    def status(self) -> Status:
        """Looks; starts and changes nothing."""
        known = dotenv_values(self.env_file) if self.env_file.exists() else {}
        url = known.get("SUPABASE_URL")
        return Status(
            name=self.name,
            exists=self.dir.exists(),
            postgres=self.postgres.is_running(),
            api=self._api_process() is not None and url is not None and _answers(url),
            url=url,
        )

    def settings(self) -> Settings:
        """The settings of this stack, whatever the environment says."""
        return load_settings(self.name)

    # -- parts ------------------------------------------------------------------------------------------------

    def _write_environment(self) -> dict[str, str]:
        known = {k: v for k, v in (dotenv_values(self.env_file) if self.env_file.exists() else {}).items() if v}
        port = urlsplit(known.get("SUPABASE_URL", "")).port
        if port is None or not _is_free(port):
            port = _free_port(_FIRST_PORT)
        values = {
            "SUPABASE_URL": f"http://127.0.0.1:{port}",
            "SUPABASE_PUBLISHABLE_KEY": known.get("SUPABASE_PUBLISHABLE_KEY")
            or f"sb_publishable_{secrets.token_urlsafe(24)}",
            "SUPABASE_SECRET_KEY": known.get("SUPABASE_SECRET_KEY") or f"sb_secret_{secrets.token_urlsafe(32)}",
            "SUPABASE_DB_URL": self.postgres.url(DATABASE),
            "SUPABASE_JWT_SECRET": known.get("SUPABASE_JWT_SECRET") or secrets.token_urlsafe(48),
            "FAIRSHARE_DATA_KEY": known.get("FAIRSHARE_DATA_KEY") or crypto.new_key(),
            "FAIRSHARE_MAILBOX_DIR": str(self.mailbox),
        }
        text = "# Generated for the local Supabase on this machine; not for any other.\n"
        text += "".join(f"{key}={value}\n" for key, value in values.items())
        draft = self.env_file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(self.env_file)
        return values

    def _lay_out_project(self, environment: dict[str, str]) -> None:
        """The official `supabase/config.toml` with this stack's addresses and keys, beside the migrations."""
        config = tomllib.loads((ROOT / "supabase" / "config.toml").read_text())
        config["db"] |= {"driver": "postgres", "url": f"postgres:///{DATABASE}"}
        config["auth"] |= {
            "publishable_key": environment["SUPABASE_PUBLISHABLE_KEY"],
            "secret_key": environment["SUPABASE_SECRET_KEY"],
            "jwt_secret": environment["SUPABASE_JWT_SECRET"],
            "site_url": os.environ.get("FAIRSHARE_SITE_URL", config["auth"]["site_url"]),
        }
        # Nobody waits for a real mail here.
        config["auth"]["email"]["max_frequency"] = "1s"
        folder = self._project / "supabase"
        folder.mkdir(parents=True, exist_ok=True)
        config_file = folder / "config.json"
        config_file.touch(mode=0o600)
        config_file.write_text(json.dumps(config, indent=1))
        for part in ("migrations", "templates", "seed.sql"):
            link, target = folder / part, ROOT / "supabase" / part
            if not link.is_symlink() and target.exists():
                link.symlink_to(target)

    def _node(self, mode: str, environment: dict[str, str]) -> tuple[list[str | Path], dict[str, str]]:
        port = str(urlsplit(environment["SUPABASE_URL"]).port)
        variables = {
            **node.environment(),
            "PGHOST": str(self.postgres.socket_dir),
            "PGUSER": postgres.SUPERUSER,
            "SUPABASE_DB_URL": f"postgres:///{DATABASE}",
            "EXPERIMENTAL_STORAGE": "1",
        }
        return [node.NODE, _SERVER, mode, self._project, port, self.mailbox], variables

    def migrate_only(self) -> None:
        """Brings Postgres up and applies the migrations without serving; for tests that clone the database."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.postgres.start()
        self.postgres.create_database(DATABASE)
        environment = self._write_environment()
        self._lay_out_project(environment)
        command, variables = self._node("migrate", environment)
        done = subprocess.run(
            command,
            env=variables,
            cwd=self._project,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise StackError(f"the migrations did not apply: {_last_line(done.stderr)}")

    def _start_api(self, environment: dict[str, str]) -> None:
        command, variables = self._node("serve", environment)
        log_file = self.logs / "api.log"
        offset = log_file.stat().st_size if log_file.exists() else 0
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=variables,
                cwd=self._project,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}")
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _answers(environment["SUPABASE_URL"]):
            if process.poll() is not None:
                self._pid_file.unlink(missing_ok=True)
                tail = log_file.read_bytes()[offset:].decode(errors="replace")
                raise StackError(f"the local Supabase did not start: {_last_line(tail)} (log: {log_file})")
            if time.monotonic() > deadline:
                self._stop_api()
                raise StackError(f"the local Supabase did not answer within {_START_TIMEOUT_S} s (log: {log_file})")
            time.sleep(0.05)

    def _api_process(self) -> psutil.Process | None:
        """The API server that this stack started, told from a stranger with a recycled pid by its start time."""
        try:
            pid, created = self._pid_file.read_text().split()
            process = psutil.Process(int(pid))
            if abs(process.create_time() - float(created)) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pass
        return None

    def _stop_api(self) -> bool:
        process = self._api_process()
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_STOP_TIMEOUT_S)
        self._pid_file.unlink(missing_ok=True)
        return process is not None

    def _pending_migrations(self) -> bool:
        with psycopg.connect(self.postgres.url(DATABASE)) as connection:
            applied = {
                row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")
            }
        files = {path.name.split("_")[0] for path in (ROOT / "supabase" / "migrations").glob("*.sql")}
        return not files <= applied


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310 - our own http address
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(first: int) -> int:
    for port in range(first, first + 200):
        if _is_free(port):
            return port
    raise StackError(f"no free port between {first} and {first + 199} on 127.0.0.1")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wanted = [line for line in lines if "error" in line.lower()]
    return (wanted or lines or ["no output"])[-1][:300]
