"""Findings about definitions that need a log: numbers that were cut, matches in longer names, prefixes, escape sequences.

Of each definition all findings, those of the regex alone too, give one regex (definitions/mends.py). It is shown if it keeps
every row of the logs that was right (verified.py).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from metricscan.definitions.definition import MetricDefinition
from metricscan.definitions.lint import (
    Finding,
    drafts_of,
    filter_group,
    is_namespace,
    named,
    names_another,
    names_of,
    standing_alone,
    value_mends,
    words_of,
)
from metricscan.definitions.mends import Draft, Mend, applied
from metricscan.definitions.pasted_text import Verbatim, verbatim_pieces
from metricscan.definitions.regex_parts import NUMBER, RegexParts, parts_of
from metricscan.definitions.tokens import escaped
from metricscan.logs.exports import text_head
from metricscan.logs.job import is_read_once
from metricscan.replaying.evidence import (
    MOST_LOOKED_AT,
    Names,
    Row,
    Rows,
    in_word,
    number_in_groups,
    stands_behind_prefix,
    value_is_fixed,
    whole_number,
)
from metricscan.replaying.lint_labels import Workers, without_start
from metricscan.replaying.records import record_end
from metricscan.replaying.verified import cut_starts, is_tame, rows_of, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from metricscan.scanning.scanner import Scanner

# Bytes that are read of each log: findings occur early in it.
MOST_BYTES = 16 << 20
# Bytes of all logs that are kept in memory between two readings.
_MOST_KEPT = 64 << 20

# Colours: escape sequences of terminals, and how the service's logs write them.
_ESCAPES = r"(?:\x1b\[[0-9;]*m|#033\[[0-9;]*m|#015)*"
# What older programs print without: HF Trainer 5 prints 'eval_loss': '0.2041'.
_QUOTE = "[\"']?"
# What libraries print around one: tensor(0.5), np.float64(0.5).
_MAKER = r"(?:[a-z]{2,6}\.)?(?:[tT]ensor|(?:Device)?[aA]rray|float[0-9]*|u?int[0-9]*|Decimal)\("
_CALL = f"(?:{_MAKER})?"
_ENDS_IN_ESCAPE = re.compile(_ESCAPES.removesuffix("*").encode() + rb"\Z")
_LONGEST_ESCAPE = _LONGEST_CALL = 40
_NUMBER_IN_QUOTES = re.compile(rb"""(["'])(?:%b|[-+]?(?i:nan|inf(?:inity)?))\1""" % NUMBER.encode())
_NUMBER_IN_CALL = re.compile(rb"(?<![\w.])%b(?=%b|[-+]?(?i:nan|inf(?:inity)?))" % (_MAKER.encode(), NUMBER.encode()))
_NUMBER_AND_ESCAPE = re.compile(rf"{NUMBER}(?:\x1b\[|#0[0-3][0-7])")
# What closes a value or a sentence, or separates it from the next: 0.5], 0.5,acc=1, "0.5.". Digits behind it may belong to the
# number: 1,234.5, 12:30, 1.2.3.
_NUMBER_AND_MARK = re.compile(rf"(?:{NUMBER}|[-+]?(?:nan|inf))(?P<mark>[.,;:|\])}}>\"']+)(?!\d)", re.IGNORECASE)
_MOST_NAMES = 5


def lint_log(scanner: Scanner, paths: Iterable[str], input_format: str = "plain") -> dict[str, list[Finding]]:
    """Give the findings about each definition: first those that some logs confirm, then those of its regex alone.

    Parameters
    ----------
    scanner : Scanner
    paths : iterable of path
        The first 16 MiB of each are read again. Logs that can be read only once, or not at all, are skipped.
    input_format : str
        The format of the logs, as for :func:`metricscan.replay`. Of exports the text of the messages is read.

    Returns
    -------
    dict of str to list of Finding
        By name, without definitions that have no finding. All findings of a definition that one regex mends have that regex:
        it keeps every row of the logs that was right.
    """
    plain = scanner.options["escape"] == "none" and scanner.options["ansi"] == "keep"
    texts = _remembered([path for path in paths if not is_read_once(path)], input_format)
    read = {one.name: parts_of(one.regex) for one in scanner.definitions}
    known = {name: definition for name, definition in read.items() if definition is not None}
    metrics = {name: definition for name, definition in known.items() if name not in scanner.labels}
    seen = {name: _Seen(name, definition) for name, definition in metrics.items()}
    workers = Workers(scanner, {name: known[name] for name in scanner.labels if name in known})
    for data, of_messages in texts():
        rows, samples = rows_of(scanner, data)
        cut = cut_starts(scanner, data) if plain else {}
        for name, one in seen.items():
            if plain:
                one.look_at(data, rows[name], cut.get(name, set()), of_messages)
            one.escaped += sum(_NUMBER_AND_ESCAPE.match(text) is not None for text in samples[name])
            one.closed = one.closed or next(filter(None, map(_NUMBER_AND_MARK.match, samples[name])), None)
            one.texts.update(dict.fromkeys(samples[name]))
        _look_for_more(scanner, seen, data, rows, of_messages)
        workers.look_at(data, rows, of_messages)
    regexes = [one.regex for one in scanner.definitions]
    drafts: dict[str, list[Draft]] = defaultdict(list)
    for name, one in seen.items():
        of_log = one.drafts([other for other in regexes if other != one.definition.regex])
        codes = [draft.code for draft in of_log]
        if any("|" in piece.shown for piece in one.pasted):
            codes.append("swallowing-alternation")
        drafts[name] = [*of_log, *(draft for draft in one.of_regex(regexes) if draft.code not in codes)]
        if one.in_groups or one.may_be_in_groups:
            usual, mends = value_mends(one.definition), value_mends(one.definition, in_groups=True)
            both = mends + usual if one.in_groups else usual + mends
            drafts[name] = [
                draft._replace(mends=both) if usual and draft.mends == usual else draft for draft in drafts[name]
            ]
    drafts.update(workers.drafts())
    in_groups = frozenset(name for name, one in seen.items() if one.in_groups)
    return settled(scanner, known, {name: some for name, some in drafts.items() if some}, texts, in_groups)


class _Seen:
    """What all logs show about one metric."""

    def __init__(self, name: str, definition: RegexParts) -> None:
        self.name = name
        self.definition = definition
        self.names = Names(definition)
        self.is_fixed = value_is_fixed(definition)
        self.rows = 0
        self.cut = 0
        self.in_groups = False
        # of values that another regex would find
        self.may_be_in_groups = False
        self.first_cut: tuple[str, float, str] | None = None
        self.in_words = 0
        self.word = ""
        self.inside = 0
        self.longer: Counter[str] = Counter()
        self.mends: dict[int, Mend] = {}
        self.starts: dict[str, tuple[int, str]] = {}
        self.escaped = 0
        self.closed: re.Match[str] | None = None
        self.texts: dict[str, None] = {}
        self.more: Counter[str] = Counter()
        self.lines: dict[str, str] = {}
        self.variants = _variants(definition)
        self.pieces: list[Verbatim] = verbatim_pieces(definition)
        self.pasted: list[Verbatim] = []
        # classes such as [val] that stand in the log, and how many rows are of records in which they do not
        self.letters: Counter[str] = Counter()

    def look_at(self, data: bytes, rows: Rows, cut_starts: set[int], of_messages: str) -> None:
        self.rows += min(len(rows), MOST_LOOKED_AT)
        for row in rows.first(MOST_LOOKED_AT):
            cut = whole_number(data, row)
            number = b"" if cut is None else cut[1]
            if row.start in cut_starts:
                number = number_in_groups(data, row.start)
                self.in_groups = True
            if number:
                self.cut += 1
                place = f"line {row.line}{of_messages}"
                self.first_cut = self.first_cut or (number.decode("utf-8", "replace"), row.value, place)
            elif not self.is_fixed and (word := in_word(data, row)):
                self.in_words += 1
                self.word = self.word or f"{word!r} in line {row.line}{of_messages}"
            longer = self.names.longer(data, row) if self.names.runs else None
            if longer is not None:
                run, before, whole = longer
                self.inside += 1
                self.longer[whole] += 1
                self.mends.setdefault(run.start, standing_alone(run.start))
                self.starts.setdefault(whole, (run.start, before))

    def note(self, kind: str, more: list[Row], of_messages: str, data: bytes) -> None:
        self.more[kind] += len(more)
        self.may_be_in_groups |= any(number_in_groups(data, row.start) for row in more[:MOST_LOOKED_AT])
        if more:
            self.lines.setdefault(kind, f"line {more[0].line}{of_messages}")

    def of_regex(self, regexes: list[str]) -> list[Draft]:
        """The findings of the regex alone; a metric's name is one that the log holds."""
        drafts = drafts_of(self.name, self.definition, regexes)
        number = filter_group(self.definition)
        if number is None or not self.texts:
            return drafts
        found = list(self.texts)[:_MOST_NAMES]
        wanted = [one for one in names_of(self.name) if one in found] or names_of(self.name)
        return [
            draft._replace(
                reason=f"{draft.reason}: it takes {', '.join(map(repr, found))}",
                mends=named(self.definition, number, wanted),
            )
            if draft.code == "wrong-group"
            else draft
            for draft in drafts
        ]

    def drafts(self, others: list[str]) -> list[Draft]:
        found = []
        if self.first_cut is not None:
            whole, value, line = self.first_cut
            reason = f"{_of(self.cut, self.rows)} were cut: {whole} is read as {value!r} in {line}"
            found.append(Draft("cut-number", reason, value_mends(self.definition)))
        if self.in_words:
            reason = f"{_of(self.in_words, self.rows)} stand inside a word: {self.word}"
            found.append(Draft("inside-word", reason, value_mends(self.definition)[2:]))
        if self.inside and not self._is_meant():
            found.append(self._inside(others))
        if self.more["past"]:
            reason = f"^ excludes {self.more['past']:,} more: a prefix stands before them, as in {self.lines['past']}"
            found.append(Draft("start-behind-prefix", reason, self.variants["past"]))
        if self.more["between"]:
            reason = f"escape sequences before the value exclude {self.more['between']:,} more, as in {self.lines['between']}"
            found.append(Draft("escapes-between", reason, self.variants["between"]))
        if self.more["quoted"]:
            reason = f"quotes around the value exclude {self.more['quoted']:,} more, as in {self.lines['quoted']}"
            found.append(Draft("quotes-around-value", reason, self.variants["quoted"]))
        if self.more["called"]:
            reason = (
                f"what is printed around the value excludes {self.more['called']:,} more, as in {self.lines['called']}"
            )
            found.append(Draft("call-around-value", reason, self.variants["called"]))
        if self.more["stripped"]:
            more = f"{self.more['stripped']:,} more, as in {self.lines['stripped']}"
            reason = f"escape sequences within what it names exclude {more}: "
            reason += "scan the log with --ansi strip (ansi='strip'), which removes them"
            found.append(Draft("escapes-in-name", reason))
        if self.escaped:
            reason = "its value includes the escape sequences behind the number"
            found.append(Draft("escapes-in-value", reason, value_mends(self.definition)))
        if self.closed is not None:
            reason = f"its value includes {self.closed['mark']!r} behind the number, as in {self.closed.string[:40]!r}"
            found.append(Draft("mark-in-value", reason, value_mends(self.definition)))
        for piece in self.pasted:
            reason = f"`{piece.shown}` does not match {piece.text.strip()!r}, which stands in {self.lines[piece.text]}"
            found.append(Draft("unescaped-text", reason, (piece.mend,)))
        for text, count in self.letters.items():
            reason = f"`{text}` takes one of these letters, and {text!r} stands in {self.lines[text]}: "
            found.append(
                Draft("unescaped-text", reason + f"{count:,} of {self.rows:,} values have no such text before them")
            )
        if self.more["lines"] and not self.rows and not self.more["past"]:
            reason = f"what it names never stands in one record; the last of it does, as in {self.lines['lines']}"
            found.append(Draft("spans-lines", reason, self.variants["lines"]))
        return found

    def _is_meant(self) -> bool:
        """Whether the metric's name has all words of the one longer name that the log has: val:loss of val_loss.

        Or whether this only says where the metric belongs: bbox_mAP of coco/bbox_mAP, if the log has no other.
        """
        if self.inside != self.rows:
            return False
        is_in_one = len(self.longer) == 1 and all(is_namespace(before) for _, before in self.starts.values())
        return is_in_one or all(set(words_of(name)) <= set(words_of(self.name)) for name in self.longer)

    def _inside(self, others: list[str]) -> Draft:
        name = self.longer.most_common(1)[0][0]
        more = " or another longer name" if len(self.longer) > 1 or self.inside < self.rows else ""
        reason = f"{_of(self.inside, self.rows)} belong to {name!r}{more}"
        mends = [
            Mend(tuple(edit for mend in self.mends.values() for edit in mend.edits), skips=True),
            *self.mends.values(),
        ]
        start, before = self.starts[name]
        is_another = names_another(self.name, name) or any(name in one or escaped(name) in one for one in others)
        if len(self.longer) == 1 and self.inside == self.rows and not is_another:
            # the longer name, written out, keeps every row
            mends.append(Mend((*standing_alone(start).edits, (start, start, escaped(before))), moves=True))
        return Draft("inside-longer-name", reason, tuple(mends))


def _of(some: int, every: int) -> str:
    return f"all {every:,} values" if some == every > 1 else f"{some:,} of {every:,} values"


def _remembered(paths: list[str], input_format: str) -> Callable[[], Iterator[tuple[bytes, str]]]:
    """Reads the text of each log as often as it is called.

    With each comes `` of the messages`` if lines are those of an export's messages, not of the log.
    """
    kept: dict[str, tuple[bytes, str]] = {}
    left = _MOST_KEPT

    def texts() -> Iterator[tuple[bytes, str]]:
        nonlocal left
        for path in paths:
            if path in kept:
                yield kept[path]
                continue
            data, format_ = text_head(path, input_format, MOST_BYTES)
            one = data, "" if format_ == "plain" else " of the messages"
            if len(data) <= left:
                kept[path] = one
                left -= len(data)
            yield one

    return texts


# ---- regexes that may find more


def _variants(definition: RegexParts) -> dict[str, tuple[Mend, ...]]:
    """Changes that show whether the log holds more, by what they would show."""
    regex = definition.regex
    found: dict[str, tuple[Mend, ...]] = {}
    flags = re.match(r"\(\?[aimsu]+\)", regex)
    at = flags.end() if flags else 0
    start = without_start(definition)
    if start is not None:
        found["past"] = (start,)
    values = value_mends(definition)
    if values:
        opened, _, end = definition.groups[definition.group]
        found["between"] = (Mend((*values[0].edits, (opened, opened, _ESCAPES)), reads_numbers=True),)
        # where more follows the value, the quote behind it stands in between
        closing = ((end + 1, end + 1, _QUOTE),) if end + 1 < len(regex) else ()
        found["quoted"] = (Mend((*values[0].edits, (opened, opened, _QUOTE), *closing), reads_numbers=True),)
        if not closing:
            found["called"] = (Mend((*values[0].edits, (opened, opened, _CALL)), reads_numbers=True),)
        before = [token for token in definition.tokens if token.stop <= opened]
        open_ = [token for token in before if token.quantifier and token.text in (".", r"[\s\S]", r"[\S\s]", r"[^}]")]
        is_single = not any(token.kind == "bar" for token in definition.tokens)
        if open_ and is_single and re.search(r"[^\W\d]", regex[open_[-1].stop : opened]):
            found["lines"] = (Mend(((at, open_[-1].stop, ""),), moves=True),)
    return found


def _look_for_more(
    scanner: Scanner, seen: dict[str, _Seen], data: bytes, rows: dict[str, Rows], of_messages: str
) -> None:
    stands = {"past": stands_behind_prefix, "between": _stands_behind_escape, "quoted": _stands_in_quotes}
    stands["called"] = _stands_in_call
    has_escapes = any(begin in data for begin in (b"\x1b[", b"#033[", b"#015"))
    has_quotes = _NUMBER_IN_QUOTES.search(data) is not None
    has_calls = _NUMBER_IN_CALL.search(data) is not None
    for kind in ("past", "between", "quoted", "called", "lines"):
        variants = {
            name: better
            for name, one in seen.items()
            if kind in one.variants
            and not (kind == "lines" and len(rows[name]))
            and not (kind == "between" and not has_escapes)
            and not (kind == "quoted" and not has_quotes)
            and not (kind == "called" and not has_calls)
            if (better := applied(one.definition.regex, one.variants[kind][:1])) is not None
        }
        for name, more in _more(scanner, variants, data, rows).items():
            check = stands.get(kind)
            seen[name].note(
                kind,
                [row for row in more if check is None or check(seen[name].definition, data, row)],
                of_messages,
                data,
            )
    if has_escapes and scanner.options["ansi"] == "keep":
        stripping = scanner.with_options(scanner.definitions, {**scanner.options, "ansi": "strip"})
        found, _ = rows_of(stripping, data)
        literals = {name: one.literals for one in stripping.explain() for name in one.names}
        for name, one in seen.items():
            # where a literal stands as it is, the sequences are beside the value, and have findings of their own
            texts = [literal.encode("utf-8", "surrogatepass") for literal in literals[name]]
            more = [
                row
                for row in found[name].beside(rows[name])
                if texts and not any(data.find(text, row.offset, _record_end(data, row)) >= 0 for text in texts)
            ]
            one.note("stripped", more, of_messages, data)
    for name, one in seen.items():
        for piece in one.pieces:
            if piece in one.pasted or piece.text.encode("utf-8", "surrogatepass") not in data:
                continue
            better = applied(one.definition.regex, (piece.mend,))
            # of a bar both sides match; that the text stands there says enough
            known = list(rows[name])[:1] if "|" in piece.shown else []
            pasted = known or ([] if better is None else _more(scanner, {name: better}, data, rows).get(name, []))
            if pasted and not any(set(piece.mend.edits) <= set(other.mend.edits) for other in one.pasted):
                one.pasted.append(piece)
                one.note(piece.text, pasted, of_messages, data)
            elif not pasted and better is not None and re.fullmatch(r"\[[A-Za-z]{3,}\]", piece.shown):
                # [val] takes one letter, which stands nearly everywhere
                text = piece.text.encode()
                first = next((row for row in rows[name] if text in data[row.offset : row.start]), None)
                without = sum(text not in data[row.offset : row.start] for row in rows[name].first(MOST_LOOKED_AT))
                if first is not None and without:
                    one.letters[piece.shown] += without
                    one.lines.setdefault(piece.shown, f"line {first.line}{of_messages}")


def _more(scanner: Scanner, variants: dict[str, str], data: bytes, rows: dict[str, Rows]) -> dict[str, list[Row]]:
    """The rows that variants find beside those that were found."""
    if not variants:
        return {}
    others = [
        MetricDefinition(name, regex)
        for name, regex in variants.items()
        if parts_of(regex) is not None and is_tame(regex)
    ]
    found, _ = rows_of(scanner.with_options(others, scanner.options), data)
    return {
        name: [row for row in some.beside(rows[name]) if not rows[name].has(row.start)] for name, some in found.items()
    }


def _record_end(data: bytes, row: Row) -> int:
    end = record_end(data, row.start, universal=True)
    return len(data) if end < 0 else end


def _stands_behind_escape(definition: RegexParts, data: bytes, row: Row) -> bool:
    return _ENDS_IN_ESCAPE.search(data[max(row.offset, row.start - _LONGEST_ESCAPE) : row.start]) is not None


def _stands_in_quotes(definition: RegexParts, data: bytes, row: Row) -> bool:
    return _NUMBER_IN_QUOTES.match(data, max(row.offset, row.start - 1)) is not None


def _stands_in_call(definition: RegexParts, data: bytes, row: Row) -> bool:
    begin = max(row.offset, row.start - _LONGEST_CALL)
    return any(found.end() == row.start for found in _NUMBER_IN_CALL.finditer(data, begin, row.start + _LONGEST_CALL))
