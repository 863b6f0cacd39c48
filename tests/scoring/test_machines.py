"""The page on machines and money says what its arithmetic gives, and the arithmetic moves the way it should."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.machines import Assumed, Measured, machines, table
from core.settings import ROOT


def test_the_page_has_the_table_that_the_figures_give() -> None:
    assert table() in (ROOT / "docs" / "spark.md").read_text(encoding="utf-8")


def test_ten_times_the_events_are_ten_times_the_hours_and_never_fewer_machines() -> None:
    one, ten = (machines(size, Measured(), Assumed()) for size in (10**9, 10**10))
    assert ten.vcpu_hours == 10 * one.vcpu_hours
    assert ten.machines >= one.machines > 0
    # 35 days of a billion events, each at the measured cost, at half of what the cores could do.
    hours = 35e9 * Measured().spark_us_per_event / 1e6 / 3600 / 0.5
    assert abs(one.vcpu_hours - hours) < 1e-6 * hours


def test_a_dearer_hour_and_a_worse_scaling_cost_more() -> None:
    usual = machines(10**9, Measured(), Assumed())
    assert (
        machines(10**9, Measured(), replace(Assumed(), usd_per_vcpu_hour=0.12)).usd_a_window == 2 * usual.usd_a_window
    )
    assert machines(10**9, Measured(), replace(Assumed(), scaling=0.25)).vcpu_hours == 2 * usual.vcpu_hours
