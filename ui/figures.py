"""Charts as data: each function returns an ECharts option, a sentence for who can not see it, and its table.

Pure functions but for `show`. Missing values are gaps, never zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from ui.formats import Formats
from ui.theme import Palette

#: Where the gauge's zones end; the streak multiplier of the money rules turns at the same scores.
ZONES = ((40, "weak"), (70, "fair"), (100, "strong"))


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, the sentence that says the same, and its numbers as a table."""

    option: dict[str, Any]
    alt: str
    table: pd.DataFrame
    height: int = 280


def show(figure: Figure, *, key: str, table_label: str = "These figures as a table") -> None:
    """Draws the chart with its alternative text and its table under a fold."""
    st.echarts_chart(figure.option, height=figure.height, key=key, alt=figure.alt)
    with st.expander(table_label, icon=":material/table_rows:"):
        st.dataframe(figure.table, hide_index=True, key=f"{key}_table")


def zone_of(score: float) -> str:
    """The name of the zone that a score of 0..100 falls into."""
    return next((name for end, name in ZONES if score < end), ZONES[-1][1])


def gauge(score: float, *, title: str, colours: Palette, formats: Formats, word: str | None = None) -> Figure:
    """A score of 0..100 as a pointer over its zones; `word` stands in the place of the zone's name."""
    tints = (colours.bad, colours.fair, colours.good)
    stops = [[end / 100, tint] for (end, _), tint in zip(ZONES, tints, strict=True)]
    shown = formats.decimal(score)
    option = {
        "series": [
            {
                "type": "gauge",
                "min": 0,
                "max": 100,
                "radius": "92%",
                "center": ["50%", "62%"],
                "startAngle": 200,
                "endAngle": -20,
                "axisLine": {"lineStyle": {"width": 14, "color": stops}},
                "axisTick": {"show": False},
                "splitLine": {"show": False},
                "axisLabel": {"show": False},
                "pointer": {"length": "62%", "width": 5, "itemStyle": {"color": colours.ink}},
                "anchor": {"show": True, "size": 10, "itemStyle": {"color": colours.ink}},
                "detail": {
                    "formatter": shown,
                    "fontSize": 26,
                    "fontWeight": 600,
                    "color": colours.ink,
                    "offsetCenter": [0, "36%"],
                },
                "title": {"fontSize": 13, "color": colours.soft, "offsetCenter": [0, "62%"]},
                "data": [{"value": round(score, 1), "name": word or zone_of(score)}],
                "animation": False,
            }
        ]
    }
    ends = [0, *(end for end, _ in ZONES)]
    table = pd.DataFrame(
        {
            "zone": [name for _, name in ZONES],
            "from": ends[:-1],
            "to": ends[1:],
            "here": [shown if zone_of(score) == name else "" for _, name in ZONES],
        }
    )
    return Figure(option, f"{title}: {shown} of 100, {word or zone_of(score)}.", table, height=210)


def waterfall(
    steps: Sequence[tuple[str, int]], *, total: str, currency: str, colours: Palette, formats: Formats
) -> Figure:
    """Money from a first amount over additions and deductions to what is left: `(label, cents)`, then the total.

    The last bar is the sum of the steps, so that the picture can not say anything else than its table.
    """
    labels = [label for label, _ in steps] + [total]
    running, bases, bars = 0, [], []
    for index, (_, cents) in enumerate(steps):
        after = running + cents
        bases.append(min(running, after) / 100 if index else 0)
        tint = colours.quiet if index == 0 else colours.good if cents >= 0 else colours.bad
        bars.append(_bar(abs(cents), formats.money(cents, currency, signed=index > 0), tint, colours))
        running = after
    bases.append(0)
    bars.append(_bar(abs(running), formats.money(running, currency), colours.brand, colours))
    option = {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 28, "bottom": 8, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": labels,
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": colours.line}},
            "axisLabel": {
                "interval": 0,
                "color": colours.soft,
                # A word a line where bars are many: seven of them stand side by side on a phone.
                "overflow": "break",
                "width": 50,
                "fontSize": 11,
                "lineHeight": 14,
                "hideOverlap": False,
            },
        },
        "yAxis": {"type": "value", "show": False},
        "series": [
            {"type": "bar", "stack": "s", "data": bases, "itemStyle": {"color": "transparent"}, "silent": True},
            {"type": "bar", "stack": "s", "data": bars, "barMaxWidth": 64, "barCategoryGap": "28%"},
        ],
    }
    amounts = [formats.money(cents, currency) for _, cents in steps] + [formats.money(running, currency)]
    told = ", ".join(f"{label} {amount}" for label, amount in zip(labels, amounts, strict=True))
    return Figure(option, f"From {told}.", pd.DataFrame({"step": labels, "amount": amounts}), height=270)


