"""What is kept of the viewers' weights: those of a window's own viewers, with the factors that say something."""

from __future__ import annotations

import pyarrow as pa

from core.arrays import Ints
from core.engine import Engine

#: What every table of weights has; its other columns are the families' factors.
COMMON = ("user_id", "weight", "cluster_id", "reasons")


def kept_weights(con: Engine, weights: pa.Table, users: Ints) -> pa.Table:
    """The rows of `weights` of `users`, ordered by id: user_id, weight, cluster_id, reasons, and as JSON the factors
    below 1.
    """
    families = [name for name in weights.column_names if name not in COMMON]
    pairs = ", ".join(f"{{'family': '{name}', 'factor': {name}}}" for name in families)
    con.register("all_weights", weights)
    con.register("active", pa.table({"user_id": users}))
    table = con.sql(f"""
        select
            user_id,
            weight,
            cluster_id,
            reasons,
            to_json(map_from_entries(list_filter([{pairs}], lambda one: one.factor < 1)))::varchar as factors
        from all_weights
        where user_id in (select user_id from active)
        order by user_id
    """).to_arrow_table()  # noqa: S608  names of columns of our own
    con.unregister("all_weights")
    con.unregister("active")
    return table
