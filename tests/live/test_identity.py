"""What distinguishes the content of a file: checkpoints as bytes, and files that begin with a content or do not."""

import dataclasses
import itertools
import os
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan.live._digest import digest
from metricscan.live.identity import WINDOW_BYTES, Checkpoint, Reach

CONTENT = b"".join(b"row=%d\n" % row for row in range(2000))


def checkpoint_at(offset, content=CONTENT, **facts):
    return Checkpoint.of(Reach().after(content[:offset]), **{"device": 1, "inode": 2, "seen_bytes": offset, **facts})


@pytest.fixture
def opened(tmp_path):
    """Writes a file, and gives its descriptor."""
    descriptors = []

    def write(content):
        path = tmp_path / f"{len(descriptors)}.log"
        path.write_bytes(content)
        descriptors.append(os.open(path, os.O_RDONLY))
        return descriptors[-1]

    yield write
    for descriptor in descriptors:
        os.close(descriptor)


@given(st.binary(max_size=3 * WINDOW_BYTES), st.lists(st.integers(0, 3 * WINDOW_BYTES), max_size=4))
def test_the_cuts_between_chunks_do_not_matter(content, cuts):
    reach = Reach()
    bounds = sorted({0, *(min(cut, len(content)) for cut in cuts), len(content)})
    for begin, end in itertools.pairwise(bounds):
        reach = reach.after(content[begin:end])
    assert reach == Reach().after(content)
    assert (reach.head, reach.tail) == (content[:WINDOW_BYTES], content[-WINDOW_BYTES:])


@pytest.mark.parametrize("offset", [0, 1, WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, len(CONTENT)])
def test_a_checkpoint_goes_through_bytes_and_finds_its_file(offset, opened):
    checkpoint = checkpoint_at(offset, state=b"state", is_finished=True)
    assert Checkpoint.unpack(checkpoint.pack()) == checkpoint
    assert checkpoint.reach_in(opened(CONTENT)) == Reach().after(CONTENT[:offset])
    # one that goes on otherwise, behind the checkpoint
    assert checkpoint.reach_in(opened(CONTENT[:offset] + b"others")) is not None


def test_other_bytes_are_no_checkpoint():
    packed = checkpoint_at(100, state=b"state").pack()
    for end in range(len(packed) - len(b"state")):
        with pytest.raises(ValueError, match="damaged"):
            Checkpoint.unpack(packed[:end])
    for bit in range(8, 4 * 8):
        changed = bytearray(packed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="damaged"):
            Checkpoint.unpack(bytes(changed))
    with pytest.raises(ValueError, match="version 200: version 3 was expected"):
        Checkpoint.unpack(b"\xc8" + packed[1:])


def packed_2(checkpoint, content):
    """As version 2 packed a checkpoint."""
    before = content[: checkpoint.offset]
    digests = digest(before[:WINDOW_BYTES]), digest(before[-WINDOW_BYTES:])
    numbers = checkpoint.device, checkpoint.inode, checkpoint.offset, checkpoint.seen_bytes, checkpoint.crc
    body = struct.pack("<BBQQQQI16s16s", 2, checkpoint.is_finished, *numbers, *digests) + checkpoint.state
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize("offset", [0, 1, WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, len(CONTENT)])
def test_a_checkpoint_of_version_2_is_read(offset, opened):
    checkpoint = checkpoint_at(offset, state=b"state", is_finished=True, seen_bytes=offset + 7)
    packed = packed_2(checkpoint, CONTENT)
    found = Checkpoint.unpack(packed)
    assert found == checkpoint
    assert found.reach_in(opened(CONTENT)) == Reach().after(CONTENT[:offset])
    assert Checkpoint.unpack(found.pack()) == checkpoint
    for end in range(1, len(packed)):
        with pytest.raises(ValueError, match="damaged"):
            Checkpoint.unpack(packed[:end])
    changed = bytearray(packed)
    changed[20] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        Checkpoint.unpack(bytes(changed))


def test_little_of_a_checkpoint_changes_while_a_file_grows():
    state, at = b"s" * 20, 3 * WINDOW_BYTES
    one, other = (checkpoint_at(at, state=state).pack() for at in (at, at + 80))
    assert len(one) == len(other)
    changed = [place for place in range(len(one)) if one[place] != other[place]]
    # the offset, and digests of 12 bytes
    assert len(changed) <= 2 + 12
    assert changed[-1] - changed[0] < 32


