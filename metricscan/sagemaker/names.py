"""Names of jobs that the service accepts, made from any names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CHARACTERS = 63
_LEGAL = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}")


def legal_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name to a unique one of letters, digits and hyphens, at most 63 characters; legal names stay unchanged.

    The rule is that of ``TrainingJobName`` in the API Reference, CreateTrainingJob.

    >>> legal_names(["trial/lr=0.1", "trial-lr-0-1", "é"])
    {'trial/lr=0.1': 'trial-lr-0-1-2', 'trial-lr-0-1': 'trial-lr-0-1', 'é': 'job'}
    """
    listed = list(dict.fromkeys(names))
    taken = {name for name in listed if len(name) <= MOST_CHARACTERS and _LEGAL.fullmatch(name)}
    result: dict[str, str] = {}
    for name in listed:
        if name in taken and name not in result.values():
            result[name] = name
            continue
        short = re.sub(r"[^a-zA-Z0-9]+", "-", name).strip("-")[:MOST_CHARACTERS].rstrip("-") or "job"
        candidate, number = short, 1
        while candidate in taken:
            number += 1
            suffix = f"-{number}"
            candidate = short[: MOST_CHARACTERS - len(suffix)].rstrip("-") + suffix
        taken.add(candidate)
        result[name] = candidate
    return result
