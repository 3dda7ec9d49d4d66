"""What a page shows of the logs themselves: the line that decided, and lines that may hold values which do not count."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from metricscan.definitions.objective import parse_scope
from metricscan.errors import MetricscanError
from metricscan.ranking.at_best import from_row
from metricscan.ranking.doubts import from_struct
from metricscan.ranking.ranking import log_of
from metricscan.reports.excerpt import Excerpt, excerpt
from metricscan.reports.packing import number
from metricscan.reports.wording import DOUBTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from metricscan.definitions.objective import Objective
    from metricscan.scanning.stats import ScanStats

# Near misses of which the page shows the line.
_MOST_SUSPECTS = 30


def winner_of(
    opened: Mapping[str, pa.Table],
    ranking: pa.Table,
    objective: Objective,
    noted: Mapping[str, Any],
    options: Mapping[str, str],
    *,
    logs: bool,
) -> dict[str, Any] | None:
    """The best job and why it is the best; None if no job has a rank."""
    if not ranking.num_rows or not ranking["rank"][0].is_valid:
        return None
    first = ranking.slice(0, 1).to_pylist()[0]
    job = next((one for one in getattr(opened, "jobs", ()) if one.name == first["job"]), None)
    log = None if job is None else log_of(getattr(job, "logs", ()), first)
    path = None if log is None else log.path
    tied = first["tied"] or 1
    behind = ranking.slice(tied, 1).to_pylist()
    second = behind[0] if behind and behind[0]["rank"] is not None else None
    held = Excerpt(first["line"], [], 0, "the logs were not asked for")
    if logs:
        holds = None if objective.is_formula else _holds(objective, first, noted, options)
        held = excerpt(path, first["line"], first["offset"], options=options, holds=holds)
    return {
        "job": 0,
        "name": first["job"],
        "value": number(first["value"]),
        "step": number(first["step"]),
        "path": path,
        "stream": first["stream"],
        "line": first["line"],
        "offset": first["offset"],
        "tied": tied,
        "tied_names": ranking.slice(0, min(tied, 20))["job"].to_pylist(),
        "second": None if second is None else {"name": second["job"], "value": number(second["value"])},
        "is_window": parse_scope(objective.scope).is_window,
        "hyperparameters": dict(first["hyperparameters"]),
        "doubts": [{**doubt._asdict(), "meaning": DOUBTS[doubt.kind]} for doubt in map(from_struct, first["doubts"])],
        "at_best": {
            name: None if one is None else {"value": number(one.value), "same_step": one.same_step}
            for name, one in from_row(first).items()
        },
        "excerpt": held.as_json(),
    }


def _holds(
    objective: Objective, row: Mapping[str, Any], noted: Mapping[str, Any], options: Mapping[str, str]
) -> Callable[[bytes], bool] | None:
    """Says whether a record gives the value that decided, or any value if that is made of several; None if that is not known."""
    from metricscan.scanning.scanner import Scanner

    regexes = {one["Name"]: one["Regex"] for one in noted.get("definitions", ())}
    if objective.metric not in regexes:
        return None
    try:
        settings: dict[str, Any] = {**options, "untamed": "allow"}
        scanner = Scanner({objective.metric: regexes[objective.metric]}, **settings)
    except (MetricscanError, TypeError):
        return None
    of_several = parse_scope(objective.scope).is_window or objective.per_step == "mean"

    def holds(record: bytes) -> bool:
        values = scanner.scan(record)[objective.metric]["value"].to_pylist()
        return bool(values) if of_several else row["value"] in values

    return holds


def suspects_of(
    opened: Mapping[str, pa.Table], noted: Mapping[str, Any], stats: ScanStats | None, *, logs: bool
) -> list[dict[str, Any]]:
    """Texts that gave no value, or another one than they should: those that the scan kept, or the last near misses of logs."""
    found: list[dict[str, Any]] = []
    if stats is not None:
        for name, counts in stats.metrics.items():
            found += [
                {"metric": name, "kind": one.kind, "text": one.text, "path": one.path, "line": one.line}
                for one in counts.suspects
            ]
            found += [
                {"metric": name, "kind": "unparsed", "text": one.text, "path": None, "line": one.line}
                for one in counts.samples
            ]
        return found
    evidence = getattr(opened, "evidence", None)
    if evidence is None:
        return found
    sizes = {one["path"]: one.get("bytes") for one in noted.get("sources", ())}
    for noted_log in evidence.logs.values():
        for name, suspects in noted_log.suspects.items():
            for kind, place in (("near-miss", suspects.last_near_miss), ("cut-line", suspects.last_cut_line)):
                if place is None:
                    continue
                if len(found) == _MOST_SUSPECTS:
                    return found
                entry = {"metric": name, "kind": kind, "text": None, "path": noted_log.path, "line": place[0]}
                if logs and _is_unchanged(noted_log.path, sizes.get(noted_log.path)):
                    shown = excerpt(noted_log.path, *place, options=noted.get("options", {}), neighbours=0)
                    entry["text"] = shown.lines[0] if shown.lines else None
                found.append(entry)
    return found


def _is_unchanged(path: str, size: int | None) -> bool:
    """Whether a file has the size that was noted; the sizes of compressed logs are those of their content, so they never have."""
    try:
        return os.path.getsize(path) == size
    except OSError:
        return False
