"""Journals that earlier versions wrote are read, and gone on with; ``journal_version_2`` is one, of the version before this."""

import json
import shutil
import struct
import zlib
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.journals import batch, file, one_row, rows_of

from metricscan import Dataset, Journal, JournalReader, SourceError, compact
from metricscan.datasets.evidence import OF_LOGS
from metricscan.datasets.journal_format import VERSION, framed, read_description, segment_path

WRITTEN = Path(__file__).parent / "journal_version_2"
MICROS = 1_700_000_000_000_000
# the row of line 2 was replaced
LOSS = [(float(number), number + 1, 100 * number, 100 * number + 5, None) for number in (0, 2, 3, 4)]
WHO = [(f"w{number}", number + 1, 100 * number, 100 * number, 7) for number in (0, 2, 3, 4)]
ACC = [
    (
        0.5 + row,
        10 * number + row,
        1000 * number + 30 * row,
        1000 * number + 30 * row + 4,
        MICROS + row if row % 2 else None,
    )
    for number in (1, 3)
    for row in range(3)
]
EXPECTED = {
    "loss": {("a", "stdout", 0): LOSS},
    "who": {("a", "stdout", 0): WHO},
    "acc": {("b", "stdout", 1): ACC},
}
CHECKPOINTS = {file("a"): b"004", file("b", part=1): b"b3"}


def scanner_of(path):
    """What has the fingerprint of the scanner that a journal is of, whatever fingerprints are now."""
    return SimpleNamespace(fingerprint=json.loads((path / "journal.json").read_text())["fingerprint"])


def as_version_1(path):
    """Make a journal one of version 1, which says so in the description and in each segment."""
    segments = []
    for number in (1, 2):
        data = Path(segment_path(path, number)).read_bytes()
        (length,) = struct.unpack_from("<I", data, 12)
        body, at, payloads = data[20 : 20 + length], 20 + length, []
        while at < len(data):
            (size,) = struct.unpack_from("<I", data, at + 2)
            payloads.append(data[at + 12 : at + 12 + size])
            at += 12 + size
        segments.append((body, payloads))
    document = json.loads((path / "journal.json").read_text())
    del document["digest"]
    document["format_version"] = 1
    digest = sha256(json.dumps(document, sort_keys=True, ensure_ascii=True).encode())
    (path / "journal.json").write_text(json.dumps({**document, "digest": digest.hexdigest()}))
    for number, (body, payloads) in enumerate(segments, start=1):
        start, body = struct.pack("<8sII", b"\x89MSJ\r\n\x1a\n", 1, len(body)), digest.digest() + body[32:]
        data = start + struct.pack("<I", zlib.crc32(body, zlib.crc32(start))) + body
        salt = zlib.crc32(data)
        for payload in payloads:
            data += framed(payload, salt, len(data))
        Path(segment_path(path, number)).write_bytes(data)


@pytest.fixture(params=[1, 2])
def written(request, tmp_path):
    path = tmp_path / "journal"
    shutil.copytree(WRITTEN, path)
    if request.param == 1:
        as_version_1(path)
    assert json.loads((path / "journal.json").read_text())["format_version"] == request.param
    assert read_description(str(path)).document["format_version"] == request.param
    return path


def versions(path):
    return [one.read_bytes()[8] for one in sorted(path.glob("*.segment"))]


def test_it_is_read(written):
    assert VERSION not in versions(written)
    for opened in (written, compact(written)):
        dataset = Dataset(opened)
        assert rows_of(opened) == EXPECTED
        assert [one["message"] for one in dataset.manifest["notices"]] == [f"note {number}" for number in range(5)]
        assert dataset.evidence.logs["a", "stdout", 0].crash.line == 3
        # its second file was written without a search for suspects
        assert dataset.evidence.unknown == OF_LOGS
    batches = list(JournalReader(written).read_from(batch_rows=1))
    assert [one.cursor is not None for one in batches] == [True] * 5


