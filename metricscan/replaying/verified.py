"""Whether a regex that mends another one keeps every row of some logs that was right."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from metricscan.definitions.definition import MetricDefinition
from metricscan.definitions.lint import Finding, findings_of
from metricscan.definitions.mends import Draft, Mend, candidates, holds_on_examples
from metricscan.patterns.dialect import read_regex
from metricscan.replaying.evidence import (
    Names,
    Row,
    Rows,
    in_word,
    is_whole,
    number_in_groups,
    stands_behind_prefix,
    value_is_fixed,
    whole_number,
)
from metricscan.scanning.plan import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metricscan.definitions.regex_parts import RegexParts
    from metricscan.scanning.scanner import Scanner

_MOST_ROWS = 100_000
# Regexes that are tried for one definition; for each the logs are read again.
_MOST_ROUNDS = 8


def rows_of(scanner: Scanner, data: bytes) -> tuple[dict[str, Rows], dict[str, list[str]]]:
    """The rows of each definition in a text, those of labels with nan, and samples of the texts that are no numbers."""
    result = scanner.scan(data, threads=1)
    rows = {name: Rows(table, _MOST_ROWS, is_label=name in scanner.labels) for name, table in result.items()}
    return rows, {name: [sample.text for sample in one.samples] for name, one in result.stats.metrics.items()}


def cut_starts(scanner: Scanner, data: bytes) -> dict[str, set[int]]:
    """Where the values start that are cut, by metric; those of numbers in groups of digits alone."""
    running = scanner.watching_batches(data, threads=1)
    for _ in running:
        pass
    some = running.found_suspects()
    return {
        name: {start for start in one.cut_starts.tolist() if number_in_groups(data, start)}
        for name, one in some.items()
    }


@lru_cache(maxsize=4096)
def is_tame(regex: str) -> bool:
    """Whether the time that a regex takes for one record is bounded; one that lint makes up must not hang the scan."""
    return decide(read_regex(regex)).doubt is None


class _Trial:
    """One definition, the regexes that may mend it, and what the logs say of the one that is tried."""

    def __init__(self, name: str, definition: RegexParts, drafts: list[Draft], *, is_label: bool) -> None:
        self.name = name
        self.definition = definition
        self.drafts = drafts
        self.is_label = is_label
        self.is_fixed = value_is_fixed(definition)
        self.names = Names(definition)
        self.waiting = candidates(definition.regex, drafts)
        self.better: str | None = None
        self.mended: tuple[Draft, ...] = ()
        self.mends: tuple[Mend, ...] = ()
        self.next()

    def next(self) -> None:
        """Try the next regex that holds on examples."""
        self.old = self.new = self.unparsed = 0
        self.fails = False
        for better, mended, mends in self.waiting:
            if (self.is_label or holds_on_examples(self.definition, better, mends)) and is_tame(better):
                self.better, self.mended, self.mends = better, mended, mends
                return
        self.give_up()

    def give_up(self) -> None:
        """Suggest nothing."""
        self.better, self.mended, self.mends = None, (), ()

    def compare(self, data: bytes, old: Rows, new: Rows, unparsed: int, were_cut: set[int], are_cut: set[int]) -> None:
        """Note what one text says, whose rows under both regexes are known, and which of them are cut amid groups of digits."""
        skipped = were_cut if any(mend.in_groups for mend in self.mends) else set()
        self.old += len(old) - len(skipped)
        self.new += len(new)
        self.unparsed += unparsed
        self.fails = self.fails or bool(are_cut)
        if self.fails:
            return
        lost, gained = (row for row in old.beside(new) if row.start not in skipped), new.beside(old)
        if self.is_label:
            self.fails = any(True for _ in lost)
            return
        end = len(data)
        if max(len(old), len(new)) >= _MOST_ROWS:
            # compare what both reach
            end = min((int(rows.starts[-1]) for rows in (old, new) if len(rows) >= _MOST_ROWS), default=end)
        skips = any(mend.skips for mend in self.mends)
        opens = any(mend.opens for mend in self.mends)
        self.fails = any(row.start < end and not self._was_wrong(data, row, new, skips=skips) for row in lost) or any(
            row.start < end and not self._is_right(data, row, skips=skips, opens=opens) for row in gained
        )

    def _was_wrong(self, data: bytes, row: Row, found: Rows, *, skips: bool) -> bool:
        whole = whole_number(data, row)
        if whole is not None and found.has(whole[0]):
            return True
        if skips and self.names.longer(data, row) is not None:
            return True
        if not self.is_fixed and in_word(data, row):
            return found.has_in(row.offset)
        return not is_whole(data, row, fixed_before=self.is_fixed) and (skips or found.has(row.start))

    def _is_right(self, data: bytes, row: Row, *, skips: bool, opens: bool) -> bool:
        if not is_whole(data, row, fixed_before=self.is_fixed):
            return False
        if skips and self.names.longer(data, row) is not None:
            return False
        return not opens or stands_behind_prefix(self.definition, data, row)

    def is_over(self) -> bool:
        """Whether the regex that was tried fails; then the next one is tried."""
        if self.better is None:
            return False
        return self.fails or (self.new == 0 and (self.old > 0 or self.unparsed > 0))


def settled(
    scanner: Scanner,
    known: dict[str, RegexParts],
    drafts: dict[str, list[Draft]],
    texts: Callable[[], Iterator[tuple[bytes, str]]],
    in_groups: frozenset[str] = frozenset(),
) -> dict[str, list[Finding]]:
    """The findings of each definition, with the one regex that mends most of them and loses nothing in the logs.

    Parameters
    ----------
    scanner : Scanner
    known : dict of str to RegexParts
    drafts : dict of str to list of Draft
    texts : callable
        Reads the text of each log.
    in_groups : frozenset of str
        Definitions of which the logs hold numbers in groups of digits: their regex must not read a part of one.
    """
    trials = {name: _Trial(name, known[name], some, is_label=name in scanner.labels) for name, some in drafts.items()}
    open_ = [one for one in trials.values() if one.better is not None]
    rounds = 0
    while open_:
        rounds += 1
        old = scanner.with_options([MetricDefinition(one.name, one.definition.regex) for one in open_], scanner.options)
        new = scanner.with_options([MetricDefinition(one.name, str(one.better)) for one in open_], scanner.options)
        grouped = [one.name for one in open_ if one.name in in_groups]
        watched = [
            scanner.with_options([each for each in some.definitions if each.name in grouped], scanner.options)
            for some in ((old, new) if grouped else ())
        ]
        for data, _ in texts():
            were, samples = rows_of(old, data)
            found, _ = rows_of(new, data)
            were_cut, are_cut = (cut_starts(some, data) for some in watched) if watched else ({}, {})
            for one in open_:
                cut = were_cut.get(one.name, set()), are_cut.get(one.name, set())
                one.compare(data, were[one.name], found[one.name], len(samples[one.name]), *cut)
        open_ = [one for one in open_ if one.is_over()]
        for one in open_:
            if rounds < _MOST_ROUNDS:
                one.next()
            else:
                one.give_up()
        open_ = [one for one in open_ if one.better is not None]
    return {name: list(findings_of(one.drafts, one.better, one.mended)) for name, one in trials.items()}
