"""Synthetic training logs of any size, made from a seed: what every benchmark reads.

The metric line is the one of the tuning service's documentation, with other numbers in every line. It stands among
ordinary log lines whose lengths follow a sample of 45 real training logs. The standard library alone is needed here
(``memory.py`` must stay small beside the process it measures), and nothing large is ever committed.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 20260901

Definitions = list[dict[str, str]]

GAN_DEFINITIONS: Definitions = [
    {"Name": "ganloss", "Regex": "GAN_loss=(.*?);"},
    {"Name": "disc-combined", "Regex": "disc-combined=(.*?);"},
    {"Name": "discloss", "Regex": "disc_train_loss=(.*?);"},
    {"Name": "loss", "Regex": "Loss = (.*?);"},
]

PROGRESS_DEFINITIONS: Definitions = [
    {"Name": "loss", "Regex": "loss=([0-9.]+)"},
    {"Name": "acc", "Regex": "acc=([0-9.]+)"},
]

# Where no match is, a pattern with two open ends is tried from each place that it could start at: `re` takes a time that
# grows with the square of the line.
TANGLED_DEFINITIONS: Definitions = [
    {"Name": "acc", "Regex": "loss=.*acc=([0-9.]+);"},
    {"Name": "end", "Regex": r"loss=[0-9.]+ [^;\n]*;[^;\n]*; end=([0-9.]+)"},
]

# Line length in bytes by quantile, over 45 real logs of 20 frameworks; lengths between two points are drawn evenly.
_LENGTH_QUANTILES = (0.0, 0.10, 0.50, 0.90, 0.99, 0.999, 0.9999, 1.0)
_LENGTHS = (0, 16, 75, 132, 488, 1357, 33210, 60000)


class Workload(NamedTuple):
    """One input and what is looked for in it."""

    name: str
    definitions: Definitions
    data: bytes
    carriage_returns: bool
    r"""Whether records end in ``\r`` as well, which tools that know lines alone cannot read."""


def definitions(count: int) -> Definitions:
    """Return the four definitions of the metric line, and beside them as many that never match as make up `count`."""
    names = (f"metric_{i:03d}" for i in range(count - len(GAN_DEFINITIONS)))
    return [*GAN_DEFINITIONS, *({"Name": name, "Regex": f"{name}=(.*?);"} for name in names)]


def gan_line(draw: random.Random) -> str:
    """Return one line with four metrics, shaped as the documentation's."""
    r = draw.random
    return (
        f"GAN_loss={r() * 2:.6f};  Scaled_reg={r() * 9:.6f}; disc:[{-r():.6f},{r():.6f}] real {r() * 100:.1f}%"
        f" gen {r() * 100:.1f}% disc-combined={r() * r():.6f}; disc_train_loss={r() * 3:.6f};  Loss = {r() * 99:.6f};"
        f"  Iteration {int(r() * 90000)} took {r() * 2:.3f}s;  Elapsed={int(r() * 9e5)}s"
    )


def decoy_line(draw: random.Random) -> str:
    """Return a line that holds every literal of the metric line and no value: the worst case of a literal search."""
    r = draw.random
    return (
        f"GAN_loss={r():.6f} disc-combined={r():.6f} disc_train_loss={r():.6f} Loss = {r():.6f}"
        f" Elapsed={int(r() * 9e5)}s"
    )


def _clock(r: Callable[[], float]) -> str:
    return f"{int(r() * 24):02d}:{int(r() * 60):02d}:{int(r() * 60):02d}"


def _info(draw: random.Random) -> str:
    r = draw.random
    return (
        f"2026-03-{1 + int(r() * 28):02d} {_clock(r)},{int(r() * 1000):03d}"
        f" INFO trainer.py:{int(r() * 900)} step {int(r() * 1e5)} lr {r() * 1e-3:.2e} grad_norm {r() * 4:.3f}"
    )


