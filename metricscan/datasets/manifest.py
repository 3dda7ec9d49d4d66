"""The manifest of a dataset, which describes the replay beside its rows: how it is written, read and checked."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.datasets.evidence import Evidence
from metricscan.datasets.formats import FORMATS
from metricscan.definitions.objective import Objective
from metricscan.errors import SourceError
from metricscan.logs.find import DATASET_MANIFEST
from metricscan.logs.job import Job, Log
from metricscan.logs.job_record import JOURNAL, is_job_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from metricscan.logs.job import Notice, Survey
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import ScanStats

MANIFEST = DATASET_MANIFEST
MANIFEST_VERSION = 1
#: What to do about a dataset whose files are not those of one replay.
REPLAY_AGAIN = "a replay writes all files of a dataset at once; run it again"
_BEGINNING = re.compile(r'\{\s*"format_version": *[0-9]+,\s*"format": *"(?P<format>[a-z]+)",\s*"metrics": *')


class Entries(Sequence[dict[str, Any]]):
    """The entries of a manifest about millions of jobs or logs, which are made when they are asked for.

    Parameters
    ----------
    count : int
    entry : callable
        Gives the entry with a number.
    """

    def __init__(self, count: int, entry: Callable[[int], dict[str, Any]]) -> None:
        self._count = count
        self._entry = entry

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self._entry(one) for one in range(*at.indices(self._count))]
        return self._entry(range(self._count)[at])


class JobFacts(NamedTuple):
    """The facts about a job in a dataset.

    Attributes
    ----------
    name : str
    status : {"Completed", "Failed", "Stopped", "InProgress", None}
    hyperparameters : mapping of str to str
    """

    name: str
    status: str | None
    hyperparameters: Mapping[str, str]


class Manifest(NamedTuple):
    """A manifest that was read and checked.

    Attributes
    ----------
    document : dict
        The JSON object, without its jobs.
    facts : list of JobFacts
        Per job, in natural name order; jobs without a row too.
    objective : Objective or None
        The objective of the replay.
    evidence : Evidence
        What the scan noted of logs besides their rows.
    """

    document: dict[str, Any]
    facts: list[JobFacts]
    objective: Objective | None
    evidence: Evidence

    @property
    def labels(self) -> tuple[str, ...]:
        """The metrics whose values are text. Datasets of earlier versions have none."""
        return tuple(self.document.get("labels", ()))

    @property
    def completed_only(self) -> bool:
        """Whether only jobs whose status is Completed got a rank. Datasets of earlier versions do not note it."""
        return self.document.get("completed_only", False)  # type: ignore[no-any-return]

    @property
    def min_step(self) -> float | None:
        """The least last step that a job needed for a rank."""
        return self.document.get("min_step")

    @property
    def exclude_doubts(self) -> tuple[str, ...]:
        """The kinds of doubts with which a job got no rank."""
        return tuple(self.document.get("exclude_doubts", ()))

    @property
    def csv_guard(self) -> bool:
        """Whether texts in CSV that a spreadsheet would run have a ``'`` before them."""
        return self.document.get("csv_guard") is True

    def rows_written(self, metric: str) -> int | None:
        """How many rows of a metric the replay wrote; None if the manifest does not say."""
        return self.document["counts"].get(metric, {}).get("rows")  # type: ignore[no-any-return]

    def superseded(self) -> dict[tuple[str, str], int]:
        """As :func:`metricscan.logs.attempts.superseded_parts` gives it."""
        found: dict[tuple[str, str], int] = {}
        for source in self.document["sources"]:
            if "superseded" in source:
                key = source["job"], source["stream"]
                found[key] = max(source["part"] + 1, found.get(key, 0))
        return found

    def jobs(self) -> list[Job]:
        """The jobs with their logs, in the order of the replay."""
        jobs = {one.name: Job(one.name, [], one.status, dict(one.hyperparameters)) for one in self.facts}
        for source in self.document["sources"]:
            part, superseded = source.get("part", 0), source.get("superseded", False)
            jobs[source["job"]].logs.append(Log(source["path"], source["stream"], part=part, superseded=superseded))
        return list(jobs.values())


# ---- writing


