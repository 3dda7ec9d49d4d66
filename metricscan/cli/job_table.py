"""Tables with one line per job: what a terminal has no room for is shortened in the middle, or left out and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rich.console import Console
    from rich.text import Text

_GAP = 2
# A header of a number is shortened to this, if its numbers are no wider.
_LEAST_HEADER = 8
# Names of columns that are left out, and texts of which each way to shorten them is tried.
_MOST_NAMES, _MOST_TRIED = 5, 1_000


class Column(NamedTuple):
    """One column of a table.

    Attributes
    ----------
    name : str
        Its header.
    texts : list of str
        Its cells, each of one line.
    is_number : bool
        Whether they are aligned right, and never shortened.
    least : int
        Texts are shortened to so many characters, and to fewer only if nothing else helps.
    importance : int
        If the terminal is too narrow, columns with greater numbers are left out first; those with 0 stay.
    """

    name: str
    texts: list[str]
    is_number: bool = False
    least: int = 12
    importance: int = 0


def print_jobs(console: Console, columns: Sequence[Column], hint: str = "") -> None:
    """Print a table. In a pipe nothing is shortened, and nothing is left out.

    Parameters
    ----------
    console : Console
    columns : sequence of Column
    hint : str
        How to see what is left out; it stands behind its names.
    """
    console.print(table_text(console, columns, hint), soft_wrap=True)


def table_text(console: Console, columns: Sequence[Column], hint: str = "") -> Text:
    """The same table as text with its styles."""
    from rich.text import Text

    dots = "…" if console.encoding.lower().startswith("utf") else ".."
    (header, *lines), left_out = fitted(columns, console.width if console.is_terminal else None, dots)
    if left_out:
        more = f" and {len(left_out) - _MOST_NAMES:,} more" if len(left_out) > _MOST_NAMES else ""
        lines.append(f"  no room for {', '.join(map(one_line, left_out[:_MOST_NAMES]))}{more}{hint}")
    text = Text(header, style="bold")
    return Text.assemble(text, "".join(f"\n{line}" for line in lines))


def fitted(columns: Sequence[Column], width: int | None, dots: str = "…") -> tuple[list[str], list[str]]:
    """The lines of a table, its header first, and the names of the columns that are left out.

    Parameters
    ----------
    columns : sequence of Column
    width : int or None
        Of the terminal; None: there is room for everything.
    dots : str
        What stands for the middle of a text.
    """
    shown = [_spelled(column) for column in columns]
    widths = [max(map(_cells, (column.name, *column.texts))) for column in shown]
    if width is None or sum(widths) + _GAP * len(widths) - 1 <= width:
        return _lines(shown, widths), []
    least = [_least(column, whole, dots) for column, whole in zip(shown, widths, strict=True)]
    kept, room = _kept(shown, least, width + 1)
    names = [columns[at].name for at in range(len(columns)) if at not in kept]
    shown = [shown[at] for at in kept]
    own = _shared([least[at] for at in kept], [widths[at] for at in kept], room)
    return _lines([_narrow(column, wide, dots) for column, wide in zip(shown, own, strict=True)], own), names


def _kept(columns: Sequence[Column], least: Sequence[int], width: int) -> tuple[list[int], int]:
    """Which columns have room, and how many characters are left."""
    room = width - sum(_GAP + one for column, one in zip(columns, least, strict=True) if not column.importance)
    kept = {at for at, column in enumerate(columns) if not column.importance}
    for at in sorted(range(len(columns)), key=lambda at: (columns[at].importance, at)):
        if at not in kept and least[at] + _GAP <= room:
            kept.add(at)
            room -= least[at] + _GAP
    return sorted(kept), max(room, 0)


def _shared(least: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """Widths between these bounds: the room goes to all columns alike, as far as they need it."""
    own = list(least)
    order = sorted(range(len(own)), key=lambda at: most[at] - least[at])
    for number, at in enumerate(order):
        more = min(most[at] - least[at], room // (len(order) - number))
        own[at] += more
        room -= more
    return own


def _spelled(column: Column) -> Column:
    return column._replace(name=one_line(column.name), texts=[one_line(text) for text in column.texts])


def _least(column: Column, whole: int, dots: str) -> int:
    """The least width of a column: of numbers their own, of texts one at which those that differ look different."""
    if column.is_number:
        numbers = max(map(_cells, column.texts), default=0)
        return max(numbers, min(_cells(column.name), _LEAST_HEADER))
    least = min(column.least, whole)
    distinct = set(column.texts)
    while least < whole and shortened(distinct, least, dots) is None:
        least = min(least + max(1, least // 8), whole)
    return least


def _narrow(column: Column, width: int, dots: str) -> Column:
    """The column in this width, which is at least its least one."""
    name = _cut(column.name, width, dots)
    if column.is_number or max(map(_cells, column.texts), default=0) <= width:
        return column._replace(name=name)
    distinct = set(column.texts)
    while (short := shortened(distinct, width, dots)) is None:
        # texts that can be distinguished in few characters may not be so in one more
        width -= 1
    return column._replace(name=name, texts=[short[text] for text in column.texts])


def shortened(texts: Collection[str], width: int, dots: str = "…") -> dict[str, str] | None:
    """Texts shortened in the middle to a width, so that those which differ look different; None if that cannot be.

    As much of the end stays as of the beginning, or what is needed of either; or else what follows the longest common beginning.

    >>> shortened(["experiment_1/trial_10", "b"], 11)
    {'experiment_1/trial_10': 'exper…al_10', 'b': 'b'}
    >>> shortened(["trial_1_of_a_sweep", "trial_2_of_a_sweep"], 8)
    {'trial_1_of_a_sweep': 'trial_1…', 'trial_2_of_a_sweep': 'trial_2…'}
    """
    long = [text for text in texts if _cells(text) > width]
    # text that is not shortened may look like one that is
    others = {text for text in texts if _cells(text) <= width}
    room = width - len(dots)
    if room < 1 and long:
        return None
    heads = sorted(range(room + 1), key=lambda head: abs(2 * head - room))
    for head in heads if len(long) <= _MOST_TRIED else heads[:3]:
        short = {text: _start(text, head) + dots + _end(text, room - head) for text in long}
        if _are_distinct(short, others):
            return {text: short.get(text, text) for text in texts}
    common = _common(long)
    inner = width - 2 * len(dots)
    if inner > 0:
        short = {text: dots + _start(text[common:], inner) + dots for text in long}
        if _are_distinct(short, others):
            return {text: short.get(text, text) for text in texts}
    return None


def _are_distinct(short: dict[str, str], others: Collection[str]) -> bool:
    seen = set(short.values())
    return len(seen) == len(short) and seen.isdisjoint(others)


def _common(texts: Sequence[str]) -> int:
    """The length of the longest common beginning."""
    if not texts:
        return 0
    low, high = min(texts), max(texts)
    return next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))


def _cut(text: str, width: int, dots: str) -> str:
    if _cells(text) <= width:
        return text
    room = max(width - len(dots), 0)
    return _start(text, room - room // 2) + dots[:width] + _end(text, room // 2)


def _start(text: str, width: int) -> str:
    """The beginning of a text, of so many cells of the terminal; characters of two cells leave one blank."""
    if text.isascii():
        return text[:width]
    return _taken(text, width)


def _end(text: str, width: int) -> str:
    if text.isascii():
        return text[len(text) - width :] if width else ""
    return _taken(reversed(text), width)[::-1]


def _taken(characters: Iterable[str], width: int) -> str:
    taken = []
    for character in characters:
        width -= _cells(character)
        if width < 0:
            break
        taken.append(character)
    return "".join(taken)


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _lines(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    padded = []
    for column, width in zip(columns, widths, strict=True):
        texts = (column.name, *column.texts)
        blanks = (" " * (width - _cells(text)) for text in texts)
        pairs = zip(blanks, texts, strict=True)
        padded.append([blank + text if column.is_number else text + blank for blank, text in pairs])
    return [f" {'  '.join(cells)}".rstrip() for cells in zip(*padded, strict=True)]