def _batch(draw: random.Random) -> str:
    r = draw.random
    return (
        f"INFO:root:{_clock(r)} [Epoch {int(r() * 90)} Batch {int(r() * 5054)}/5054]"
        f" loss={r() * 7:.4f}, lr={r() * 1e-4:.7f}, accuracy:{r():.4f}"
    )


def _timm(draw: random.Random) -> str:
    r = draw.random
    return (
        f"Train: {int(r() * 300)} [{int(r() * 1251):4d}/1251 ({int(r() * 100):3d}%)]"
        f"  Loss: {r() * 7:.3f} ({r() * 7:.2f})  Time: {r():.3f}s, {r() * 2000:.2f}/s  LR: {r() * 1e-3:.3e}"
    )


def _dictionary(draw: random.Random) -> str:
    r = draw.random
    return (
        f"{{'loss': {r() * 7:.4f}, 'grad_norm': {r() * 9!r}, 'learning_rate': {r() * 1e-5!r}, 'epoch': {r() * 3:.2f}}}"
    )


def _bar(draw: random.Random) -> str:
    r = draw.random
    done = int(r() * 100)
    return f"{done:3d}%|{'█' * (done // 10):<10}| {done * 10}/1000 [{_clock(r)}, {r() * 99:.2f}it/s]"


def _event(draw: random.Random) -> str:
    r = draw.random
    return (
        f':::MLLOG {{"namespace": "", "time_ms": {1700000000000 + int(r() * 1e9)}, "event_type": "POINT_IN_TIME",'
        f' "key": "tracked_stats", "value": {{"throughput": {r() * 3e4:.3f}}},'
        f' "metadata": {{"lineno": {int(r() * 900)}}}}}'
    )


def _iteration(draw: random.Random) -> str:
    r = draw.random
    return (
        f" iteration {int(r() * 5e5):8d}/  500000 | consumed samples: {int(r() * 1e7):12d} |"
        f" elapsed time per iteration (ms): {r() * 900:.1f} | learning rate: {r() * 1e-3:.3E} |"
        f" lm loss: {r() * 9:.6E} | grad norm: {r() * 3:.3f} |"
    )


def _warning(draw: random.Random) -> str:
    r = draw.random
    thread = int(r() * 1e6)
    return f"W0301 {_clock(r)}.{int(r() * 1e6):06d} {thread} cuda_dnn.cc:413] Loaded cuDNN version {int(r() * 9e3)}"


_KINDS: tuple[tuple[Callable[[random.Random], str], int], ...] = (
    (_info, 8), (_batch, 6), (_timm, 5), (_dictionary, 5), (_event, 4), (_iteration, 5), (_warning, 5),
    (_bar, 1),  # the only lines that are not ASCII: one in forty
)  # fmt: skip
_ORDINARY = [kind for kind, share in _KINDS for _ in range(share)]
_SHORT = ("", "-" * 16, "}", "Epoch", "  warnings.warn(", "+ set +x", "saving model", "Start of epoch", "done")
_OPTIONS = ("hidden", "layers", "dropout", "beta", "seed")


def ordinary_line(draw: random.Random) -> str:
    """Return a line without any of the metrics, of a length drawn from those of real logs."""
    quantile = draw.random()
    i = bisect_right(_LENGTH_QUANTILES, quantile) - 1
    share = (quantile - _LENGTH_QUANTILES[i]) / (_LENGTH_QUANTILES[i + 1] - _LENGTH_QUANTILES[i])
    length = int(_LENGTHS[i] + share * (_LENGTHS[i + 1] - _LENGTHS[i]))
    if length < 24:
        return (draw.choice(_SHORT) + f" {draw.random() * 1e6:.0f} {draw.random()!r}")[:length]
    parts = [draw.choice(_ORDINARY)(draw)]
    size = len(parts[0])
    while size < length:  # a long line is a dump of options, or several messages run together
        parts.append(f" {draw.choice(_OPTIONS)}_{int(draw.random() * 99)}={draw.random():.4f},")
        size += len(parts[-1])
    return "".join(parts)[:length]


