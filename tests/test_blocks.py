"""Blocks of one large input: as long as their rows allow, and without any say in what the rows are."""

import pytest
from feeding import scanned

from metricscan import Scanner, _blocks

SCANNER = Scanner([r"loss=loss=(\S+)", r"acc=acc=([0-9.]+)"])


@pytest.fixture
def blocks(monkeypatch):
    """Blocks so short that some kilobytes are many; the sizes that were chosen are noted."""
    sizes = []
    for name, size in {
        "FIRST_BLOCK_BYTES": 2000,
        "LEAST_BLOCK_BYTES": 200,
        "BLOCK_BYTES": 4000,
        "BLOCK_ROWS": 50,
    }.items():
        monkeypatch.setattr(_blocks, name, size)
    scan_block = _blocks._scan_block

    def noted(scanner, text, start, stop, like):
        sizes.append(stop - start)
        return scan_block(scanner, text, start, stop, like)

    monkeypatch.setattr(_blocks, "_scan_block", noted)
    return sizes


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("from_file", [False, True])
def test_blocks_fit_their_rows_and_change_none(blocks, tmp_path, threads, from_file):
    nothing = b"a line of a log without a metric in it\n" * 500
    dense = b"loss=0.5\r\nloss=x\nacc=1 acc=2\r" * 800
    data = nothing + dense + nothing + b"loss=7 " * 900 + b"\n" + dense
    source = data
    if from_file:
        source = tmp_path / "job.log"
        source.write_bytes(data)
    assert scanned(SCANNER, source, threads) == scanned(SCANNER, source, 1)
    assert sum(blocks) == len(data)
    assert blocks[0] == 2000
    assert max(blocks) == 4000
    # two rows of a metric in 30 bytes: 50 in 750
    assert any(700 <= size <= 800 for size in blocks)
    assert min(blocks[:-1]) >= 200
