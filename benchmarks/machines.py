"""How many machines a log of billions of events a day asks for: arithmetic on measured figures and named assumptions.

`.venv/bin/python -m benchmarks.machines` prints the table of docs/spark.md; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZES = (1_000_000_000, 10_000_000_000)
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Measured:
    """On two shared cores, a week of `benchmarks.worlds`; CPU seconds of Java from two sizes, so that what a start
    costs is apart from what an event costs. Pairs and bytes are those of the same worlds.
    """

    spark_us_per_event: float = 38.0
    spark_start_cpu_s: float = 73.0
    in_process_us_per_event: float = 1.0
    pairs_per_event: float = 0.93
    log_bytes_per_event: float = 43.0
    #: In this process, of numpy, for each account and creator (`audiences.Visitors`), and while it is made.
    bytes_per_pair: float = 17.0


@dataclass(frozen=True, slots=True)
class Assumed:
    """Nothing of this was measured. Prices are set by whoever reads this, not looked up."""

    #: A window of a week, and the four weeks before it that the viewers are weighed by.
    window_days: int = 7
    history_days: int = 28
    #: What a cluster does of what its cores could do alone: shuffles over a network, stragglers.
    scaling: float = 0.5
    deadline_hours: float = 6.0
    vcpus_a_machine: int = 32
    gib_a_vcpu: float = 8.0
    usd_per_vcpu_hour: float = 0.06
    usd_per_gib_month: float = 0.023
    windows_a_month: float = 30.4 / 7


@dataclass(frozen=True, slots=True)
class Machines:
    """What one window of a week costs at a number of events a day."""

    events_a_day: int
    events: float
    vcpu_hours: float
    machines: int
    usd_a_window: float
    usd_a_month: float
    log_tib: float
    driver_gib: float


def machines(events_a_day: int, measured: Measured, assumed: Assumed) -> Machines:
    """Each event of the window and of the weeks before it is charged with the whole cost of an event of a window, which
    is too much for the weeks before: they are weighed and not scored.
    """
    events = events_a_day * (assumed.window_days + assumed.history_days)
    hours = events * measured.spark_us_per_event / 1e6 / 3600 / assumed.scaling
    at_once = -(-hours // (assumed.deadline_hours * assumed.vcpus_a_machine))
    log_gib = events * measured.log_bytes_per_event / 2**30
    window = hours * assumed.usd_per_vcpu_hour
    return Machines(
        events_a_day=events_a_day,
        events=events,
        vcpu_hours=hours,
        machines=int(at_once),
        usd_a_window=window,
        usd_a_month=window * assumed.windows_a_month + log_gib * assumed.usd_per_gib_month,
        log_tib=log_gib / 1024,
        driver_gib=events * measured.pairs_per_event * measured.bytes_per_pair / 2**30,
    )


def table(measured: Measured | None = None, assumed: Assumed | None = None) -> str:
    """The rows of docs/spark.md."""
    lines = [
        "| events a day | events read | vCPU hours | machines | USD a window | USD a month | log | this process |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        m = machines(size, measured or Measured(), assumed or Assumed())
        cells = (
            f"{size // 10**9} billion", f"{m.events / 1e9:,.0f} billion", f"{m.vcpu_hours:,.0f}", str(m.machines),
            f"{m.usd_a_window:,.0f}", f"{m.usd_a_month:,.0f}", f"{m.log_tib:.1f} TiB", f"{m.driver_gib:,.0f} GiB",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
