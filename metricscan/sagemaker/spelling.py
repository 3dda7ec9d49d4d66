"""Where a document of the service lies in what people have of it, and how it spells its members."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from metricscan.sagemaker.errors import RequestFault
from metricscan.sagemaker.model import shapes

_MOST_DEPTH = 8


def plain(key: Any) -> str:
    """A member's name as it is compared: without its case, and without what separates its words.

    >>> plain("HyperParameterTuningJobConfig") == plain("hyper_parameter_tuning_job_config")
    True
    """
    return re.sub(r"[\W_]", "", str(key)).casefold()


def holders(document: Any, member: str, at: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects in a document that hold a member, however it is spelled, each with its place."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(document, Mapping):
        if any(plain(key) == plain(member) for key in document):
            yield at, document
            return
        for key, value in document.items():
            yield from holders(value, member, f"{at}.{key}" if at else str(key), depth + 1)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from holders(value, member, f"{at}[{index}]", depth + 1)


def as_in_model(name: str, value: Any, errors: list[RequestFault], path: str = "") -> Any:
    """A copy of a value whose members are spelled as those of a shape; other members stay as they are.

    Parameters
    ----------
    name : str
        The shape.
    value : object
    errors : list of RequestFault
        Gets an error for each member that is given twice.
    path : str
    """
    shape = shapes().get(name, {})
    kind = shape.get("type")
    if kind == "structure" and isinstance(value, Mapping):
        members = {plain(member): member for member in shape["members"]}
        found: dict[Any, Any] = {}
        first: dict[str, Any] = {}
        for key, inner in value.items():
            member = str(key) if key in shape["members"] else members.get(plain(key), str(key))
            place = f"{path}.{member}" if path else str(member)
            if first.setdefault(member, key) != key:
                errors.append(RequestFault(place, f"is given twice, as {first[member]} and as {key}"))
            inner_shape = shape["members"].get(member)
            found[member] = inner if inner_shape is None else as_in_model(inner_shape, inner, errors, place)
        return found
    if kind == "list" and isinstance(value, list):
        return [as_in_model(shape["member"], inner, errors, f"{path}[{index}]") for index, inner in enumerate(value)]
    return value
