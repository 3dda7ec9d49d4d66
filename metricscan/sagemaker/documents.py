"""JSON documents of the service, as people paste them into files."""

from __future__ import annotations

import json
from typing import Any

from metricscan.definitions.pasted import blanked, ellipsis_at, line_and_column, python_literal, stray_backslashes
from metricscan.errors import SourceError
from metricscan.sagemaker.errors import RequestError, RequestFault


def read_document(path: str, what: str) -> Any:
    """Read a JSON document of the service.

    A document that was pasted from documentation or printed by Python is accepted too: commas after last items are ignored,
    and Python literals are read.

    Parameters
    ----------
    path : str
    what : str
        What error messages call the document.

    Raises
    ------
    RequestError
        The file is not JSON.
    SourceError
        The file cannot be read, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {what} {path}", path=path, cause=error) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8", path=path, offset=error.start, cause=error) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    except RecursionError:
        raise RequestError(
            (RequestFault("", "the document is nested too deeply"),), source=path, document=what
        ) from None
    gap = ellipsis_at(text)
    if gap is not None:
        raise _syntax(
            text,
            gap,
            path,
            what,
            "... marks text that the documentation omits",
            "replace it with the omitted text",
        )
    try:
        return json.loads(blanked(text))
    except json.JSONDecodeError as error:
        if "'" in text:
            try:
                return python_literal(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError, Warning):
                pass
        stray = stray_backslashes(text)
        if stray:
            faults = tuple(
                RequestFault(
                    "",
                    f"{line_and_column(text, at)}: {text[at : at + 2]} is not a JSON string escape",
                    f"write \\{text[at : at + 2]}",
                )
                for at in stray
            )
            raise RequestError(faults, source=path, document=what) from None
        raise _syntax(text, error.pos, path, what, f"not JSON: {error.msg}") from None


def _syntax(text: str, at: int, path: str, what: str, message: str, hint: str | None = None) -> RequestError:
    error = RequestFault("", f"{line_and_column(text, at)}: {message}", hint)
    return RequestError((error,), source=path, document=what)
