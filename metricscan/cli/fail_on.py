"""``--fail-on``: what a user calls a failure though a result is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metricscan.datasets.dataset import Dataset
    from metricscan.ranking.doubts import Doubt
    from metricscan.scanning.stats import MetricStats

_FORM = re.compile(r"(doubt|cut|unparsed|empty|near-miss(?::([0-9]+)|:([0-9]+(?:\.[0-9]+)?)%)?)")
# What is counted for each kind, as MetricStats names it.
_COUNTED = {
    "near-miss": ("near_misses",),
    "cut": ("cut_values", "unterminated", "cut_lines"),
    "unparsed": ("unparsed",),
    "empty": ("rows",),
}


class Failing(NamedTuple):
    """One value of the option.

    Attributes
    ----------
    kind : {"doubt", "near-miss", "cut", "unparsed", "empty"}
    most : int
        How many near misses of a metric are no failure.
    most_percent : float or None
        How many of a hundred records that match or nearly match may be near misses; if given, it counts instead of ``most``.
    """

    kind: str
    most: int = 0
    most_percent: float | None = None


def _read(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Failing, ...]:
    found = []
    for value in values:
        match = _FORM.fullmatch(value)
        if match is None:
            from metricscan.errors import quoted

            expected = "doubt, near-miss, near-miss:N, near-miss:P%, cut, unparsed or empty was expected"
            raise click.BadParameter(f"{quoted(value)}: {expected}", ctx, param)
        percent = None if match[3] is None else float(match[3])
        found.append(Failing(match[1].partition(":")[0], int(match[2] or 0), percent))
    return tuple(found)


#: Adds the option; the command gets a tuple of :class:`Failing` as ``fail_on``.
fail_on_option: Callable[..., Any] = click.option(
    "--fail-on",
    metavar="KIND",
    multiple=True,
    callback=_read,
    help="Exit with code 3 if the best job, or a job of the best group, has a doubt (doubt), if a metric has a near miss "
    "(near-miss), more than N (near-miss:N) or more than P percent (near-miss:P%), a value that is cut or values in different "
    "units (cut), a text that is not a number (unparsed), or no row (empty). Can be repeated.",
)


def counts_in(dataset: Dataset, fail_on: Sequence[Failing]) -> dict[str, MetricStats]:
    """The counts of each metric that a dataset holds.

    Parameters
    ----------
    dataset : Dataset
    fail_on : sequence of Failing

    Raises
    ------
    click.UsageError
        The dataset does not hold the counts that a failure asks for: an earlier version wrote it, or it is a journal.
    """
    from metricscan.scanning.stats import MetricStats, Suspect

    found = {}
    for name in dataset:
        kept = dataset.manifest["counts"].get(name, {})
        if "rows" not in kept:
            kept = {**kept, "rows": sum(batch.num_rows for batch in dataset.batches(name))}
        for failing in fail_on:
            lacking = [count for count in _COUNTED.get(failing.kind, ()) if count not in kept]
            if lacking:
                what = lacking[0].replace("_", " ")
                raise click.UsageError(
                    f"--fail-on {failing.kind}: the dataset does not hold the count of {what} of {name}; replay the logs again"
                )
        counts = found[name] = MetricStats()
        for count in counts.counts():
            setattr(counts, count, kept.get(count, 0))
        units = dataset.evidence.units.get(name, ())
        counts.units = {
            one.unit: Suspect("unit", one.text, one.path, one.line, one.offset, one.offset) for one in units
        }
    return found


def failures(
    fail_on: Sequence[Failing],
    metrics: Mapping[str, MetricStats],
    doubts: Sequence[Doubt],
    of_group: Sequence[Doubt] = (),
) -> Iterator[str]:
    """A sentence for each failure.

    Parameters
    ----------
    fail_on : sequence of Failing
    metrics : mapping of str to MetricStats
        The counts of each metric.
    doubts : sequence of Doubt
        Those of the best job.
    of_group : sequence of Doubt
        Those of the jobs of the best group, if there are groups.
    """
    for failing in dict.fromkeys(fail_on):
        if failing.kind == "doubt":
            for what, some in (("the best job has", doubts), ("jobs of the best group have", of_group)):
                if some:
                    kinds = ", ".join(dict.fromkeys(doubt.kind for doubt in some))
                    yield f"{what} {'a doubt' if len(some) == 1 else f'{len(some):,} doubts'}: {kinds}"
            continue
        for name, counts in metrics.items():
            said = _said(failing, counts)
            if said is not None:
                yield f"{name} has {said}"


def _said(failing: Failing, counts: MetricStats) -> str | None:
    """What a metric has that is a failure; None if it has nothing of the kind."""
    if failing.kind == "empty":
        return "no rows" if not counts.rows else None
    if failing.kind == "unparsed":
        return _counted(counts.unparsed, "text that is not a number", "texts that are not numbers")
    if failing.kind == "cut":
        cut = counts.cut_values + counts.unterminated + counts.cut_lines
        units = "values in different units" if len(counts.units) > 1 else None
        return " and ".join(filter(None, (_counted(cut, "value that is cut", "values that are cut"), units))) or None
    near_misses = counts.near_misses
    said = _counted(near_misses, "near miss", "near misses")
    if failing.most_percent is not None:
        percent = 100 * near_misses / max(near_misses + counts.rows, 1)
        return f"{said}, {percent:.3g} %" if percent > failing.most_percent else None
    return said if near_misses > failing.most else None


def _counted(count: int, one: str, many: str) -> str | None:
    return None if not count else f"1 {one}" if count == 1 else f"{count:,} {many}"
