"""Literals in Python source: the list that somebody assigned in a notebook or a script. Nothing is run."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from metricscan.definitions.pasted import PastedError, Problem, line_and_column

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

# A valid escape in a Python string; or, captured by the group, an escape of which Python warns.
_PYTHON_ESCAPE = re.compile(
    r"""\\(?:\r\n|[\n\r\\'"abfnrtvxNuU]|[0-3][0-7]{0,2}|[4-7][0-7]?(?![0-7]))|(\\(?:[0-7]{3}|(?=.|\Z)))""", re.DOTALL
)
_LINE_END = re.compile(r"\r\n|\r|\n")
# A line that the shell of a notebook runs: %pip install x, !ls, and help: ?print.
_MAGIC = re.compile(r"^([ \t]*)([%!?][^\r\n]*)", re.MULTILINE)
# Methods that change a list or a dictionary.
_CHANGES = frozenset(["append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault", "__setitem__"])
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
# What Python says at the end of a text in which a bracket is open.
_AT_THE_END = "EOF in multi-line statement"
# Names of the arguments and variables that hold metric definitions.
_MEANT = re.compile(r"(?i)metric_?def|definitions$")


def read_python(text: str) -> tuple[Any, list[str]]:
    """Read a literal in Python, or the one that Python source assigns.

    Parameters
    ----------
    text : str
        One expression, or source in which one list or dictionary is assigned or passed on under a name for definitions.

    Returns
    -------
    value
        Tuples are lists; ``MetricDefinition(name=.., regex=..)`` is a dictionary of its arguments.
    warnings : list of str
        The backslashes of which Python would warn, and that it keeps.

    Raises
    ------
    PastedError
        It is not Python, holds anything but literals, or a key stands twice in one dictionary.
    """
    try:
        return _read(text)
    except PastedError:
        plain = _MAGIC.sub(_passed, text)
        if plain == text:
            raise
    # a line such as %pip is a notebook's, unless it stands in a string
    try:
        return _read(plain)
    except PastedError as error:
        raise PastedError(text, error.problems) from None


def is_name_of_definitions(text: str) -> bool:
    """Whether a text is, or holds, a name for metric definitions."""
    return _MEANT.search(text) is not None


def _passed(magic: re.Match[str]) -> str:
    """A statement without effect, of the same length, so that places stay."""
    return magic[1] + ("pass" if len(magic[2]) >= 4 else "0").ljust(len(magic[2]))


def _read(text: str) -> tuple[Any, list[str]]:
    """The literal in a text without lines of a notebook."""
    source = _Source(text)
    try:
        tree = _tree(source)
    except (SyntaxError, ValueError) as error:
        at = source.place(getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1)
        reason = getattr(error, "msg", None) or str(error)
        raise PastedError(text, [Problem(at, f"not Python: {reason}")]) from None
    except (RecursionError, MemoryError):
        raise PastedError(text, [Problem(None, "it is nested too deeply")]) from None
    reader = _Literals(source)
    try:
        meant = reader.meant(tree)
        value = reader.read(meant)
        if _is_definition(meant):
            value = [value]
    except RecursionError:
        raise PastedError(text, [Problem(None, "it is nested too deeply")]) from None
    if reader.problems:
        raise PastedError(text, reader.problems)
    stray = [one for one in source.stray if meant.lineno <= one[0] <= (meant.end_lineno or meant.lineno)]
    if not stray:
        return value, []
    _, at, escape = stray[0]
    count = f" ({len(stray)} in all)" if len(stray) > 1 else ""
    found = f"{line_and_column(text, at)}: {escape} in a Python string"
    return value, [f"{found}: the backslash is read as Python reads it{count}; write r'..{escape}..'"]


def _tree(source: _Source) -> ast.Module:
    import ast
    import warnings

    if not source.is_formatted:
        return ast.parse(source.parsed)
    # not in any other case: the filters of warnings belong to all threads
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source.parsed)


