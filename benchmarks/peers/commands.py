"""Peers that are programs of the system: ripgrep and mtail."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from peers.answers import Found
from peers.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inputs.corpora import Workload


class Command(Engine):
    """A program of the system that reads a file."""

    command: str

    def absent(self) -> str | None:
        """Return why it cannot run here, or None."""
        return None if shutil.which(self.command) else f"there is no command {self.command}"

    def version(self) -> str:
        """Return what the program says of itself."""
        said = subprocess.run([self.command, "--version"], check=True, capture_output=True, text=True).stdout
        match = re.search(r"\d+\.\S+", said)
        return match[0] if match else ""

    def own_file(self, workload: Workload, path: Path) -> Path:
        """Return a file with just the bytes of the workload."""
        own = path.with_suffix(f".{self.command}.log")
        own.write_bytes(workload.data)
        return own


class Ripgrep(Command):
    """``rg -P`` (PCRE2, compiled): a process a definition, which prints lines and values; they are read as float here."""

    name = "ripgrep -P"
    command = "rg"
    limit_bytes = 64 << 20

    def declines(self, workload: Workload) -> str | None:
        """Return why the engine cannot do this workload, or None."""
        many = "a process a definition: not for so many" if len(workload.definitions) > 8 else None
        return super().declines(workload) or many

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Write the file; time the processes, and what makes numbers of their output."""
        file = self.own_file(workload, path)
        base = ["rg", "-j1", "-P", "-a", "-on", "--no-filename", "--no-config", "-r", "$1", "-e"]

        def extract() -> Found:
            found = Found({}, {})
            for definition in workload.definitions:
                run = subprocess.run([*base, definition["Regex"], file], stdout=subprocess.PIPE, check=False)
                pairs = [row.split(b":", 1) for row in run.stdout.split(b"\n")[:-1]]
                found.values[definition["Name"]] = [float(value) for _, value in pairs]
                found.lines[definition["Name"]] = [int(line) for line, _ in pairs]
            return found

        return extract


class Mtail(Command):
    """mtail, once over a file: it counts rows and keeps the last value of each metric, no others."""

    name = "mtail"
    command = "mtail"
    limit_bytes = 8 << 20

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Write the program; time the process."""
        file = self.own_file(workload, path)
        folder = path.with_suffix(".mtail")
        folder.mkdir(exist_ok=True)
        names = [d["Name"] for d in workload.definitions]
        program = "".join(
            f"gauge v{i}\ncounter n{i}\n/{d['Regex'].replace('(', '(?P<v>', 1)}/ {{\n  v{i} = float($v)\n  n{i}++\n}}\n"
            for i, d in enumerate(workload.definitions)
        )
        (folder / "metrics.mtail").write_text(program)
        command = ["mtail", "--one_shot", "--progs", folder, "--logs", file]
        environment = {**os.environ, "GOMAXPROCS": "1"}

        def extract() -> Found:
            run = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
            metrics = json.loads(run.stdout)
            # a metric that was never set has no label values
            last = {
                key: values[0]["LabelValues"][0]["Value"]["Value"]
                for key, values in metrics.items()
                if "LabelValues" in values[0]
            }
            counts = {name: last.get(f"n{i}", 0) for i, name in enumerate(names)}
            lasts = {name: [last[f"v{i}"]] for i, name in enumerate(names) if counts[name]}
            return Found(lasts, {}, counts=counts)

        return extract
