"""Where logs that are followed lie, where their journal does, and where a job is run."""

import pytest
from support.jobs import none_left


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "trial_1"
    with none_left(path):
        yield path