class _Source:
    """Python source, with the escapes of which Python warns written as those that mean the same.

    Attributes
    ----------
    text, parsed : str
        What was given; what to parse.
    stray : list of (int, int, str)
        The line, the place and the text of each escape of which Python warns.
    is_formatted : bool
        Whether there are f-strings, whose escapes are left as they are.
    is_indented : bool
        Whether its first line is indented; then the parsed source stands under an ``if``.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.stray: list[tuple[int, int, str]] = []
        self.is_formatted = False
        # per line the escapes that were written otherwise, in order: their columns from 0, and how much the line had grown before
        # each, and in all
        self._grown: dict[int, tuple[list[int], list[int]]] = {}
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]
        # a cell or a block that is indented is read as what stands under an if
        self.is_indented = bool(re.match(r"(?:\s*[\r\n])?[ \t]+\S", text))
        self._above = int(self.is_indented)
        bare = "if 1:\n" * self._above + _LINE_END.sub("\n", text)
        starts = [0, *(end.end() for end in re.finditer("\n", bare))]
        parts: list[str] = []
        end = 0
        for row, column, string in self._strings(bare):
            begin = starts[row - 1] + column
            parts += bare[end:begin], self._spelled(string, row, column)
            end = begin + len(string)
        self.parsed = "".join([*parts, bare[end:]])

    def _spelled(self, string: str, row: int, column: int) -> str:
        """A string literal that begins at a line and a column, without escapes of which Python warns."""
        line, line_start = row, -column
        counted = 0

        def spelled(found: re.Match[str]) -> str:
            nonlocal line, line_start, counted
            if found[1] is None:
                return found[0]
            newlines = string.count("\n", counted, found.start())
            if newlines:
                line += newlines
                line_start = string.rfind("\n", counted, found.start()) + 1
            counted = found.start()
            at = found.start() - line_start
            octal = found[0][1:]
            self.stray.append((line, self._at(line, at), found[0] if octal else string[found.start() :][:2]))
            new = f"\\u{int(octal, 8):04x}" if octal else "\\\\"
            columns, growths = self._grown.setdefault(line, ([], [0]))
            columns.append(at)
            growths.append(growths[-1] + len(new) - len(found[0]))
            return new

        return _PYTHON_ESCAPE.sub(spelled, string)

    def _strings(self, text: str) -> Iterator[tuple[int, int, str]]:
        """The string literals that are not raw, with line and column: those in which a backslash can begin an escape."""
        import io
        import tokenize

        opened: list[tuple[str, int, int]] = []
        try:
            for token in tokenize.generate_tokens(io.StringIO(text).readline):
                self.is_formatted |= token.type == getattr(tokenize, "FSTRING_START", None)
                if token.type == tokenize.OP and token.string in _BRACKETS:
                    opened.append((token.string, *token.start))
                elif token.type == tokenize.OP and token.string in _BRACKETS.values() and opened:
                    bracket = opened.pop()[0]
                    if token.string != _BRACKETS[bracket]:
                        reason = f"closing parenthesis {token.string!r} does not match opening parenthesis {bracket!r}"
                        raise tokenize.TokenError(reason, token.start)
                elif token.type == tokenize.ERRORTOKEN and token.string[0] in "'\"":
                    # brackets in a string that is not closed count for nothing
                    reason = f"the string that begins with {token.string[0]} is never closed"
                    raise tokenize.TokenError(reason, token.start)
                if token.type == tokenize.STRING and "r" not in re.split("['\"]", token.string, maxsplit=1)[0].lower():
                    yield *token.start, token.string
        except (tokenize.TokenError, SyntaxError) as error:
            if isinstance(error, SyntaxError):
                row, column, reason = error.lineno or 1, error.offset or 1, error.msg
            else:
                reason, (row, column) = error.args
                if opened and _AT_THE_END in reason:
                    bracket, row, column = opened[-1]
                    reason = f"{bracket!r} is never closed"
                column += 1
            at = self.place(row, column)
            raise PastedError(self.text, [Problem(at, f"not Python: {reason}")]) from None

    def place(self, row: int, column: int) -> int:
        """The place in the given text of a line and a column, both from 1, of the parsed one."""
        at = max(column - 1, 0)
        columns, growths = self._grown.get(row, ([], [0]))
        return self._at(row, at - growths[bisect_left(columns, at)])

    def _at(self, row: int, at: int) -> int:
        line = min(max(row - self._above, 1), len(self._starts))
        return min(self._starts[line - 1] + max(at, 0), len(self.text))


class _Literals:
    """Reads literals out of a syntax tree. Collects what is none."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.lines = source.parsed.splitlines()
        # the line whose columns were asked for last: its number, its bytes, and a place in them as bytes and as characters
        self._asked = (0, b"", 0, 0)
        self.problems: list[Problem] = []

    def meant(self, tree: ast.Module) -> ast.expr:
        """The one expression of a module, or the one list or dictionary that it assigns or passes on."""
        import ast

        body = tree.body
        if self.source.is_indented and isinstance(body[0], ast.If):
            body = [*body[0].body, *tree.body[1:]]
        alone = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
        if alone is not None and not isinstance(alone, ast.Call):
            return alone
        found: list[tuple[str, ast.expr]] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg is not None and _MEANT.search(node.arg):
                found.append((node.arg, node.value))
            elif isinstance(node, ast.Assign):
                found += [(ast.unparse(target), node.value) for target in node.targets]
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                found.append((ast.unparse(node.target), node.value))
        # metric_definitions=metric_definitions passes on what is assigned elsewhere
        kinds = (ast.List, ast.Tuple, ast.Set, ast.Dict)
        computed = [
            (name, value)
            for name, value in found
            if _MEANT.search(name) and not isinstance(value, (*kinds, ast.Name)) and not _is_definition(value)
        ]
        found = [(name, value) for name, value in found if isinstance(value, kinds) or _is_definition(value)]
        named = [(name, value) for name, value in found if _MEANT.search(name)]
        if computed and not named:
            name, value = computed[0]
            self._problem(
                value, f"{name} is {_shown(ast.unparse(value))}, where a literal was expected; nothing is run"
            )
            raise PastedError(self.source.text, self.problems)
        several = named or found
        if len(several) > 1:
            names = ", ".join(f"{name} in line {value.lineno}" for name, value in several[:5])
            problem = Problem(None, f"{len(several)} lists or dictionaries are assigned, {names}; one was expected")
            raise PastedError(self.source.text, [problem])
        if several:
            self._check_unchanged(tree, several[0][0])
            return several[0][1]
        if alone is not None:
            return alone
        problem = Problem(None, "it is Python that assigns no list and no dictionary; one was expected")
        raise PastedError(self.source.text, [problem])

    def _check_unchanged(self, tree: ast.Module, name: str) -> None:
        """Note the statements that change a list or dictionary after it was assigned: they are not run."""
        import ast

        def is_meant(node: ast.expr) -> bool:
            if isinstance(node, (ast.Subscript, ast.Attribute)):
                node = node.value
            return isinstance(node, ast.Name) and node.id == name

        for node in ast.walk(tree):
            changed: ast.expr | None = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
                changed = node.func
            elif isinstance(node, ast.AugAssign):
                changed = node.target
            elif isinstance(node, (ast.Assign, ast.Delete)):
                changed = next((one for one in node.targets if isinstance(one, ast.Subscript) and is_meant(one)), None)
            if changed is not None and is_meant(changed):
                self._problem(changed, f"{name} is changed here, and nothing is run; one literal was expected")

    def read(self, node: ast.expr) -> Any:
        """The value of a literal."""
        import ast

        if isinstance(node, ast.Tuple) and len(node.elts) == 1 and isinstance(node.elts[0], (ast.List, ast.Dict)):
            # an argument, pasted with the comma behind it
            node = node.elts[0]
        if isinstance(node, ast.Set):
            items = "[{..}, ..]" if isinstance(node.elts[0], ast.Dict) else "[.., ..]"
            self._problem(node, "a set where a list was expected", f"write {items} with square brackets outside")
            return []
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.read(item) for item in node.elts]
        if isinstance(node, ast.Dict):
            return self._dictionary(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Constant):
            if node.value is ...:
                self._problem(node, "... marks text that the documentation omits", "replace it with the omitted text")
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self.read(node.operand)
            if isinstance(value, (int, float)):
                return -value if isinstance(node.op, ast.USub) else value
        self._problem(node, f"{_shown(ast.unparse(node))} where a literal was expected; nothing is run")
        return None

    def _dictionary(self, node: ast.Dict) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        first: dict[Any, int] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                self._problem(value, "** where a literal was expected; nothing is run")
                continue
            name = self.read(key)
            if isinstance(name, (list, dict)):
                self._problem(key, "a list or a dictionary where a key was expected")
                continue
            at = self.source.place(key.lineno, self._column(key))
            if first.setdefault(name, at) != at:
                where = line_and_column(self.source.text, first[name])
                self._problem(key, f"the key {name!r} is already at {where}")
            found[name] = self.read(value)
        return found

    def _call(self, node: ast.Call) -> Any:
        """The arguments of ``MetricDefinition(name=.., regex=..)`` or ``dict(..)``; the text of a ``datetime.datetime(..)``."""
        import ast

        called = ast.unparse(node.func)
        last = called.rpartition(".")[2]
        if last == "datetime":
            return self._time(node)
        if last not in ("MetricDefinition", "dict") or any(one.arg is None for one in node.keywords):
            self._problem(node, f"{_shown(called)}(..) where a literal was expected; nothing is run")
            return None
        found = {one.arg: self.read(one.value) for one in node.keywords if one.arg is not None}
        names = ("name", "regex") if last == "MetricDefinition" else ()
        if len(node.args) > len(names):
            self._problem(
                node, f"{len(node.args)} arguments without a name; {'2 were' if names else 'none was'} expected"
            )
        return {**dict(zip(names, map(self.read, node.args), strict=False)), **found}

    def _time(self, node: ast.Call) -> str | None:
        """The text of a time as clients of the service print it; its time zone is left out."""
        import datetime as dt

        try:
            return dt.datetime(*map(self.read, node.args)).isoformat()
        except (TypeError, ValueError, OverflowError) as error:
            self._problem(node, f"not a time: {error}")
            return None

    def _column(self, node: ast.expr) -> int:
        # a syntax tree counts bytes
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        if line.isascii():
            return min(node.col_offset, len(line)) + 1
        number, encoded, at, characters = self._asked
        if number != node.lineno:
            encoded = line.encode("utf-8", "replace")
        if number != node.lineno or node.col_offset < at:
            at = characters = 0
        characters += len(encoded[at : node.col_offset].decode("utf-8", "replace"))
        self._asked = (node.lineno, encoded, node.col_offset, characters)
        return characters + 1

    def _problem(self, node: ast.expr, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(self.source.place(node.lineno, self._column(node)), message, hint))


def _is_definition(node: ast.expr) -> bool:
    """Whether an expression is ``MetricDefinition(..)``, of whatever module."""
    import ast

    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "MetricDefinition"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:38]}.."
