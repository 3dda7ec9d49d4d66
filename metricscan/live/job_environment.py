"""The environment of a job: what is set for it, and what of that may be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import AllFaults

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MASK = "***"
#: The variable in which the tuning service hands the level of logging to a job, as a number.
LOG_LEVEL = "SM_LOG_LEVEL"
#: Levels of Python's logging by name.
LEVELS = {"NOTSET": 0, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50, "CRITICAL": 50}
# API Reference, HyperParameterTrainingJobEnvironmentMap
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Names in camelCase have words, too.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET = ("password", "secret", "api_key", "access_key")
_SECRET_VARIABLE = (*_SECRET, "token")
_ASSIGNED = re.compile(r"(-{0,2})([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)


class OwnVariables(NamedTuple):
    """The variables that are set for a job, beside those that it inherits.

    Attributes
    ----------
    values : dict of str to str
    warnings : tuple of str
    """

    values: dict[str, str]
    warnings: tuple[str, ...]


def own_variables(
    inherited: Mapping[str, str],
    requested: Mapping[str, str],
    given: Mapping[str, str],
    reserved: Collection[str] = (),
) -> OwnVariables:
    """The variables that are set for a job. A later source overrules the earlier ones.

    Parameters
    ----------
    inherited : mapping of str to str
        The environment of this process.
    requested, given : mapping of str to str
        That of the tuning request, and what the user gave.
    reserved : collection of str
        Names that only metricscan sets.

    Raises
    ------
    OptionError
        A name that is none or is reserved, or a value with a NUL; all of them together.

    Examples
    --------
    >>> own_variables({"HOME": "/home/a"}, {"SM_LOG_LEVEL": "DEBUG"}, {}).values
    {'PYTHONUNBUFFERED': '1', 'SM_LOG_LEVEL': '10'}
    """
    warnings = []
    own = {**requested, **given}
    with AllFaults() as errors:
        for name, value in own.items():
            if not _NAME.fullmatch(name):
                errors.note(
                    f"environment {name!r}: a name of letters, digits and _ that begins with no digit was expected"
                )
            if "\0" in value:
                errors.note(f"environment {name}: its value holds a NUL")
            if name in reserved:
                errors.note(f"environment {name}: metricscan sets it itself")
    level = own.get(LOG_LEVEL)
    if level is not None:
        number = LEVELS.get(level.strip().upper())
        if number is not None:
            own[LOG_LEVEL] = str(number)
            warnings.append(f"{LOG_LEVEL}={level!r} is the name of a level: the job gets its number, {number}")
        elif re.fullmatch(r"[0-9]+", level) is None:
            warnings.append(f"{LOG_LEVEL}={level!r} is no level: a number was expected, such as 10 for DEBUG")
    if "PYTHONUNBUFFERED" not in inherited and "PYTHONUNBUFFERED" not in own:
        # without it Python writes to a file in blocks of 8 KiB
        own = {"PYTHONUNBUFFERED": "1", **own}
    return OwnVariables(own, tuple(warnings))


def is_secret(name: str, *, is_variable: bool = False) -> bool:
    """Whether the name of a hyperparameter, or of a variable, says that its value is secret.

    Whole words count: ``max_new_tokens`` and ``pad_token`` are numbers and texts of language models.

    Examples
    --------
    >>> [is_secret(name) for name in ("db_password", "apiKey", "max_new_tokens", "pad_token", "secretary")]
    [True, True, False, False, False]
    >>> is_secret("HF_TOKEN", is_variable=True), is_secret("TOKENIZERS_PARALLELISM", is_variable=True)
    (True, False)
    """
    words = f"_{'_'.join(_WORD.findall(name)).lower()}_"
    return any(f"_{one}_" in words for one in (_SECRET_VARIABLE if is_variable else _SECRET))


def masked(values: Mapping[str, str], *, are_variables: bool = False) -> dict[str, str]:
    """The values, those that are secret as :data:`MASK`."""
    return {name: MASK if is_secret(name, is_variable=are_variables) else value for name, value in values.items()}


def masked_command(words: Sequence[str]) -> list[str]:
    """A command line with the values of secret options as :data:`MASK`.

    Examples
    --------
    >>> masked_command(["train.py", "--api_key", "x1", "--lr", "0.1", "--db-password=x2", "WANDB_API_KEY=x3"])
    ['train.py', '--api_key', '***', '--lr', '0.1', '--db-password=***', 'WANDB_API_KEY=***']
    """
    shown = []
    is_value = False
    for word in words:
        assigned = _ASSIGNED.fullmatch(word)
        if is_value and not word.startswith("--"):
            shown.append(MASK)
        elif assigned is not None and is_secret(assigned[2], is_variable=not assigned[1]):
            shown.append(f"{assigned[1]}{assigned[2]}={MASK}")
        else:
            shown.append(word)
        is_value = word.startswith("-") and assigned is None and is_secret(word)
    return shown


def assignments(words: Iterable[str], what: str) -> dict[str, str]:
    """NAME=VALUE, as a dictionary; a name that is given twice is an error.

    Raises
    ------
    OptionError
        All errors together.

    Examples
    --------
    >>> assignments(["lr=0.1", "text=a = b"], "hyperparameter")
    {'lr': '0.1', 'text': 'a = b'}
    """
    found: dict[str, str] = {}
    with AllFaults() as errors:
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or not name:
                errors.note(f"{what} {word!r}: NAME=VALUE was expected")
            elif name in found:
                errors.note(f"{what} {name!r} is given twice")
            else:
                found[name] = value
    return found
