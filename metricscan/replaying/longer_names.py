"""Whether the value that decides for the best job is that of a longer name, in which its regex matches, or of another measure."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.lint import is_namespace, says_which, words_of
from metricscan.definitions.regex_parts import parts_of
from metricscan.errors import SourceError
from metricscan.logs.exports import text_head
from metricscan.logs.formats import format_of
from metricscan.logs.job import Notice, is_read_once
from metricscan.logs.source import open_source
from metricscan.replaying.diagnosis import as_seen
from metricscan.replaying.evidence import Names, Row
from metricscan.replaying.records import record_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.replaying.outcome import Best
    from metricscan.scanning.scanner import Scanner

# What is read of a log behind the record, at most; and before it, of a log whose beginning has to be read for it.
_LONGEST_RECORD = 64 << 10
_MOST_BEFORE = 16 << 20
# More records with the value are not looked at.
_MOST_RECORDS = 1000
# The word before a name: Best of `Best val loss: 0.5`, training of `training's auc: 0.9`.
_WORD_BEFORE = re.compile(rb"(?<![A-Za-z_/.-])([A-Za-z]+)(?:[0-9_]*'s)?:?[ \t]+\Z")
_LONGEST_WORD = 40


def longer_name_notice(
    scanner: Scanner, metrics: Sequence[str], best: Best, input_format: str = "plain", *, is_formula: bool = False
) -> Notice | None:
    """Say that the best value belongs to a longer name, as ``loss=`` reads that of ``val_loss=``; None if it does not.

    The record is read again. Where it cannot be found, as in an export, all records with the value in the first 16 MiB of the
    text are looked at instead. None if it belongs to a longer name in some of them only, or stands farther behind; where the
    metric's own name has all words of the longer one; and where this adds a namespace alone, as ``coco/`` does, and the values
    have no other name there. Say, too, that a word such as ``Best`` stands before the name at the best value, and not at others.

    Parameters
    ----------
    scanner : Scanner
    metrics : sequence of str
        The objective's.
    best : Best
    input_format : str
    is_formula : bool
        Whether the best value is not that of a row: the values of each metric in the record, or in the text, are looked at.
    """
    if is_read_once(best.path):
        return None
    for metric in metrics:
        definition = parts_of(next(one.regex for one in scanner.definitions if one.name == metric))
        names = None if definition is None else Names(definition)
        if names is None or not names.runs:
            continue
        reading = _Reading(scanner, metric, names, None if is_formula else best.value)
        name = _name_of_best(reading, best, input_format)
        if name is None or not name.text or name.is_meant_by(metric):
            continue
        if (name.is_apart or is_namespace(_before(name.text, names))) and _is_only_name(
            reading, best, input_format, name
        ):
            continue
        value = f"a value of {metric} in the best job's formula" if is_formula else f"the best {metric}"
        place = f"{best.path}:{best.line}"
        if name.is_apart:
            text = (
                f"{value} is the value of {name.text!r} in {place}, and others of its values have another word there: "
            )
            text += (
                "does its regex read several measures? With the word in it, or (?<!WORD ) before the name, it reads one"
            )
        else:
            text = f"{value} is the value of {name.text!r} in {place}: its regex matches within this longer name; "
            text += "`metricscan check` of this log shows a regex that does not, where one is known"
        return Notice(text, best.path)
    return None


class _Name(NamedTuple):
    """What a log calls a value: a longer name, or the name with a word before it (``is_apart``); empty for the name alone."""

    text: str
    is_apart: bool = False

    def is_meant_by(self, metric: str) -> bool:
        """Whether the metric's name has all its words; of words that stand apart, those that say which value is meant."""
        words, own = words_of(self.text), words_of(metric)
        if self.is_apart:
            # val and validation are one
            words = [one for one in words if says_which(one) and not any(one.startswith(word) for word in own)]
            return all(any(word.startswith(one) for word in own) for one in words)
        return set(words) <= set(own)