def source_entry(log: Log, job: str, size_bytes: int, records: int) -> dict[str, Any]:
    """The manifest's entry of a scanned log: its place, its decompressed bytes, and its number of records."""
    place = {"path": log.path, "job": job, "stream": log.stream, "part": log.part}
    if log.superseded:
        place["superseded"] = True
    return {**place, "bytes": size_bytes, "records": records}


def contents(
    scanner: Scanner,
    found: Survey,
    stats: ScanStats,
    sources: Sequence[Mapping[str, Any]],
    errors: Iterable[SourceError],
    notices: Iterable[Notice],
    *,
    objective: Objective | None,
    conditions: Mapping[str, Any],
    units: Mapping[str, Any],
    input_format: str,
) -> dict[str, Any]:
    """The content of the manifest of a replay; :func:`write` adds the facts about the files.

    Parameters
    ----------
    scanner : Scanner
    found : Survey
    stats : ScanStats
        Over all logs.
    sources : sequence of mapping
        A :func:`source_entry` per log.
    errors : iterable of SourceError
    notices : iterable of Notice
    objective : Objective or None
    conditions : mapping
        ``completed_only``, ``min_step`` and ``exclude_doubts``, as JSON types.
    units : mapping
        As :meth:`Evidence.of_units` gives them.
    input_format : str

    Returns
    -------
    dict
        Of JSON types, but the jobs and the sources, which may be :class:`Entries`.
    """
    from metricscan import __version__

    labels = frozenset(scanner.labels)

    def job_entry(at: int) -> dict[str, Any]:
        one = found.jobs[at]
        return {"job": one.name, "status": one.status, "hyperparameters": one.hyperparameters}

    return {
        "metricscan": __version__,
        "definitions": [
            {"Name": one.name, "Regex": one.regex} for one in scanner.definitions if one.name not in labels
        ],
        "labels": {one.name: one.regex for one in scanner.definitions if one.name in labels},
        "options": scanner.options,
        "input_format": input_format,
        "fingerprint": scanner.fingerprint,
        "objective": None if objective is None else asdict(objective),
        **conditions,
        "units": units,
        "jobs": Entries(len(found.jobs), job_entry),
        "sources": sources,
        "counts": {name: {**counts.counts(), "units": list(counts.units)} for name, counts in stats.metrics.items()},
        "cut_off": stats.cut_off,
        **({"too_long": stats.too_long} if stats.too_long else {}),
        **({"without_message": stats.without_message} if stats.without_message else {}),
        "errors": [{"path": error.path, "offset": error.offset, "message": str(error)} for error in errors],
        "notices": [one._asdict() for one in notices],
    }


