"""Personal data sealed row by row, each field bound to its place."""

from __future__ import annotations

import pyarrow as pa

from core.crypto import seal
from data.people import INFO_COLUMNS, INFO_SCHEMA


def sealed_info(info: pa.Table, key: bytes) -> pa.Table:
    """`INFO_SCHEMA` in plain text as the same columns of tokens; null stays null."""
    owners = info["user_id"].to_pylist()
    columns = {"user_id": info["user_id"]}
    for name in INFO_COLUMNS:
        columns[name] = [
            None if text is None else seal(text, key, context=f"user_info.{name}:{owner}")
            for owner, text in zip(owners, info[name].to_pylist(), strict=True)
        ]
    return pa.table(columns, schema=INFO_SCHEMA)
