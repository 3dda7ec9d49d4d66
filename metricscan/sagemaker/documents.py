"""Documents of the service, as people paste them into files."""

from __future__ import annotations

import os
from typing import Any

from metricscan.definitions import documents
from metricscan.definitions.pasted import PastedError, text_of
from metricscan.definitions.paths import read_whole
from metricscan.errors import SourceError
from metricscan.sagemaker.errors import RequestError, RequestFault


def read_document(path: str, what: str) -> tuple[Any, list[str]]:
    """Read a document of the service: JSON or YAML.

    A document that was pasted from documentation or printed by Python is accepted too: commas after last items are ignored,
    and Python literals are read.

    Parameters
    ----------
    path : str
    what : str
        What error messages call the document.

    Returns
    -------
    document
    warnings : list of str

    Raises
    ------
    RequestError
        The file is of none of these formats.
    SourceError
        The file cannot be read, or is not UTF-8, or not in the encoding of its byte-order mark.
    """
    try:
        data = read_whole(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {what} {path}", path=path, cause=error) from error
    try:
        text = text_of(data)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not {error.encoding.upper()}", path=path, offset=error.start, cause=error
        ) from error
    suffix = os.path.splitext(path)[1].lower()
    try:
        if not text.strip():
            return documents.read_pasted(text)
        return documents.read_document(text, suffix)
    except PastedError as error:
        faults = tuple(RequestFault("", message, hint) for message, hint in error.placed())
        raise RequestError(faults, source=path, document=what) from None
