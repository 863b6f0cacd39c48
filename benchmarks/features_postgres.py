"""The features of classic_v1 computed inside a Postgres of this machine, beside which the engine is measured."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_postgresql.dbapi
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg.rows import dict_row

from benchmarks.worlds import WEEK
from local_stack.postgres import Server
from viewer_activity.classic_v1 import RULE

QUERY = Path(__file__).with_name("features_postgres.sql")
DATABASE = "features"
#: Rows sent at a time.
SLICE_ROWS = 1 << 17


@contextmanager
def server() -> Iterator[str]:
    """The URL of a database of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fairshare-bench-") as folder:
        postgres = Server(Path(folder) / "postgres")
        postgres.start()
        try:
            postgres.create_database(DATABASE)
            yield postgres.url(DATABASE)
        finally:
            postgres.stop()


def load(url: str, videos: Path, events: Path) -> None:
    """Copies both files into plain tables with the statistics that a planner wants."""
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        for name, path in (("videos", videos), ("events", events)):
            file = pq.ParquetFile(path)
            batches = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(SLICE_ROWS))
            cursor.adbc_ingest(name, batches, mode="create")
        connection.commit()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def features(url: str) -> tuple[list[dict[str, object]], float]:
    """One row a video and day, ordered by both, and the seconds that the query took."""
    text = QUERY.read_text(encoding="utf-8")
    values = {"start": WEEK.start, "end": WEEK.end, "early_s": RULE.early_us / 1e6}
    with psycopg.connect(url, row_factory=dict_row) as connection:
        # As much memory as the engine beside it has, so that nothing is sorted on disk for want of it.
        connection.execute("set work_mem = '1GB'; set timezone = 'UTC'; set max_parallel_workers_per_gather = 2")
        begin = time.perf_counter()
        rows = connection.execute(text.encode(), values).fetchall()
        return rows, time.perf_counter() - begin
