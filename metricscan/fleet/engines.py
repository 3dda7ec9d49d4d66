"""The engines that spread tasks over workers: each in a few lines, none of them needed to import this package."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from metricscan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Gets the work and the tasks, and yields what the work gives for each task, in any order.
Engine: TypeAlias = Callable[[Callable[[bytes], bytes], list[bytes]], "Iterable[bytes]"]
EngineName: TypeAlias = Literal["ray", "dask", "daft", "spark", "duckdb", "polars"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def engine_of(name: str, address: str | None = None) -> Engine:
    """An engine by its name.

    Parameters
    ----------
    name : {"ray", "dask", "daft", "spark", "duckdb", "polars"}
    address : str, optional
        Where it runs; by default it is started on this machine.

    Raises
    ------
    OptionError
        The name is unknown, the engine is not installed, or it runs on one machine and has no address.
    """
    if name not in ENGINES:
        raise OptionError(f"engine={name!r}: {', '.join(ENGINES)} was expected")
    if address is not None and name in ("duckdb", "polars"):
        raise OptionError(f"address={address!r}: {name} runs on one machine")
    module = {"spark": "pyspark", "dask": "distributed", "ray": "ray.data"}.get(name, name)
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise OptionError(
            f"{name} cannot be imported: {error}", hint=f"pip install 'metricscan[{name}]' installs it"
        ) from error
    engine: Engine = partial(_RUN[name], address=address)
    return engine


def _on_ray(work: Callable[[bytes], bytes], tasks: list[bytes], address: str | None) -> Iterator[bytes]:
    import pyarrow as pa
    import ray

    is_own = not ray.is_initialized()
    if is_own:
        if address is None and "RAY_ADDRESS" not in os.environ:
            # without an address Ray would wait for the cluster that ran here last, if that was killed
            address = "local"
        ray.init(address=address, log_to_driver=False)
    try:
        # a block per task: Ray runs a block again if its worker is lost
        blocks = [pa.table({"task": pa.array([task], pa.large_binary())}) for task in tasks]
        found = ray.data.from_arrow(blocks).map_batches(partial(_column, work), batch_size=None, batch_format="pyarrow")
        for batch in found.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from batch["partial"].to_pylist()
    finally:
        if is_own:
            ray.shutdown()


def _column(work: Callable[[bytes], bytes], batch: Any) -> Any:
    """The work of a batch with a column of tasks."""
    import pyarrow as pa

    return pa.table({"partial": pa.array(map(work, batch["task"].to_pylist()), pa.large_binary())})


def _on_dask(work: Callable[[bytes], bytes], tasks: list[bytes], address: str | None) -> Iterator[bytes]:
    from distributed import Client, as_completed

    with Client(address) if address is not None else Client(processes=True, dashboard_address=None) as client:
        running = [client.submit(work, task, pure=False) for task in tasks]
        for done in as_completed(running):
            yield done.result()
            done.release()


def _on_daft(work: Callable[[bytes], bytes], tasks: list[bytes], address: str | None) -> Iterator[bytes]:
    import daft

    if address is not None:
        daft.set_runner_ray(address)

    def partials(column: Any) -> list[bytes]:
        return [work(task) for task in column.to_pylist()]

    partial_of = daft.udf(return_dtype=daft.DataType.binary(), batch_size=1)(partials)
    frame = daft.from_pydict({"task": tasks})
    if address is not None:
        frame = frame.into_partitions(max(1, len(tasks)))
    for row in frame.select(partial_of(daft.col("task"))).iter_rows():
        yield row["task"]


def _on_spark(work: Callable[[bytes], bytes], tasks: list[bytes], address: str | None) -> Iterator[bytes]:
    from pyspark.sql import SparkSession

    def partials(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            for task in batch.column("task").to_pylist():
                yield pa.RecordBatch.from_pydict({"partial": pa.array([work(task)], pa.binary())})

    is_own = SparkSession.getActiveSession() is None
    if address is None:
        # else workers on this machine are those of another interpreter, which does not have this package
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = SparkSession.builder.appName("metricscan").master(address or "local[*]").getOrCreate()
    try:
        rows = session.createDataFrame([(task,) for task in tasks], "task binary").repartition(max(1, len(tasks)))
        for row in rows.mapInArrow(partials, "partial binary").toLocalIterator():
            yield bytes(row["partial"])
    finally:
        if is_own:
            session.stop()


def _on_duckdb(work: Callable[[bytes], bytes], tasks: list[bytes], address: None) -> Iterator[bytes]:
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as database:
        database.create_function("partial_of", work, ["BLOB"], "BLOB", side_effects=True)
        database.register("tasks", pa.table({"task": pa.array(tasks, pa.binary())}))
        rows = database.execute("select partial_of(task) from tasks")
        while row := rows.fetchone():
            yield row[0]


def _on_polars(work: Callable[[bytes], bytes], tasks: list[bytes], address: None) -> Iterator[bytes]:
    import polars as pl

    frame = pl.LazyFrame({"task": tasks}, schema={"task": pl.Binary})
    found = frame.select(pl.col("task").map_elements(work, return_dtype=pl.Binary)).collect()
    yield from found["task"].to_list()


_RUN: dict[str, Any] = {
    "ray": _on_ray,
    "dask": _on_dask,
    "daft": _on_daft,
    "spark": _on_spark,
    "duckdb": _on_duckdb,
    "polars": _on_polars,
}
