"""Jobs whose reader, command or supervisor is killed at a random moment: what is read afterwards, and how the job ended."""

import os
import random
import signal
import sys
import time
from typing import NamedTuple

from support.jobs import DEADLINE_S, LOSS, none_left, start, until

import metricscan
from metricscan.logs.job_record import UNKNOWN, read_record

#: Whom a kill hits.
VICTIMS = ("reader", "command", "reader and command", "supervisor", "reader and supervisor", "all")
LINES = 150


PROGRAM = """
import random, sys, time
random.seed({seed})
for number in range({lines}):
    line = f"step {{number}} loss={{number}}.5\\n"
    cut = random.randrange(len(line)) if random.random() < 0.3 else len(line)
    for part in (line[:cut], line[cut:]):
        sys.stdout.write(part)
        sys.stdout.flush()
        time.sleep(random.expovariate(250))
sys.stdout.write("loss=999")
sys.exit({code})
"""


class Outcome(NamedTuple):
    """What became of one job."""

    victims: str
    status: str
    exit_code: int | None
    rows: int
    readers: int


def command(seed, code):
    """A program that prints rows at a random pace, now and then a line in pieces, and ends with an exit code."""
    return [sys.executable, "-c", PROGRAM.format(seed=seed, lines=LINES, code=code)]


def killed(folder, seed):
    """Run a job, kill some of its processes at a random moment, attach until it has ended, and check what is known of it.

    Raises
    ------
    AssertionError
        A row is lost or doubled, or the status or the exit code is wrong.
    """
    source = random.Random(seed)
    victims, code = source.choice(VICTIMS), source.choice([0, 0, 3])
    folder = str(folder)
    with none_left(folder):
        process = start("run", "-m", LOSS[0], "--grace", "5s", "-o", folder, "--", *command(seed, code))
        try:
            until(lambda: os.path.exists(f"{folder}/job.json") and "child" in read_record(folder).document, "the start")
            time.sleep(source.uniform(0, 1.2))
            document = read_record(folder).document
            has_ended = document["status"] != "InProgress"
            pids = {"reader": process.pid} | {
                name: document[key]["pid"] for name, key in (("command", "child"), ("supervisor", "supervisor"))
            }
            hit = [*pids] if victims == "all" else victims.split(" and ")
            for name in hit:
                try:
                    os.kill(pids[name], signal.SIGKILL)
                except ProcessLookupError:
                    has_ended = True
            if "reader" not in hit:
                process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
            process.communicate()
        readers = 1
        # the readers that go on are killed, too
        while source.random() < 0.4:
            readers += 1
            again = start("run", "--attach", folder)
            time.sleep(source.uniform(0.2, 1.0))
            again.kill()
            again.communicate()
        with metricscan.attach(folder) as job:
            record = job.wait(timeout=DEADLINE_S)
        _check(folder, hit, code, record, has_ended=has_ended)
        table = metricscan.Dataset(f"{folder}/journal")["loss"] if _has_rows(folder) else []
        return Outcome(victims, record.status, record.exit_code, len(table), readers)


def _has_rows(folder):
    with open(f"{folder}/output.log", "rb") as file:
        return b"loss=" in file.read()


def _check(folder, hit, code, record, *, has_ended):
    with open(f"{folder}/output.log", "rb") as file:
        data = file.read()
    columns = ("value", "line", "offset", "start")
    oracle = metricscan.Scanner(LOSS).scan(data)["loss"]
    expected = list(zip(*(oracle[name].to_pylist() for name in columns), strict=True))
    found = []
    if expected:
        table = metricscan.Dataset(f"{folder}/journal")["loss"]
        found = list(zip(*(table[name].to_pylist() for name in columns), strict=True))
    assert found == expected, f"{len(found)} rows were found, {len(expected)} were written"
    is_whole = data.endswith(b"loss=999") and data.count(b"\n") == LINES
    ended = (("Completed", 0) if code == 0 else ("Failed", code), ("Failed", 137), (UNKNOWN, None))
    possible = {ended[0]} if not {"command", "supervisor"} & {*hit} else set(ended) if has_ended else set()
    if "supervisor" in hit:
        # it may have written the end before it was killed, and the command may have been killed before it
        possible |= {ended[2], ended[0], ended[1]} if "command" in hit else {ended[2], ended[0]}
    elif "command" in hit:
        possible |= {ended[1], ended[0]}
    assert (record.status, record.exit_code) in possible, (hit, record)
    if record.status == UNKNOWN:
        assert "supervisor" in hit
    if "command" not in hit:
        # the training went on, whoever else was killed; a supervisor that has just named the command may not have let it begin
        never_began = "supervisor" in hit and record.status == UNKNOWN and not data
        assert is_whole or never_began, f"the training did not go on: {len(data)} bytes"
    elif (record.status, record.exit_code) == ended[0]:
        assert is_whole, "it is said to have ended by itself"
