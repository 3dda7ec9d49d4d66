"""Jobs that differ only in a seed, or have equal hyperparameters, as one group: mean, median, spread, and the best group."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.dataset import Dataset
from metricscan.errors import OptionError, nearest, quoted
from metricscan.logs.natural import natural_ranks
from metricscan.ranking.doubts import TYPE as DOUBTS
from metricscan.ranking.folds import labels_among, split_by_labels
from metricscan.ranking.ranking import ranked
from metricscan.ranking.sums import means
from metricscan.ranking.tables import opened_tables

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective, Restarts
    from metricscan.ranking.ranking import Known

GroupValue = Literal["mean", "median", "worst", "best"]
#: One row per group, best first. ``parameters`` are the hyperparameters that its jobs share; with ``over``, those of them in
#: which groups differ. ``value`` ranks the group. ``n`` counts the jobs that have a rank, whose values count; ``jobs`` counts
#: all jobs of the group. ``std`` is the sample's (divided by n - 1), null for one job. ``best_job`` has the value ``best``.
#: ``doubts`` are those of the jobs that count, best job first (:class:`~metricscan.ranking.doubts.Doubt`).
SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int64()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("parameters", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("jobs", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("median", pa.float64()),
        pa.field("std", pa.float64()),
        pa.field("best", pa.float64()),
        pa.field("worst", pa.float64()),
        pa.field("best_job", pa.string()),
        pa.field("tied", pa.int64()),
        pa.field(
            "doubts",
            pa.list_(pa.struct([pa.field("job", pa.string(), nullable=False), *DOUBTS.value_type])),
            nullable=False,
        ),
    ]
)


class Grouping(NamedTuple):
    """Which jobs form a group, and which of a group's numbers ranks it.

    Attributes
    ----------
    over : tuple of str
        Hyperparameters in which the jobs of a group differ; they are equal in all others.
    by : tuple of str
        Hyperparameters in which they are equal, whatever the others are.
    name : str or None
        A regex; jobs in whose names it finds the same text are a group.
    value : {"mean", "median", "worst", "best"}
    """

    over: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    name: str | None = None
    value: GroupValue = "mean"

    @property
    def options(self) -> dict[str, Any]:
        """The options that describe it, as arguments of :func:`rank_groups`."""
        return {"over": self.over, "group_by": self.by, "group_name": self.name, "group_value": self.value}

    @classmethod
    def checked(
        cls,
        over: str | Sequence[str] = (),
        group_by: str | Sequence[str] = (),
        group_name: str | None = None,
        group_value: str = "mean",
    ) -> Grouping:
        """The grouping that options describe.

        Raises
        ------
        OptionError
            None or several of the first three are given, or one is invalid.
        """
        lists = [(one,) if isinstance(one, str) else tuple(one) for one in (over, group_by)]
        errors = []
        given = [bool(lists[0]), bool(lists[1]), group_name is not None]
        if sum(given) != 1:
            found = "none" if not any(given) else f"{sum(given)} of them"
            errors.append(f"one of over, group_by and group_name was expected, not {found}")
        for what, names in zip(("over", "group_by"), lists, strict=True):
            errors += [
                f"{what}={name!r}: a name was expected" for name in names if not isinstance(name, str) or not name
            ]
        if group_name is not None:
            try:
                re.compile(group_name)
            except (re.error, OverflowError) as error:
                errors.append(f"group_name={quoted(group_name)} is not a valid regex: {error}")
            except RecursionError:
                errors.append(f"group_name={quoted(group_name)} is not a valid regex: its groups are nested too deeply")
            except TypeError:
                errors.append(f"group_name={quoted(group_name)}: a regex was expected")
        if group_value not in get_args(GroupValue):
            errors.append(f"group_value={quoted(group_value)}: one of {', '.join(get_args(GroupValue))} was expected")
        if errors:
            raise OptionError("; ".join(errors))
        distinct = [tuple(dict.fromkeys(names)) for names in lists]
        return cls(distinct[0], distinct[1], group_name, group_value)  # type: ignore[arg-type]


def rank_groups(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    objective: Objective,
    *,
    over: str | Sequence[str] = (),
    group_by: str | Sequence[str] = (),
    group_name: str | None = None,
    group_value: GroupValue = "mean",
    jobs: Iterable[Known] | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
) -> pa.Table:
    """Rank groups of jobs, such as those that differ only in their seed.

    Parameters
    ----------
    tables, objective, jobs, completed_only, min_step, exclude_doubts
        As :func:`rank` takes them.
    over : str or sequence of str
        Hyperparameters in which the jobs of a group differ, such as ``"seed"``; in all others they are equal. A label, or a
        metric, of the logs may be among them, such as the number of a fold that the log says before its rows: then each of its
        values counts as a job of its own, and the group of labels alone is the job.
    group_by : str or sequence of str
        Hyperparameters in which the jobs of a group are equal, whatever the others are.
    group_name : str, optional
        A regex on the names of the jobs: its group ``group``, else its first group, else the whole match names the group.
    group_value : {"mean", "median", "worst", "best"}
        Which number of a group ranks it.

    Returns
    -------
    pyarrow.Table
        One row per group, best first; ``metricscan.ranking.groups.SCHEMA`` has the columns. Only the jobs that have a rank
        count (``n``); a group without one comes last, without a rank. ``notices`` of the table's metadata is a JSON list of
        sentences: which jobs belong to no group, which groups have one job.

    Raises
    ------
    OptionError
        As :func:`rank`; or not one of ``over``, ``group_by`` and ``group_name`` is given; or no job has a hyperparameter, and
        no log a label or metric, of such a name.
    SourceError
        The dataset cannot be read.

    Notes
    -----
    Hyperparameters are text. Two that are numbers are equal if the numbers are: ``0.1``, ``0.10`` and ``1e-1`` are one value.
    Any other text is compared as it is: ``True`` is not ``true``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Objective, Scanner, replay
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for lr, seed, loss in [(0.1, 1, 0.5), (0.1, 2, 0.25), (0.2, 1, 0.125), (0.2, 2, 0.875)]:
    ...     _ = (folder / f"lr={lr},seed={seed}.log").write_text(f"loss={loss}")
    >>> found = rank_groups(replay(folder, Scanner(["loss=loss=(.*)"])), Objective("loss", "Minimize"), over="seed")
    >>> found.select(["rank", "group", "value", "n", "worst", "best_job"]).to_pylist()[0]
    {'rank': 1, 'group': 'lr=0.1', 'value': 0.375, 'n': 2, 'worst': 0.5, 'best_job': 'lr=0.1,seed=2'}
    """
    grouping = Grouping.checked(over, group_by, group_name, group_value)
    conditions: Any = {"completed_only": completed_only, "min_step": min_step, "exclude_doubts": exclude_doubts}
    opened = opened_tables(tables)
    if jobs is not None:
        jobs = list(jobs)
    table = ranked(opened, objective, jobs=jobs, **conditions)[0]
    return grouped(opened, table, objective, grouping, jobs=jobs, **conditions)


def grouped(
    tables: Mapping[str, pa.Table] | None,
    ranking: pa.Table,
    objective: Objective,
    grouping: Grouping,
    *,
    jobs: Iterable[Known] | None = None,
    **conditions: Any,
) -> pa.Table:
    """The groups of jobs that are ranked already; see :func:`rank_groups`.

    Parameters
    ----------
    tables : mapping, or None
        Read only for labels among ``grouping.over``; None if there are no rows.
    ranking : pyarrow.Table
        The result of :func:`rank`.
    objective, grouping, jobs, conditions
        With which it was ranked.
    """
    parameters = [dict(one or ()) for one in ranking["hyperparameters"].to_pylist()]
    labels = labels_among(grouping.over, parameters, tables, objective.restarts)
    notices: list[str] = []
    parents: list[str] | None = None
    if labels and tables is not None:
        split = split_by_labels(tables, objective, labels, jobs)
        notices += split.notices
        ranking = ranked(split.tables, split.objective, jobs=split.folds, **conditions)[0]
        parameters = [dict(one or ()) for one in ranking["hyperparameters"].to_pylist()]
        if set(labels) == set(grouping.over):
            parents = [split.parents[name] for name in ranking["job"].to_pylist()]
    names = ranking["job"].to_pylist()
    groups = _by_parent(parents, parameters, grouping) if parents is not None else _groups(names, parameters, grouping)
    found = _table(ranking, groups, objective, grouping)
    apart = sum(one is None for one in groups.of_job)
    if apart:
        notices.append(f"{_jobs(apart)} {_verb(apart)} to no group: {groups.reason}")
    notices += _repeated(groups, parameters, grouping)
    notices += _lonely(found, parameters, grouping)
    return found.replace_schema_metadata({"notices": json.dumps(notices)})


class Assigned(NamedTuple):
    """Which group each job belongs to.

    Attributes
    ----------
    group_of : dict of str to (str or None)
        By job; None if it belongs to none.
    labels : tuple of str
        The labels or metrics of the logs among ``over``, by which the rows of a job are split.
    """

    group_of: dict[str, str | None]
    labels: tuple[str, ...]


def assigned(
    tables: Mapping[str, pa.Table], grouping: Grouping, names: Sequence[str], restarts: Restarts = "keep"
) -> Assigned:
    """The groups of jobs, for curves, which have no ranks.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        A replay or a dataset, which knows the hyperparameters of its jobs.
    grouping : Grouping
    names : sequence of str
        The jobs.
    restarts : {"keep", "purge", "split"}
        With "split", ``run`` is a label.

    Raises
    ------
    OptionError
        As :func:`rank_groups`.
    """
    known = tables.facts if isinstance(tables, Dataset) else getattr(tables, "jobs", ())
    facts = {one.name: dict(one.hyperparameters) for one in known}
    parameters = [facts.get(name, {}) for name in names]
    labels = labels_among(grouping.over, parameters, tables, restarts)
    over = tuple(name for name in grouping.over if name not in labels)
    if labels and not over:
        return Assigned({name: name for name in names}, tuple(labels))
    groups = _groups(names, parameters, grouping._replace(over=over))
    texts = [None if one is None else groups.texts[one] for one in groups.of_job]
    return Assigned(dict(zip(names, texts, strict=True)), tuple(labels))


def notices_of(groups: pa.Table) -> list[str]:
    """What a reader of the groups should know, in sentences."""
    return list(json.loads(groups.schema.metadata[b"notices"]))


class _Groups(NamedTuple):
    of_job: list[int | None]  # per job the number of its group; None if it belongs to none
    texts: list[str]  # per group
    parameters: list[dict[str, str]]  # per group
    reason: str  # why jobs belong to no group


def _by_parent(parents: Sequence[str], parameters: Sequence[Mapping[str, str]], grouping: Grouping) -> _Groups:
    """Groups of the values of labels that stand in the logs of one job."""
    numbers: dict[str, int] = {}
    shared = []
    for parent, own in zip(parents, parameters, strict=True):
        if parent not in numbers:
            numbers[parent] = len(numbers)
            shared.append({name: value for name, value in own.items() if name not in grouping.over})
    return _Groups([numbers[one] for one in parents], list(numbers), shared, "")


def _groups(names: Sequence[str], parameters: Sequence[Mapping[str, str]], grouping: Grouping) -> _Groups:
    if grouping.name is not None:
        return _by_name(names, re.compile(grouping.name))
    wanted = grouping.over or grouping.by
    known = {name for own in parameters for name in own}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise _no_such(unknown, known)
    keys: dict[tuple[tuple[str, Any], ...], int] = {}
    of_job: list[int | None] = []
    shared: list[dict[str, str]] = []
    for own in parameters:
        if not all(name in own for name in wanted):
            of_job.append(None)
            continue
        kept = {name: own[name] for name in grouping.by} or {
            name: value for name, value in own.items() if name not in wanted
        }
        number = keys.setdefault(tuple(sorted((name, _comparable(value)) for name, value in kept.items())), len(keys))
        if number == len(shared):
            shared.append(kept)
        else:
            # the shortest spelling of each value, so that it does not depend on which job is the best
            shared[number] = {
                name: min(value, kept[name], key=lambda text: (len(text), text))
                for name, value in shared[number].items()
            }
        of_job.append(number)
    if grouping.over:
        shared = _differing(shared)
    texts = [" ".join(f"{name}={value}" for name, value in own.items()) or "all jobs" for own in shared]
    return _Groups(of_job, texts, shared, f"they have no {' or no '.join(map(repr, wanted))}")


def _by_name(names: Sequence[str], regex: re.Pattern[str]) -> _Groups:
    numbers: dict[str, int] = {}
    of_job: list[int | None] = []
    for name in names:
        match = regex.search(name)
        text = None
        if match is not None:
            text = match["group"] if "group" in regex.groupindex else match[1] if regex.groups else match[0]
        of_job.append(None if text is None else numbers.setdefault(text, len(numbers)))
    reason = f"the regex {quoted(regex.pattern)} finds nothing in their names"
    return _Groups(of_job, list(numbers), [{} for _ in numbers], reason)


def _comparable(value: str) -> Any:
    """The number that a text is, else the text: equal numbers are one value, however they are written."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return number if number.is_finite() else value


