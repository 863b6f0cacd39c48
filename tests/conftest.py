"""The local Supabase for tests: one stack of their own a run, and a fresh database for each test that asks."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from core.settings import Settings
from local_stack.stack import DATABASE, Stack

TEMPLATE = f"{DATABASE}_template"


@dataclass(frozen=True)
class RunningStack:
    """A migrated local Supabase, empty at the start of the test run."""

    stack: Stack
    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.supabase_url

    @property
    def publishable_key(self) -> str:
        return self.settings.supabase_publishable_key

    @property
    def secret_key(self) -> str:
        assert self.settings.supabase_secret_key is not None
        return self.settings.supabase_secret_key.get_secret_value()

    @property
    def db_url(self) -> str:
        assert self.settings.supabase_db_url is not None
        return self.settings.supabase_db_url.get_secret_value()

    @property
    def mailbox_dir(self) -> Path:
        assert self.settings.fairshare_mailbox_dir is not None
        return self.settings.fairshare_mailbox_dir


@contextmanager
def running_stack(name: str) -> Iterator[RunningStack]:
    """A migrated, empty local Supabase of this name, removed afterwards."""
    local = Stack(name)
    try:
        # A template without connections is what `create database … template` needs.
        local.migrate_only()
        local.postgres.create_database(TEMPLATE, template=DATABASE)
        yield RunningStack(local, local.up())
    finally:
        local.remove()


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Postgres, Auth, Storage and the data API, for real."""
    with running_stack(f"test-{os.getpid()}") as running:
        yield running


@pytest.fixture
def sql_db_url(stack: RunningStack) -> Iterator[str]:
    """The URL of a fresh migrated database that this test has for itself."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    stack.stack.postgres.create_database(name, template=TEMPLATE)
    yield stack.stack.postgres.url(name)
    stack.stack.postgres.drop_database(name)


@pytest.fixture
def sql_db(sql_db_url: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection (autocommit) to a fresh migrated database."""
    with psycopg.connect(sql_db_url, autocommit=True) as connection:
        yield connection
