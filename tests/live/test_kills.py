"""All that happens to logs, at random, beside the writer's own record; followers are killed between polls and within them."""

import random

import pytest
from support import killing
from support.growing import Follower, Writer, compare


@pytest.mark.parametrize("kills", [0, 0.05], ids=["one follower", "many followers"])
@pytest.mark.parametrize("seed", [2, 8, 22, 32, 66, 128])
def test_all_that_is_in_the_file_at_a_poll_is_found_once(tmp_path, seed, kills):
    folder = tmp_path / "logs"
    folder.mkdir()
    writer, moments = Writer(folder, seed), random.Random(seed)
    follower = Follower(folder, rotate_wait=0)
    polled = set()
    often = moments.choice([0.05, 0.3, 0.8])
    for _ in range(300):
        writer.step()
        if moments.random() < often:
            follower.poll()
            if writer.now.rows:
                polled.add(len(writer.generations) - 1)
        if moments.random() < kills:
            follower.log.close()
            follower = Follower(folder, rotate_wait=0)
    writer.end_line()
    for _ in range(5):
        follower.poll()
    follower.log.close()
    writer.close()
    compare(follower.found, writer, polled)
    assert len(follower.found.rows) > 100


@pytest.mark.slow
def test_a_follower_that_is_killed(tmp_path):
    killing.run(tmp_path / "logs", seed=1, kills=6, seconds=8)
