"""Everything that a seeding makes: the world, personal data, documents and money, still in memory and in
plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from data.people import documents, personal_data
from data.plan import Plan
from data.simulator import simulate
from data.world import DAY_US, Attack, World, stream, times

#: Money that reached creators outside of revenue windows; each becomes one ledger transaction.
PAYMENTS_SCHEMA = pa.schema(
    [
        ("idempotency_key", pa.string()),
        ("user_id", pa.int64()),
        ("kind", pa.string()),
        ("amount_cents", pa.int64()),
        ("event_at", pa.timestamp("us", "UTC")),
        ("memo", pa.string()),
    ]
)
_KINDS = ("welcome_bonus", "campaign_bonus", "contest_prize")


@dataclass(frozen=True)
class Dataset:
    """All tables by their names, and the world with its labels."""

    plan: Plan
    world: World
    user_info: pa.Table
    documents: pa.Table
    payments: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """What a snapshot holds, without the labels."""
        return {
            "users": self.world.users,
            "videos": self.world.videos,
            "events": self.world.events,
            "user_info": self.user_info,
            "documents": self.documents,
            "payments": self.payments,
        }


def make_dataset(plan: Plan, attacks: Sequence[str] = ()) -> Dataset:
    """The data of a plan. The same plan and attacks make the same tables, byte by byte."""
    world = simulate(plan, attacks)
    return Dataset(
        plan=plan,
        world=world,
        user_info=personal_data(plan, world.users["id"].to_numpy()),
        documents=documents(plan, world.users),
        payments=_payments(plan, world.users),
    )


def _payments(plan: Plan, users: pa.Table) -> pa.Table:
    """Between `min_tx` and `max_tx` bonuses for every honest creator, in whole cents."""
    rng = stream(plan.seed, "payments")
    honest = users.slice(0, plan.users)
    creators = honest.filter(honest["is_creator"])["id"].to_numpy()
    owner = np.repeat(creators, rng.integers(plan.min_tx, plan.max_tx + 1, len(creators)))
    cents = np.round(rng.lognormal(np.log(1500), 0.8, len(owner))).astype(np.int64) + 1
    at = plan.end_us - (rng.random(len(owner)) * 60 * DAY_US).astype(np.int64)
    kind = rng.choice(_KINDS, len(owner)).astype(object)
    # The key says all of it, so that another plan's payment is another transaction and the same one is a
    # replay.
    keys = [f"seed:{u}:{t}:{c}:{k}" for u, t, c, k in zip(owner, at, cents, kind, strict=True)]
    return pa.table(
        {
            "idempotency_key": keys,
            "user_id": owner,
            "kind": kind,
            "amount_cents": cents,
            "event_at": times(at),
            "memo": [k.replace("_", " ") for k in kind],
        },
        schema=PAYMENTS_SCHEMA,
    )


def renamed(dataset: Dataset, new_ids: Mapping[int, int]) -> Dataset:
    """The same data with some users under other ids, such as those that a sign-up gave them."""
    if not new_ids:
        return dataset
    old = np.array(sorted(new_ids))
    new = np.array([new_ids[key] for key in old.tolist()])

    def swap(table: pa.Table, column: str) -> pa.Table:
        ids = table[column].to_numpy()
        at = np.minimum(np.searchsorted(old, ids), len(old) - 1)
        changed = pa.array(np.where(old[at] == ids, new[at], ids))
        place = table.schema.get_field_index(column)
        return table.set_column(place, table.schema.field(column), changed)

    world = dataset.world
    return replace(
        dataset,
        world=replace(
            world,
            users=swap(world.users, "id"),
            videos=swap(world.videos, "creator_id"),
            events=swap(world.events, "user_id"),
            attacks=tuple(_renamed_attack(attack, swap) for attack in world.attacks),
        ),
        user_info=swap(dataset.user_info, "user_id"),
        documents=swap(dataset.documents, "user_id"),
        payments=swap(dataset.payments, "user_id"),
    )


def _renamed_attack(attack: Attack, swap: Callable[[pa.Table, str], pa.Table]) -> Attack:
    return replace(
        attack,
        users=swap(attack.users, "id"),
        videos=swap(attack.videos, "creator_id"),
        events=swap(attack.events, "user_id"),
        roles=swap(attack.roles, "user_id"),
        targets=swap(attack.targets, "creator_id"),
    )
