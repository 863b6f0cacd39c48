"""Datasets as files: the tables as JSON lines or Parquet, the labels beside them in a folder of their own.

A folder is written under another name and moved to its place at the end, so that nobody reads half of one.
The same dataset gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.table_files import require_text
from data.attacks import cost_eur
from data.dataset import Dataset
from data.world import World

FORMATS = ("json", "parquet")
#: Above this many rows a table is written as Parquet even when JSON is asked for.
JSON_ROWS = 250_000
LABELS = "labels"
MARKER = "snapshot.json"


@dataclass(frozen=True)
class Labels:
    """What was planted: `roles` (user_id, attack, role), `targets` (attack, video_id, creator_id, effect),
    `events` (event_id, attack), and one description for each attack.
    """

    attacks: list[dict[str, object]]
    roles: pa.Table
    targets: pa.Table
    events: pa.Table


def labels_of(world: World) -> Labels:
    """The labels of a world as tables. An attack that comes twice gets a number: `botnet`, `botnet_2`."""
    seen: dict[str, int] = {}
    names = []
    for attack in world.attacks:
        seen[attack.name] = seen.get(attack.name, 0) + 1
        names.append(attack.name if seen[attack.name] == 1 else f"{attack.name}_{seen[attack.name]}")
    described = [
        {
            "attack": name,
            "kind": attack.name,
            "parameters": attack.parameters,
            "accounts": attack.roles.num_rows,
            "events": attack.events.num_rows,
            "devices": attack.devices,
            "cost_eur": round(cost_eur(attack, world), 2),
        }
        for name, attack in zip(names, world.attacks, strict=True)
    ]
    planted = np.flatnonzero(world.event_attack)
    words = pa.array(["", *names]).take(pa.array(world.event_attack[planted].astype(np.int64)))
    return Labels(
        attacks=described,
        roles=_stacked([a.roles for a in world.attacks], names, ["user_id", "attack", "role"]),
        targets=_stacked([a.targets for a in world.attacks], names, ["attack", "video_id", "creator_id", "effect"]),
        events=pa.table({"event_id": world.events["event_id"].take(pa.array(planted)), "attack": words}),
    )


def check_target(folder: Path, kind: str) -> None:
    """Raises BadInput unless a snapshot of that kind may be written there."""
    if kind not in FORMATS:
        raise BadInput(f"--format must be one of {', '.join(FORMATS)}, not {kind!r}")
    require_text(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInput("is a file; a snapshot needs a folder", file=folder)
        if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
            raise BadInput("holds other files; name an empty or a new folder", file=folder)
    except OSError as error:
        raise BadInput(f"can not be used: {error.strerror or error}", file=folder) from error


def write_snapshot(dataset: Dataset, folder: Path, kind: str = "json") -> list[Path]:
    """Writes all tables and labels into `folder`, replacing a snapshot that is there. Raises BadInput.

    A folder that holds something else than a snapshot is left alone.
    """
    check_target(folder, kind)
    draft = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        (draft / LABELS).mkdir(parents=True)
        labels = labels_of(dataset.world)
        for name, table in dataset.tables().items():
            _write(table, draft, name, kind)
        for name, table in (("roles", labels.roles), ("targets", labels.targets), ("events", labels.events)):
            _write(table, draft / LABELS, name, kind)
        _write_json(labels.attacks, draft / LABELS / "attacks.json")
        _write_json(_description(dataset), draft / MARKER)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except OSError as error:
        raise BadInput(f"can not be written: {error.strerror or error}", file=folder) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _description(dataset: Dataset) -> dict[str, object]:
    plan = dataset.plan
    sizes = {name: table.num_rows for name, table in dataset.tables().items()}
    return {"seed": plan.seed, "start": plan.start.isoformat(), "end": plan.end.isoformat(), "rows": sizes}


def _write(table: pa.Table, folder: Path, name: str, kind: str) -> None:
    # No line at all would not even tell the columns.
    if kind == "parquet" or table.num_rows > JSON_ROWS or table.num_rows == 0:
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        return
    path = folder / f"{name}.jsonl"
    with duckdb.connect(":memory:") as con:
        con.execute("set TimeZone = 'UTC'")
        con.register("rows", table)
        columns = ", ".join(
            f'strftime("{f.name}", \'%Y-%m-%dT%H:%M:%S.%fZ\') as "{f.name}"'
            if pa.types.is_timestamp(f.type)
            else f'"{f.name}"'
            for f in table.schema
        )
        target = str(path).replace("'", "''")
        con.execute(f"copy (select {columns} from rows) to '{target}' (format json)")  # noqa: S608  a path is no parameter


def _write_json(value: object, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _stacked(tables: list[pa.Table], names: list[str], columns: list[str]) -> pa.Table:
    parts = [
        table.append_column("attack", pa.array([name] * table.num_rows, pa.string()))
        for table, name in zip(tables, names, strict=True)
    ]
    if not parts:
        return pa.table(
            {column: pa.array([], pa.int64() if column.endswith("_id") else pa.string()) for column in columns}
        )
    return pa.concat_tables(parts).select(columns)