def _bar(cents: int, label: str, tint: str, colours: Palette) -> dict[str, Any]:
    return {
        "value": cents / 100,
        "itemStyle": {"color": tint, "borderRadius": 3},
        "label": {"show": True, "position": "top", "formatter": label, "color": colours.ink, "fontSize": 11},
    }


def trend(
    days: Sequence[str],
    lines: Mapping[str, Sequence[float | None]],
    *,
    unit: str,
    colours: Palette,
    formats: Formats,
    top: float | None = None,
) -> Figure:
    """Values by day as lines from zero up, to `top` if it is given; a day without a value is a gap."""
    tints = (colours.brand, colours.held, colours.fair, colours.bad)
    series = [
        {
            "type": "line",
            "name": name,
            "data": [None if value is None else round(value, 2) for value in values],
            "connectNulls": False,
            "symbolSize": 7,
            "lineStyle": {"width": 2.5},
            "itemStyle": {"color": tint},
        }
        for (name, values), tint in zip(lines.items(), tints, strict=False)
    ]
    option = {
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 40, "bottom": 8, "containLabel": True},
        "legend": {"show": len(lines) > 1, "top": 0, "textStyle": {"color": colours.soft}},
        "tooltip": {"trigger": "axis", "valueFormatter": "localized"},
        "xAxis": {"type": "category", "data": list(days), "axisLabel": {"color": colours.soft, "hideOverlap": True}},
        "yAxis": {
            "type": "value",
            "name": unit,
            "min": 0,
            "max": top,
            "axisLabel": {"color": colours.soft},
            "nameTextStyle": {"color": colours.soft, "align": "left"},
            "splitLine": {"lineStyle": {"color": colours.line}},
        },
        "series": series,
    }
    table = pd.DataFrame({"day": list(days), **{name: list(values) for name, values in lines.items()}})
    ends = "; ".join(_ends(name, values, formats) for name, values in lines.items())
    return Figure(option, f"By day, {ends}.", table, height=240)


def _ends(name: str, values: Sequence[float | None], formats: Formats) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"{name}: no values"
    return f"{name} from {formats.decimal(known[0])} to {formats.decimal(known[-1])}"


def contributions(parts: Sequence[tuple[str, float | None, float]], *, colours: Palette, formats: Formats) -> Figure:
    """The parts of a score as bars, the one that costs most first: `(label, score 0..100, weight)`.

    A part's cost is what it takes from a full score: weight x (100 - score).
    """
    known = [(label, score, weight) for label, score, weight in parts if score is not None]
    ranked = sorted(known, key=lambda part: part[2] * (100 - part[1]), reverse=True)
    tints = {"weak": colours.bad, "fair": colours.fair, "strong": colours.good}
    option = {
        "animation": False,
        "grid": {"left": 8, "right": 48, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "max": 100, "show": False},
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [f"{label}" for label, _, _ in ranked],
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"color": colours.ink},
        },
        "series": [
            {
                "type": "bar",
                "barMaxWidth": 22,
                "showBackground": True,
                "backgroundStyle": {"color": colours.line, "opacity": 0.5},
                "data": [
                    {
                        "value": round(score, 1),
                        "itemStyle": {"color": tints[zone_of(score)], "borderRadius": 3},
                        "label": {
                            "show": True,
                            "position": "right",
                            "formatter": formats.decimal(score),
                            "color": colours.ink,
                        },
                    }
                    for _, score, _ in ranked
                ],
            }
        ],
    }
    table = pd.DataFrame(
        {
            "part": [label for label, _, _ in ranked],
            "score": [formats.decimal(score) for _, score, _ in ranked],
            "weight": [formats.percent(weight, 0) for _, _, weight in ranked],
            "points it costs": [formats.decimal(weight * (100 - score)) for _, score, weight in ranked],
        }
    )
    told = ", ".join(f"{label} {formats.decimal(score)}" for label, score, _ in ranked)
    return Figure(option, f"Parts of the score, the costliest first: {told}.", table, height=200)


