"""Formulas over metrics, such as ``val_loss + 0.1*params``: from the text to a program. Nothing is evaluated as Python.

A formula has numbers, names of metrics (in quotes if they hold other characters than letters, digits and ``_ . : @``), the
operators ``+ - * / **`` and parentheses, and the functions of :data:`FUNCTIONS`. The program is in postfix order, so that a
formula makes nothing recursive but the parser, whose depth is bounded.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from metricscan.errors import OptionError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection

#: The functions, with the least and the greatest number of their arguments; None is any number.
FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "abs": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "log10": (1, 1),
    "sqrt": (1, 1),
    "min": (2, None),
    "max": (2, None),
}
#: What is written like a function, and takes the name of a metric.
LAST, BASELINE = "last", "baseline"
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
_MOST_CHARACTERS = 1_000
_MOST_NESTED = 50
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[^\W\d][\w.:@]*)
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<sign>\*\*|<=|>=|==|!=|[-+*/(),%<>])
    )""",
    re.VERBOSE,
)
_HINTS = {
    "^": "a power is written **",
    "=": "equality is written ==",
    "[": "only parentheses are known",
    "'": "the quotation mark is not closed",
    '"': "the quotation mark is not closed",
    "&": "one comparison is one condition; give several",
    "|": "one comparison is one condition; give several",
}


class Step(NamedTuple):
    """One instruction of a program in postfix order.

    Attributes
    ----------
    kind : str
        ``number``, ``metric``, ``last`` (the last value of a metric in its job) or ``baseline`` puts a value on the stack;
        ``call`` replaces values by that of a function; ``percent`` adds to the value below it a part of its magnitude; an
        operator or a comparison replaces two values.
    name : str
        Of the metric or the function; of a baseline, the metric, or empty for the only one of the formula.
    number : float
        The number, the count of arguments, or the part.
    """

    kind: Literal["number", "metric", "last", "baseline", "call", "percent", "negate", "operator", "comparison"]
    name: str = ""
    number: float = 0.0


