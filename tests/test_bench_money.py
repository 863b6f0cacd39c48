"""The measurements of money in a small size: they run, and they see what they should."""

from __future__ import annotations

from benchmarks import money


def test_a_small_window_is_previewed_and_closed_and_measured() -> None:
    found = money.window(200)
    assert found.met
    assert found.line().startswith("window of 200 creators: preview ")


def test_a_small_month_is_the_same_to_the_byte_when_run_again_and_when_killed() -> None:
    found = money.month(20_000)
    assert (found.same_twice, found.same_after_kills, found.books) == (True, True, True)
    assert found.statements > 0
