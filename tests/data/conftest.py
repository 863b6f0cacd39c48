"""Small worlds that several tests look at, made once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from data.attacks import ATTACKS
from data.dataset import Dataset, make_dataset
from data.plan import Plan

END = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Two weeks of 1,500 people."""
    return Plan(end=END, users=1500, creator_ratio=0.06, max_events=1500, max_tx=2, seed=7)


@pytest.fixture(scope="session")
def dataset(plan: Plan) -> Dataset:
    """That plan with every attack in it."""
    return make_dataset(plan, list(ATTACKS))


@pytest.fixture(scope="session")
def honest(plan: Plan) -> Dataset:
    """That plan without attacks."""
    return make_dataset(plan)
