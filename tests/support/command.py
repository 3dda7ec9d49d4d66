"""What the tests of the command share: the definition that most of them use, its process, its standard input."""

import io
import sys
from types import SimpleNamespace

LOSS = ("-m", r"loss=loss=(\S+)")
MODULE = [sys.executable, "-m", "metricscan"]


def stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def words(line):
    return line.split()
