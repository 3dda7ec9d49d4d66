"""What a live stream costs: feeding it chunk by chunk, taking rows out of it, opening one."""

from __future__ import annotations

import random

import pytest
from inputs import corpora

import metricscan

CHUNKS = 10_000


def _chunks(density: float) -> list[bytes]:
    draw = random.Random(corpora.SEED)
    line = corpora.gan_line if density else corpora.ordinary_line
    return [(line(draw)[:199].ljust(199) + "\n").encode() for _ in range(CHUNKS)]


@pytest.mark.parametrize(("title", "density"), [("no match", 0.0), ("four matches", 1.0)])
def test_feed(benchmark, title, density):
    chunks = _chunks(density)
    scanner = metricscan.Scanner(corpora.GAN_DEFINITIONS)
    expected = sum(table.num_rows for table in scanner.scan(chunks).values())
    benchmark.group = f"feed {CHUNKS:,} chunks of 200 bytes"

    def feed_all() -> int:
        rows = 0
        with scanner.stream() as stream:
            for i, chunk in enumerate(chunks):
                stream.feed(chunk)
                if i % 1000 == 999:
                    rows += sum(batch.num_rows for batch in stream.take().values())
        return rows

    assert feed_all() == expected
    benchmark.pedantic(feed_all, rounds=5, warmup_rounds=1)


def test_open_and_close(benchmark):
    scanner = metricscan.Scanner(corpora.definitions(40))
    benchmark.group = "open and close a stream, 40 definitions"

    def once() -> None:
        with scanner.stream() as stream:
            stream.feed(b"Loss = 1.5;\n")

    benchmark(once)
