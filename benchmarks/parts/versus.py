"""Every engine side by side on synthetic logs, each one's answer checked first."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import oracles
from inputs import corpora
from measure import Contender, Measurement, WrongAnswerError, line, race
from peers import answers, engines, floors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# As long as is enough for ours to be timed well; most peers get a prefix.
BYTES = 64 << 20
ONE_FOR_ALL = ("progress", "tangled")  # they have definitions of their own, whatever the count


@functools.cache
def made(name: str, size_bytes: int) -> tuple[corpora.Workload, answers.Expected]:
    """Make a workload and its right answer once; further definitions find nothing in it."""
    workload = corpora.workload(name, size_bytes, 4)
    expected = answers.oracle(workload)
    oracles.check(workload, expected)
    return workload, expected


def contenders(
    workload: corpora.Workload,
    expected: answers.Expected,
    wanted: set[str] | None,
    path: Path,
    say: Callable[[str], None],
) -> list[Contender]:
    """Prepare the engines for a workload, and check the answer of each; the floors come first."""
    size = len(workload.data)
    ready = [
        Contender("read memory", "", size, 0, floors.read_all(workload.data)),
        Contender("wc -l", "", size, 0, floors.count_newlines(path)),
    ]
    for engine in engines.ENGINES:
        if wanted is not None and engine.name not in wanted:
            continue
        reason = engine.absent() or engine.declines(workload)
        if reason is not None:
            say(f"  {engine.name} left out: {reason}")
            continue
        limit = engine.limit_bytes
        part = workload if limit is None or limit >= size else corpora.prefix(workload, limit)
        right = expected if part is workload else expected.up_to(len(part.data))
        call = engine.prepare(part, path)
        wrong = answers.difference(call(), right)
        if wrong is not None:
            raise WrongAnswerError(f"{engine.name} on {workload.name}: {wrong}")
        ready.append(Contender(engine.name, engine.version(), len(part.data), right.row_count, call))
    return ready


def run(
    names: list[str],
    counts: list[int],
    rounds: int,
    wanted: set[str] | None,
    folder: Path,
    say: Callable[[str], None],
    size_bytes: int = BYTES,
) -> Iterator[Measurement]:
    """Race all engines on each workload with each number of definitions."""
    for name in names:
        for count in counts if name not in ONE_FOR_ALL else counts[:1]:
            workload, expected = made(name, size_bytes)
            if count != 4 and name not in ONE_FOR_ALL:
                workload = workload._replace(definitions=corpora.definitions(count))
                expected = expected.over(definition["Name"] for definition in workload.definitions)
            say(f"{name}: {len(workload.data) / 1e6:.0f} MB, {len(workload.definitions)} definitions")
            path = folder / f"{name}.log"
            path.write_bytes(workload.data)
            ready = contenders(workload, expected, wanted, path, say)
            found = race(ready, rounds, "engines", name, len(workload.definitions))
            yield from found
            report(found, say)
            path.unlink()
        made.cache_clear()


def report(found: list[Measurement], say: Callable[[str], None]) -> None:
    """Print one workload's speeds, and what ours is beside the floors and the peers."""
    speed = {m.engine: m.figure for m in found}
    peers = {m.engine: m.figure for m in found if m.engine in {peer.name for peer in engines.PEERS}}
    for m in found:
        say(line(m))
    ours = speed.get("metricscan")
    if ours is None:
        return
    parts = [f"{ours / speed['read memory']:.2f} of reading memory", f"{ours / speed['wc -l']:.2f} of wc -l"]
    if peers:
        best = max(peers, key=peers.__getitem__)
        parts += [f"{ours / peers[best]:.1f}x the best peer ({best})"]
    say("  metricscan: " + ", ".join(parts))
