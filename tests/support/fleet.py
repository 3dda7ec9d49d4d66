"""Logs of many kinds, and what a fleet must find in them: what one machine finds."""

import gzip
import json
import os
import random

from support.archives import tarred
from support.exports import START_MS, Event, as_json
from support.folders import tree

from metricscan import Dataset, Scanner, rank
from metricscan.scanning.stats import MetricStats

DEFINITIONS = [r"loss=\bloss[=:] ?([-+0-9.e]+|nan|inf)", r"acc=acc=([0-9.]+)%?", r"step=\bstep=([0-9]+|nan)"]
LABELS = {"worker": r"\[(rank[0-9])\]"}
SCANNER = Scanner(DEFINITIONS, labels=LABELS)
TRACEBACK = 'Traceback (most recent call last):\n  File "fit.py", line 3, in <module>\nValueError: boom\n'
ODD = [
    "loss=nan", "loss=inf", "loss=-inf", "loss: 1e400", "loss: .", "loss=None", "loss=1,234.5", "loss=3.5x", "acc=93%",
    "loss=0.", "step=nan", "", "warming up", "loss=1.7976931348623157e308", "acc=0.5 acc=0.6", "loss=2147483647",
]  # fmt: skip


def text(rng, rows=None, end=None):
    """The text of one log: a curve with odd lines in it, and an end that may be a crash, a cut line, or none."""
    lines, step = [], 0
    for _ in range(rng.randrange(0, 30) if rows is None else rows):
        if rng.random() < 0.05:
            # restarted
            step = rng.randrange(step + 1)
        step += rng.random() < 0.8
        worker = rng.choice(["", "", "[rank0] ", "[rank1] "])
        lines.append(
            f"{worker}step={step} loss={rng.randrange(1, 40) / 8}" + (" acc=0.5" if rng.random() < 0.3 else "")
        )
        if rng.random() < 0.15:
            lines.append(rng.choice(ODD))
        if rng.random() < 0.1:
            lines.append("-----")
    ends = [
        "\n",
        "\n",
        "\n",
        "",
        "\nloss=0.",
        f"\n{TRACEBACK}",
        f"\n{TRACEBACK}resuming\nloss=1\n",
        "\nKilled\n",
        "\r\n",
    ]
    return (rng.choice(["\n", "\n", "\r\n"])).join(lines) + (rng.choice(ends) if end is None else end)


