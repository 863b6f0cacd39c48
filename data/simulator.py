"""From a plan to a world: honest traffic, then the attacks, each from its own stream of chance."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import BadInput
from data.attacks import ATTACKS, run
from data.plan import Plan
from data.population import catalogue, population
from data.traffic import honest_events
from data.world import World, stream


def simulate(plan: Plan, attacks: Sequence[str] = ()) -> World:
    """The world of `plan` with the named attacks planted in it; the same plan and names give the same tables."""
    users, people = population(plan)
    videos, found = catalogue(plan, users, people)
    if videos.num_rows == 0:
        raise BadInput("no creator got a video; raise --max-videos or --users")
    events = honest_events(plan, people, found)
    world = World.of(users, videos, events, start_us=plan.start_us, end_us=plan.end_us)
    for name in attacks:
        world = world.reserve(run(name, world, stream(plan.seed, f"attack {name}")))
    return world.with_reserved(0)


def attack_names(text: str) -> list[str]:
    """The names in `all`, `none` or a comma-separated list. Raises BadInput for a name that is not known."""
    wanted = text.strip()
    if wanted in ("", "none"):
        return []
    if wanted == "all":
        return list(ATTACKS)
    names = list(dict.fromkeys(part.strip() for part in wanted.split(",") if part.strip()))
    for name in names:
        if name not in ATTACKS:
            raise BadInput(f"there is no attack {name!r}; there are {', '.join(ATTACKS)}, or all, or none")
    return names
