"""From rows to answers: the deciding row of each job, rankings, curves and data frames."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    # ``metricscan.ranking`` was a module once, and its names are still found here
    from importlib import import_module

    return getattr(import_module(f"{__name__}.ranking"), name)
