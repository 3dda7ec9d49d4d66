"""The rows of one log, whose reader may be begun anew anywhere, beside a scan of the whole."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Scanner
from metricscan.live.reading import LogReader

PIECES = st.sampled_from([b"row=1", b"row=23 ", b"\n", b"\n", b"\r", b"\r\n", b"x", b"\0", b"\xef\xbb\xbf", b"=4"])
DEFINITIONS = ["row=row=([0-9.]+)", "end=([0-9])$"]


class Rows:
    """The rows that readers gave, without those that were replaced."""

    def __init__(self):
        self.found = {}
        self.checkpoints = {}

    def take(self, lists):
        for parts in lists:
            for one in parts:
                assert one.part == 0
                for name, rows in self.found.items():
                    self.found[name] = [row for row in rows if row[2] not in one.replaces]
                for name, batch in one.rows.items():
                    rows = zip(
                        *(batch.column(column).to_pylist() for column in ("value", "line", "offset", "start")),
                        strict=True,
                    )
                    self.found.setdefault(name, []).extend(rows)
                self.checkpoints[0] = one.checkpoint


def scanned(scanner, data):
    return {
        name: [tuple(row.values())[:4] for row in table.to_pylist()]
        for name, table in scanner.scan(data).items()
        if table.num_rows
    }


@given(st.lists(PIECES, max_size=25), st.data())
@pytest.mark.parametrize("newline", ["universal", "lf"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_it_does_not_matter_where_readers_begin(newline, encoding, pieces, data):
    content = b"".join(pieces)
    if encoding == "utf-16":
        # a NUL behind the mark would make it that of UTF-32
        content = content.replace(b"\xef\xbb\xbf", b"").replace(b"\0", b"").decode().encode(encoding)
    scanner = Scanner(DEFINITIONS, newline=newline)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=12)) | {len(content)})
    rows = Rows()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "a.log")
        log.touch()
        reader = LogReader(str(log), scanner)
        begin = 0
        for cut in cuts:
            with open(log, "ab") as file:
                file.write(content[begin:cut])
            begin = cut
            rows.take(reader.poll())
            if data.draw(st.booleans()):
                rows.take([reader.flush()])
            if data.draw(st.booleans()):
                reader.close()
                reader = LogReader(str(log), scanner, rows.checkpoints)
        rows.take(reader.poll())
        rows.take([reader.flush()])
        reader.close()
    assert {name: found for name, found in rows.found.items() if found} == scanned(scanner, content)


def test_a_row_that_waits_for_its_step_at_a_truncation_comes_without_one(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("loss=1\nepoch=1\nloss=2\nloss=")
    scanner = Scanner(["loss=loss=([0-9.]+)", "epoch=epoch=([0-9]+)"])
    reader = LogReader(str(log), scanner, stream={"step": "epoch", "step_place": "after"})
    found = [one for parts in reader.poll() for one in parts]
    log.write_text("loss=3\n")
    found += [one for parts in reader.poll() for one in parts]
    reader.close()
    rows = [(one.part, row.value, row.step) for one in found for taken in one.taken for row in taken.rows]
    assert rows == [(0, 1, 1), (0, 2, None)]
