"""Values of real logs, replaced by what their definition misreads: nearly all are found, and the logs as they are raise few."""

import functools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reference import value_group

from metricscan import Objective, Replay, Scanner, replay
from metricscan.patterns.dialect import compile_quietly

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
DATA = Path(__file__).parents[2] / "data"
# what is printed, and the number that is meant; None for a value with a unit
MISREAD = [
    ("nan", float("nan")),
    ("1,234.5", 1234.5),
    ("2.5e-05", 2.5e-05),
    ("12,5", 12.5),
    ("0.7%", None),
    ("12ms", None),
]


def suspects(scanner: Scanner, data: bytes) -> dict[str, tuple[int, int, frozenset[str]]]:
    """What is suspicious about each metric."""
    running = scanner.watching_batches(data)
    for _ in running:
        pass
    found = running.stats.metrics.items()
    return {name: (one.near_misses, one.cut_values, frozenset(one.units)) for name, one in found}


def replaced(scanner: Scanner, data: bytes, choices: random.Random, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Metric, text and log, for values that are replaced by a text that the regex does not read as it is meant."""
    text = data.decode("utf-8", "surrogateescape")
    patterns = [(one.name, one.regex, compile_quietly(one.regex)) for one in scanner.definitions]
    lines = re.split(r"(\r\n|\r|\n)", text)
    for _ in range(40 * count):
        if count == 0:
            return
        at = 2 * choices.randrange(len(lines) // 2 + 1)
        name, regex, pattern = choices.choice(patterns)
        match = pattern.search(lines[at])
        if match is None or match[value_group(pattern)] is None:
            continue
        misread, meant = choices.choice(MISREAD)
        begin, end = match.span(value_group(pattern))
        behind = lines[at][end:]
        if meant is None:
            # in the place of the value and its unit
            behind = re.sub(r"^[A-Za-z%/]+", "", behind)
        line = lines[at][:begin] + misread + behind
        again = pattern.search(line)
        read = None if again is None else again[value_group(pattern)]
        if meant is None:
            if read is None or read == misread or not misread.startswith(read):
                continue
        elif read is not None and (read == misread or float_of(read) == meant):
            continue
        if "," in misread and ")," in regex:
            # the regex says that a comma follows the value
            continue
        count -= 1
        yield name, misread, "".join([*lines[:at], line, *lines[at + 1 :]]).encode("utf-8", "surrogateescape")


def float_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def share_found(logs: list[tuple[list[dict[str, str]], bytes]], count: int) -> tuple[float, list[Any]]:
    """The share of replaced values that are found, and those that are not."""
    choices, lost, tried = random.Random(5), [], 0
    for definitions, data in logs:
        scanner = Scanner(definitions)
        before = suspects(scanner, data)
        for name, misread, log in replaced(scanner, data, choices, count):
            tried += 1
            if suspects(scanner, log)[name] == before[name]:
                lost.append((name, misread))
    assert tried > 10
    return 1 - len(lost) / tried, lost


def test_misread_values_are_found():
    definitions = [
        {"Name": "rmse", "Regex": r"\[[0-9]+\].*validation-rmse:([0-9.]+)"},
        {"Name": "loss", "Regex": "loss=([0-9.]+)"},
    ]
    lines = [f"[{step}]\ttrain-rmse:{9 - step / 9:.5f}\tvalidation-rmse:{9 - step / 10:.5f}\n" for step in range(40)]
    lines += [f"step {step}: loss={1 / (step + 1):.4f}, lr=0.1\n" for step in range(40)]
    share, lost = share_found([(definitions, "".join(lines).encode())], 60)
    assert share == 1, lost


# a value that is not seen is a near miss or, where the stream ends with it, the end of the job
RAISED = {"near-miss-after", "diverged", "cut-value"}


def is_doubted(found: Replay, name: str) -> bool:
    """Whether the job has a doubt because of a value that counts, or that stands behind the first one; or no value at all."""
    for scope in ("mean", "first"):
        (row,) = found.rank(Objective(name, "Minimize", scope=scope)).to_pylist()
        if row["objective_status"] == "missing" or RAISED & {doubt["kind"] for doubt in row["doubts"]}:
            return True
    return False


@pytest.mark.slow
def test_misread_values_of_real_logs_are_doubted(corpora, tmp_path):
    choices, planted, lost = random.Random(5), 0, []
    for line in (corpora / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        scanner = Scanner(one["definitions"])
        data = (corpora / "logs" / one["file"]).read_bytes()
        alone = {definition.name: Scanner([definition]) for definition in scanner.definitions}
        whole = replay_of(scanner, data, tmp_path)
        doubted = functools.lru_cache(None)(functools.partial(is_doubted, whole))
        for name, misread, log in replaced(scanner, data, choices, 16):
            if not doubted(name):
                planted += 1
                if not is_doubted(replay_of(alone[name], log, tmp_path), name):
                    lost.append((one["file"], name, misread))
    assert planted >= 500
    assert 1 - len(lost) / planted >= 0.95, lost


def replay_of(scanner: Scanner, log: bytes, folder: Path) -> Replay:
    """A replay of one log."""
    (folder / "a.log").write_bytes(log)
    return replay(folder / "a.log", scanner)


@pytest.mark.slow
def test_what_real_logs_raise(corpora):
    found = {}
    for line in (corpora / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        for name, (near, cut, units) in suspects(
            Scanner(one["definitions"]), (corpora / "logs" / one["file"]).read_bytes()
        ).items():
            if near or cut or len(units) > 1:
                found[one["file"].split("__")[0], name] = near, cut, sorted(units)
    assert found == {
        # diverged
        ("gluoncv", "train:loss"): (3, 0, [""]),
        # 2e-05 is read as 2
        ("gluonnlp", "lr"): (0, 1, [""]),
        # the log holds the program that prints it: the 4 of {val_loss:.4f} is read as a value
        ("nanogpt", "val:loss"): (0, 2, [""]),
        ("parameter-golf", "val:loss"): (0, 15, [""]),
        ("parameter-golf", "val:bpb"): (0, 15, [""]),
        # some programs print a share, others per cent
        ("longline-mixed", "accuracy"): (0, 0, ["", "%"]),
    }
