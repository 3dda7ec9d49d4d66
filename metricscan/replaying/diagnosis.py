"""Why a definition found nothing: its literal is missing, the text around it differs, or other options are needed."""

from __future__ import annotations

import json
import re
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

from metricscan.logs.exports import text_head
from metricscan.logs.job import STDIN, is_read_once
from metricscan.replaying.records import record_end
from metricscan.scanning.deferred import RegexTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import MetricStats, ScanStats

# Bytes of all logs that are read again. The user waits for the reasons, and the evidence for them occurs early in a log.
MOST_BYTES = 64 << 20
_SAMPLE_CHARACTERS = 120
# Records that are read with other options, at most: where each byte is an escape sequence, a place is kept for each, and a scan
# takes 20 times the memory.
_MOST_RECORD_BYTES = 1 << 20
# Where records took ``regex`` too long, it has as much for reading all logs again with all options.
_REGEX_S = 10.0
# Places at which another spelling of a literal is looked at.
_MOST_SPELLINGS = 100_000


class Reason(NamedTuple):
    """Why a metric has no row.

    Attributes
    ----------
    metric : str
    reasons : tuple of str
        One or more, the likeliest first.
    is_curable : bool
        Whether the metric has rows with other options.
    """

    metric: str
    reasons: tuple[str, ...]
    is_curable: bool


class Text(NamedTuple):
    """The text of a log that is read again."""

    path: str
    raw: bytes
    data: bytes  # approximately what the patterns saw
    is_export: bool = False  # then lines are those of the messages, not of the file


def diagnose(scanner: Scanner, stats: ScanStats, paths: Iterable[str], input_format: str = "plain") -> list[Reason]:
    """Find reasons for every metric without a row.

    Parameters
    ----------
    scanner : Scanner
    stats : ScanStats
        The counts of the scan of these logs.
    paths : iterable of path
        The logs. They are read again, up to 64 MiB in all; those that can be read only once, such as standard input and pipes,
        are skipped.
    input_format : str
        The format of the logs.
    """
    silent = [name for name in scanner.metrics if not stats.metrics[name].rows]
    if not silent:
        return []
    logs = list(paths)
    once = [path for path in logs if is_read_once(path)]
    texts, cut = _texts((path for path in logs if path not in once), scanner.options, input_format)
    where = "in the part that was read again" if cut or once else "in the logs"
    again = scanner.sharing_regex_time(time_again(stats))
    alone = again.with_options([one for one in scanner.definitions if one.name in silent], scanner.options)
    cut_off = found_otherwise([({}, alone)], texts)
    uncut = [name for name in silent if name not in cut_off]
    variants = found_otherwise(with_other_options(again, uncut), texts) if uncut else {}
    literals = {name: one.literals for one in scanner.explain() for name in one.names}
    result = []
    for name in silent:
        counts = stats.metrics[name]
        reasons = []
        if counts.unparsed:
            texts_ = (
                "a text that is not a number"
                if counts.unparsed == 1
                else f"{counts.unparsed:,} texts that are not numbers"
            )
            reasons.append(f"it captured {texts_}: {unparsed_samples(counts, _first_place(counts, logs, texts))}")
        reasons += undecided(counts)
        if name in cut_off:
            reasons.append(CUT_OFF)
        if name in variants:
            options, rows = variants[name]
            reasons.append(only_with(options, f" ({counted_rows(rows)})"))
        if not reasons and once and not texts:
            names = ", ".join("standard input" if path == STDIN else path for path in once[:3])
            reasons.append(f"{names} cannot be read again to see why")
        elif not reasons:
            reasons.append(": ".join(filter(None, about_literals(literals[name], texts, where))))
        result.append(Reason(name, tuple(reasons), name in variants))
    return result


def time_again(stats: ScanStats) -> RegexTime | None:
    """The time that ``regex`` has for all logs that are read again, if it has not come to an end in all before."""
    return RegexTime(_REGEX_S, is_all=True) if any(one.timeouts for one in stats.metrics.values()) else None


# Of a log that is read again, the record that a read error or damaged compression cut off is matched, too.
CUT_OFF = "its values stand only in records that were cut off"


def undecided(counts: MetricStats) -> list[str]:
    """What is said of records that gave no value because their regex came to no end."""
    found = []
    if failed := counts.failed + counts.timeouts:
        found.append(f"{failed:,} record{'' if failed == 1 else 's'} could not be decided: its regex failed on them")
    if over := counts.over_budget:
        found.append(f"{over:,} record{'' if over == 1 else 's'} took its regex more steps than the budget has")
    return found


_WORD = re.compile(rb"\w")
_NUMBER_NEXT = re.compile(rb"[^\w\r\n]{0,4}(?:[-+]?\.?\d|nan\b|inf\b)", re.IGNORECASE)
_TERMINAL_SEQUENCE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