class _Reading(NamedTuple):
    """What is looked for in records: the values of a metric, or those of one number."""

    scanner: Scanner
    metric: str
    names: Names
    value: float | None

    @property
    def universal(self) -> bool:
        return self.scanner.options["newline"] == "universal"

    def name(self, record: bytes) -> _Name | None:
        """What the first such value in a record is called; None without such a value."""
        return next(self.names_in(record), None)

    def names_in(self, record: bytes) -> Iterator[_Name]:
        """What each such value in a record is called."""
        if b"\n" in record or (b"\r" in record and self.universal):
            return
        for match in self.scanner.find(record):
            if match.name != self.metric or match.value_span is None or match.number is None:
                continue
            if self.value is None or match.number == self.value:
                seen = as_seen(record, self.scanner.options)
                start = match.value_span[0]
                found = self.names.longer(seen, Row(match.number, 1, 0, start))
                yield _with_word(self.names, seen, start) if found is None else _Name(found[2])


def _with_word(names: Names, record: bytes, start: int) -> _Name:
    """The name before a value with the words before it that say which value is meant."""
    upto = start
    text = record.lower() if names.ignores_case else record
    for run, literal in zip(reversed(names.runs), reversed(names.texts), strict=True):
        upto = text.rfind(literal, 0, upto)
        if upto < 0:
            break
        at = upto
        while (word := _WORD_BEFORE.search(record, max(at - _LONGEST_WORD, 0), at)) and says_which(word[1].decode()):
            at = word.start()
        if at < upto:
            return _Name(f"{record[at:upto].decode()}{run.literal}".rstrip(" =:'\""), is_apart=True)
    return _Name("")


def _name_of_best(reading: _Reading, best: Best, input_format: str) -> _Name | None:
    for record in _records(best, input_format, universal=reading.universal):
        name = reading.name(record)
        if name is not None:
            return name
    text, _ = text_head(best.path, input_format, _MOST_BEFORE)
    offsets = _offsets_of(reading, text)
    if len(offsets) > _MOST_RECORDS:
        return None
    found = {reading.name(record) for record in _records_at(reading, text, offsets)}
    return next(iter(found)) if len(found) == 1 else None


def _is_only_name(reading: _Reading, best: Best, input_format: str, own: _Name) -> bool:
    """Whether all values of the metric have this name in the log; of many, those of some records all over it."""
    of_all = reading._replace(value=None)
    text, _ = text_head(best.path, input_format, _MOST_BEFORE)
    offsets = _offsets_of(of_all, text)
    some = offsets[:: 1 + len(offsets) // _MOST_RECORDS]
    names = (name for record in _records_at(of_all, text, some) for name in of_all.names_in(record))
    return all(name == own for name in names)


def _before(longer: str, names: Names) -> str:
    """What stands before the regex's name in a longer one."""
    literals = [run.literal.rstrip(" =:'\"") for run in names.runs]
    return next((longer[: -len(name)] for name in literals if name and longer.endswith(name)), longer)


def _offsets_of(reading: _Reading, text: bytes) -> list[int]:
    """Where the records with such values begin."""
    found: dict[int, None] = {}
    for name, batch in reading.scanner.batches(text):
        if name == reading.metric and name not in reading.scanner.labels:
            rows = batch.select(["value", "offset"]).to_pydict()
            found.update(
                (at, None)
                for at, value in zip(rows["offset"], rows["value"], strict=True)
                if reading.value in (None, value)
            )
    return [*found]


def _records_at(reading: _Reading, text: bytes, offsets: Sequence[int]) -> Iterator[bytes]:
    return (_first(text[at : at + _LONGEST_RECORD], universal=reading.universal) for at in offsets)


def _records(best: Best, input_format: str, *, universal: bool) -> Iterator[bytes]:
    """The record of the best value; before it, of a compressed or encoded log, bytes that hold no such value."""
    with contextlib.suppress(SourceError, OSError):
        with open_source(best.path) as opened:
            if format_of(opened, input_format) != "plain":
                return
        with open(best.path, "rb") as file:
            file.seek(best.offset)
            yield _first(file.read(_LONGEST_RECORD), universal=universal)
    if best.offset <= _MOST_BEFORE:
        text, _ = text_head(best.path, "plain", best.offset + _LONGEST_RECORD)
        # in an encoded log the record stands elsewhere
        if text.count(b"\n", 0, best.offset) + 1 == best.line:
            yield _first(text[best.offset :], universal=universal)


def _first(text: bytes, *, universal: bool) -> bytes:
    end = record_end(text, 0, universal=universal)
    return text if end < 0 else text[:end]
