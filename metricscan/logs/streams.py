"""The streams that each log holds, as far as the search for logs must know them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metricscan.errors import SourceError
from metricscan.logs._reading import FLAG_EXPORT, FLAG_MARKED, FLAG_PACKED, look_at
from metricscan.logs.archives import member_of
from metricscan.logs.compression import MAGIC_PREFIXES
from metricscan.logs.exports import stream_names
from metricscan.logs.formats import REFUSED, format_of
from metricscan.logs.job import STDIN, Notice
from metricscan.logs.naming import absolute
from metricscan.logs.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metricscan.logs.archives import Archive


def streams_of(
    logs: Mapping[str, int | None],
    input_format: str,
    archives: Mapping[str, Archive],
    notices: list[Notice] | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[tuple[str, str | None]]:
    """The path of each log with the name of each stream in it.

    An export gives one pair for each stream that its events name (``""`` for events that name none), a container's log one for
    its standard output and one for its standard error. Any other log gives one pair with None.

    Parameters
    ----------
    logs : mapping of str to (int or None)
        As :func:`metricscan.logs.find.find_logs` gives them.
    input_format : str
    archives : mapping of str to Archive
        Those that were searched, by their paths.
    notices : list of Notice, optional
        Gets a notice if formats are detected and differ, once the iterator is at its end.
    known : mapping of str to sequence of str, optional
        By absolute path, the streams of exports that are known.
    """
    if input_format == "auto":
        unseen = [path for path, shown in logs.items() if shown is None and path != STDIN and os.path.isfile(path)]
        looks = look_at([*map(os.fsencode, unseen)], MAGIC_PREFIXES)
        logs = {**logs, **{path: None if look is None else look[-1] for path, look in zip(unseen, looks, strict=True)}}
    # per format that was detected, how many logs have it, and the first of them
    detected: dict[str, tuple[int, str]] = {}
    format_: str | None
    streams: list[str | None]
    # most files take the shortest way: plain text, like one before them
    is_usual = input_format == "auto" and not archives
    usual = 0
    for path, shown in logs.items():
        if shown == 0 and is_usual and "plain" in detected:
            usual += 1
            yield path, None
            continue
        if known and (named := known.get(absolute(path))) is not None:
            yield from ((path, name) for name in named if named != [""])
            if named == [""]:
                yield path, None
            continue
        member = member_of(path, archives)
        if member is not None:
            archive, name = member
            format_ = archive.formats.get(name, "plain" if input_format == "auto" else None)
            streams = archive.streams.get(name, [None])
        elif shown is not None and not shown & (FLAG_PACKED | FLAG_EXPORT | FLAG_MARKED) and input_format == "auto":
            format_, streams = "plain", [None]
        else:
            format_, streams = _streams_in(path, input_format)
        if format_ and format_ not in REFUSED:
            count, example = detected.get(format_, (0, path))
            detected[format_] = (count + 1, example)
        yield from ((path, name) for name in streams)
    if usual:
        count, example = detected["plain"]
        detected["plain"] = (count + usual, example)
    if notices is not None and input_format == "auto" and len(detected) > 1:
        notices.append(_of_formats(detected))


def _of_formats(detected: Mapping[str, tuple[int, str]]) -> Notice:
    """The notice that logs have different formats.

    It does not say which of them are normal together: if one of a job's logs was taken for another format than the rest, its
    records differ from theirs, and the ranking does not show that.
    """
    most_first = sorted(detected.items(), key=lambda one: -one[1][0])
    listed = ", ".join(
        f"{count} {'is' if count == 1 else 'are'} {format_} ({example})" for format_, (count, example) in most_first
    )
    return Notice(
        f"the logs have different formats: {listed}; --input-format (input_format=) reads all of them as one", None
    )


def _streams_in(path: str, input_format: str) -> tuple[str | None, list[str | None]]:
    """The format of one log, None if it is not known, and its streams, as :func:`streams_of` gives them."""
    if input_format == "plain" or path == STDIN or not os.path.isfile(path):
        return None, [None]
    format_ = None
    try:
        with open_source(path) as opened:
            format_ = format_of(opened, input_format)
            has_streams = format_ not in ("plain", "s3-export") and format_ not in REFUSED
            names = stream_names(opened, format_) if has_streams else []
    except SourceError:
        # the scan reports the error
        return format_, [None]
    return format_, [None] if names in ([], [""]) else [*names]
