"""The measurements of money in a small size: they run, and they see what they should."""

from __future__ import annotations

import sys

import pytest

from benchmarks import money
from benchmarks.measure import run_measured
from core.errors import StackError


def test_a_small_window_is_previewed_and_closed_and_measured() -> None:
    found = money.window(200)
    assert found.met
    assert found.line().startswith("window of 200 creators: preview ")


def test_an_admin_closes_a_small_window_over_the_data_api() -> None:
    assert money.window(200, over_api=True).met


def test_a_small_month_is_the_same_to_the_byte_when_run_again_and_when_killed() -> None:
    found = money.month(20_000)
    assert (found.same_twice, found.same_after_kills, found.books) == (True, True, True)
    assert found.statements > 0


def test_the_memory_of_a_command_is_its_own_and_not_that_of_who_measures() -> None:
    held = bytearray(400 << 20)
    for at in range(0, len(held), 4096):
        held[at] = 1
    _, small = run_measured([sys.executable, "-c", "pass"])
    _, large = run_measured([sys.executable, "-c", "held = b'x' * (300 << 20)"])
    assert small < 0.1
    assert 0.29 < large < 0.4


def test_a_measured_command_that_fails_says_why() -> None:
    with pytest.raises(StackError, match="no such thing"):
        run_measured([sys.executable, "-c", "raise SystemExit('no such thing')"])
