r"""Hyperparameters that a program printed at the beginning of its log.

Read are, in the first 64 KiB of a log's text: ``Namespace(lr=0.1, ..)`` and other calls that end in ``Args``, ``Arguments`` or
``Config``, on one line or, as Hugging Face's, on one for each argument; ``args: {..}``, ``config = {..}`` and the like, in Python
or JSON; and a configuration in YAML behind the prefix that Hydra's logger writes. Nothing is run.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

from metricscan.logs.archives import member_of
from metricscan.logs.exports import text_head
from metricscan.logs.formats import CONTAINER_STREAMS
from metricscan.logs.job import is_read_once
from metricscan.logs.parameters import as_text, of_hydra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from metricscan.logs.archives import Archive
    from metricscan.logs.job import Job

    _Reader: TypeAlias = Callable[[str, int], tuple[int, dict[str, str]]]

#: In place of a definition: the rule of this module.
PRINTED = "printed"
#: The source of hyperparameters that were read from the text of a log.
FROM_LOG = "log"
_MOST_BYTES = 64 << 10
_MOST_PARAMETERS = 1_000
_MOST_LOGS = 16
_MOST_PLACES = 32

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CALL = re.compile(r"\b(?:Namespace|[A-Z]\w{0,60}(?:Arguments|Args|Config|Configuration|Params))\(")
_MAPPING = re.compile(
    r"\b(?:args|arguments|config|configuration|cfg|hparams|hyper[-_ ]?params|hyper[-_ ]?parameters|params|parameters|flags"
    r"|options|settings)[\"']?[ \t]{0,8}[:=][ \t]{0,8}(?=\{)",
    re.IGNORECASE,
)
_OF_HYDRA = re.compile(
    r"^\[\d{4}-\d\d-\d\d [\d:,]+\]\[[\w.]{1,200}\]\[INFO\] - (?=[A-Za-z_]\w*:(?:[ \r\n]|$))", re.MULTILINE
)
_YAML_LINE = re.compile(r"[ ]*(?:[A-Za-z_][\w.\-]*:(?: .*)?|- .*)\r?$")
_LEAST_YAML_LINES = 3
_ARGUMENT_LINE = re.compile(r"^[ \t]*([A-Za-z_]\w*)=(.*?),?[ \t]*\r?$", re.MULTILINE)
_ARGUMENT = re.compile(r"([A-Za-z_]\w*)=((?:'[^'\n]*'|\"[^\"\n]*\"|\[[^\]\n]*\]|\{[^}\n]*\}|[^,\n])*)(?:, |$)")
_CLOSING = {"(": ")", "{": "}", "[": "]"}


def printed_by(job: Job, archives: Mapping[str, Archive], input_format: str) -> tuple[dict[str, str], bool]:
    """What the logs of a job print, and whether one was not read.

    The first log that prints some decides. Not read are standard input and pipes, streams that share an export, and members of
    an archive that must be read from its beginning.
    """
    is_unread = False
    for log in [log for log in job.logs if not log.superseded][:_MOST_LOGS]:
        member = member_of(log.path, archives)
        is_shared = log.within is not None and log.within not in CONTAINER_STREAMS
        if is_shared or (member is not None and not member[0].reads_at_places) or is_read_once(log.path):
            is_unread = True
            continue
        # an error ends the text, and the scan reports it
        printed = printed_parameters(text_head(log.path, input_format, _MOST_BYTES)[0].decode("utf-8", "replace"))
        if printed:
            return printed, False
    return {}, is_unread


def printed_parameters(text: str) -> dict[str, str]:
    """The hyperparameters that the beginning of a log prints, as text; values keep their spelling.

    >>> printed_parameters("start\\nNamespace(lr=3e-4, layers=[64, 32], name='a b', amp=True)\\nloss=1\\n")
    {'lr': '3e-4', 'layers': '[64, 32]', 'name': 'a b', 'amp': 'True'}
    >>> printed_parameters('config: {"lr": 0.1, "model": {"depth": 3}}\\n')
    {'lr': '0.1', 'model.depth': '3'}
    """
    text = _ANSI.sub("", text)
    found: dict[str, str] = {}
    covered = 0
    for at, read in sorted(_places(text), key=lambda place: place[0]):
        if at < covered:
            # within one that was read
            continue
        end, parameters = read(text, at)
        if parameters:
            covered = end
        for name, value in parameters.items():
            if len(found) < _MOST_PARAMETERS:
                found.setdefault(as_text(name), as_text(value))
    return found


def _places(text: str) -> Iterator[tuple[int, _Reader]]:
    for pattern, read in ((_CALL, _of_call), (_MAPPING, _of_mapping), (_OF_HYDRA, _of_yaml_lines)):
        for number, match in enumerate(pattern.finditer(text)):
            if number == _MOST_PLACES:
                break
            yield (match.start() if read is _of_call else match.end()), read


def _of_call(text: str, at: int) -> tuple[int, dict[str, str]]:
    begin = text.index("(", at)
    end = _closing(text, begin)
    on_lines = text.find("\n)", begin)
    if text[begin + 1 : begin + 2] in ("\n", "\r") and on_lines >= 0:
        # Hugging Face writes a line for each argument, and texts without quotes
        lines = text[begin:on_lines]
        return on_lines, {name: _unquoted(value) for name, value in _ARGUMENT_LINE.findall(lines)}
    if end is None:
        return begin, {}
    parameters = _of_expression(text[at:end])
    if parameters is None:
        inner = text[begin + 1 : end - 1]
        parameters = {} if "\n" in inner else {name: _unquoted(value) for name, value in _ARGUMENT.findall(inner)}
    return end, parameters


def _of_mapping(text: str, at: int) -> tuple[int, dict[str, str]]:
    end = _closing(text, at)
    if end is None:
        return at, {}
    parameters = _of_expression(text[at:end])
    if parameters is None:
        try:
            parameters = dict(
                _flat_json(json.loads(text[at:end]), json.loads(text[at:end], parse_float=str, parse_int=str), "")
            )
        except (ValueError, RecursionError):
            parameters = {}
    return end, parameters


def _of_yaml_lines(text: str, at: int) -> tuple[int, dict[str, str]]:
    lines: list[str] = []
    end = at
    while end < len(text):
        stop = text.find("\n", end)
        line = text[end : len(text) if stop < 0 else stop]
        if not _YAML_LINE.match(line):
            break
        lines.append(line)
        end += len(line) + 1
    if len(lines) < _LEAST_YAML_LINES:
        return at, {}
    try:
        return end, of_hydra("\n".join(lines))
    except (ValueError, RecursionError):
        return at, {}


def _closing(text: str, begin: int) -> int | None:
    """The place behind the bracket that closes the one at ``begin``; None if none does."""
    expected: list[str] = []
    quote = ""
    at = begin
    while at < len(text):
        one = text[at]
        if quote:
            if one == "\\":
                at += 1
            elif one == quote:
                quote = ""
        elif one in "'\"":
            quote = one
        elif one in _CLOSING:
            expected.append(_CLOSING[one])
        elif one in ")]}":
            if one != expected.pop():
                return None
            if not expected:
                return at + 1
        at += 1
    return None


def _of_expression(text: str) -> dict[str, str] | None:
    """The arguments of a call, or the items of a dictionary, in Python; None if it is no Python."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if any(isinstance(node, ast.Name) and node.id in ("true", "false", "null") for node in ast.walk(tree)):
        # of JSON
        return None
    return dict(_flat(tree, text.strip(), ""))


def _flat(node: ast.expr, text: str, prefix: str) -> Iterator[tuple[str, str]]:
    items: list[tuple[str, ast.expr]] = []
    if isinstance(node, ast.Call):
        items = [(one.arg, one.value) for one in node.keywords if one.arg is not None]
    elif isinstance(node, ast.Dict):
        items = [
            (str(key.value), value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
    for name, value in items:
        is_nested = (isinstance(value, ast.Dict) and value.keys) or (
            isinstance(value, ast.Call) and _is_of_arguments(value)
        )
        if is_nested:
            yield from _flat(value, text, f"{prefix}{name}.")
        elif isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield prefix + name, value.value
        else:
            yield prefix + name, ast.get_source_segment(text, value) or ""


def _flat_json(values: dict[str, Any], spelled: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat_json(value, spelled[name], f"{prefix}{name}.")
        else:
            yield prefix + name, spelled[name] if isinstance(spelled[name], str) else json.dumps(value)


def _is_of_arguments(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and _CALL.fullmatch(f"{call.func.id}(") is not None


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
