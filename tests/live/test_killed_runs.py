"""Jobs of which processes are killed at random moments; ``fuzz/killed_runs.py`` is the long run."""

import pytest
from support.killed_runs import VICTIMS, killed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * len(VICTIMS)))
def test_each_row_is_there_once_and_the_end_is_told_right(tmp_path, seed):
    outcome = killed(tmp_path / "job", seed)
    assert outcome.victims in VICTIMS
