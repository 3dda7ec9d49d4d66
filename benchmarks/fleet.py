"""A fleet: the throughput of Ray beside a replay on one machine, and what the machine that ranks needs for N logs.

    python benchmarks/fleet.py ray FOLDER [ROUNDS]     # the logs of a folder, read by replay and by Ray, in turns
    python benchmarks/fleet.py size N ...              # N logs played: seconds of each stage, and peak memory

To play N logs, 1,000 small ones are really listed, scanned and decided: seconds with a star are theirs, times N / 1,000. Their
tables are repeated under other names, so the machine that ranks has the work of N logs, and no disk has to hold them.
"""

import logging
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import metricscan
from metricscan import fleet

SCANNER = metricscan.Scanner([r"loss=loss=([0-9.]+)", r"step=step=(\d+)"])
BEST = metricscan.Objective("loss", "Minimize", "min", step="step")
PLAYED = 1000


def ray_beside_one_machine(folder, rounds):
    import ray

    ray.init(num_cpus=2, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    least = {}
    with tempfile.TemporaryDirectory() as out:
        ways = {
            "replay": lambda: metricscan.replay(
                folder, SCANNER, objective=BEST, keep=False, out=f"{out}/one", overwrite=True, threads=2
            ),
            "ray": lambda: fleet.replay_on("ray", folder, SCANNER, objective=BEST, out=f"{out}/ray", overwrite=True),
        }
        found = {name: way() for name, way in ways.items()}
        assert found["replay"].ranking.equals(found["ray"].ranking)
        for _ in range(rounds):
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                least[name] = min(least.get(name, float("inf")), time.perf_counter() - begin)
    for name, seconds in least.items():
        print(f"{name:8} {seconds:7.2f} s {size / seconds / 1e9:7.2f} GB/s")
    print(f"ratio    {least['replay'] / least['ray']:7.2f}")


def renamed(table, turn, columns=("job",)):
    """The rows of other logs: names and numbers of this turn."""
    for name in columns:
        at = table.column_names.index(name)
        empty = pc.equal(table[name], "")
        named = pc.binary_join_element_wise(pa.scalar(str(turn)), table[name], "/")
        table = table.set_column(at, name, pc.if_else(empty, table[name], named))
    at = table.column_names.index("number")
    return table.set_column(at, "number", pc.add(table["number"], turn * PLAYED))


def play(count):
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PLAYED):
            lines = "".join(f"step={step} loss={(step * 7919 + number) % 100}.5\n" for step in range(20))
            Path(folder, f"trial_{number}.log").write_text(lines)
        begin = time.perf_counter()
        listed = fleet.list_logs(folder)
        listing_s = (time.perf_counter() - begin) * count / PLAYED
        begin = time.perf_counter()
        partial = fleet.decide(fleet.scan_batch(listed, SCANNER), BEST)
        working_s = (time.perf_counter() - begin) * count / PLAYED
    turns = count // PLAYED
    begin = time.perf_counter()
    tasks = fleet.tasks_of(pa.concat_tables(renamed(listed, turn, ("job", "path")) for turn in range(turns)))
    cutting_s = time.perf_counter() - begin
    assert sum(task.num_rows for task in tasks) == count
    del tasks
    begin = time.perf_counter()
    ranking = fleet.rank_partials(renamed(partial, turn) for turn in range(turns))
    ranking_s = time.perf_counter() - begin
    assert ranking.num_rows == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{count:>12,} logs: listed {listing_s:8.1f} s*, cut into tasks {cutting_s:6.1f} s, scanned and decided "
        f"{working_s:8.1f} s*, ranked {ranking_s:7.1f} s, peak {peak / 2**20:8,.0f} MiB, "
        f"{partial.nbytes / PLAYED:.0f} bytes of partial ranking a log"
    )


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "ray":
        ray_beside_one_machine(given[0], int(given[1]) if len(given) > 1 else 5)
    elif what == "size" and len(given) == 1:
        play(int(given[0]))
    else:
        # a process each, for peaks of memory do not go down
        for one in given:
            subprocess.run([sys.executable, __file__, "size", one], check=True)
