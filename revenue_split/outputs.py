"""A folder of results appears as a whole or not at all, and the same tables always give the same bytes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.table_files import require_text

SUMMARY = "summary.json"
ROW_GROUP = 1 << 15


def check_folder(folder: Path, names: tuple[str, ...]) -> None:
    """Says before the work whether `folder` can take the results: new, empty, or holding earlier results alone."""
    require_text(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInput("is a file; the results need a folder", file=folder)
        parent = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        if not parent.is_dir():
            raise BadInput(f"can not be made: {parent} is a file", file=folder)
        found = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise BadInput(f"can not be used: {error.strerror or error}", file=folder) from error
    strange = [name for name in found if name not in names]
    if strange or (found and SUMMARY not in found):
        other = strange[0] if strange else found[0]
        raise BadInput(f"holds {other}, which is no earlier result; name a new or an empty folder", file=folder)


def write_folder(folder: Path, tables: Mapping[str, pa.Table], summary: Mapping[str, Any]) -> None:
    """Writes `tables` as NAME.parquet and the summary beside `folder`, then puts the whole in its place.

    Raises BadInput when the disk refuses; then nothing is left behind and an earlier result stays.
    """
    folder = folder.absolute()
    draft: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        new = draft / "new"
        new.mkdir()
        with ThreadPoolExecutor() as pool:
            for written in [pool.submit(write_table, table, new / f"{name}.parquet") for name, table in tables.items()]:
                written.result()
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        (new / SUMMARY).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(draft / "old")
        new.rename(folder)
    except OSError as error:
        raise BadInput(f"can not be written: {error.strerror or error}", file=folder) from error
    finally:
        if draft is not None:
            if (draft / "old").exists() and not folder.exists():
                (draft / "old").rename(folder)
            shutil.rmtree(draft, ignore_errors=True)


def write_table(table: pa.Table, path: Path) -> None:
    """Parquet with every setting fixed, row group by row group, so the bytes depend on the rows alone."""
    words = [f.name for f in table.schema if pa.types.is_string(f.type) and f.name != "features"]
    with pq.ParquetWriter(
        path,
        table.schema,
        version="2.6",
        compression="zstd",
        compression_level=1,
        use_dictionary=words,
        data_page_version="1.0",
        store_schema=True,
    ) as file:
        for start in range(0, max(1, table.num_rows), ROW_GROUP):
            # In one piece, for pages end where pieces end; one row group at a time, for this is a copy.
            file.write_table(table.slice(start, ROW_GROUP).combine_chunks(), row_group_size=ROW_GROUP)
