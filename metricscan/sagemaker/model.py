"""The service's model of its documents: which members they have, and the limits of each.

``model.json`` holds, shape by shape, what botocore's service model of SageMaker says: types, required members, minima,
maxima, patterns and choices. botocore itself checks neither maxima nor patterns nor choices before it sends a request;
:func:`check` checks all of them.
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

#: The name under which the service repeats the objective's definition.
ALIAS = "ObjectiveMetric"
_SHOWN_CHARACTERS = 60


@functools.cache
def shapes() -> dict[str, dict[str, Any]]:
    """All shapes by name."""
    from importlib.resources import files

    model: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("model.json").read_text(encoding="utf-8"))
    return model


def check(name: str, value: Any, path: str = "") -> tuple[list[RequestFault], list[RequestFault]]:
    """What is wrong with a value of a shape, and what is in it that the shape does not know."""
    faults: list[RequestFault] = []
    unknown: list[RequestFault] = []
    _Check(faults, unknown).value(name, value, path)
    return faults, unknown


def pruned(name: str, value: Any) -> Any:
    """A copy of a value of a shape without the members that the shape does not know."""
    shape = shapes()[name]
    if shape["type"] == "structure":
        members = shape["members"]
        return {key: pruned(members[key], item) for key, item in value.items() if key in members}
    if shape["type"] == "list":
        return [pruned(shape["member"], item) for item in value]
    return dict(value) if shape["type"] == "map" else value


def shown(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 2]}.."


class _Check:
    def __init__(self, faults: list[RequestFault], unknown: list[RequestFault]) -> None:
        self.faults = faults
        self.unknown = unknown

    def fault(self, path: str, message: str, hint: str | None = None) -> None:
        self.faults.append(RequestFault(path, message, hint))

    def value(self, name: str, value: Any, path: str) -> None:
        shape = shapes()[name]
        kind = shape["type"]
        if value is None:
            self.fault(path, f"null where {_EXPECTED[kind]} was expected")
            return
        getattr(self, f"_{kind}")(shape, value, path)

    def _structure(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            self._wrong("structure", value, path)
            return
        members = shape["members"]
        for name in shape.get("required", ()):
            if name not in value:
                self.fault(_member(path, name), "is missing")
        for name, item in value.items():
            if name in members:
                self.value(members[name], item, _member(path, name))
            else:
                meant = nearest(str(name), members)
                hint = None if meant is None else f"did you mean {meant}?"
                self.unknown.append(RequestFault(_member(path, str(name)), "is no member that the service knows", hint))

    def _list(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
            self._wrong("list", value, path)
            return
        self._count(shape, sum(not _is_alias(item) for item in value), "items", path)
        for index, item in enumerate(value):
            self.value(shape["member"], item, f"{path}[{index}]")

    def _map(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            self._wrong("map", value, path)
            return
        self._count(shape, len(value), "entries", path)
        for key, item in value.items():
            self.value(shape["key"], key, f"{path}: the key {shown(key)}")
            self.value(shape["value"], item, f"{path}[{shown(key)}]")

    def _string(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, str):
            hint = "put it in quotes" if isinstance(value, (int, float)) else None
            self._wrong("string", value, path, hint)
            return
        if "enum" in shape:
            if value not in shape["enum"]:
                folded = next((right for right in shape["enum"] if right.lower() == value.lower()), None)
                meant = folded or nearest(value, shape["enum"])
                choices = (
                    " or ".join(shape["enum"]) if len(shape["enum"]) < 9 else f"one of {len(shape['enum'])} choices"
                )
                self.fault(path, f"{shown(value)}: {choices} was expected", meant and f"did you mean {meant}?")
            return
        before = len(self.faults)
        self._count(shape, len(value), "characters", path)
        pattern = shape.get("pattern")
        if pattern is not None and len(self.faults) == before and not _compiled(pattern).fullmatch(value):
            self.fault(path, f"{shown(value)} does not match {pattern}")

    def _integer(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            self._wrong("integer", value, path)
            return
        low, high = shape.get("min"), shape.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            expected = f"{low} or more" if high is None else f"{low} to {high}"
            self.fault(path, f"{value}: {expected} was expected")

    _long = _integer

    def _float(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._wrong("float", value, path)
        elif not math.isfinite(value):
            self.fault(path, f"{value}: a finite number was expected")

    _double = _float

    def _boolean(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if not isinstance(value, bool):
            self._wrong("boolean", value, path)

    def _timestamp(self, shape: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, dt.datetime) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return
        try:
            dt.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            self._wrong("timestamp", value, path)

    def _count(self, shape: Mapping[str, Any], count: int, what: str, path: str) -> None:
        low, high = shape.get("min", 0), shape.get("max")
        if count < low or (high is not None and count > high):
            expected = f"{low} or more" if high is None else f"{low} to {high}"
            self.fault(path, f"{count} {what}; {expected} were expected")

    def _wrong(self, kind: str, value: Any, path: str, hint: str | None = None) -> None:
        given = "a structure" if isinstance(value, Mapping) else shown(value)
        self.fault(path, f"{given} where {_EXPECTED[kind]} was expected", hint)


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


def _is_alias(item: Any) -> bool:
    """The service's own copy of the objective's definition; it is not counted among the 40."""
    return isinstance(item, Mapping) and item.get("Name") == ALIAS and "Regex" in item


def _member(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@functools.cache
def _compiled(pattern: str) -> Any:
    if r"\p{" in pattern:
        # as the service's own language has it
        import regex

        return regex.compile(pattern)
    return re.compile(pattern)
