"""How many examples hypothesis draws, and where the optional corpora lie."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from metricscan.datasets import dataset_disk

# A shell that starts the tests in the background ignores SIGINT, for them and for the commands that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("quick", max_examples=15, deadline=None, suppress_health_check=SLOW)
settings.register_profile("short", max_examples=100, deadline=None, suppress_health_check=SLOW)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=SLOW)
# The verdict on a commit does not depend on chance: CI draws the same examples each time. Others are drawn everywhere else.
settings.register_profile("ci", settings.get_profile("short"), derandomize=True, database=None)
settings.load_profile(os.environ.get("METRICSCAN_HYPOTHESIS", "ci" if os.environ.get("CI") else "short"))


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets are not synced where their writing is not the subject: tests/datasets/test_place.py."""
    monkeypatch.setattr(dataset_disk, "sync_tree", lambda folder: None)


def shared_folder() -> Path:
    """Real logs and regexes that test but are not part of the project."""
    default = Path(__file__).resolve().parents[1].parent / "shared"
    return Path(os.environ.get("METRICSCAN_CORPORA", default))


@pytest.fixture(scope="session")
def corpora() -> Path:
    folder = shared_folder() / "corpora"
    if not (folder / "manifest.jsonl").is_file():
        pytest.skip(f"no corpora in {folder}; METRICSCAN_CORPORA names their parent")
    return folder


@pytest.fixture(scope="session")
def facts() -> Path:
    folder = shared_folder() / "facts"
    if not (folder / "real_regexes.jsonl").is_file():
        pytest.skip(f"no regexes in {folder}; METRICSCAN_CORPORA names its parent")
    return folder
