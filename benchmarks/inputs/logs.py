"""Logs that are read record by record: real ones, if there are some, and those in the line shapes of ``data/``."""

from __future__ import annotations

import functools
import gzip
import json
import os
import random
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from inputs import corpora
from measure import ROOT

if TYPE_CHECKING:
    import metricscan

_DIGITS = [b"%d" % digit for digit in range(10)]


class Log(NamedTuple):
    """A log, what is looked for in it, and how many rows that gives, if somebody else has counted them."""

    name: str
    definitions: list[dict[str, str]]
    options: dict[str, str]
    text: bytes
    rows: int | None

    def repeated(self, size_bytes: int) -> tuple[bytes, int]:
        """Return the text, ended by a terminator, so often that it has a size; and how often that is."""
        text = self.text if self.text.endswith((b"\n", b"\r")) else self.text + b"\n"
        times = -(-size_bytes // len(text))
        return text * times, times

    def beginning(self, size_bytes: int) -> bytes:
        """Return the records that end in the first bytes, one at least."""
        if len(self.text) <= size_bytes:
            return self.text
        end = max(self.text.rfind(b"\n", 0, size_bytes), self.text.rfind(b"\r", 0, size_bytes)) + 1
        return self.text[: end or self.text.find(b"\n") + 1 or None]

    def scanner(self) -> metricscan.Scanner:
        """Compile the definitions."""
        import metricscan

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return metricscan.Scanner(self.definitions, **self.options)


def real() -> list[Log]:
    """Return the real logs of the folder that METRICSCAN_CORPORA names; none if there is none."""
    folder = Path(os.environ.get("METRICSCAN_CORPORA", ROOT.parent / "shared"), "corpora")
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        return []
    logs = []
    for one in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
        rows = sum(metric["count"] for metric in one["expected"]["universal"].values())
        name = one["framework"] + "/" + one["file"].rpartition("__")[2][:30]
        logs.append(Log(name, one["definitions"], {}, (folder / "logs" / one["file"]).read_bytes(), rows))
    return logs


def shapes() -> list[Log]:
    """Return logs in the line shapes of ``data/``: its logs, their decimals drawn anew with each repetition."""
    import metricscan

    logs = []
    for path in sorted(ROOT.glob("data/*/*.definitions.*")):
        objective = json.loads(path.with_name(path.name.partition(".")[0] + ".objective.json").read_text())
        files = sorted(file for file in path.parent.rglob("*") if file.is_file() and _is_log(file, path.parent))
        text = b"".join(
            gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in files
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            definitions = [{"Name": one.name, "Regex": one.regex} for one in metricscan.load_definitions(path)]
        logs.append(
            Log(f"data/{path.name.partition('.')[0]}", definitions, objective["options"], grown(text, 1 << 20), None)
        )
    return logs


def _is_log(file: Path, folder: Path) -> bool:
    return "logs" in file.relative_to(folder).parts or (file.parent == folder and file.suffix == ".log")


def grown(text: bytes, size_bytes: int, seed: int = corpora.SEED) -> bytes:
    """Repeat a log until it has a size, with other decimals in every repetition: numbers of the same width."""
    draw = random.Random(seed)
    size = 0
    parts = []
    while size < size_bytes:
        parts.append(re.sub(rb"(?<=\.)\d+", lambda match: b"".join(draw.choices(_DIGITS, k=len(match[0]))), text))
        size += len(text)
    return b"".join(parts)


@functools.cache
def real_once() -> list[Log]:
    """Read the real logs once."""
    return real()
