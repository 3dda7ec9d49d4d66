"""The errors of logs that a replay met, and the ends of logs that it could not scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.errors import SourceError
from metricscan.replaying.shared_file import Ended
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metricscan.logs.exports import ExportReader


def of_later_streams(export: ExportReader, by_stream: Mapping[str | None, int]) -> SourceError | None:
    """The error of an export that has events of streams that it had not when logs were searched: they belong to no job."""
    counted = [0] if export.decoder is None else [count for *_, count in export.decoder.streams]
    pairs = zip(export.stream_names, counted, strict=False)
    later = {name or "": count for name, count in pairs if count and (name or "") not in by_stream}
    if not later:
        return None
    events, first = sum(later.values()), next(iter(later))
    path = export.source.name
    streams = f"{len(later)} stream{'' if len(later) == 1 else 's'}"
    message = f"{path} has {events:,} event{'' if events == 1 else 's'} of {streams} that came after logs were searched"
    return SourceError(
        f"{message}: {first!r}; they gave no rows", path=path, hint="replay again, once the export is whole"
    )


def of_log(error: SourceError | MemoryError, path: str) -> SourceError:
    """The error of one log. Without memory for it there may be some for the next."""
    if isinstance(error, SourceError):
        return error
    return SourceError(f"{path} was not read to its end: {str(error) or 'no memory'}", path=path)


def ends(numbers: list[int], failure: SourceError) -> Iterator[tuple[int, Ended]]:
    """The ends of logs in a file that cannot be read: one error for all of them."""
    for number in numbers:
        yield number, Ended(ScanStats(), failure if number == numbers[0] else None)