def _differing(shared: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Of the parameters of groups, those in which groups differ; all if there is one group."""
    if len(shared) < 2:
        return [dict(own) for own in shared]
    first = {name: _comparable(value) for name, value in shared[0].items()}
    differing = {
        name
        for own in shared
        for name in own.keys() | first.keys()
        if name not in own or name not in first or _comparable(own[name]) != first[name]
    }
    return [{name: value for name, value in own.items() if name in differing} for own in shared]


def _no_such(unknown: Sequence[str], known: Iterable[str]) -> OptionError:
    known = sorted(known)
    shown = ", ".join(map(repr, known[:20])) + (f" and {len(known) - 20:,} more" if len(known) > 20 else "")
    listed = f"they have {shown}" if known else "no job has any"
    hints = [f"did you mean {meant!r}?" for name in unknown if (meant := nearest(name, known)) is not None]
    if "run" in unknown:
        hints.append("with --restarts split (restarts='split'), 'run' makes each run within a log count as a job")
    elif not known:
        hints.append(
            "--jobs FILE (jobs=) gives jobs hyperparameters; --group-name REGEX (group_name=) groups them by name"
        )
    return OptionError(
        f"no job has the hyperparameter {', '.join(map(repr, unknown))}: {listed}", hint=" ".join(hints) or None
    )


def _table(ranking: pa.Table, groups: _Groups, objective: Objective, grouping: Grouping) -> pa.Table:
    count = len(groups.texts)
    group = np.array([-1 if one is None else one for one in groups.of_job], dtype=np.int64)
    jobs = np.bincount(group[group >= 0], minlength=count)
    counting = np.flatnonzero((group >= 0) & ranking["rank"].is_valid().to_numpy())
    # jobs are in the order of the ranking: the first of each group is its best, the last its worst
    members = counting[np.argsort(group[counting], kind="stable")]
    value = ranking["value"].to_numpy()[members]
    n = np.bincount(group[members], minlength=count)
    some = np.flatnonzero(n)
    starts = (np.cumsum(n) - n)[some]
    counts = n[some]
    columns = {
        "mean": means(value, starts, counts) if len(some) else value,
        "median": _medians(value, starts, counts),
        "best": value[starts],
        "worst": value[starts + counts - 1],
    }
    std = _deviations(value, columns["mean"], starts, counts)
    texts = pa.array(groups.texts, pa.string())
    decided = columns[grouping.value]
    key = objective.key(decided) + 0.0
    order = np.lexsort((natural_ranks(texts)[some], key))
    key = key[order]
    new = np.concatenate((np.ones(min(len(key), 1), dtype=bool), key[1:] != key[:-1]))
    run = np.cumsum(new) - 1
    ranks, tied = np.flatnonzero(new)[run] + 1, np.bincount(run)[run] if len(run) else run
    rest = np.flatnonzero(n == 0)
    rest = rest[np.argsort(natural_ranks(texts)[rest], kind="stable")]
    index = np.concatenate((some[order], rest))
    lacking = np.arange(count) >= len(some)

    def spread(column: Array, mask: Array | None = None) -> pa.Array:
        """A column over all groups; null for those without a job that counts."""
        whole = np.zeros(count, dtype=column.dtype)
        whole[: len(column)] = column
        hidden = lacking.copy()
        if mask is not None:
            hidden[: len(mask)] |= mask
        return pa.array(whole, mask=hidden)

    parameters = [list(groups.parameters[at].items()) for at in index.tolist()]
    first = np.zeros(count, dtype=np.int64)
    first[: len(some)] = members[starts[order]] if len(some) else 0
    return pa.table(
        [
            spread(ranks),
            texts.take(pa.array(index)),
            pa.array(parameters, SCHEMA.field("parameters").type),
            spread(decided[order]),
            pa.array(n[index]),
            pa.array(jobs[index]),
            spread(columns["mean"][order]),
            spread(columns["median"][order]),
            spread(std[order], counts[order] < 2),
            spread(columns["best"][order]),
            spread(columns["worst"][order]),
            ranking["job"].combine_chunks().take(pa.array(first, mask=lacking)),
            spread(tied),
            _doubts_of(ranking, members, np.argsort(index)[group[members]], count),
        ],
        schema=SCHEMA,
    )


def _doubts_of(ranking: pa.Table, jobs: Array, row: Array, rows: int) -> pa.Array:
    """The doubts of jobs by the rows of a table to which they belong.

    Parameters
    ----------
    ranking : pyarrow.Table
    jobs : int64 array
        Rows of the ranking.
    row : int64 array
        For each of them the row of the table, of which there are so many.
    """
    order = np.argsort(row, kind="stable")
    jobs, row = jobs[order], row[order]
    doubts = ranking["doubts"].combine_chunks().take(pa.array(jobs))
    own = pc.list_value_length(doubts).to_numpy(zero_copy_only=False)
    names = ranking["job"].combine_chunks().take(pa.array(np.repeat(jobs, own)))
    structs = doubts.flatten()
    fields = SCHEMA.field("doubts").type.value_type
    columns = [names, *(structs.field(one.name) for one in DOUBTS.value_type)]
    ends = np.cumsum(np.bincount(row, weights=own, minlength=rows)).astype(np.int32)
    offsets = pa.array(np.concatenate((np.zeros(1, np.int32), ends)))
    nested = pa.StructArray.from_arrays(columns, fields=list(fields))
    return pa.ListArray.from_arrays(offsets, nested, type=SCHEMA.field("doubts").type)


def _medians(value: Array, starts: Array, counts: Array) -> Array:
    """The median of each segment; of two in the middle the mean."""
    if not len(starts):
        return value
    number = np.repeat(np.arange(len(starts)), counts)
    ordered = value[np.lexsort((value, number))]
    low, high = starts + (counts - 1) // 2, starts + counts // 2
    both = np.column_stack((ordered[low], ordered[high])).ravel()
    return means(both, np.arange(len(starts)) * 2, np.full(len(starts), 2))


def _deviations(value: Array, mean: Array, starts: Array, counts: Array) -> Array:
    """The standard deviation of each segment as a sample; NaN for one value."""
    if not len(starts):
        return value
    with np.errstate(all="ignore"):
        # halved, so that the difference of two huge values does not overflow
        difference = value / 2 - np.repeat(mean / 2, counts)
        greatest = np.maximum.reduceat(np.abs(difference), starts)
        # scaled by the greatest one, so that squares do not overflow
        scale = np.where(greatest > 0, greatest, 1.0)
        scaled = difference / np.repeat(scale, counts)
        # the mean was rounded, which matters where the values hardly differ
        sums = np.add.reduceat(scaled, starts)
        squares = np.maximum(np.add.reduceat(scaled**2, starts) - sums**2 / counts, 0.0)
        return 2 * scale * np.sqrt(squares / (counts - 1))  # type: ignore[no-any-return]


def _lonely(found: pa.Table, parameters: Sequence[Mapping[str, str]], grouping: Grouping) -> list[str]:
    """What to say of groups of one job, and of a best group that lost jobs."""
    sizes = found["jobs"].to_pylist()
    notices = []
    single = sizes.count(1)
    if single:
        text = f"{single:,} of {len(sizes):,} groups {'has' if single == 1 else 'have'} one job, and no spread"
        if single == len(sizes) > 1 and grouping.over:
            apart = [
                name
                for name in dict.fromkeys(name for own in parameters for name in own)
                if name not in grouping.over and len({own.get(name) for own in parameters}) == len(parameters)
            ]
            if apart:
                also = ",".join([*grouping.over, *apart])
                text += f": each job has its own {', '.join(map(repr, apart))}; "
                text += f"--over {also} (over={[*grouping.over, *apart]!r}) leaves that out, too"
        notices.append(text)
    if found.num_rows and found["rank"][0].is_valid and found["n"][0].as_py() < sizes[0]:
        n = found["n"][0].as_py()
        verbs = "has a rank and counts" if n == 1 else "have a rank and count"
        notices.append(f"the best group has {_jobs(sizes[0])}, of which only {n:,} {verbs}")
    return notices


def _repeated(groups: _Groups, parameters: Sequence[Mapping[str, str]], grouping: Grouping) -> list[str]:
    """What to say of jobs of one group that should differ, and do not: a run that is there twice counts twice."""
    if not grouping.over:
        return []
    seen: dict[tuple[Any, ...], int] = {}
    repeated = []
    for group, own in zip(groups.of_job, parameters, strict=True):
        if group is None:
            continue
        key = (group, *(_comparable(own[name]) for name in grouping.over))
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            repeated.append((groups.texts[group], " ".join(f"{name}={own[name]}" for name in grouping.over)))
    if not repeated:
        return []
    group_text, values = repeated[0]
    more = f", and {len(repeated) - 1:,} more" if len(repeated) > 1 else ""
    return [f"the group {group_text!r} has several jobs with {values}{more}: each of them counts"]


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"


def _verb(count: int) -> str:
    return "belongs" if count == 1 else "belong"
