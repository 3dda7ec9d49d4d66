"""Shared by the make.py scripts: run a job and record its output, and write what the logs are known to hold.

A corpus is a folder with logs and one or more sets of definitions. Each set has a stem and three files:
STEM.definitions.json (or .yaml), STEM.expected.jsonl (the values of every definition in every log) and STEM.objective.json
(the options of the scanner, the objective, and the resulting ranking).
"""

import gzip
import hashlib
import json
import math
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).resolve().parent
sys.path.insert(0, str(DATA.parent / "tests"))

from support import reference  # noqa: E402 - the naive reader, which is the oracle of the tests


class Job(NamedTuple):
    """A job: its name, the logs of its streams (relative to the corpus), and its final status in the scheduler."""

    name: str
    logs: tuple[str, ...]
    status: str | None = None


def train(corpus: str, hyperparameters: dict[str, Any], stdout: Path, stderr: Path | None = None) -> int:
    """Run one training of the corpus in its own process; without ``stderr`` both streams go to one file."""
    stdout.parent.mkdir(parents=True, exist_ok=True)
    with stdout.open("wb") as out, (stderr or Path(os.devnull)).open("wb") as err:
        return _start(corpus, hyperparameters, out, err if stderr else out).wait()


def train_on_terminal(corpus: str, hyperparameters: dict[str, Any], typescript: Path) -> int:
    """Run one training on a pseudo-terminal, and record what it writes there, as ``script`` does."""
    typescript.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = pty.openpty()
    process = _start(corpus, hyperparameters, theirs, theirs)
    os.close(theirs)
    with typescript.open("wb") as out:
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux reports in this way that the other side is closed
                break
            out.write(read)
    os.close(ours)
    return process.wait()


def _start(corpus: str, hyperparameters: dict[str, Any], stdout: Any, stderr: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"data.{corpus}.make", json.dumps(hyperparameters)]
    # one thread, so that sums are always added in the same order; UTF-8 and no buffer, as in a container
    settings = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
    return subprocess.Popen(command, cwd=DATA.parent, env={**os.environ, **settings}, stdout=stdout, stderr=stderr)


def emptied(folder: Path) -> Path:
    """Make the folder new and empty, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write(
    folder: Path, stem: str, metric: str, goal: str, jobs: list[Job], jobs_file: str | None = None, **options: str
) -> None:
    """Write STEM.expected.jsonl and STEM.objective.json."""
    expected = [
        line for log in sorted(log for job in jobs for log in job.logs) for line in read(folder, stem, log, options)
    ]
    text = "".join(json.dumps(line) + "\n" for line in expected)
    (folder / f"{stem}.expected.jsonl").write_text(text)
    objective = {
        "metric": metric,
        "goal": goal,
        "scope": "last",
        "options": options,
        "jobs": jobs_file,
        "ranking": ranking(expected, metric, goal, jobs, default_newline(options)),
    }
    (folder / f"{stem}.objective.json").write_text(json.dumps(objective, indent=2) + "\n")


def definitions(folder: Path, stem: str) -> list[dict[str, str]]:
    """The definitions of a set, as a list of Name and Regex."""
    path = folder / f"{stem}.definitions.yaml"
    if path.exists():
        import yaml

        return yaml.safe_load(path.read_text())
    return json.loads((folder / f"{stem}.definitions.json").read_text())


def content(path: Path) -> bytes:
    """A log's bytes, decompressed."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def default_newline(options: dict[str, str]) -> str:
    """The default for the end of a record."""
    return "lf" if options.get("escape") == "syslog" else "universal"


def read(folder: Path, stem: str, log: str, options: dict[str, str]) -> list[dict[str, Any]]:
    """The expected values of one log: an object per metric and newline mode."""
    result = []
    # under escape="syslog" no CR is left that could end a record
    for newline in ("lf",) if options.get("escape") == "syslog" else ("universal", "lf"):
        found = reference.scan(definitions(folder, stem), content(folder / log), newline=newline, **options)
        for name, metric in found.metrics.items():
            values, lines, offsets, starts = zip(*metric.rows, strict=True) if metric.rows else ((), (), (), ())
            result.append(
                {
                    "log": log,
                    "metric": name,
                    "newline": newline,
                    "count": len(values),
                    "unparsed": metric.unparsed,
                    "first": repr(values[0]) if values else None,
                    "last": repr(values[-1]) if values else None,
                    "last_line": lines[-1] if lines else None,
                    "values": digest("d", [math.nan if math.isnan(value) else value for value in values]),
                    "lines": digest("q", lines),
                    "offsets": digest("q", offsets),
                    "starts": digest("q", starts),
                }
            )
    return result


def digest(code: str, column: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a column, little-endian, 8 bytes per row."""
    return hashlib.sha256(struct.pack(f"<{len(column)}{code}", *column)).hexdigest()[:16]


def ranking(
    expected: list[dict[str, Any]], metric: str, goal: str, jobs: list[Job], newline: str
) -> list[dict[str, Any]]:
    """The jobs by their last value: finite ones, failed jobs with a finite value, not_finite, missing."""
    found = {line["log"]: line for line in expected if line["metric"] == metric and line["newline"] == newline}
    sortable = []
    for job in jobs:
        carrying = [found[log] for log in sorted(job.logs) if found[log]["count"]]
        last = carrying[-1] if carrying else {"last": None, "log": None, "last_line": None}
        value = None if last["last"] is None else float(last["last"])
        status = "missing" if value is None else "found" if math.isfinite(value) else "not_finite"
        group = {"found": 1 if job.status == "Failed" else 0, "not_finite": 2, "missing": 3}[status]
        key = (-value if goal == "Maximize" else value) if status == "found" else 0.0
        row = {
            "rank": None,
            "job": job.name,
            "value": last["last"],
            "objective_status": status,
            "job_status": job.status,
        }
        sortable.append((group, key, natural(job.name), {**row, "log": last["log"], "line": last["last_line"]}))
    sortable.sort(key=lambda item: item[:3])
    keys = [key for group, key, *_ in sortable if group == 0]
    for place, key in enumerate(keys):
        sortable[place][3]["rank"] = keys.index(key) + 1
    return [row for *_, row in sortable]


def natural(name: str) -> list[Any]:
    """The sort key of a name in natural order: trial_2 before trial_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