@pytest.mark.parametrize("offset", [1, 3000, WINDOW_BYTES + 10, len(CONTENT)])
def test_other_files_do_not_hold_the_content(offset, opened):
    checkpoint = checkpoint_at(offset)
    for changed in (0, offset - 1):
        other = bytearray(CONTENT)
        other[changed] ^= 1
        assert checkpoint.reach_in(opened(bytes(other))) is None
        assert not Reach().after(CONTENT[:offset]).is_in(opened(bytes(other)))
    assert checkpoint.reach_in(opened(CONTENT[: offset - 1])) is None
    assert not Reach().after(CONTENT[:offset]).is_in(opened(CONTENT[: offset - 1]))


def test_a_file_with_the_same_first_kilobytes_that_regrew_is_another(opened):
    header = b"# config\n" * 1000
    before, after = header + b"loss=0.5\n" * 100, header + b"loss=0.7\n" * 200
    assert checkpoint_at(len(before), before).reach_in(opened(after)) is None


@given(st.integers(0, len(CONTENT)), st.integers(1, 5000))
def test_pieces_behind_a_checkpoint(offset, size):
    pieces = [CONTENT[at : at + size] for at in range(0, len(CONTENT), size)]
    reach, rest = checkpoint_at(offset).content_behind(pieces)
    assert reach == Reach().after(CONTENT[:offset])
    assert b"".join(rest) == CONTENT[offset:]


@given(st.integers(2, len(CONTENT)), st.data())
def test_pieces_with_another_byte_before_the_checkpoint_are_not_its_own(offset, data):
    changed = bytearray(CONTENT)
    changed[data.draw(st.integers(0, offset - 1))] ^= 1
    assert checkpoint_at(offset).content_behind([bytes(changed)]) is None
    assert checkpoint_at(offset).content_behind([CONTENT[: offset - 1]]) is None


def test_the_numbers_of_a_checkpoint_have_room():
    most = dict.fromkeys(("device", "inode", "offset", "seen_bytes"), 2**64 - 1)
    checkpoint = dataclasses.replace(checkpoint_at(5), **most)
    assert Checkpoint.unpack(checkpoint.pack()) == checkpoint
    with pytest.raises(struct.error):
        dataclasses.replace(checkpoint, inode=2**64).pack()


# ---- digests


def folded(one, other):
    product = one * other
    return product % 2**64 ^ product >> 64


def digest_in_python(data):
    k0, k1, k2, k3 = 0x243F6A8885A308D3, 0x13198A2E03707345, 0xA4093822299F31D1, 0x082EFA98EC4E6C89
    x, y = k0 ^ len(data), k1 ^ len(data)
    for at in range(0, len(data) + 1, 16):
        pair = data[at : at + 16].ljust(16, b"\0")
        one, two = (int.from_bytes(word, "little") for word in (pair[:8], pair[8:]))
        x = (folded(x ^ one, k2 ^ two) + one) % 2**64
        y = (folded(y ^ two, k3 ^ one) + two) % 2**64
    first, second = folded(x ^ k1, y ^ k3), (folded(y ^ k0, x ^ k2) + x) % 2**64
    return first.to_bytes(8, "little") + second.to_bytes(8, "little")


@given(st.binary(max_size=100))
def test_a_digest_is_the_same_on_all_machines(data):
    assert digest(data) == digest_in_python(data)


def test_contents_that_differ_little_have_digests_that_differ_much():
    base = CONTENT[:WINDOW_BYTES]
    others = [base[:end] for end in range(WINDOW_BYTES)]
    for bit in range(0, 8 * WINDOW_BYTES, 7):
        changed = bytearray(base)
        changed[bit // 8] ^= 1 << bit % 8
        others.append(bytes(changed))
    # words that are exchanged, and lines that count on
    others += [base[at : at + 8] + base[:at] + base[at + 8 :] for at in range(8, WINDOW_BYTES, 8)]
    others += [b"row=%d\n" % number for number in range(20_000)] + [b"\0" * size for size in range(1, 100)]
    digests = {digest(one) for one in [base, *others]}
    assert len(digests) == len({base, *others})
    # in each half, and about half of the bits of it
    for half in (slice(0, 8), slice(8, 16)):
        assert len({one[half] for one in digests}) == len(digests)
        one = int.from_bytes(digest(base)[half], "little")
        bits = [(one ^ int.from_bytes(digest(other)[half], "little")).bit_count() for other in others]
        assert 31 < sum(bits) / len(bits) < 33
        assert min(bits) > 5
