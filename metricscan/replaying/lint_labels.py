"""Findings about labels that need a log: records of several workers, and records of a metric without a label."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING

from metricscan.definitions.definition import MetricDefinition
from metricscan.definitions.mends import Draft, Mend, applied
from metricscan.definitions.regex_parts import parts_of
from metricscan.replaying.verified import is_tame, rows_of

if TYPE_CHECKING:
    from metricscan.definitions.regex_parts import RegexParts
    from metricscan.replaying.evidence import Rows
    from metricscan.scanning.scanner import Scanner


def without_start(definition: RegexParts) -> Mend | None:
    """The change that takes ``^`` from the beginning of a regex; None if it does not begin so."""
    flags = re.match(r"\(\?[aimsu]+\)", definition.regex)
    at = flags.end() if flags else 0
    if not definition.regex.startswith("^", at) or definition.items[0] != (sre.AT, sre.AT_BEGINNING):
        return None
    return Mend(((at, at + 1, ""),), opens=True)


class Workers:
    """What the logs show about labels.

    Parameters
    ----------
    scanner : Scanner
    labels : dict of str to RegexParts
        By name.
    """

    def __init__(self, scanner: Scanner, labels: dict[str, RegexParts]) -> None:
        self.scanner = scanner
        self.labels = labels
        self.anywhere: dict[str, tuple[Mend, str]] = {}
        for name, definition in labels.items():
            mend = without_start(definition)
            better = None if mend is None else applied(definition.regex, (mend,))
            # what is left must still say what it looks for
            has_text = any(token.kind == "literal" and not token.quantifier for token in definition.tokens)
            if (
                mend is not None
                and better is not None
                and has_text
                and parts_of(better) is not None
                and is_tame(better)
            ):
                self.anywhere[name] = mend, better
        self.glued: Counter[str] = Counter()
        self.without: Counter[tuple[str, str]] = Counter()
        self.records: Counter[tuple[str, str]] = Counter()
        self.lines: dict[object, str] = {}

    def look_at(self, data: bytes, rows: dict[str, Rows], of_messages: str) -> None:
        """Note what one text shows, whose rows are known."""
        if not self.labels:
            return
        metrics = {name: some for name, some in rows.items() if name not in self.scanner.labels}
        variants = [MetricDefinition(name, better) for name, (_, better) in self.anywhere.items()]
        found = rows_of(self.scanner.with_options(variants, self.scanner.options), data)[0] if variants else {}
        values = sorted((row.start, row.offset, row.line) for some in metrics.values() for row in some)
        for name in self.labels:
            if name in found:
                self._look_for_several(name, found[name], values, of_messages)
            labelled = {row.offset for row in rows[name]}
            for metric, some in metrics.items():
                of_metric = {row.offset: row.line for row in some}
                self.records[name, metric] += len(of_metric)
                missing = of_metric.keys() - labelled
                self.without[name, metric] += len(missing)
                if missing:
                    line = of_metric[min(missing)]
                    self.lines.setdefault((name, metric), f"line {line}{of_messages}")

    def _look_for_several(self, name: str, labels: Rows, values: list[tuple[int, int, int]], of_messages: str) -> None:
        """Count the records in which values stand behind each of two labels."""
        places: dict[int, list[int]] = defaultdict(list)
        for row in labels:
            places[row.offset].append(row.start)
        workers: dict[int, set[int]] = defaultdict(set)
        lines = {}
        for start, offset, line in values:
            if len(places.get(offset, ())) > 1:
                workers[offset].add(bisect_right(places[offset], start))
                lines[offset] = line
        several = [offset for offset, some in workers.items() if len(some - {0}) > 1]
        self.glued[name] += len(several)
        if several:
            self.lines.setdefault(name, f"line {lines[several[0]]}{of_messages}")

    def drafts(self) -> dict[str, list[Draft]]:
        """The findings, by label."""
        found: dict[str, list[Draft]] = defaultdict(list)
        for name in self.labels:
            mends = (self.anywhere[name][0],) if name in self.anywhere else ()
            if self.glued[name]:
                many = "1 record holds" if self.glued[name] == 1 else f"{self.glued[name]:,} records hold"
                reason = f"{many} several workers, and ^ lets the label stand once in a record: {self.lines[name]}"
                found[name].append(Draft("several-workers", reason, mends))
            some = [
                (self.without[pair], pair)
                for pair in self.records
                if pair[0] == name and 0 < self.without[pair] < self.records[pair]
            ]
            if some:
                count, pair = max(some)
                every = self.records[pair]
                reason = f"the label stands in {every - count:,} of {every:,} records of {pair[1]!r}, not in {self.lines[pair]}"
                found[name].append(Draft("label-on-fewer-records", reason, mends))
        return found