def unparsed_samples(counts: MetricStats, place: str) -> str:
    """Some texts that are no numbers, and the place of the first."""
    samples = ", ".join(list(dict.fromkeys(repr(sample.text[:40]) for sample in counts.samples))[:3])
    return f"{samples} (first in {place})"


def _first_place(counts: MetricStats, logs: Sequence[str], texts: Iterable[Text]) -> str:
    """The place of the first text that is no number. A sample names no log, so that is sought among several."""
    if not counts.samples:
        return "line 0"
    first = counts.samples[0]
    if len(logs) == 1:
        return f"line {first.line}"
    shown = first.text[:40].encode("utf-8", "surrogateescape")
    for text in texts:
        end = record_end(text.raw, first.offset, universal=True)
        there = text.raw.find(shown, first.offset, len(text.raw) if end < 0 else end)
        if there >= 0 and text.raw.count(b"\n", 0, first.offset) + 1 == first.line:
            return place_in(text, first.line)
    return f"line {first.line} of a log"


def as_seen(data: bytes, options: dict[str, str]) -> bytes:
    """Approximately what the patterns saw; good enough to search for a literal."""
    if options["ansi"] == "strip":
        data = _TERMINAL_SEQUENCE.sub(b"", data)
    if options["escape"] == "syslog":
        data = _CONTROL.sub(lambda match: b"#%03o" % match[0][0], data)
    return data


def _texts(paths: Iterable[str], options: dict[str, str], input_format: str) -> tuple[list[Text], bool]:
    left = MOST_BYTES
    texts = []
    for path in paths:
        raw, format_ = text_head(path, input_format, left)
        left -= len(raw)
        texts.append(Text(path, raw, as_seen(raw, options), format_ != "plain"))
        if left <= 0:
            return texts, True
    return texts, False


def only_with(changes: Mapping[str, str], count: str = "") -> str:
    """What is said of a metric that has rows with other options: what to do, on the command line and in Python.

    >>> only_with({"ansi": "strip"})
    "it matches only with --ansi strip: scan the logs with it (ansi='strip' in Python), which removes terminal escape sequences"
    """
    flags = " ".join(f"--{option} {value}" for option, value in changes.items())
    keywords = ", ".join(f"{option}={value!r}" for option, value in changes.items())
    effects = {"ansi": "removes terminal escape sequences", "escape": "writes a tab as #011, as SageMaker's logs do"}
    done = " and ".join(effects[option] for option in changes)
    return f"it matches only with {flags}{count}: scan the logs with it ({keywords} in Python), which {done}"


