"""The names of metrics' folders: percent-encoded where a path, a reader of datasets or a file system would misread them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

# file systems allow 255 bytes
_MOST_CHARACTERS = 200
# Windows takes these for devices, whatever stands behind a dot
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9]|lpt[0-9]) *(\.|$)", re.IGNORECASE)


def folder_name(metric: str) -> str:
    """The name of a metric's folder, in a dataset of no other metric: see :func:`folder_names`.

    >>> folder_name("validation:auc"), folder_name("a/b"), folder_name(".."), folder_name("_loss"), folder_name("nul")
    ('validation%3Aauc', 'a%2Fb', '%2E%2E', '%5Floss', '%6Eul')
    """
    return _shortened(_encoded(metric), metric)


def folder_names(metrics: Iterable[str]) -> dict[str, str]:
    """The name of each metric's folder, by metric; no two are the same where upper and lower case are.

    Of names that differ only in case, capitals are encoded in all but the one in lower case.

    >>> folder_names(["loss", "Loss", "Accuracy"])
    {'loss': 'loss', 'Loss': '%4Coss', 'Accuracy': 'Accuracy'}
    """
    names = list(metrics)
    folded: dict[str, int] = {}
    for name in names:
        key = folder_name(name).lower()
        folded[key] = folded.get(key, 0) + 1
    return {name: _apart(name) if folded[folder_name(name).lower()] > 1 else folder_name(name) for name in names}


def metric_name(folder: str) -> str:
    """The metric of a folder: the inverse of :func:`folder_name` for names that were not shortened.

    >>> metric_name("validation%3Aauc")
    'validation:auc'
    """
    try:
        return unquote(folder, errors="surrogatepass")
    except UnicodeDecodeError:
        # shortened within a character
        return unquote(folder)


def _encoded(metric: str) -> str:
    name = quote(metric, safe=" +-._,()[]{}@!$&'~^", errors="surrogatepass")
    if name[0] in "._~" or _RESERVED.match(name):
        name = _byte(name[0]) + name[1:]
    if name[-1] in ". ":
        # Windows drops them
        name = name[:-1] + _byte(name[-1])
    return name


def _apart(metric: str) -> str:
    """A name without capitals, but for the digits of encoded bytes."""
    without = re.sub(r"(?<!%)(?<!%[0-9A-F])[A-Z]", lambda found: _byte(found[0]), _encoded(metric))
    return _shortened(without, metric)


def _byte(character: str) -> str:
    return f"%{ord(character):02X}"


def _shortened(name: str, metric: str) -> str:
    if len(name) <= _MOST_CHARACTERS:
        return name
    digest = hashlib.sha256(metric.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[:180].rstrip('%')}~{digest}"