def log_lines(density: float, draw: random.Random) -> Iterator[str]:
    """Yield lines without end, a share `density` of them (drawn at random, not periodic) with four metrics."""
    while True:
        yield gan_line(draw) if draw.random() < density else ordinary_line(draw)


def progress_lines(draw: random.Random) -> Iterator[str]:
    r"""Yield epochs without end: each one line, rewritten by ``\r`` as a progress bar does on a pipe."""
    epoch = 0
    while True:
        epoch += 1
        steps = 20 + int(draw.random() * 200)
        rewrites = []
        for step in range(steps + 1):
            done = step * 100 // steps
            rewrites.append(
                f"Epoch {epoch}: {done:3d}%|{'#' * (done // 10):<10}| {step}/{steps} [00:{step % 60:02d}<00:12,"
                f" {draw.random() * 99:.2f}it/s, loss={draw.random() * 4:.3f}, acc={draw.random():.4f}]"
            )
        yield "\r".join(rewrites)


def decoy_lines(draw: random.Random) -> Iterator[str]:
    """Yield decoys without end."""
    while True:
        yield decoy_line(draw)


def tangled_lines(draw: random.Random) -> Iterator[str]:
    """Yield lines without end that start like a match thirty times; one in a hundred is one."""
    r = draw.random
    while True:
        line = "".join(f"loss={r():.4f} " for _ in range(30))
        yield f"{line}; x; end={r():.3f} loss=1 acc={r():.4f}; done" if r() < 0.01 else line


def blocks(lines: Iterator[str], size_bytes: int, block_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Join lines into blocks that end at a line's end, until at least `size_bytes` have been yielded."""
    made = 0
    pending: list[str] = []
    pending_size = 0
    for line in lines:
        pending.append(line)
        pending_size += len(line) + 1
        if pending_size >= block_bytes or made + pending_size >= size_bytes:
            block = ("\n".join(pending) + "\n").encode()
            yield block
            made += len(block)
            pending.clear()
            pending_size = 0
            if made >= size_bytes:
                return


DENSITIES = {"every": 1.0, "tenth": 0.1, "hundredth": 0.01, "never": 0.0}
WORKLOADS = (*DENSITIES, "decoys", "progress", "tangled")


def workload(name: str, size_bytes: int, definition_count: int = 4, seed: int = SEED) -> Workload:
    r"""Make one of `WORKLOADS`.

    Parameters
    ----------
    name : str
        ``every``, ``tenth``, ``hundredth`` and ``never`` say how many lines hold the four metrics; ``decoys`` has lines
        with all the literals and no value; ``progress`` has bars rewritten by ``\r``; ``tangled`` is what backtracks.
    size_bytes : int
        At least so many bytes, ending at a line's end.
    definition_count : int
        How many definitions are looked for; from the fifth on they never match.
        ``progress`` and ``tangled`` have two of their own, always.
    seed : int
        Equal seeds give equal bytes.
    """
    draw = random.Random(f"{seed} {name}")
    if name == "progress":
        return Workload(name, PROGRESS_DEFINITIONS, b"".join(blocks(progress_lines(draw), size_bytes)), True)
    if name == "tangled":
        return Workload(name, TANGLED_DEFINITIONS, b"".join(blocks(tangled_lines(draw), size_bytes)), False)
    lines = decoy_lines(draw) if name == "decoys" else log_lines(DENSITIES[name], draw)
    return Workload(name, definitions(definition_count), b"".join(blocks(lines, size_bytes)), False)


def prefix(whole: Workload, size_bytes: int) -> Workload:
    """Cut a workload after the first line that ends at or past `size_bytes`."""
    end = whole.data.find(b"\n", size_bytes) + 1
    return whole if end == 0 else whole._replace(data=whole.data[:end])
