"""Doubts that jobs may have, and of which nothing is known: of rows that were read as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.datasets.evidence import OF_STARTS

if TYPE_CHECKING:
    from metricscan.datasets.evidence import Evidence
    from metricscan.definitions.objective import Objective


def unknown_kinds(evidence: Evidence, objective: Objective | None) -> list[str]:
    """The kinds of doubts that jobs may have, and that nothing shows here. With a step it shows a second start itself."""
    has_step = objective is not None and objective.step is not None
    return [one for one in evidence.unknown if not (has_step and one == OF_STARTS)]


def messages_of_unknown(evidence: Evidence, objective: Objective | None) -> list[str]:
    """What is to be said of doubts that jobs may have, and that nothing shows here; empty if there are none."""
    kinds = unknown_kinds(evidence, objective)
    if not kinds:
        return []
    or_step = ", or give a step" if kinds == [OF_STARTS] else ""
    what = f"whether a job has these doubts: {', '.join(kinds)}"
    return [f"of rows that were read as they came it is not known {what}; replay the logs{or_step}"]
