"""The exceptions: definitions and options that are invalid, inputs and outputs that fail. Data never raises.

Helpers improve their messages: one raises several errors as one, one finds the name that was probably meant, and one shortens
what was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# what an error shows of a long text that was given
_MOST_QUOTED, _BEGINNING_QUOTED = 300, 100


class MetricscanError(Exception):
    """The base class of this package's errors.

    Attributes
    ----------
    message : str
        What is wrong; it does not include the hint.
    hint : str or None
        What would correct it, where that is known.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        # pickling an error, as between processes, would lose the keyword-only parameters
        return _rebuilt, (type(self), self.message, self.__dict__)


@dataclass(frozen=True)
class Fault:
    """One error in a list of metric definitions, or in the labels beside it.

    Attributes
    ----------
    index : int or None
        The number of the definition or label, from 0; None if the error is not in a single one.
    name, pattern : str or None
        The name and the regex of the definition or label, where they are known.
    position : int or None
        The place in the pattern, in characters from 0.
    message : str
    hint : str or None
    kind : {"definition", "label"}
        What ``index`` counts.
    """

    index: int | None
    name: str | None
    pattern: str | None
    position: int | None
    message: str
    hint: str | None = None
    kind: str = "definition"

    def __str__(self) -> str:
        parts = []
        if self.index is not None:
            parts.append(f"{self.kind} {self.index}")
        if self.name is not None:
            parts.append(quoted(self.name))
        text = f"{' '.join(parts)}: {self.message}" if parts else self.message
        if self.pattern and self.position is not None:
            text += f" at position {self.position}"
            if self.pattern.isprintable() and len(self.pattern) <= 200:
                text += f"\n    {self.pattern}\n    {' ' * self.position}^"
            else:
                text += f" of {self.pattern[:200]!r}"
        elif self.pattern:
            text += f": {self.pattern[:200]!r}"
        if self.hint is not None:
            text += f"\n    hint: {self.hint}"
        return text


class DefinitionError(MetricscanError, ValueError):
    """Metric definitions that cannot be used.

    Attributes
    ----------
    faults : tuple of Fault
        All errors, in the order of the definitions.
    source : str or None
        The file that holds the definitions.
    warnings : tuple of str
        What is suspicious about them, though no error.
    """

    def __init__(self, faults: tuple[Fault, ...], *, source: str | None = None, warnings: tuple[str, ...] = ()) -> None:
        count = f"{len(faults)} errors" if len(faults) > 1 else "an error"
        where = "" if source is None else f" of {source}"
        counting = " (counting from 0)" if any(fault.index is not None for fault in faults) else ""
        lines = [f"{count} in the metric definitions{where}{counting}"]
        lines += ["  " + str(fault).replace("\n", "\n  ") for fault in faults]
        super().__init__("\n".join(lines))
        self.faults = faults
        self.source = source
        self.warnings = warnings


class OptionError(MetricscanError, ValueError):
    """An option with an invalid value, or one that contradicts another option."""


class AllFaults:
    """Collects the errors of several options, and raises them as one OptionError where its block ends.

    Examples
    --------
    >>> with AllFaults() as errors:
    ...     errors.note("threads=0: 1 or more was expected")
    ...     errors.note("format='xls': parquet was expected")
    Traceback (most recent call last):
    metricscan.errors.OptionError: threads=0: 1 or more was expected; format='xls': parquet was expected
    """

    def __init__(self) -> None:
        self._errors: list[str] = []
        self._hints: list[str] = []

    def note(self, error: str) -> None:
        """Add an error."""
        self._errors.append(error)

    def of(self, check: Callable[..., object], *arguments: object) -> None:
        """Add the error of a check that raises an OptionError."""
        try:
            check(*arguments)
        except OptionError as error:
            self._errors.append(error.message)
            if error.hint is not None:
                self._hints.append(error.hint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._errors:
            raise OptionError("; ".join(self._errors), hint=" ".join(self._hints) or None)


class SourceError(MetricscanError, OSError):
    """An input or an output that cannot be opened, read, decompressed or written.

    Attributes
    ----------
    path : str
    offset : int or None
        The byte of the (decompressed) input up to which it was read.
    cause : BaseException or None
        The error that the system raised.
    partial : object
        From ``Scanner.scan``: the result up to there.
    errno, strerror, filename
        As in every OSError: those of the cause, and the path.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str,
        offset: int | None = None,
        cause: BaseException | None = None,
        hint: str | None = None,
    ) -> None:
        reason = getattr(cause, "strerror", None) or cause
        super().__init__(f"{message}: {reason}" if cause is not None else message, hint=hint)
        self.path = path
        self.offset = offset
        self.cause = cause
        self.partial: Any = None
        self._fill_in_os_error()

    def _fill_in_os_error(self) -> None:
        """Set the attributes of an OSError, for code that catches OSError."""
        if isinstance(self.cause, OSError):
            self.errno, self.strerror = self.cause.errno, self.cause.strerror
        self.filename = self.path


class DefinitionWarning(UserWarning):
    """A metric definition that is valid, but probably does not do what was meant."""


class DoubtWarning(UserWarning):
    """Jobs with a doubt were to get no rank, and it is not known which jobs have it."""


def _rebuilt(kind: type[MetricscanError], message: str, attributes: dict[str, Any]) -> MetricscanError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(attributes)
    if isinstance(error, SourceError):
        error._fill_in_os_error()
    return error


def check_kind(value: object, kind: type) -> None:
    """Raise a TypeError if a value is of another kind.

    >>> check_kind("a", str)
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise TypeError(f"{article} {kind.__name__} was expected, not {type(value).__name__}")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant; None if none is similar.

    >>> nearest("LOSS", ["val_loss", "loss"]), nearest("los", ["acc", "loss"]), nearest("auc", ["loss"])
    ('loss', 'loss', None)
    """
    import difflib

    if not isinstance(name, str):
        return None
    known = list(names)
    other_case = [one for one in known if one.casefold() == name.casefold()]
    return next(iter(other_case or difflib.get_close_matches(name, known, 1)), None)


def quoted(value: object) -> str:
    """What was given, as Python spells it; of a long one the beginning, and how long it is.

    >>> quoted("a=b"), len(quoted("a" * 20_000))
    ("'a=b'", 124)
    """
    if isinstance(value, (str, bytes)):
        if len(value) <= _MOST_QUOTED:
            return repr(value)
        unit = "characters" if isinstance(value, str) else "bytes"
        return f"{value[:_BEGINNING_QUOTED]!r}.. ({len(value):,} {unit})"
    try:
        text = repr(value)
    except ValueError:
        # an integer of more digits than Python prints
        return f"a {type(value).__name__} that is too long to be shown"
    return text if len(text) <= _MOST_QUOTED else f"{text[:_BEGINNING_QUOTED]}.. ({len(text):,} characters)"
