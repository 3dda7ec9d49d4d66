"""Followers with a journal beside the writer's own record; they are killed between polls, and within them."""

import random

import pytest
from support.following import JournalFollower
from support.growing import Writer, compare


@pytest.mark.parametrize("kills", [0, 0.05], ids=["one follower", "many followers"])
@pytest.mark.parametrize("held_bytes", [1, 1 << 20], ids=["a commit per piece", "a commit per poll"])
@pytest.mark.parametrize("seed", [1, 2, 6, 11])
def test_all_that_is_in_the_file_at_a_poll_is_in_the_journal_once(tmp_path, seed, held_bytes, kills):
    folder = tmp_path / "logs"
    folder.mkdir()
    writer, moments = Writer(folder, seed), random.Random(seed)
    follower = JournalFollower(folder, held_bytes=held_bytes)
    polled = set()
    often = moments.choice([0.05, 0.3, 0.8])
    for _ in range(250):
        writer.step()
        if moments.random() < often:
            # of some polls only the first result is taken
            most = 1 if moments.random() < 0.2 else None
            follower.poll(most)
            if most is None and writer.now.rows:
                polled.add(len(writer.generations) - 1)
        if moments.random() < kills:
            follower.kill()
            follower = JournalFollower(folder, held_bytes=held_bytes)
    writer.end_line()
    for _ in range(5):
        follower.poll()
    follower.kill()
    writer.close()
    found = follower.found
    compare(found, writer, polled)
    assert len(found.rows) > 100
