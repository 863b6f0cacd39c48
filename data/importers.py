"""`./run import DIR`: users, videos and events from files into Supabase, checked first, all or nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from core.errors import BadInput
from core.settings import Settings, load_settings
from core.table_files import SUFFIXES
from core.tables import EVENTS, USERS, VIDEOS, TableSpec, check_references, read_table
from core.terminal import console, progress
from data import load_api
from data.load import Batch, known_ids, load

SPECS = {"users": USERS, "videos": VIDEOS, "events": EVENTS}


@dataclass(frozen=True)
class Import:
    """Checked tables and the files that they came from; a table without a file has no rows."""

    users: pa.Table
    videos: pa.Table
    events: pa.Table
    files: dict[str, Path]

    def batch(self) -> Batch:
        """The tables that have a file."""
        tables = {name: getattr(self, name) for name in SPECS if name in self.files}
        return Batch(tables=tables, files={name: str(path) for name, path in self.files.items()})


def find_files(folder: Path) -> dict[str, Path]:
    """The file of each table in `folder`. Raises BadInput for none at all, or two of one name."""
    try:
        if not folder.is_dir():
            raise BadInput("there is no such folder", file=folder)
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise BadInput(f"can not be read: {error.strerror or error}", file=folder) from error
    found: dict[str, Path] = {}
    for name in SPECS:
        files = [p for p in entries if p.stem == name and p.suffix.lower() in SUFFIXES]
        if len(files) > 1:
            raise BadInput(f"holds both {files[0].name} and {files[1].name}; leave one", file=folder)
        if files:
            found[name] = files[0]
    if not found:
        raise BadInput(f"holds none of users, videos, events with an ending of {', '.join(SUFFIXES)}", file=folder)
    return found


def read_folder(folder: Path) -> Import:
    """Reads and checks every file of `folder` by itself. Raises BadInput with file, column and first bad row."""
    files = find_files(folder)
    tables = {
        name: read_table(files[name], spec) if name in files else spec.schema.empty_table()
        for name, spec in SPECS.items()
    }
    if "events" in files:
        _require_ids(tables["events"], files["events"], EVENTS)
    return Import(tables["users"], tables["videos"], tables["events"], files)


def _require_ids(table: pa.Table, path: Path, spec: TableSpec) -> None:
    column = table[spec.key]
    if column.null_count:
        row = column.is_null().to_numpy().argmax() + 1
        raise BadInput(
            "has no value; an event without an id would come in twice when imported twice",
            file=path,
            column=spec.key,
            row=int(row),
        )


def check_against_database(found: Import, known_users: pa.Array, known_videos: pa.Array) -> None:
    """Proves that every user and video that is named is in the files or in the database. Raises BadInput."""
    check_references(
        found.users,
        found.videos,
        found.events,
        files=dict(found.files),
        known_users=known_users,
        known_videos=known_videos,
    )


def import_folder(settings: Settings, folder: Path) -> dict[str, int]:
    """Imports `folder`; returns the number of new rows by table. Raises BadInput, and then nothing is
    written.

    Over the API alone (no `SUPABASE_DB_URL`) the rows go in batches: everything is checked before the first,
    and an interrupted import goes on where it stopped when it is started again.
    """
    with progress("import", total=4) as advance:
        advance(0, note="reading files")
        found = read_folder(folder)
        direct = settings.supabase_db_url is not None
        advance(note="checking references")
        users, videos = known_ids(settings) if direct else load_api.known_ids(settings)
        check_against_database(found, users, videos)
        advance(note="writing")
        new = (load if direct else load_api.load)(settings, found.batch(), note=lambda text: advance(0, note=text))
        advance(2)
    return new


def main(
    folder: Annotated[Path, typer.Argument(help="Holds users.*, videos.*, events.* as Parquet, CSV or JSON lines.")],
) -> None:
    """Import users, videos and events from files: checked first, all or nothing, twice is once."""
    settings = load_settings()
    begin = time.monotonic()
    new = import_folder(settings, folder)
    rows = ", ".join(f"{count:,} {name}" for name, count in new.items())
    console.print(
        f"imported {rows} new in {time.monotonic() - begin:.1f} s; what was there already stayed as it was",
        soft_wrap=True,
    )