def write(folder: str, noted: Mapping[str, Any], *, format: str, folders: Mapping[str, str]) -> None:  # noqa: A002
    """Write the manifest into the folder of a dataset.

    Parameters
    ----------
    folder : str
    noted : mapping
        The result of :func:`contents`.
    format : str
        The format of the files.
    folders : mapping of str to str
        The name of each metric's folder.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    document = {"format_version": MANIFEST_VERSION, "format": format, "metrics": folders, **noted}
    with open(os.path.join(folder, MANIFEST), "w", encoding="utf-8") as file:
        file.writelines(_text(document))
        file.write("\n")


def _text(document: Mapping[str, Any]) -> Iterator[str]:
    """What ``json.dumps(.., indent=2)`` gives, piece by piece; entries are made one after the other."""
    before = "{\n  "
    for key, value in document.items():
        yield f"{before}{json.dumps(key)}: "
        before = ",\n  "
        if not isinstance(value, Entries) or not value:
            yield _indented(list(value) if isinstance(value, Entries) else value, 2)
            continue
        yield "[\n    "
        for at, entry in enumerate(value):
            yield (",\n    " if at else "") + _indented(entry, 4)
        yield "\n  ]"
    yield "\n}"


def _indented(value: Any, columns: int) -> str:
    # texts hold no line end: it is escaped in them
    return json.dumps(value, indent=2, ensure_ascii=True).replace("\n", "\n" + " " * columns)


# ---- reading


def described_files(path: str) -> tuple[frozenset[str], str] | None:
    """The folders that a manifest describes, and the format of their files; None if there is no manifest of metricscan.

    Of a manifest that :func:`write` wrote, only the beginning is read: what is known of a million jobs need not be.
    """
    try:
        with open(os.path.join(path, MANIFEST), encoding="utf-8") as file:
            text, more = "", 1 << 16
            while piece := file.read(more):
                text, more = text + piece, len(text) + len(piece)
                if (began := _BEGINNING.match(text)) is None:
                    break
                with contextlib.suppress(ValueError):
                    metrics, _ = json.JSONDecoder().raw_decode(text, began.end())
                    return _checked_files(metrics, began["format"])
            document = json.loads(text + file.read())
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(document, dict) and "format_version" in document
    return _checked_files(document.get("metrics"), document.get("format")) if is_ours else None


def _checked_files(metrics: Any, format_: Any) -> tuple[frozenset[str], str] | None:
    if format_ not in FORMATS or not isinstance(metrics, dict) or not all(map(is_folder_name, metrics.values())):
        return None
    return frozenset(metrics.values()), format_


def is_folder_name(name: object) -> bool:
    """Whether this is the name of a folder directly in another, and no path."""
    return isinstance(name, str) and name not in ("", os.curdir, os.pardir) and not set(name) & set("/\\:\0")


def read(path: str) -> Manifest:
    """Read and check the manifest in the folder of a dataset.

    Raises
    ------
    SourceError
        The folder is not a dataset, or its manifest cannot be read, has another version, or is invalid.
    """
    document = _load(path)
    place = os.path.join(path, MANIFEST)
    expected = {"format": str, "metrics": dict, "jobs": list, "sources": list, "counts": dict}
    invalid = [key for key, kind in expected.items() if not isinstance(document.get(key), kind)]
    if not isinstance(document.get("labels", {}), dict):
        invalid.append("labels")
    if not isinstance(document.get("completed_only", False), bool):
        invalid.append("completed_only")
    if not isinstance(document.get("min_step"), (int, float, type(None))):
        invalid.append("min_step")
    if not isinstance(document.get("exclude_doubts", []), list):
        invalid.append("exclude_doubts")
    errors = document.get("errors", [])
    if not isinstance(errors, list) or not all(isinstance(one, dict) and "message" in one for one in errors):
        invalid.append("errors")
    if document.get("format") not in FORMATS:
        invalid.append("format")
    if invalid or "objective" not in document:
        names = ", ".join(dict.fromkeys(invalid)) or "objective"
        raise SourceError(f"{place} is not a valid manifest: {names} is missing or invalid", path=place)
    for folder in document["metrics"].values():
        if not is_folder_name(folder):
            message = f"{place} is not a valid manifest: {folder!r:.200} is not the name of a folder in {path}"
            raise SourceError(message, path=place)
    objective = document["objective"]
    for one in document["sources"]:
        if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in ("path", "job", "stream")):
            message = f"{place} is not a valid manifest: a source without its path, job and stream: {one!r:.200}"
            raise SourceError(message, path=place)
    if not all(isinstance(one, dict) for one in document["counts"].values()):
        raise SourceError(f"{place} is not a valid manifest: counts that are no objects", path=place)
    try:
        facts = [JobFacts(one["job"], one["status"], one["hyperparameters"]) for one in document.pop("jobs")]
        goal = None if objective is None else Objective(**objective)
        return Manifest(document, facts, goal, Evidence.read(document))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{place} is not a valid manifest: its jobs, its objective or its sources are invalid"
        raise SourceError(message, path=place, cause=error) from error


def _load(path: str) -> dict[str, Any]:
    """The JSON object, if it is of this version."""
    place = os.path.join(path, MANIFEST)
    try:
        with open(place, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
    except FileNotFoundError as error:
        hint = "replay(.., out=DIR) writes one, as does metricscan replay --out DIR"
        if not os.path.exists(path):
            raise SourceError(f"cannot open {path}", path=path, cause=error, hint=hint) from None
        if is_job_folder(path):
            above = os.path.normpath(os.path.join(path, os.pardir))
            hint = f"it is the folder of one job; give {os.path.join(path, JOURNAL)}, or {above}{os.sep} for all jobs there"
        raise SourceError(f"{path} is not a dataset: it has no {MANIFEST}", path=path, hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {place}", path=place, cause=error) from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != MANIFEST_VERSION:
        raise SourceError(
            f"{place} has format version {version!r}; {MANIFEST_VERSION} was expected", path=place, hint=REPLAY_AGAIN
        )
    return document
