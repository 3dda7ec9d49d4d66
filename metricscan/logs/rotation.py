"""Rotated logs: which files are pieces of one stream, and in which order they were written.

The names decide. A name is read as that of another log, its *base*, with something added: a number, a date, or a word such as
``old``. It is a piece if the base lies beside it, and if the name is not also a usual one for a job. Where numbers do not tell
the order, the times at which the files were last written may.
"""

from __future__ import annotations

import itertools
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.logs.compression import SUFFIXES, without_suffix
from metricscan.logs.job import Notice, Piece

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

# 2026-03-01 or 20260301, perhaps with a time: 2026-03-01_10-00-00_123456, 20260301-100100, 2026-03-01T10-00-00.000. A number
# behind - is a time only if it has minutes; else it counts the pieces of the date, as a number behind . does.
_DATED_NAME = re.compile(
    r"""
    (?P<before> __ | -- | [-._@] | (?<=[A-Za-z]) )
    (?: (?P<year>\d{4}) (?P<between>[-_.]?) (?P<month>\d\d) (?P=between) (?P<day>\d\d)
      | (?P<first>\d\d)-(?P<second>\d\d)-(?P<year_last>\d{4}) )
    (?: [-.] (?P<epoch>\d{9,10})
      | (?: -- | [-_.T ]? ) (?P<hour>\d\d) [-_.:]? (?P<minute>\d\d)
        (?: [-_.:]? (?P<seconds>\d\d) (?: [-_.,]? (?P<fraction>\d{3,9}) )? )?
      | [_T ]? (?P<hour_alone>\d\d) )?
    Z?
    (?: [-._] (?P<count>\d{1,3}) )?
    """,
    re.ASCII | re.VERBOSE,
)
# 2026-03, 2026-W08, 2026-Q1, 202603, perhaps with the number of the piece. Without a letter it may be a week, too.
_PERIOD_NAME = re.compile(
    r"(?P<before>__|[-._@]|(?<=[A-Za-z]))(?P<year>20[0-3]\d)(?P<between>[-_.]?[WQ]|[-_.]|)(?P<number>\d{1,2})"
    r"(?:[-._](?P<count>\d{1,3}))?",
    re.ASCII,
)
_EPOCH_NAME = re.compile(r"(?P<before>[-._])(?P<epoch>\d{9,10}|\d{13})(?:[-._](?P<count>\d{1,3}))?", re.ASCII)
_NUMBER_NAME = re.compile(r"(?P<before>[.-])(?P<number>\d{1,5})", re.ASCII)
# train1.log beside train.log, or train.log_1: as often other runs
_LOOSE_NUMBER_NAME = re.compile(r"(?:_|(?<=[A-Za-z]))(?P<number>\d|[1-9]\d)", re.ASCII)
_BACKUP_NAME = re.compile(
    r"\.(?:old|OLD|bak|BAK|backup|prev|previous|orig)(?P<number>\d{0,3})|~|\.~(?P<counted>\d{1,3})~", re.ASCII
)
_LONGEST_BACKUP = len(".previous123")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]*")
# logs of multilog and svlogd beside their ``current``: 64 bits of seconds and 32 of nanoseconds
_LABEL = re.compile(r"@[0-9a-f]{24}(?:\.[a-z])?")
_CURRENT = "current"
# The kubelet writes <restart>.log, and nothing else uses its names of older pieces: the base may be gone.
_OF_KUBELET = re.compile(r"[0-9]+\.log\.[0-9]{8}-[0-9]{6}")
# A number behind one of these tells runs or processes apart: trial.1.log is not an older trial.log.
_UNIT = re.compile(
    r"""(?:.*[^A-Za-z])? (?: trial | fold | run | seed | worker | rank | node | job | task | array | epoch | exp | experiment
    | split | cv | replica | shard | proc | process | thread | gpu | device | host | rep | model | config | cfg | attempt
    | version | v | step | iter | checkpoint | ckpt | client | agent | env | actor | learner | stage | round | part
    | chunk )s?""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_LOG_EXTENSIONS = frozenset([".log", ".txt", ".out", ".err"])
_PACKED = (*SUFFIXES, ".tmp")
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)

# Kinds of readings, in the order in which the pieces of a log are taken if it has several.
_BACKUP, _DATED, _EPOCH, _NUMBERED, _LABELLED, _LOOSE = range(6)
# Pieces that were written one after the other are at least so far apart; those of a copy may be closer.
_LEAST_APART_NS = 1_000_000_000


class _Cut(NamedTuple):
    """Where a name may be cut into the name of its base and what was added. Names that differ in digits alone have the same."""

    start: int
    end: int  # of what was added; the base goes on behind it
    bare_end: int  # of the name without the suffix of a compression
    is_worth_a_word: bool  # if there is no such base: runs are named by numbers and dates, too

    def base(self, name: str) -> str:
        """The name of the current file."""
        return _CURRENT if self.start == 0 else name[: self.start] + name[self.end : self.bare_end]


class _Reading(NamedTuple):
    """What was added to the name of the base."""

    kind: int
    age: tuple[int, ...]  # less is older
    is_doubtful: bool  # runs have such names, too, even beside the base
    is_infix: bool  # what was added stands before the extension
    month_may_be_second: bool = False


class _Likely(NamedTuple):
    """A file that may be a piece."""

    path: str
    folder: str
    name: str
    cuts: tuple[_Cut, ...]


class _Member(NamedTuple):
    """A file that is a piece, unless there is doubt."""

    path: str
    reading: _Reading


def pieces_of(
    files: Mapping[str, str],
    notices: list[Notice],
    apart: Collection[str] = (),
    links: Mapping[str, str] | None = None,
) -> dict[str, Piece]:
    """Find the files that are pieces of one stream.

    Parameters
    ----------
    files : mapping of str to str
        The absolute paths of logs, each with the path that notices show.
    notices : list of Notice
        Gets what is in doubt, one notice per kind.
    apart : collection of str
        Absolute paths of logs that are no pieces, whatever their names.
    links : mapping of str to str, optional
        The absolute paths of links, each with that of the log to which it leads. A link may have the name of the current file,
        and lead to the newest piece.

    Returns
    -------
    dict of str to Piece
        By absolute path: all pieces of the streams that have several, the current files among them.

    Examples
    --------
    >>> files = ["/logs/train.log", "/logs/train.log.1", "/logs/train.log.2.gz", "/logs/other.log"]
    >>> {path: piece.part for path, piece in pieces_of(dict(zip(files, files)), []).items()}
    {'/logs/train.log.2.gz': 0, '/logs/train.log.1': 1, '/logs/train.log': 2}
    """
    # A folder may hold a million files. The shapes of names, digits apart, tell for most of them that they are no pieces.
    in_bytes: dict[bytes, list[str]] = {}
    for path in files:
        in_bytes.setdefault(_shape(path), []).append(path)
    by_shape = {shape.decode("utf-8", "surrogatepass"): paths for shape, paths in in_bytes.items()}
    bare_shapes = {_bare(shape) for shape in by_shape}
    apart = frozenset(apart)
    named = {}
    for link, log in links.items() if links else ():
        if link not in files and log in files and log not in apart and _is_name_of(link, log):
            named[link] = log
            bare_shapes.add(_bare(_shape(link).decode("utf-8", "surrogatepass")))
    likely: list[_Likely] = []
    for shape, paths in by_shape.items():
        cuts = tuple(_cuts(paths[0].rpartition("/")[2]))
        if any(cut.is_worth_a_word or cut.start == 0 or _bare(cut.base(shape)) in bare_shapes for cut in cuts):
            for path in paths:
                folder, _, name = path.rpartition("/")
                if path not in apart:
                    likely.append(_Likely(path, folder, name, cuts))
    return _Search(files, notices, named).pieces(likely) if likely else {}


def beginning_of_pieces(name: str) -> str:
    """What the names of all pieces of a log begin with, by the name of its current file.

    >>> beginning_of_pieces("train.log"), beginning_of_pieces("train"), beginning_of_pieces("current")
    ('train', 'train', '')
    """
    bare = _bare(name)
    if bare == _CURRENT:
        return ""
    stem, dot, extension = bare.rpartition(".")
    return stem if _EXTENSION.fullmatch(dot + extension) else bare


def _shape(path: str) -> bytes:
    """The name of a file with 0 for each digit. Bytes are translated in a fraction of the time that text takes."""
    return path.rpartition("/")[2].encode("utf-8", "surrogatepass").translate(_DIGITS_AS_ZERO)


def _bare(name: str) -> str:
    """A name without the suffix of a compression, and without that of a compression that did not end."""
    return without_suffix(name.removesuffix(".tmp")) if name.endswith(_PACKED) else name


def _is_name_of(link: str, log: str) -> bool:
    """Whether a link has the name of the current file of which the log to which it leads is a piece."""
    folder, _, name = log.rpartition("/")
    return any(link == f"{folder}/{cut.base(name)}" and _read(name, cut) is not None for cut in _cuts(name))


def _cuts(name: str) -> Iterator[_Cut]:
    """The places where a name may be cut; the likeliest first."""
    bare = _bare(name)
    if _LABEL.fullmatch(bare):
        yield _Cut(0, len(bare), len(bare), is_worth_a_word=False)
        return
    stem, dot, extension = bare.rpartition(".")
    ends = [len(bare)]
    if _EXTENSION.fullmatch(dot + extension):
        ends.append(len(stem))
    for end in ends:
        # what is added holds digits and what stands between them, or is a word
        word = _BACKUP_NAME.search(bare, max(1, end - _LONGEST_BACKUP), end)
        if word is not None and word.end() == end and end == len(bare):
            yield _Cut(word.start(), end, len(bare), is_worth_a_word=False)
        for start in range(max(1, len(bare[:end].rstrip("0123456789-_.:TZ ,@WQ"))), end):
            if any(one.fullmatch(bare, start, end) for one in (_DATED_NAME, _PERIOD_NAME, _EPOCH_NAME, _NUMBER_NAME)):
                if (
                    bare[start - 1].isdecimal()
                    and not _is_log(bare[:start])
                    and _NUMBER_NAME.fullmatch(bare, start, end)
                ):
                    # lr0.1 is not an older lr0
                    continue
                cut = _Cut(start, end, len(bare), is_worth_a_word=True)
                reading = _read(name, cut)
                unlikely = reading is not None and reading.is_doubtful
                if reading is not None and reading.kind == _NUMBERED:
                    # longer numbers are those of processes and jobs
                    is_long = end - start > len(".999")
                    unlikely = reading.is_infix or is_long or bare[start] == "-" or _is_of_a_unit(name, cut)
                yield cut._replace(is_worth_a_word=not unlikely)
            elif _LOOSE_NUMBER_NAME.fullmatch(bare, start, end) and (
                _is_log(bare[:start]) if end == len(bare) else bare[start] != "_"
            ):
                yield _Cut(start, end, len(bare), is_worth_a_word=False)


def _is_of_a_unit(name: str, cut: _Cut) -> bool:
    return not _is_log(name[: cut.start]) and _UNIT.fullmatch(name, 0, cut.start) is not None


def _read(name: str, cut: _Cut) -> _Reading | None:
    """Read what was added to a name; None if it is a number but not a date."""
    if cut.start == 0:
        return _Reading(_LABELLED, (int(name[1:25], 16),), is_doubtful=False, is_infix=False)
    place = (name, cut.start, cut.end)
    is_infix = cut.end < cut.bare_end
    if (match := _NUMBER_NAME.fullmatch(*place)) is not None:
        number = match["number"]
        padded = len(number) > 1 and number[0] == "0"
        # log4j may call an older train.log train-1.log, and so may anybody who trains again
        doubtful = padded or _is_of_a_unit(name, cut) or match["before"] == "-" or (is_infix and number == "0")
        return _Reading(_NUMBERED, (-int(number),), doubtful, is_infix)
    if (match := _LOOSE_NUMBER_NAME.fullmatch(*place)) is not None:
        return _Reading(_LOOSE, (-int(match["number"]),), is_doubtful=True, is_infix=is_infix)
    is_log = is_infix or _is_log(name[: cut.start])
    if (match := _DATED_NAME.fullmatch(*place)) is not None and (date := _date(match)) is not None:
        # lumberjack writes name-2026-03-01T10-00-00.000.log, runs are called name-2026-03-01_10-00-00.log
        timed = match["minute"] is not None or match["epoch"] is not None
        doubtful = match["before"] in ("", "_", "@") or (match["before"] == "-" and timed and match["fraction"] is None)
        doubtful = doubtful if is_infix else not is_log and match["before"] not in (".", "--")
        return _Reading(_DATED, (*date, _count(match)), doubtful, is_infix, match["first"] is not None)
    if (match := _PERIOD_NAME.fullmatch(*place)) is not None and (period := _period(match)) is not None:
        doubtful = match["before"] not in (".", "-") if is_infix else not is_log and match["before"] != "."
        # 202603 may be the number of a process
        return _Reading(_DATED, (*period, _count(match)), doubtful or not match["between"], is_infix)
    if (match := _EPOCH_NAME.fullmatch(*place)) is not None:
        digits = match["epoch"]
        age = (int(digits) * (1 if len(digits) == 13 else 1000), _count(match))
        return _Reading(_EPOCH, age, is_infix or (not is_log and match["before"] != "."), is_infix)
    if (match := _BACKUP_NAME.fullmatch(*place)) is not None:
        number = match["number"] or match["counted"]
        return _Reading(_BACKUP, (-int(number or 0),), is_doubtful=False, is_infix=False)
    return None


def _count(match: re.Match[str]) -> int:
    return -1 if match["count"] is None else int(match["count"])


def _is_log(name: str) -> bool:
    return _bare(name)[-4:].lower() in _LOG_EXTENSIONS


def _period(match: re.Match[str]) -> tuple[int, ...] | None:
    """The numbers of a month, a week or a quarter, in the form of those of a date; None if there is no such one."""
    number = int(match["number"])
    letter = match["between"][-1:]
    if letter == "Q":
        number = 3 * number - 2 if number <= 4 else 0
    elif len(match["number"]) < 2:
        return None
    if number < 1 and letter != "W":
        return None
    return (int(match["year"]), number, *[-1] * 5) if number <= (53 if match["between"] else 12) else None


def _date(match: re.Match[str]) -> tuple[int, ...] | None:
    """The numbers of a date, from the year on; None if there is no such date. A part that is not given is -1."""
    groups = ("year", "month", "day") if match["first"] is None else ("year_last", "first", "second")
    year, month, day = (int(match[group]) for group in groups)
    # 03-01-2026 may be a day in March or in January
    fits = 1 <= month <= 12 and 1 <= day <= 31
    if not 1990 <= year <= 2099 or not (fits or (match["first"] is not None and 1 <= day <= 12 and 1 <= month <= 31)):
        return None
    hour, minute, second = (
        -1 if text is None else int(text)
        for text in (match["hour"] or match["hour_alone"], match["minute"], match["seconds"])
    )
    if hour > 24 or minute > 59 or second > 60:
        return None
    fraction = -1 if match["fraction"] is None else int(match["fraction"].ljust(9, "0"))
    if match["epoch"] is not None:
        fraction = int(match["epoch"])
    return year, month, day, hour, minute, second, fraction


class _Search:
    """The search among some logs, and what there is to say about it."""

    def __init__(self, files: Mapping[str, str], notices: list[Notice], links: Mapping[str, str]) -> None:
        self.files = files
        self.links = links
        self.notices = notices
        # by path without the suffix of a compression: the log of that name
        self.bases = dict(zip(files, files, strict=True))
        for path in files:
            if path.endswith(_PACKED):
                # a log that is not compressed comes first
                self.bases.setdefault(_bare(path), path)
        for link in links:
            self.bases.setdefault(link, link)
        # per kind of doubt the logs, or the current files of streams
        self.without_base: list[str] = []
        self.doubtful: list[str] = []
        self.gaps: list[tuple[str, list[int]]] = []
        self.mixed: list[str] = []
        self.unordered: list[str] = []
        self.upwards: list[str] = []
        self.twice: list[tuple[str, str]] = []

    def pieces(self, likely: Iterable[_Likely]) -> dict[str, Piece]:
        """All pieces. Notes what is in doubt."""
        members: dict[str, list[_Member]] = {}
        alone: dict[str, list[_Likely]] = {}
        for one in likely:
            for cut in one.cuts:
                current = f"{one.folder}/{cut.base(one.name)}"
                base = self.bases.get(current) or self.bases.get(_bare(current))
                if base is not None and base != one.path and (reading := _read(one.name, cut)) is not None:
                    members.setdefault(base, []).append(_Member(one.path, reading))
                    break
            else:
                if one.cuts[0].is_worth_a_word or one.cuts[0].start == 0:
                    alone.setdefault(f"{one.folder}/{one.cuts[0].base(one.name)}", []).append(one)
        self._settle(members)
        found: dict[str, Piece] = {}
        for base, group in members.items():
            if group:
                self._number(base, group, found, is_there=base not in self.links)
        for base, some in alone.items():
            readings = [(one.path, _read(one.name, one.cuts[0])) for one in some]
            group = [_Member(path, reading) for path, reading in readings if reading is not None]
            if group and _needs_no_base(group):
                self._number(base, group, found, is_there=False)
            elif group and _looks_rotated(base, group):
                self.without_base += [member.path for member in group]
        self._say()
        return found

    def _settle(self, members: dict[str, list[_Member]]) -> None:
        """Take out what is in doubt."""
        # a log that has older pieces of its own is not an older piece of another
        rotated = {base for base, group in members.items() if any(not one.reading.is_infix for one in group)}
        for base, group in members.items():
            # a link to the latest of several runs has such a name, too: fit.log for fit-20260302.log
            doubtful = {
                one.path
                for one in group
                if one.reading.is_doubtful or (one.reading.is_infix and (one.path in rotated or base in self.links))
            }
            for is_infix in (False, True):
                numbered = [one for one in group if (one.reading.kind, one.reading.is_infix) == (_NUMBERED, is_infix)]
                numbers = {-one.reading.age[0] for one in numbered}
                # doubt about one is doubt about all; and a number that stands far from the others counts no pieces
                if numbered and (doubtful & {one.path for one in numbered} or max(numbers) > 3 * len(numbers)):
                    doubtful |= {one.path for one in numbered}
            loose = {one.path: -one.reading.age[0] for one in group if one.reading.kind == _LOOSE}
            # resnet50 is no piece of resnet
            counts = max(loose.values(), default=0) <= len(loose)
            self.doubtful += sorted(path for path in doubtful if counts or path not in loose)
            members[base] = [one for one in group if one.path not in doubtful]
        kept = {one.path for group in members.values() for one in group}
        for base, group in members.items():
            if base in kept:
                # pieces of a piece
                self.doubtful += [one.path for one in group]
                members[base] = []

    def _number(self, base: str, group: list[_Member], found: dict[str, Piece], *, is_there: bool) -> None:
        """Number the pieces of one stream."""
        are_months_known = True
        if any(one.reading.month_may_be_second for one in group):
            group, are_months_known = _with_months(group)
        group.sort(key=lambda one: (one.reading.kind, one.reading.age, -len(one.path)))
        if base in self.links:
            group = self._ending_with(self.links[base], base, group)
        elif is_there and len(group) > 1 and all(one.reading.kind == _NUMBERED for one in group):
            group = self._by_times(base, group)
        for part, one in enumerate(group):
            found[one.path] = Piece(base, part, follows=part > 0 and _follows(group[part - 1].reading, one.reading))
        if is_there:
            last = group[-1].reading
            # the newest piece has the number 1, or 0; or the greatest, if numbers are given upwards
            is_newest = last.kind != _NUMBERED or last.age[0] >= -1 or last.age < group[0].reading.age
            found[base] = Piece(base, len(group), follows=is_newest)
        for one, other in itertools.pairwise(group):
            same = (one.reading.kind, one.reading.age) == (other.reading.kind, other.reading.age)
            if same and (one.reading.kind != _BACKUP or _bare(one.path) == _bare(other.path)):
                self.twice.append((one.path, other.path))
        schemes = {(one.reading.kind, one.reading.is_infix) for one in group}
        if len(schemes) > 1 or schemes == {(_BACKUP, False)} or not are_months_known:
            self.mixed.append(base)
        numbers = {-one.reading.age[0] for one in group if one.reading.kind == _NUMBERED}
        if numbers and max(numbers) > len(numbers - {0}):
            self.gaps.append((base, sorted(set(range(1, max(numbers))) - numbers)))

    def _shown(self, path: str) -> str:
        """The path that notices show; of a link that of the log to which it leads."""
        return self.files[self.links.get(path, path)]

    def _ending_with(self, log: str, base: str, group: list[_Member]) -> list[_Member]:
        """The pieces, the one to which the link leads last."""
        if group[0].path == log and all(one.reading.kind == _NUMBERED for one in group):
            return group[::-1]
        if group[-1].path != log:
            self.mixed.append(base)
            group.sort(key=lambda one: one.path == log)
        return group

    def _by_times(self, base: str, group: list[_Member]) -> list[_Member]:
        """The pieces with numbers, of which some programs give the greatest to the newest; the times of the files may tell."""
        times = [_written_ns(path) for path in (*(one.path for one in group), base)]
        are_known = None not in times
        steps = [after - before for before, after in itertools.pairwise(time or 0 for time in times)]
        if are_known and min(steps) > 0:
            return group
        # the times of the pieces, and last that of the current file, if the greatest number is the newest
        steps = [
            after - before for before, after in itertools.pairwise(time or 0 for time in (*times[-2::-1], times[-1]))
        ]
        if are_known and min(steps) >= _LEAST_APART_NS:
            self.upwards.append(base)
            return group[::-1]
        if any(one.reading.is_infix for one in group):
            self.unordered.append(base)
        return group

    def _say(self) -> None:
        def add(path: str, text: str) -> None:
            self.notices.append(Notice(text, self._shown(path)))

        if self.without_base:
            example = self.without_base[0]
            add(
                example,
                f"{_logs(self.without_base)} named like {_pieces(self.without_base)} of a rotated log, for example "
                f"{self._shown(example)}, but the log itself is not among them: each is taken for a log of its own",
            )
        if self.doubtful:
            example = self.doubtful[0]
            add(
                example,
                f"{_logs(self.doubtful)} named like {_pieces(self.doubtful)} of a log beside, for example "
                f"{self._shown(example)}, but also like other runs: each is taken for a log of its own",
            )
        if self.gaps:
            example, missing = self.gaps[0]
            numbers = ", ".join(map(str, missing[:5])) + (", .." if len(missing) > 5 else "")
            add(
                example,
                f"pieces of {_rotated(self.gaps)} are missing: {self._shown(example)} has no piece {numbers}"
                f"{_others(self.gaps)}",
            )
        if self.mixed:
            example = self.mixed[0]
            add(
                example,
                f"names do not tell in which order the pieces of {_rotated(self.mixed)} were written, for example of "
                f"{self._shown(example)}: first backups (.old, .bak), then those with dates, then those with numbers, and "
                "last the log itself",
            )
        if self.unordered:
            example = self.unordered[0]
            add(
                example,
                f"the order of the pieces of {_rotated(self.unordered)} is not known, for example of {self._shown(example)}: "
                "the greater number is taken for the older piece, though some programs (NLog) count upwards, and the times "
                "of the files do not tell",
            )
        if self.upwards:
            example = self.upwards[0]
            add(
                example,
                f"the pieces of {_rotated(self.upwards)}, for example of {self._shown(example)}, are numbered upwards by the "
                "times of the files: the greater number is taken for the newer piece",
            )
        if self.twice:
            example, other = self.twice[0]
            add(
                example,
                f"{self._shown(example)} and {self._shown(other)} are the same piece of a log by their names"
                f"{_others(self.twice)}: both are read, in this order",
            )


def _follows(before: _Reading, after: _Reading) -> bool:
    """Whether one piece may have been written right after another, by what was added to their names."""
    if before.kind != after.kind or before.kind == _BACKUP:
        return False
    return abs(after.age[0] - before.age[0]) == 1 if before.kind == _NUMBERED else after.age != before.age


def _needs_no_base(group: Sequence[_Member]) -> bool:
    return all(
        one.reading.kind == _LABELLED or _OF_KUBELET.fullmatch(_bare(one.path.rpartition("/")[2])) for one in group
    )


def _looks_rotated(base: str, group: Sequence[_Member]) -> bool:
    """Whether logs without a base are worth a word: runs are named by numbers and dates, too."""
    if any(one.reading.is_doubtful for one in group):
        return False
    return len(group) > 1 or (group[0].reading.kind == _NUMBERED and _is_log(base))


def _with_months(group: list[_Member]) -> tuple[list[_Member], bool]:
    """The pieces with dates from the year on, and whether it is known which number is the month (03-01-2026)."""
    unsure = [member for member in group if member.reading.month_may_be_second]
    day_first = any(member.reading.age[1] > 12 for member in unsure)
    month_first = any(member.reading.age[2] > 12 for member in unsure)
    turned = []
    for member in group:
        year, first, second, *rest = member.reading.age if member in unsure else (0, 0, 0)
        if member in unsure and day_first:
            member = member._replace(reading=member.reading._replace(age=(year, second, first, *rest)))
        turned.append(member)
    differ = len({member.reading.age[1:3] for member in unsure}) > 1
    return turned, day_first != month_first or not differ


def _written_ns(path: str) -> int | None:
    """When a file was last written; None if it lies in an archive."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _logs(some: Sequence[object]) -> str:
    return f"{len(some):,} log{' is' if len(some) == 1 else 's are'}"


def _pieces(some: Sequence[object]) -> str:
    return "a piece" if len(some) == 1 else "pieces"


def _rotated(some: Sequence[object]) -> str:
    return f"{len(some):,} rotated log{'' if len(some) == 1 else 's'}"


def _others(some: Sequence[object]) -> str:
    return "" if len(some) == 1 else f", and {len(some) - 1:,} more"
