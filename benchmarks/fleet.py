"""A fleet: the throughput of Ray beside a replay on one machine, and what the machine that ranks needs for N logs.

    python benchmarks/fleet.py ray FOLDER [ROUNDS]     # the logs of a folder, read by replay and by Ray, in turns
    python benchmarks/fleet.py size N ...              # N logs played: seconds of each stage, and peak memory
    python benchmarks/fleet.py drive N                 # replay_on of N logs played: peak memory of who lists, ranks and writes

To play N logs, 1,000 small ones are really listed and scanned: seconds with a star are theirs, times N / 1,000. Their tables are
repeated under other names and with other values, and all jobs are decided. So the machine that lists and ranks has the work of N
logs, and no disk has to hold them. The peaks of memory are those of cutting tasks and of ranking, each in a process of its own.
"""

import logging
import random
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
from metricscan.fleet.tables import packed
from metricscan.fleet.work import tasks_as_bytes
from metricscan.logs.job import Job, Survey
from metricscan.logs.survey import survey
from metricscan.replaying import replay as replaying

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


def renamed(table, turn, columns=("job",), *, number=True):
    """The rows of other logs: names and numbers of this turn."""
    for name in columns:
        at = table.column_names.index(name)
        empty = pc.equal(table[name], "")
        named = pc.binary_join_element_wise(pa.scalar(str(turn)), table[name], "/")
        table = table.set_column(at, name, pc.if_else(empty, table[name], named))
    if not number:
        return table
    at = table.column_names.index("number")
    return table.set_column(at, "number", pc.add(table["number"], turn * PLAYED))


def changed(scan, turn):
    """The scan of other logs: of this turn, and with other values."""
    scan, at = renamed(scan, turn), scan.column_names.index("value")
    is_loss = pc.fill_null(pc.equal(scan["metric"], "loss"), False)
    values = pc.if_else(is_loss, pc.add(scan["value"], 1000.0 * turn), scan["value"])
    return scan.set_column(at, "value", values)


def replayed_survey(found, count):
    """A survey of so many logs: those of one, under other names."""
    played = Survey()
    for turn in range(count // PLAYED):
        for job in found.jobs:
            logs = [log._replace(path=f"{turn}/{log.path}", stream=f"{turn}/{log.stream}") for log in job.logs]
            played.sizes.update((log.path, found.sizes[job.logs[at].path]) for at, log in enumerate(logs))
            played.jobs.append(Job(f"{turn}/{job.name}", logs))
    return played


def drive(count):
    """A whole replay on an engine, whose workers play their tasks: the memory of who lists, ranks and writes the manifest."""
    with tempfile.TemporaryDirectory() as folder:
        write_logs(folder)
        found, scan = survey([folder]), fleet.scan_batch(fleet.list_logs(folder), SCANNER)
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        replaying.survey = lambda paths, **how: replayed_survey(found, count)

        def workers(work, tasks):
            for turn in random.Random(1).sample(range(len(tasks)), len(tasks)):
                yield packed(fleet.decide(renamed(changed(scan, turn), turn, ("stream",), number=False), BEST))

        begin = time.process_time()
        out = f"{folder}/out"
        result = fleet.replay_on(workers, folder, SCANNER, objective=BEST, out=out, task_logs=PLAYED)
        assert result.ranking.num_rows == count
        seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{count:>12,} logs: replay_on {seconds:6.1f} s, peak {peak / 1024:7,.0f} MiB, {base / 1024:,.0f} before it")


def write_logs(folder):
    for number in range(PLAYED):
        lines = "".join(f"step={step} loss={(step * 7919 + number) % 100}.{number:03}\n" for step in range(20))
        Path(folder, f"trial_{number:03}.log").write_text(lines)


def play(count, stage):
    with tempfile.TemporaryDirectory() as folder:
        write_logs(folder)
        begin = time.process_time()
        listed = fleet.list_logs(folder)
        listing_s = (time.process_time() - begin) * count / PLAYED
        begin = time.process_time()
        scan = fleet.scan_batch(listed, SCANNER)
        scanning_s = (time.process_time() - begin) * count / PLAYED
    turns = range(count // PLAYED)
    if stage == "list":
        begin = time.process_time()
        tasks = tasks_as_bytes(
            fleet.tasks_of(pa.concat_tables(renamed(listed, turn, ("job", "path")) for turn in turns))
        )
        cutting_s = time.process_time() - begin
        size = sum(map(len, tasks)) / count
        stages = f"listed {listing_s:7.1f} s*, cut into tasks {cutting_s:6.1f} s, {size:.0f} bytes of tasks a log"
    else:
        deciding_s, size = 0.0, 0.0

        def partials():
            nonlocal deciding_s, size
            # as engines give them: in no order
            for turn in random.Random(1).sample(turns, len(turns)):
                played = changed(scan, turn)
                begin = time.process_time()
                partial = fleet.decide(played, BEST)
                deciding_s += time.process_time() - begin
                size = size or len(packed(partial)) / PLAYED
                yield partial

        begin = time.process_time()
        ranking = fleet.rank_partials(partials())
        ranking_s = time.process_time() - begin - deciding_s
        assert ranking.num_rows == count
        stages = f"scanned {scanning_s:7.1f} s*, decided {deciding_s:6.1f} s, played and ranked {ranking_s:6.1f} s, "
        stages += f"{size:.0f} bytes of partial ranking a log, {ranking.nbytes / count:.0f} of ranking"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{count:>12,} logs: {stages}, peak {peak / 2**20:7,.0f} MiB")


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "ray":
        ray_beside_one_machine(given[0], int(given[1]) if len(given) > 1 else 5)
    elif what == "drive":
        drive(int(given[0]))
    elif what in ("list", "rank"):
        play(int(given[0]), what)
    else:
        # a process each, for peaks of memory do not go down
        for one in given:
            for stage in ("list", "rank"):
                subprocess.run([sys.executable, __file__, stage, one], check=True)