class Formula(NamedTuple):
    """A formula that was read.

    Attributes
    ----------
    text : str
    program : tuple of Step
    places : tuple of (str, int)
        The metrics in the order in which they first stand in it, with the place of that, in characters from 0.
    """

    text: str
    program: tuple[Step, ...]
    places: tuple[tuple[str, int], ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics, in the order in which they first stand in the text."""
        return tuple(name for name, _ in self.places)

    @property
    def stepped(self) -> tuple[str, ...]:
        """The metrics of which a value at each step is asked for, rather than the last of the job."""
        return tuple(dict.fromkeys(step.name for step in self.program if step.kind == "metric"))

    @property
    def is_name(self) -> bool:
        """Whether the formula is nothing but the name of a metric."""
        return len(self.program) == 1 and self.program[0].kind == "metric"

    def sides(self) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """The programs of the two formulas that a comparison compares."""
        program = self.program[:-1]
        # in postfix order, the second one is the shortest end that makes one value
        needed = 1
        for at in range(len(program) - 1, -1, -1):
            step = program[at]
            takes = {"call": int(step.number), "operator": 2, "negate": 1, "percent": 1}.get(step.kind, 0)
            needed += takes - 1
            if not needed:
                return program[:at], program[at:]
        raise AssertionError("a comparison has two sides")

    def check(self, known: Collection[str]) -> None:
        """Raise an OptionError, with the place, for the first name that is not among the metrics."""
        for name, at in self.places:
            if name in known:
                continue
            inside = [one for one in known if _is_odd(one) and one in self.text]
            meant = nearest(name, list(known))
            hint = None
            if inside:
                hint = (
                    f"a name with other characters than letters, digits and _ . : @ is written in quotes: {inside[0]!r}"
                )
            elif meant is not None:
                hint = f"did you mean {meant!r}?"
            shown = ", ".join(map(repr, known))
            raise _error(self.text, at, f"{name!r} is not among the metrics: {shown}", hint)


@functools.lru_cache(maxsize=64)
def read_formula(text: str) -> Formula:
    """Read a formula over metrics.

    Raises
    ------
    OptionError
        The text is no formula, is longer than 1,000 characters, or is nested more than 50 times; the message gives the place.

    Examples
    --------
    >>> read_formula("val_loss + 0.1*'eval/size'").metrics
    ('val_loss', 'eval/size')
    """
    parser = _Parser(text)
    parser.sum()
    return parser.finished("a formula of metrics")


def read_condition(text: str) -> Formula:
    """Read a comparison of two formulas, in which ``baseline`` stands for the value of another ranking.

    ``baseline - 0.5%`` is less than the baseline by so many percent of its magnitude.

    Raises
    ------
    OptionError
        As :func:`read_formula`; or there is no comparison, or more than one.

    Examples
    --------
    >>> read_condition("acc < baseline - 0.5%").metrics
    ('acc',)
    """
    parser = _Parser(text, conditional=True)
    parser.sum()
    sign = parser.sign
    if sign not in COMPARISONS:
        parser.expected(f"one of {' '.join(COMPARISONS)}")
    parser.advance()
    parser.sum()
    if parser.sign in COMPARISONS:
        raise _error(text, parser.at, "a second comparison", "one comparison is one condition; give several")
    parser.emit(Step("comparison", sign))
    found = parser.finished("a comparison")
    if any(step == Step("baseline") for step in found.program) and len(found.metrics) != 1:
        names = ", ".join(map(repr, found.metrics)) or "none"
        raise _error(
            text,
            parser.baseline_at or 0,
            f"'baseline' is that of the one metric of a condition, and this has {names}",
            "baseline(NAME) names the metric",
        )
    return found


def _error(text: str, at: int, message: str, hint: str | None = None) -> OptionError:
    shown = f"{message} at position {at}"
    if text.isprintable() and len(text) <= 200:
        shown += f"\n    {text}\n    {' ' * at}^"
    return OptionError(shown, hint=hint)


def _is_odd(name: str) -> bool:
    return re.fullmatch(r"[^\W\d][\w.:@]*", name) is None


class _Parser:
    """A parser by recursive descent, which writes the program."""

    def __init__(self, text: str, *, conditional: bool = False) -> None:
        if not isinstance(text, str):
            raise OptionError(f"a formula was expected, not {text!r:.80}")
        if len(text) > _MOST_CHARACTERS:
            raise OptionError(f"a formula of {len(text):,} characters; at most {_MOST_CHARACTERS:,} were expected")
        self._text = text
        self._conditional = conditional
        self._end = 0
        self._depth = 0
        self._program: list[Step] = []
        self._places: dict[str, int] = {}
        self.at = 0
        #: The place of the first baseline.
        self.baseline_at: int | None = None
        self._kind: str | None = None
        self._token = ""
        self.advance()

    @property
    def sign(self) -> str:
        """The operator, comparison or parenthesis at hand, if there is one."""
        return self._token if self._kind == "sign" else ""

    def advance(self) -> None:
        """Read the next token."""
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            rest = self._text[self._end :]
            self.at = len(self._text) - len(rest.lstrip())
            self._kind, self._token = None, ""
            if rest.strip():
                found = self._text[self.at]
                raise _error(self._text, self.at, f"{found!r} is no part of a formula", _HINTS.get(found))
            return
        self._kind = str(match.lastgroup)
        self._token = match[self._kind]
        self.at, self._end = match.start(self._kind), match.end()

    def expected(self, what: str) -> None:
        """Raise an error that says what was expected at this place."""
        found = "the formula ends" if self._kind is None else f"{self._token!r} was found"
        hint = _HINTS.get(self._token)
        if self._kind in ("name", "quoted", "number") and self._program:
            hint = "a name with blanks is written in quotes"
        raise _error(self._text, self.at, f"{found}; {what} was expected", hint)

    def emit(self, step: Step) -> None:
        """Add an instruction."""
        self._program.append(step)

    def finished(self, what: str) -> Formula:
        """The formula, if the text ends here."""
        if self._kind is not None:
            self.expected("an operator, or the end")
        if not self._places:
            raise OptionError(f"{self._text!r} names no metric; {what} was expected")
        return Formula(self._text, tuple(self._program), tuple(self._places.items()))

    def sum(self) -> None:
        """A sum or a difference; one percent behind a sign is that of what stands before it."""
        self._product()
        while self.sign in ("+", "-"):
            sign = self.sign
            self.advance()
            before = len(self._program)
            is_percent = self._product()
            if is_percent and len(self._program) == before + 1:
                part = self._program.pop().number
                self.emit(Step("percent", number=part if sign == "+" else -part))
            else:
                self.emit(Step("operator", sign))

    def _product(self) -> bool:
        """A product or a quotient; returns whether it is one number with a percent sign."""
        is_percent = self._factor()
        while self.sign in ("*", "/"):
            sign, is_percent = self.sign, False
            self.advance()
            self._factor()
            self.emit(Step("operator", sign))
        return is_percent

    def _factor(self) -> bool:
        """A value with its signs and its exponent: -2**2 is -4."""
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise _error(self._text, self.at, f"the formula is nested more than {_MOST_NESTED} times")
        is_percent = False
        if self.sign in ("+", "-"):
            sign = self.sign
            self.advance()
            self._factor()
            if sign == "-":
                self.emit(Step("negate"))
        else:
            is_percent = self._value()
            if self.sign == "**":
                self.advance()
                self._factor()
                self.emit(Step("operator", "**"))
                is_percent = False
        self._depth -= 1
        return is_percent

    def _value(self) -> bool:
        token, at = self._token, self.at
        if self._kind == "number":
            self.advance()
            if self.sign == "%":
                self.advance()
                self.emit(Step("number", number=float(token) / 100))
                return True
            self.emit(Step("number", number=float(token)))
        elif self._kind == "quoted":
            self.advance()
            self._metric(re.sub(r"\\(.)", r"\1", token[1:-1]), at)
        elif self._kind == "name":
            self.advance()
            if self.sign == "(":
                self._call(token, at)
            elif token == BASELINE and self._conditional:
                self.baseline_at = at if self.baseline_at is None else self.baseline_at
                self.emit(Step("baseline"))
            else:
                self._metric(token, at)
        elif self.sign == "(":
            self.advance()
            self.sum()
            self._close()
        else:
            self.expected("a number, a metric or (")
        return False

    def _metric(self, name: str, at: int) -> None:
        self._places.setdefault(name, at)
        self.emit(Step("metric", name))

    def _call(self, name: str, at: int) -> None:
        self.advance()
        if name == LAST or (name == BASELINE and self._conditional):
            if self._kind not in ("name", "quoted"):
                self.expected("the name of a metric")
            metric = self._token if self._kind == "name" else re.sub(r"\\(.)", r"\1", self._token[1:-1])
            self._places.setdefault(metric, self.at)
            self.emit(Step("last" if name == LAST else "baseline", metric))
            self.advance()
            self._close()
            return
        if name not in FUNCTIONS:
            known = [*FUNCTIONS, LAST, *([BASELINE] if self._conditional else [])]
            meant = nearest(name, known)
            hint = "multiplication is written *" if meant is None else f"did you mean {meant!r}?"
            raise _error(self._text, at, f"{name!r} is no function; one of {', '.join(known)} was expected", hint)
        count = 1
        self.sum()
        while self.sign == ",":
            self.advance()
            self.sum()
            count += 1
        self._close()
        least, most = FUNCTIONS[name]
        if count < least or (most is not None and count > most):
            wanted = f"{least} argument{'' if least == 1 else 's'}" + ("" if most is not None else " or more")
            raise _error(
                self._text, at, f"{name} has {count} argument{'' if count == 1 else 's'}; {wanted} was expected"
            )
        self.emit(Step("call", name, count))

    def _close(self) -> None:
        if self.sign != ")":
            self.expected(")")
        self.advance()
