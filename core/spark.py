"""Spark behind the same narrow interface as DuckDB, for event logs that are larger than one machine.

It takes the same statements in the same dialect (`core.spark_sql`); the models do not know which engine they ask.
A temporary table is Parquet in a folder of the run, so that memory does not grow with the log and no statement is
run twice. On a cluster that folder has to be one that every machine sees.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from core.errors import ConfigError
from core.java import NEEDED, java_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PACKAGES = ("pyspark", "py4j", "sqlglot")
LOG4J = Path(__file__).with_name("spark_log4j2.properties")
HOW = "python -m pip install --no-deps -r requirements-spark.txt, with the .venv's python"
#: Overflows and impossible casts are errors, as they are in DuckDB, and no silent nulls.
OPTIONS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.maxResultSize": "0",
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class SparkEngine:
    """`execute`, `sql`, `register` and `unregister` of a DuckDB connection, on Spark. Ends with its `with` block."""

    def __init__(self, session: SparkSession, folder: Path) -> None:
        from core.spark_sql import Dialect

        self._session = session
        self._folder = folder
        self._dialect = Dialect()
        self._registered: dict[str, pa.Table] = {}
        self._made = 0

    @property
    def name(self) -> str:
        return f"spark {self._session.version}"

    def execute(self, query: str, parameters: Mapping[str, Any] | None = None, /) -> None:
        """Makes what the statement makes: a temporary table or view, a variable, a macro."""
        statement = self._dialect.statement(query, parameters)
        if statement.defines:
            return
        if statement.sets:
            ((value,),) = SparkRelation(self._session.sql(statement.sql)).fetchall()
            self._dialect.variables[statement.sets] = value
        elif statement.makes:
            if statement.unless_there and self._session.catalog.tableExists(statement.makes):
                return
            rows = self._session.sql(statement.sql)
            if statement.stored:
                rows = self._stored(rows)
            rows.createOrReplaceTempView(statement.makes)
            self._registered.pop(statement.makes, None)
        else:
            raise ConfigError("a question is asked by sql(), not by execute()")

    def sql(self, query: str, *, params: Mapping[str, Any] | None = None) -> SparkRelation | duckdb.DuckDBPyRelation:
        """A question; nothing is kept. JSON text is written by this process from what it has registered: how a number
        is spelled is each engine's own, and a result has the same bytes whichever has counted.
        """
        statement = self._dialect.statement(query, params)
        if statement.makes or statement.sets or statement.defines:
            raise ConfigError("a statement that makes something goes through execute(), not through sql()")
        if not statement.spells_json:
            return SparkRelation(self._session.sql(statement.sql))
        missing = statement.reads - self._registered.keys()
        if missing:
            raise ConfigError(f"JSON is written from registered tables alone, and {min(missing)} is none")
        writer = duckdb.connect(":memory:")
        for name in statement.reads:
            writer.register(name, self._registered[name])
        return writer.sql(query, params=dict(params) if params else None)

    def register(self, view: str, table: pa.Table, /) -> None:
        """An Arrow table of this process as a relation."""
        self._session.createDataFrame(table).createOrReplaceTempView(view)
        self._registered[view] = table

    def unregister(self, view: str, /) -> None:
        """Forgets a registered table."""
        self._session.catalog.dropTempView(view)
        self._registered.pop(view, None)

    def close(self) -> None:
        """Stops Spark and removes what it has stored."""
        self._session.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stored(self, rows: DataFrame) -> DataFrame:
        self._made += 1
        place = str(self._folder / str(self._made))
        rows.write.parquet(place)
        return self._session.read.schema(rows.schema).parquet(place)


class SparkRelation:
    """The answer to a question, not yet fetched."""

    def __init__(self, rows: DataFrame) -> None:
        self._rows = rows

    def to_arrow_table(self) -> pa.Table:
        """All rows, in the order that was asked for."""
        return self._rows.toArrow()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows as tuples, for answers of a few."""
        return [tuple(row.values()) for row in self.to_arrow_table().to_pylist()]


def connect(
    *, master: str | None, memory_limit: str, threads: int | None = None, temp_dir: Path | None = None
) -> SparkEngine:
    """Spark at `master`, or in this machine's Java with `threads` threads and `memory_limit` (such as "4GB") of heap.

    Raises ConfigError when Java or the packages are missing.
    """
    require()
    from pyspark.sql import SparkSession

    # It asks for an older pandas as soon as it is imported, and no data frame of pandas is ever made here.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    folder = Path(tempfile.mkdtemp(prefix="fairshare-spark-", dir=temp_dir))
    builder = SparkSession.builder.appName("fairshare").config(map=OPTIONS)
    if master is None:
        asked = duckdb.execute("select parse_formatted_bytes($size)", {"size": memory_limit}).fetchall()
        builder = builder.master(f"local[{threads or '*'}]").config(
            map={
                "spark.driver.memory": f"{int(asked[0][0]) >> 20}m",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.local.dir": str(folder),
                # Few machines' worth of pieces: each of them costs more than the rows in it.
                "spark.sql.shuffle.partitions": "8",
            }
        )
    else:
        builder = builder.master(master)
    return SparkEngine(builder.getOrCreate(), folder)


def require() -> None:
    """Raises ConfigError with what is missing, before anything is begun."""
    version = java_version()
    if version is None:
        raise ConfigError(f"Spark needs Java {NEEDED} or newer, and none is found (JAVA_HOME, or java on the PATH)")
    if version < NEEDED:
        raise ConfigError(f"Spark needs Java {NEEDED} or newer, and this is Java {version}; set JAVA_HOME")
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"Spark needs the package {missing[0]}: {HOW}")
