"""The rows of one log, whose reader may be begun anew anywhere, beside a scan of the whole."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import metricscan
from metricscan import Scanner
from metricscan._core import Columns
from metricscan.live.identity import WINDOW_BYTES, FileStatus
from metricscan.live.reading import LogReader
from metricscan.scanning.arrow import from_columns

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
                    batch = from_columns(batch) if isinstance(batch, Columns) else batch
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
        gives_columns = data.draw(st.booleans())
        reader = LogReader(str(log), scanner, gives_columns=gives_columns)
        begin = 0
        for cut in cuts:
            with open(log, "ab") as file:
                file.write(content[begin:cut])
            begin = cut
            if data.draw(st.booleans()) and (grown := reader.grown(FileStatus.of(str(log)))) is not None:
                rows.take([[grown]])
            else:
                rows.take(reader.poll())
            if data.draw(st.booleans()):
                rows.take([reader.flush()])
            if data.draw(st.booleans()):
                reader.close()
                reader = LogReader(str(log), scanner, rows.checkpoints, gives_columns=gives_columns)
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


SCANNER = Scanner(["row=row=([0-9]+)"])
LINES = b"".join(b"row=%d\n" % number for number in range(2000))


class Settled:
    """A log all of whose content was read."""

    def __init__(self, folder, content, **options):
        self.path = folder / "a.log"
        self.path.write_bytes(content)
        self.reader = LogReader(str(self.path), SCANNER, **options)
        for _ in self.reader.poll():
            continue

    def grown(self):
        return self.reader.grown(FileStatus.of(str(self.path)))

    def polled(self):
        """The values that a poll finds, by part."""
        return [
            (one.part, batch["value"].to_pylist())
            for parts in self.reader.poll()
            for one in parts
            for batch in one.rows.values()
        ]

    def append(self, data):
        with open(self.path, "ab") as file:
            file.write(data)


@pytest.mark.parametrize("content", [b"row=1\n", LINES], ids=["a line", "more than is compared"])
@pytest.mark.parametrize("gives_columns", [False, True])
def test_what_has_grown_is_read_without_a_poll(tmp_path, content, gives_columns):
    log = Settled(tmp_path, content, gives_columns=gives_columns)
    assert log.grown() is None
    for new, rows in ((b"row=5\nro", 1), (b"w=", 0), (b"6\nrow=7\n", 2)):
        log.append(new)
        found = log.grown()
        assert sum(batch.num_rows for batch in found.rows.values() if not isinstance(batch, Columns)) == (
            0 if rows == 1 and gives_columns else rows
        )
        assert sum(one.rows for one in found.rows.values() if isinstance(one, Columns)) == (
            1 if rows == 1 and gives_columns else 0
        )
        # a poll finds nothing more, and another reader goes on there
        assert (log.grown(), log.polled()) == (None, [])
        again = LogReader(str(log.path), SCANNER, {found.part: found.checkpoint})
        assert [one.rows for parts in again.poll() for one in parts if one.rows] == []
        again.close()
    log.reader.close()


def changed_at(content, place):
    """A content of which one byte is another."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("place", [0, WINDOW_BYTES - 1, -WINDOW_BYTES, -1])
def test_what_was_written_anew_has_not_grown(tmp_path, place):
    log = Settled(tmp_path, LINES)
    # its device and its inode stay, and it is longer
    log.path.write_bytes(changed_at(LINES, place % len(LINES)) + b"row=9\n")
    assert log.grown() is None
    assert log.polled()[-1][0] == 1
    log.reader.close()


def test_a_truncation_between_the_look_at_a_file_and_its_reading(tmp_path, monkeypatch):
    log = Settled(tmp_path, LINES)
    log.append(b"row=9\n")
    pread = os.pread

    def late(descriptor, size, offset):
        if offset == len(LINES):
            # the new bytes are those of another content, of which the file has as many
            log.path.write_bytes(changed_at(LINES, 5) + b"row=8\n")
        return pread(descriptor, size, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", late)
        assert log.grown() is None
    found = log.polled()
    assert [part for part, _ in found] == [1]
    assert found[0][1][-1] == 8
    log.reader.close()


def test_another_file_under_the_name_has_not_grown(tmp_path):
    log = Settled(tmp_path, LINES)
    (tmp_path / "new").write_bytes(LINES + b"row=9\n")
    (tmp_path / "new").rename(log.path)
    assert log.grown() is None
    log.reader.close()


def test_what_cannot_be_read_now_is_read_by_a_poll(tmp_path, monkeypatch):
    log = Settled(tmp_path, LINES)
    log.append(b"row=9\n")
    for failure in (OSError(5, "Input/output error"), b""):

        def fail(*_, failure=failure):
            if isinstance(failure, OSError):
                raise failure
            return failure

        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", fail)
            assert log.grown() is None
    assert log.polled() == [(0, [9])]
    log.reader.close()


# ---- the ends of logs

ENDS = [
    b"loss=1 epoch=1\n",
    b"Traceback (most recent call last):\n",
    b'  File "a.py", line 3, in <module>\n',
    b"ValueError: nan\n",
    b"torch.cuda.OutOfMemoryError: CUDA out of memory\n",
    b"Killed\n",
    b"resuming from a checkpoint\n",
    b"loss=",
    b"other text\n" * 12,
    b"x" * 5000 + b"\n",
]


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=12), st.data())
def test_the_crash_with_which_a_log_ends_is_that_of_a_replay(lines, data):
    scanner = Scanner(["loss=loss=([0-9.]+)"])
    with tempfile.TemporaryDirectory() as folder:
        log, tables = Path(folder, "a.log"), Path(folder, "tables")
        log.touch()
        reader, checkpoints, crash = LogReader(str(log), scanner), {}, False
        for number, line in enumerate(lines):
            with open(log, "ab") as file:
                file.write(line)
            is_last = number == len(lines) - 1
            if not is_last and data.draw(st.booleans()):
                continue
            grown = reader.grown(FileStatus.of(str(log)))
            for parts in reader.poll() if grown is None else [[grown]]:
                for one in parts:
                    checkpoints[0] = one.checkpoint
                    crash = crash if one.crash is None else one.crash
            if data.draw(st.booleans()):
                reader.close()
                reader = LogReader(str(log), scanner, checkpoints)
        reader.close()
        if b"\n" not in b"".join(lines):
            # its format is not known before its first line has ended
            return
        metricscan.replay(log, scanner, out=tables)
        noted = metricscan.Dataset(tables).evidence.logs.values()
        assert [crash or None] == ([one.crash for one in noted] or [None])


def test_the_counts_of_all_parts(tmp_path):
    path = tmp_path / "train.log"
    scanner = Scanner([r"loss=loss=(\S+)"], max_record_bytes=1 << 18)
    reader = LogReader(str(path), scanner)
    whole = b""
    for text in (b"loss=1\nloss=a\n", b"loss=b\n" + b"x" * 300_000 + b"\nloss=2\n", b"loss=c\nloss=3\n"):
        if whole:
            path.rename(tmp_path / f"train.log.{len(whole)}")
        path.write_bytes(text)
        for _ in reader.poll():
            pass
        whole += text
    reader.log.close()
    expected = scanner.scan(whole).stats
    stats = reader.stats
    assert (stats.too_long, stats.metrics["loss"].unparsed) == (expected.too_long, expected.metrics["loss"].unparsed)
    assert stats.metrics["loss"].rows == expected.metrics["loss"].rows == 3
