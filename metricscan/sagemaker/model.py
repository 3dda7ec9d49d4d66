"""The service model of SageMaker: the members of its documents and their limits.

``model.json`` is an extract of botocore's service model: types, required members, minima, maxima, patterns and choices of
each shape. Before botocore sends a request, it checks neither maxima nor patterns nor choices; :func:`check` checks all.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from metricscan.errors import nearest
from metricscan.sagemaker.errors import RequestFault

#: The name under which the service adds a copy of the objective's definition.
ALIAS = "ObjectiveMetric"
_SHOWN_CHARACTERS = 60


@functools.cache
def shapes() -> dict[str, dict[str, Any]]:
    """All shapes by name, read once."""
    from importlib.resources import files

    model: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("model.json").read_text(encoding="utf-8"))
    return model


def check(name: str, value: Any, path: str = "") -> tuple[list[RequestFault], list[RequestFault]]:
    """Check a value against a shape; return its errors, and its members that the shape does not define."""
    errors: list[RequestFault] = []
    unknown: list[RequestFault] = []
    _Check(errors, unknown).value(name, value, path)
    return errors, unknown


def pruned(name: str, value: Any) -> Any:
    """A copy of a value without the members that its shape does not define."""
    shape = shapes()[name]
    if shape["type"] == "structure":
        members = shape["members"]
        return {key: pruned(members[key], item) for key, item in value.items() if key in members}
    if shape["type"] == "list":
        return [pruned(shape["member"], item) for item in value]
    return dict(value) if shape["type"] == "map" else value


def shown(value: Any) -> str:
    """A value as text for a message, shortened."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 2]}.."


class _Check:
    def __init__(self, errors: list[RequestFault], unknown: list[RequestFault]) -> None:
        self.errors = errors
        self.unknown = unknown

    def error(self, path: str, message: str, hint: str | None = None) -> None:
        self.errors.append(RequestFault(path, message, hint))

    def value(self, name: str, value: Any, path: str) -> None:
        shape = shapes()[name]
        kind = shape["type"]
        if value is None:
            self.error(path, f"null where {_EXPECTED[kind]} was expected")
            return
        getattr(self, f"_{kind}")(shape, value, path)

    def _structure(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            self._unexpected("structure", value, path)
            return
        members = shape["members"]
        for name in shape.get("required", ()):
            if name not in value:
                self.error(_member(path, name), "is missing")
        for name, item in value.items():
            if name in members:
                self.value(members[name], item, _member(path, name))
            else:
                meant = nearest(str(name), members)
                hint = None if meant is None else f"did you mean {meant}?"
                self.unknown.append(
                    RequestFault(_member(path, str(name)), "is not a member that the service defines", hint)
                )

    def _list(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
            self._unexpected("list", value, path)
            return
        self._count(shape, sum(not is_alias(item) for item in value), "items", path)
        for index, item in enumerate(value):
            self.value(shape["member"], item, f"{path}[{index}]")

    def _map(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            self._unexpected("map", value, path)
            return
        self._count(shape, len(value), "entries", path)
        for key, item in value.items():
            self.value(shape["key"], key, f"{path}: the key {shown(key)}")
            self.value(shape["value"], item, f"{path}[{shown(key)}]")

    def _string(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, str):
            hint = "put it in quotes" if isinstance(value, (int, float)) else None
            self._unexpected("string", value, path, hint)
            return
        if "enum" in shape:
            if value not in shape["enum"]:
                folded = next((choice for choice in shape["enum"] if choice.lower() == value.lower()), None)
                meant = folded or nearest(value, shape["enum"])
                choices = (
                    " or ".join(shape["enum"]) if len(shape["enum"]) < 9 else f"one of {len(shape['enum'])} choices"
                )
                self.error(path, f"{shown(value)}: {choices} was expected", meant and f"did you mean {meant}?")
            return
        before = len(self.errors)
        self._count(shape, len(value), "characters", path)
        pattern = shape.get("pattern")
        if pattern is not None and len(self.errors) == before and not _compiled(pattern).fullmatch(value):
            self.error(path, f"{shown(value)} does not match {pattern}")

    def _integer(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            self._unexpected("integer", value, path)
            return
        low, high = shape.get("min"), shape.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            expected = f"{low} or more" if high is None else f"{low} to {high}"
            self.error(path, f"{value}: {expected} was expected")

    _long = _integer

    def _float(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._unexpected("float", value, path)
        elif not math.isfinite(value):
            self.error(path, f"{value}: a finite number was expected")

    _double = _float

    def _boolean(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, bool):
            self._unexpected("boolean", value, path)

    def _timestamp(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, dt.datetime) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return
        try:
            dt.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self._unexpected("timestamp", value, path)

    def _count(self, shape: Mapping[str, Any], count: int, what: str, path: str) -> None:
        low, high = shape.get("min", 0), shape.get("max")
        if count < low or (high is not None and count > high):
            expected = f"{low} or more" if high is None else f"{low} to {high}"
            self.error(path, f"{count} {what}; {expected} were expected")

    def _unexpected(self, kind: str, value: Any, path: str, hint: str | None = None) -> None:
        given = "a structure" if isinstance(value, Mapping) else shown(value)
        self.error(path, f"{given} where {_EXPECTED[kind]} was expected", hint)


_EXPECTED = {
    "structure": "a structure",
    "list": "a list",
    "map": "a map",
    "string": "a string",
    "integer": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "boolean": "true or false",
    "timestamp": "a time",
}


def is_alias(item: Any) -> bool:
    """Whether this is the service's copy of the objective's definition, which does not count towards the 40."""
    return isinstance(item, Mapping) and item.get("Name") == ALIAS and "Regex" in item


def _member(path: str, name: str) -> str:
    name = name if name.isprintable() else repr(name)
    return f"{path}.{name}" if path else name


@functools.cache
def _compiled(pattern: str) -> Any:
    if r"\p{" in pattern:
        # re has no Unicode categories; the regex dialect of the service has
        import regex

        return regex.compile(pattern)
    return re.compile(pattern)
