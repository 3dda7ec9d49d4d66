"""The page as one HTML file: data, script and style stand in it, and its policy lets it load nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metricscan.errors import OptionError
from metricscan.reports.packing import embedded

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES = Path(__file__).parent / "page_files"
# The parts of the chart library that the page needs.
_LIBRARY = ("bokeh.min.js", "bokeh-api.min.js")


def page_html(data: Mapping[str, Any], *, live: bool = False) -> str:
    """The text of the page.

    Parameters
    ----------
    data : mapping
        As :func:`metricscan.reports.page_data.page_data` gathers it.
    live : bool
        Whether the page may ask the server that it comes from for new data.

    Raises
    ------
    OptionError
        Bokeh is not installed.
    """
    library, script = _library(), _script()
    # what the chart library draws has styles of its own; scripts are these two alone
    allowed = {
        "default-src": "'none'",
        "script-src": f"{_digest(library)} {_digest(script)}",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if live else {}),
    }
    parts = {
        "policy": "; ".join(f"{name} {value}" for name, value in allowed.items()),
        "title": html.escape(_readable(str(data["title"]))),
        "style": (_FILES / "page.css").read_text(encoding="utf-8"),
        "data": embedded(data),
        "library": library,
        "script": script,
    }
    frame = (_FILES / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], frame)


def _readable(text: str) -> str:
    """Text without what UTF-8 cannot hold, and without control characters; the script spells them."""
    return "".join(one if one.isprintable() else "�" for one in text)


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def _library() -> str:
    """The script of Bokeh, from its Python package, which is not imported for it.

    Raises
    ------
    OptionError
        Bokeh is not installed, or lacks its script.
    """
    hint = "pip install 'metricscan[report]'"
    found = importlib.util.find_spec("bokeh")
    if found is None or not found.submodule_search_locations:
        raise OptionError("a report needs bokeh, whose script draws the curves", hint=hint)
    folder = os.path.join(found.submodule_search_locations[0], "server", "static", "js")
    try:
        texts = [Path(folder, name).read_text(encoding="utf-8") for name in _LIBRARY]
    except OSError as error:
        raise OptionError(
            f"the installed bokeh lacks its script: {error.strerror} ({error.filename})", hint=hint
        ) from None
    # a line end, so that no comment at the end of one part reaches into the next
    return _safe("\n".join(texts))


@cache
def _script() -> str:
    names = sorted(name for name in os.listdir(_FILES) if name.endswith(".js"))
    texts = [(_FILES / name).read_text(encoding="utf-8") for name in names]
    return _safe('"use strict";\n(() => {\n' + "\n".join(texts) + "})();\n")


def _safe(script: str) -> str:
    """The script as it can stand in a page: nothing in it ends its element, and the parser changes none of its line ends."""
    script = script.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\\0")
    return re.sub(r"<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE)