def counted_rows(count: int) -> str:
    """A number of rows, in words."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def with_other_options(scanner: Scanner, silent: Sequence[str]) -> list[tuple[Mapping[str, str], Scanner]]:
    """Scanners of some metrics with other options, each with what changes. They pass over records of more than 1 MiB."""
    definitions = [one for one in scanner.definitions if one.name in silent]
    found: list[tuple[Mapping[str, str], Scanner]] = []
    for changes in ({"ansi": "strip"}, {"escape": "syslog"}, {"ansi": "strip", "escape": "syslog"}):
        options = {**scanner.options, **changes}
        if options == scanner.options:
            continue
        if options["escape"] == "syslog":
            options["newline"] = "lf"
        found.append((changes, scanner.with_options(definitions, options, most_record_bytes=_MOST_RECORD_BYTES)))
    return found


def found_otherwise(
    others: Iterable[tuple[Mapping[str, str], Scanner]], texts: Sequence[Text]
) -> dict[str, tuple[Mapping[str, str], int]]:
    """The options with which a metric would have rows, and how many, by metric."""
    found: dict[str, tuple[Mapping[str, str], int]] = {}
    for changes, other in others:
        rows = dict.fromkeys(other.metrics, 0)
        for text in texts:
            for name, counts in other.scan(text.raw, threads=1).stats.metrics.items():
                rows[name] += counts.rows
        for name, count in rows.items():
            if count:
                found.setdefault(name, (changes, count))
    return found


def about_literals(
    literals: Sequence[str],
    texts: Sequence[Text],
    where: str,
    *,
    counted: bool = True,
    refused: tuple[str, str] | None = None,
) -> tuple[str, str]:
    """What the literals of a definition show about texts in which it has no row, and a sample; the sample may be empty.

    Parameters
    ----------
    literals : sequence of str
    texts : sequence of Text
    where : str
        What the texts are: ``"in the logs"``.
    counted : bool
        Whether to say how often the literal occurs.
    refused : tuple of str, optional
        What stands in the place of a value and is none for the regex, and a sample.
    """
    if not literals:
        return (
            (f"its regex does not take {refused[0]!r}", refused[1])
            if refused
            else (f"no record {where} matches it", "")
        )
    counts = [(sum(text.data.count(literal.encode()) for text in texts), literal) for literal in literals]
    count, literal = max(counts)
    if count:
        sample = next(
            _sample(text, text.data.find(literal.encode())) for text in texts if literal.encode() in text.data
        )
        times = f" {'once' if count == 1 else f'{count:,} times'}" if counted else ""
        rest = f"its regex does not take {refused[0]!r}" if refused else "the rest of its regex does not match there"
        said = f"its literal {literal!r} occurs{times}, but {rest}"
        seen, other = _before_a_number(literals, texts)
        # a longer name, such as loss_scale, must not hide that the name is spelled otherwise
        if seen:
            return f"{said}, and {seen!r} stands before a number", other
        return said, refused[1] if refused else sample
    names = " or ".join(map(repr, literals[:3]))
    # as the logs of Airflow 3 hold what a task printed
    for literal, is_ascii in product(literals, (False, True)):
        in_json = json.dumps(literal, ensure_ascii=is_ascii)[1:-1]
        quoted = next((text for text in texts if in_json != literal and in_json.encode() in text.data), None)
        if quoted is not None:
            said = f"its literal {names} does not occur {where}, but in strings of JSON"
            said += f", which are read as they stand, {in_json!r} does"
            return said, _sample(quoted, quoted.data.find(in_json.encode()))
    for likely in (_otherwise_spaced, _otherwise_written, _otherwise_separated):
        for literal in literals:
            pattern = likely(literal) if len(literal) > 1 else None
            if pattern is None:
                continue
            found = ((text, match) for text in texts if (match := pattern.search(text.data)))
            text, match = next(found, (None, None))
            if text is not None and match is not None:
                seen = match[0].decode("utf-8", "replace")
                said = f"its literal {names} does not occur {where}, but {seen!r} does"
                return said, _sample(text, match.start())
    return f"its literal {names} does not occur {where}", ""


def _before_a_number(literals: Sequence[str], texts: Sequence[Text]) -> tuple[str, str]:
    """A literal in another spelling that stands before a number, as a word of its own, and a sample; empty if there is none."""
    for likely in (_otherwise_written, _otherwise_separated):
        for literal in literals:
            pattern = likely(literal) if re.search(r"\w\w", literal) else None
            if pattern is None:
                continue
            found = ((text, match) for text in texts for match in pattern.finditer(text.data))
            for text, match in islice(found, _MOST_SPELLINGS):
                start, end = match.span()
                is_word = not _WORD.match(text.data[max(start - 1, 0) : start])
                # another number of blanks is no other spelling, nor is a part of the literal
                own = literal.strip().encode()
                is_other = text.data.find(own, max(start - len(own) + 1, 0), end + len(own) - 1) < 0
                if is_word and is_other and _NUMBER_NEXT.match(text.data, end):
                    return match[0].decode("utf-8", "replace"), _sample(text, start)
    return "", ""


def _otherwise_spaced(literal: str, flags: int = 0) -> re.Pattern[bytes] | None:
    """Finds ``Loss = `` for the literal ``Loss=``: wrong spacing is the most frequent mistake."""
    parts = re.findall(r"\w+|[^\w\s]", literal)
    return re.compile(r"\s*".join(map(re.escape, parts)).encode(), flags) if parts else None


def _otherwise_written(literal: str) -> re.Pattern[bytes] | None:
    """Finds ``loss=`` for the literal ``Loss=``: wrong case is the second most frequent mistake."""
    return _otherwise_spaced(literal, re.IGNORECASE)


def _otherwise_separated(literal: str) -> re.Pattern[bytes] | None:
    """Finds ``loss=`` for the literal ``loss: ``: the name is right, but the separator is wrong."""
    name = re.fullmatch(r"\W*(\w.*\w)\W+", literal, re.DOTALL)
    if name is None:
        return None
    return re.compile(rf"(?<!\w){re.escape(name[1])}\s*[^\w\s]".encode(), re.IGNORECASE)


def _sample(text: Text, at: int) -> str:
    start = max(text.data.rfind(b"\n", 0, at), text.data.rfind(b"\r", 0, at)) + 1
    end = record_end(text.data, at, universal=True)
    record = text.data[start:] if end < 0 else text.data[start:end]
    if at - start > _SAMPLE_CHARACTERS // 2:
        record = b"..." + record[at - start - _SAMPLE_CHARACTERS // 4 :]
    shown = record.decode("utf-8", "replace")
    if len(shown) > _SAMPLE_CHARACTERS:
        shown = shown[:_SAMPLE_CHARACTERS] + "..."
    return sample_at(text, shown, text.data.count(b"\n", 0, at) + 1)


def sample_at(text: Text, shown: str, line: int) -> str:
    """What stands in a line of a log, and where that is."""
    return f"{shown!r} ({place_in(text, line)})"


def place_in(text: Text, line: int) -> str:
    """A line of a log, in words."""
    return f"{text.path}{', line ' if text.is_export else ':'}{line}{' of its messages' if text.is_export else ''}"