def stack(parts: Sequence[tuple[str, float, str]], *, unit: str, colours: Palette, formats: Formats) -> Figure:
    """Parts of a whole side by side in one bar: `(label, amount, colour)`."""
    total = sum(amount for _, amount, _ in parts)
    option = {
        "animation": False,
        "grid": {"left": 0, "right": 0, "top": 4, "height": 30},
        "legend": {
            "type": "scroll",
            "bottom": 0,
            "left": 0,
            "textStyle": {"color": colours.soft},
            "pageTextStyle": {"color": colours.soft},
            "pageIconColor": colours.soft,
        },
        "tooltip": {"trigger": "item"},
        "xAxis": {"type": "value", "min": 0, "max": total, "show": False},
        "yAxis": {"type": "category", "data": [""], "show": False},
        "series": [
            {
                "type": "bar",
                "name": label,
                "stack": "whole",
                "barWidth": 26,
                "data": [round(amount, 1)],
                "itemStyle": {"color": tint},
            }
            for label, amount, tint in parts
        ],
    }
    shares = [formats.percent(amount / total if total else None) for _, amount, _ in parts]
    table = pd.DataFrame(
        {
            "part": [label for label, _, _ in parts],
            unit: [formats.decimal(amount) for _, amount, _ in parts],
            "share": shares,
        }
    )
    told = ", ".join(f"{label} {share}" for (label, _, _), share in zip(parts, shares, strict=True))
    return Figure(option, f"Parts of {formats.count(round(total))} {unit}: {told}.", table, height=78)


def flow(
    links: Sequence[tuple[str, str, int]],
    *,
    tints: Mapping[str, str],
    currency: str,
    colours: Palette,
    formats: Formats,
) -> Figure:
    """Where money goes: `(from, to, cents)` as a sankey. Flows of nothing are left out of the picture."""
    drawn = [link for link in links if link[2] > 0]
    names = list(dict.fromkeys(name for source, target, _ in drawn for name in (source, target)))
    into = {name: sum(c for _, target, c in drawn if target == name) for name in names}
    out = {name: sum(c for source, _, c in drawn if source == name) for name in names}
    nodes = [
        {
            "name": name,
            "itemStyle": {"color": tints.get(name, colours.quiet)},
            "label": {"formatter": f"{name} {formats.money(max(into[name], out[name]), currency)}"},
        }
        for name in names
    ]
    option = {
        "animation": False,
        "series": [
            {
                "type": "sankey",
                "left": 4,
                "right": 150,
                "top": 12,
                "bottom": 12,
                "nodeGap": 22,
                "nodeWidth": 14,
                # In the given order, each amount beside where it branches off.
                "nodeAlign": "left",
                "layoutIterations": 0,
                "draggable": False,
                "data": nodes,
                "links": [{"source": a, "target": b, "value": cents / 100} for a, b, cents in drawn],
                "lineStyle": {"color": "source", "opacity": 0.28},
                "label": {"color": colours.ink, "fontSize": 12, "textBorderWidth": 0},
            }
        ],
    }
    table = pd.DataFrame(
        {
            "from": [a for a, _, _ in links],
            "to": [b for _, b, _ in links],
            "amount": [formats.money(cents, currency) for _, _, cents in links],
        }
    )
    told = "; ".join(f"{a} to {b} {formats.money(cents, currency)}" for a, b, cents in drawn)
    return Figure(option, f"Money flow: {told}.", table, height=380)
