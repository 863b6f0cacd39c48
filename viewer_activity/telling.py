"""Explanations in words: what `explanations.explain` found, as sentences that a creator reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot_account_detection.reasons import COUNTED, Reason, reason

_NOUNS = {
    "views": ("view", "views"),
    "likes": ("like", "likes"),
    "comments": ("comment", "comments"),
    "shares": ("share", "shares"),
    "follows": ("follow", "follows"),
}
Number = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Told:
    """One reason on one video: the catalogue's entry, the headline of its figures, the units behind it, those of them
    that counted, and the viewers that the accounts counted as.
    """

    reason: Reason
    headline: str
    units: int
    counted: float
    viewers: float

    @property
    def is_plain(self) -> bool:
        """Nothing to explain: it counted."""
        return self.reason.code == COUNTED


def told(groups: Sequence[Mapping[str, Any]], *, number: Number = "{:,}".format) -> list[Told]:
    """The groups of an explanation in their order; `number` writes whole numbers the reader's way."""
    return [
        Told(
            reason=reason(group["code"]),
            headline=_headline(group, number),
            units=int(group.get("units", 0)),
            counted=float(group.get("counted", 0.0)),
            viewers=float(group.get("viewers", 0.0)),
        )
        for group in groups
    ]


def _headline(group: Mapping[str, Any], number: Number) -> str:
    """`4,120 likes from 38 accounts on 2 devices counted as 3 viewers`."""
    code = group["code"]
    if code == "reports":
        votes = _few(float(group["votes"]), "vote", "votes", number)
        return f"{_count(group['reports'], 'report', 'reports', number)} counted as {votes}"
    events = _listed([_count(group[name], *_NOUNS[name], number) for name in _NOUNS if group.get(name)])
    if code == "own_event":
        return f"{events} of your own left out"
    from_whom = _count(group["accounts"], "account", "accounts", number)
    where = f" on {_count(group['devices'], 'device', 'devices', number)}" if group.get("devices") else ""
    where = "" if code == COUNTED else where
    return f"{events} from {from_whom}{where} {_outcome(float(group['viewers']), number)}"


def _outcome(viewers: float, number: Number) -> str:
    if viewers <= 0:
        return "not counted"
    return f"counted as {_few(viewers, 'viewer', 'viewers', number)}"


def _few(amount: float, one: str, many: str, number: Number) -> str:
    """Small amounts without decimals that nobody needs."""
    if amount < 1:
        return f"less than one {one}"
    return _count(round(amount), one, many, number)


def _count(amount: int, one: str, many: str, number: Number) -> str:
    return f"{number(int(amount))} {one if amount == 1 else many}"


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
