"""A picture of what attacks get: a row an attack, a dot a week, a bar to the mean, lines at the goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from xml.sax.saxutils import escape

import numpy as np

GOAL_MEAN, GOAL_WORST = 0.10, 0.50
LEFT, RIGHT, TOP, ROW = 130, 30, 60, 26
WIDTH = 760
COLOURS = ("#2563eb", "#b45309", "#6b7280")


class Captured(Protocol):
    """What the picture needs to know of a trial."""

    @property
    def attack(self) -> str:
        """The attack's name."""

    @property
    def policy(self) -> str:
        """The policy under which it was tried."""

    @property
    def capture(self) -> float | None:
        """Pool share taken, divided by what a plain split gives it."""


def drawn_captures(trials: Sequence[Captured], policies: Sequence[str]) -> str:
    """The captures of each attack under each policy as an SVG text."""
    some = [trial for trial in trials if trial.capture is not None]
    names = list(dict.fromkeys(trial.attack for trial in some))
    top = max([1.0, *(float(trial.capture or 0) for trial in some)])
    scale = (WIDTH - LEFT - RIGHT) / top
    height = TOP + ROW * len(names) + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"',
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="10" y="20" font-weight="bold">What attacks take, as a part of what a plain split gives them</text>',
    ]
    for number, policy in enumerate(policies):
        x = 10 + 250 * number
        lines.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>')
        lines.append(f'<text x="{x + 18}" y="43">{escape(policy)}: bar mean, dots weeks</text>')
    for goal, words in ((GOAL_MEAN, "goal for the mean"), (GOAL_WORST, "goal for the worst"), (1.0, "plain split")):
        x = LEFT + goal * scale
        lines.append(
            f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{height - 30}" stroke="#9ca3af" stroke-dasharray="4 3"/>'
        )
        lines.append(f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle" font-size="11">{goal:g} {words}</text>')
    for row, name in enumerate(names):
        y = TOP + ROW * row + ROW / 2
        lines.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        for number, policy in enumerate(policies):
            found = [float(t.capture or 0) for t in some if t.attack == name and t.policy == policy]
            if not found:
                continue
            colour, at = COLOURS[number % len(COLOURS)], y + 6 * (number - (len(policies) - 1) / 2)
            lines.append(
                f'<rect x="{LEFT}" y="{at - 3:.1f}" width="{max(1.0, float(np.mean(found)) * scale):.1f}" height="6" '
                f'fill="{colour}" opacity="0.5"/>'
            )
            lines += [
                f'<circle cx="{LEFT + max(0.0, one) * scale:.1f}" cy="{at:.1f}" r="3" fill="{colour}" opacity="0.7"/>'
                for one in found
            ]
    return "\n".join([*lines, "</svg>", ""])