def mixed(folder, seed, jobs):
    """Write the logs of about so many jobs of all kinds."""
    rng = random.Random(seed)
    files = {}
    twin = text(rng, 12, "\n")
    for number in range(jobs):
        name = f"{rng.choice(['trial', 'lr=0.1', 'x'])}_{number}"
        kind = number % 12
        if kind == 0:
            files[f"{name}/train.log"] = text(rng)
        elif kind == 1:
            files[f"{name}/train.log.gz"] = gzip.compress(text(rng).encode(), mtime=0)
        elif kind == 2:
            files |= {f"{name}/{stream}.log": text(rng) for stream in ("stdout", "stderr")}
        elif kind == 3:
            # rotated, the oldest first
            files |= {f"{name}/train.log.{piece}": text(rng, end="\n") for piece in (2, 1)}
            files[f"{name}/train.log"] = text(rng)
        elif kind == 4:
            events = [
                Event(line, START_MS + 1000 * at, stream=f"{name}-{rng.choice('ab')}/algo-{rng.choice('12')}-1")
                for at, line in enumerate(text(rng, 20).splitlines())
            ]
            order = ("logStreamName", "timestamp", "message", "eventId")
            files[f"exports/{name}.json"] = as_json(events, indent=None, ascii_only=True, order=order, pages=1)
        elif kind == 5:
            # an error midway
            packed = gzip.compress(text(rng, 40).encode(), mtime=0)
            files[f"{name}/train.log.gz"] = packed[: max(20, len(packed) // 2)]
        elif kind == 6:
            lines = text(rng, 15).splitlines()
            moments = (f"2026-03-01T10:00:{at % 60:02}.{at:06}Z" for at in range(len(lines)))
            events = [
                json.dumps({"log": f"{line}\n", "stream": rng.choice(["stdout", "stderr"]), "time": moment}) + "\n"
                for line, moment in zip(lines, moments, strict=True)
            ]
            files[f"{name}/pod.log"] = "".join(events)
            if rng.random() < 0.7:
                # rotated within a message
                whole = {"stream": "stdout", "time": "2026-03-01T10:00:00Z"}
                first, second = (json.dumps({"log": part, **whole}) + "\n" for part in ("step=99 lo", "ss=0.125\n"))
                files[f"{name}/pod.log.1"] = "".join(events[:4]) + first
                files[f"{name}/pod.log"] = second + "".join(events[4:])
        elif kind == 7:
            # two attempts
            files |= {f"flow/train/{number}/{attempt}.stdout.log": text(rng) for attempt in (0, 1)}
        elif kind == 8:
            files[f"{name}/train.log"] = text(rng).encode("utf-16")
        elif kind == 9:
            # the same log twice
            files |= {f"{name}/{copy}.log": twin for copy in ("a", "b")}
        elif kind == 10:
            files[f"{name}.log"] = rng.choice(["", "nothing here\n", "loss=5ms\nloss=2\n", text(rng, 60)])
        else:
            files[f"{name}/train.log"] = f"\ufeff{text(rng)}"
    tree(folder, files)
    members = {f"packed_{number}/train.log": text(rng).encode() for number in range(max(1, jobs // 12))}
    (folder / "packed.tar.gz").write_bytes(gzip.compress(tarred(members), mtime=0))
    (folder / "packed.tar").write_bytes(tarred({f"plain/{name}": data for name, data in members.items()}))
    return folder


def paths_in(folder):
    """What to give a replay to read all of them."""
    return [folder, folder / "packed.tar.gz", folder / "packed.tar"]


def batches(logs, rng, tasks):
    """Batches of whole shared files, in any order, some twice; jobs without shared files may be cut apart."""
    found = []
    for task in tasks(logs, most_logs=rng.randrange(3, 20)):
        if task["file"].null_count == task.num_rows and task.num_rows > 1 and rng.random() < 0.5:
            cut = rng.randrange(1, task.num_rows)
            found += [task.slice(0, cut), task.slice(cut)]
        else:
            found.append(task)
    found += rng.sample(found, len(found) // 4)
    rng.shuffle(found)
    return found


def stats_of(gathered, metrics):
    """The counts with an entry for each metric, as a replay has them."""
    for name in metrics:
        gathered.stats.metrics.setdefault(name, MetricStats())
    return gathered.stats


def same_errors(found, expected):
    """Assert that errors say the same."""
    assert [(str(one), one.path, one.offset) for one in found] == [(str(one), one.path, one.offset) for one in expected]


def said(table):
    """All that a table holds, bit for bit: NaN equals NaN, and -0.0 is not 0.0."""
    return table.schema, [repr(row) for row in table.to_pylist()]


def same_result(found, wanted):
    """Assert that a result is that of one machine."""
    assert said(found.ranking) == said(wanted.ranking)
    assert repr(found.best) == repr(wanted.best)
    assert found.stats == wanted.stats
    same_errors(found.errors, wanted.errors)
    assert found.notices == wanted.notices
    assert found.spans == wanted.spans
    assert found.jobs == wanted.jobs
    assert repr(found.doubts) == repr(wanted.doubts)


def same_dataset(found, wanted):
    """Assert that a dataset is that of one machine, though in other files."""
    one, other = Dataset(found), Dataset(wanted)
    assert list(one) == list(other)
    for name in other:
        # of names in dictionaries the rows count
        assert [repr(row) for row in one[name].to_pylist()] == [repr(row) for row in other[name].to_pylist()]
    manifests = [json.loads((path / "_manifest.json").read_text()) for path in (found, wanted)]
    assert manifests[0] == manifests[1]
    assert said(rank(found, other.objective)) == said(rank(wanted, other.objective))
    assert sorted(os.listdir(found)) == sorted(os.listdir(wanted))
