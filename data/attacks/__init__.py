"""Labelled attacks. `ATTACKS` maps a name to its function, `RANGES` to the documented range of every
parameter.
"""

from data.attacks import circles, farms, rivals
from data.attacks.base import ATTACKS, RANGES, Range, cost_eur, defaults, draw, run

__all__ = ["ATTACKS", "RANGES", "Range", "circles", "cost_eur", "defaults", "draw", "farms", "rivals", "run"]
