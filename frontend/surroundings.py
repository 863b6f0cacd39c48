"""What one portal process shares: its settings and the secret-key client for the session table and the throttle.

A user's client is never shared; it lives in that user's Streamlit session (`auth/visitor.py`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from core.crypto import data_key
from core.settings import Settings, load_settings
from frontend.auth.store import SessionStore
from supabase_conn import job_client


@cache
def settings() -> Settings:
    """Read once a process. Raises ConfigError."""
    return load_settings()


@cache
def jobs() -> Any:
    """The secret-key client: it never signs in, so that threads can share it. Raises ConfigError."""
    return job_client(settings())


@cache
def session_store() -> SessionStore:
    """The table of portal sessions. Raises ConfigError when a key is missing."""
    return SessionStore(jobs(), data_key(settings()))


def mailbox() -> Path | None:
    """The mailbox's folder where it may be shown: the Supabase is this machine's own and writes its mail there."""
    return settings().fairshare_mailbox_dir if settings().is_local else None


class _Beginning:
    """The page that this process begins with; the standalone doors set it before the first run."""

    path: str | None = None


def begin_at(path: str) -> None:
    """Lets this process start at another page than the menu's first."""
    _Beginning.path = path


def beginning() -> str | None:
    """The page set by `begin_at`, or None."""
    return _Beginning.path
