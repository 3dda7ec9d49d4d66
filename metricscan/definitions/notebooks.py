"""Jupyter notebooks: the list that a code cell assigns. Nothing is run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from metricscan.definitions.pasted import PastedError, Problem, line_and_column, read_json
from metricscan.definitions.python_literals import is_name_of_definitions, read_python

if TYPE_CHECKING:
    from collections.abc import Iterator

# A cell that is not Python: %%bash
_OF_ANOTHER_LANGUAGE = re.compile(r"\s*%%")


class NotebookError(PastedError):
    """Code cells that cannot be read.

    Attributes
    ----------
    cells : list of (int, int)
        Of each code cell in the text its number among all cells, from 1, and the place at which it begins.
    """

    def __init__(self, text: str, problems: list[Problem], cells: list[tuple[int, int]]) -> None:
        super().__init__(text, problems)
        self.cells = cells

    def placed(self) -> Iterator[tuple[str, str | None]]:
        """Each problem with its cell, line and column, and its hint."""
        for problem in self.problems:
            where = ""
            if problem.at is not None:
                number, begin = max(
                    ((cell, at) for cell, at in self.cells if at <= problem.at), key=lambda cell: cell[1]
                )
                where = f"cell {number}, {line_and_column(self.text[begin:], problem.at - begin)}: "
            yield where + problem.message, problem.hint


def read_notebook(text: str) -> tuple[Any, list[str]]:
    """The list or dictionary that the code cells of a notebook assign, and warnings about it.

    Cells that name metric definitions are read; if there are none, all code cells.

    Raises
    ------
    PastedError
        It is no notebook, or its cells assign no one list.
    """
    try:
        document = read_json(text)
    except json.JSONDecodeError as error:
        raise PastedError(text, [Problem(error.pos, f"not JSON, which a notebook is: {error.msg}")]) from None
    sources = [*_code(document)]
    if not sources:
        raise PastedError(text, [Problem(None, "a notebook with code cells was expected")])
    named = [(number, source) for number, source in sources if is_name_of_definitions(source)]
    joined, cells = "", []
    for number, source in named or sources:
        cells.append((number, len(joined)))
        joined += source.rstrip("\n") + "\n"
    try:
        value, warnings = read_python(joined)
    except PastedError as error:
        raise NotebookError(joined, error.problems, cells) from None
    numbers = ", ".join(str(number) for number, _ in cells)
    return value, [f"cell{'' if len(cells) == 1 else 's'} {numbers}, {warning}" for warning in warnings]


def _code(document: Any) -> Iterator[tuple[int, str]]:
    """The number and the text of each code cell in Python."""
    cells = document.get("cells") if isinstance(document, dict) else None
    for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if isinstance(source, str) and source.strip() and not _OF_ANOTHER_LANGUAGE.match(source):
            yield number, source