def test_it_is_gone_on_with_in_a_new_segment(written):
    before, old = [Path(segment_path(written, number)).read_bytes() for number in (1, 2)], versions(written)
    reader = JournalReader(written)
    cursor = reader.end()
    with Journal.open(written, scanner_of(written), commit_interval=None) as journal:
        assert journal.checkpoints() == CHECKPOINTS
        for number in (5, 6):
            rows = {"loss": one_row(number), "who": batch([("w", number, 1, 1, None)])}
            journal.append(file("a"), rows, b"00%d" % number, replaces=[400] if number == 5 else [], suspects={})
            journal.commit()
    assert versions(written) == [*old, VERSION]
    after = [Path(segment_path(written, number)).read_bytes() for number in (1, 2)]
    # but for the end of the second one nothing of it is another
    assert after[0] == before[0]
    assert after[1].startswith(before[1])
    added = [(float(number), number + 1, 100 * number, 100 * number + 5, None) for number in (5, 6)]
    assert rows_of(written)["loss"] == {("a", "stdout", 0): LOSS[:-1] + added}
    assert rows_of(written)["acc"] == EXPECTED["acc"]
    for some in (reader, JournalReader(written)):
        (found,) = some.read_from(cursor)
        assert found.rows["loss"]["value"].to_pylist() == [5.0, 6.0]
        assert [(one.file, one.offset) for one in found.replaced] == [(file("a"), 400)]
    with Journal.open(written, scanner_of(written)) as journal:
        assert journal.checkpoints() == CHECKPOINTS | {file("a"): b"006"}
        journal.append(file("a"), {"loss": one_row(7)})
    # now it is a segment as others
    assert len(versions(written)) == 3
    assert Dataset(written)["loss"].num_rows == len(LOSS) + 2


def test_a_commit_that_fails_does_not_leave_the_old_segment_without_an_end(written, monkeypatch):
    from metricscan.datasets import journal_disk

    journal = Journal.open(written, scanner_of(written), commit_interval=None)
    journal.append(file("a"), {"loss": one_row(5)}, b"005")
    with monkeypatch.context() as patches:
        patches.setattr(journal_disk, "write_file", lambda *_: (_ for _ in ()).throw(OSError(28, "no room")))
        with pytest.raises(SourceError, match="cannot write"):
            journal.commit()
    assert rows_of(written) == EXPECTED
    journal.close()
    assert rows_of(written)["loss"]["a", "stdout", 0][-1][0] == 5.0


@pytest.mark.parametrize("written", [2], indirect=True)
def test_its_last_segment_is_cut_at_every_byte(written):
    place = Path(segment_path(written, 2))
    whole = place.read_bytes()
    # the row of line 2 is replaced by the fourth commit
    after = [[0.0, 1.0, 2.0], [0.0, 2.0, 3.0], [0.0, 2.0, 3.0, 4.0]]
    seen = []
    header_bytes = 20 + struct.unpack_from("<I", whole, 12)[0]
    for size in range(header_bytes - 3, len(whole)):
        for one in written.glob("00000[3-9].segment"):
            one.unlink()
        place.write_bytes(whole[:size])
        if size < header_bytes:
            with pytest.raises(SourceError, match="its header is not whole"):
                Dataset(written)
            continue
        found = Dataset(written)["loss"]["value"].to_pylist()
        seen.append(after.index(found))
        if size % 50 == 0:
            with Journal.open(written, scanner_of(written), commit_interval=None) as journal:
                journal.append(file("z"), {"loss": one_row(9)})
            assert Dataset(written)["loss"]["value"].to_pylist() == [*found, 9.0]
            assert versions(written)[-1] == VERSION
    assert list(dict.fromkeys(seen)) == [0, 1]


def test_its_frames_hold_nothing_of_a_later_version(written):
    place = Path(segment_path(written, 2))
    whole = place.read_bytes()
    header = whole[: 20 + struct.unpack_from("<I", whole, 12)[0]]
    place.write_bytes(header + framed(b"\x03", zlib.crc32(header), len(header)))
    with pytest.raises(SourceError, match="has an invalid frame"):
        Dataset(written)
