"""The fuzzer's targets without the fuzzer: the kept corpus, and random cases from seeds."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
sys.path.insert(0, str(FUZZ))

from core_targets import PARTS  # noqa: E402
from random_readers import changed  # noqa: E402
from readers import READERS  # noqa: E402
from stream_targets import STREAMS  # noqa: E402
from targets import TARGETS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
KEPT = [pytest.param(path.parent.name, path, id=f"{path.parent.name}-{path.name}") for path in FUZZ.glob("corpus/*/*")]


@pytest.mark.parametrize(("target", "path"), sorted(KEPT, key=lambda kept: kept.id))
def test_the_kept_corpus(target, path):
    (TARGETS | READERS | PARTS | STREAMS)[target](path.read_bytes())


def test_a_corpus_is_kept_for_every_target():
    assert {param.values[0] for param in KEPT} == {*TARGETS, *READERS, *PARTS, *STREAMS}


@pytest.mark.parametrize("target", sorted(READERS))
def test_whatever_the_bytes_are_readers_give_a_result_or_an_error_of_ours(target):
    source = random.Random(target)
    kept = [path.read_bytes() for path in sorted((FUZZ / "corpus" / target).iterdir())]
    # some of the kept cases can be read, so the target reads at all
    assert target in ("journal", "dataset") or any(READERS[target](data) for data in kept)
    for _ in range(40):
        READERS[target](changed(source, kept))


@pytest.mark.parametrize("target", sorted(PARTS))
def test_parts_of_the_core_say_what_python_says(target):
    source = random.Random(target)
    kept = [path.read_bytes() for path in sorted((FUZZ / "corpus" / target).iterdir())]
    assert sum(PARTS[target](changed(source, kept)) for _ in range(20)) > 10


@pytest.mark.parametrize("target", sorted(STREAMS))
def test_rows_of_a_stream_are_the_same_however_it_is_used(target):
    source = random.Random(target)
    kept = [path.read_bytes() for path in sorted((FUZZ / "corpus" / target).iterdir())]
    assert sum(STREAMS[target](changed(source, kept)) for _ in range(20)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_random_cases(seed):
    source = random.Random(seed)
    compared = sum(TARGETS["grammar"](source.randbytes(source.randrange(8, 400))) for _ in range(150))
    assert compared > 100


@pytest.mark.slow
@pytest.mark.parametrize("target", ["text", "numbers"])
def test_cases_near_the_kept_ones(target):
    source = random.Random(target)
    kept = [path.read_bytes() for path in sorted((FUZZ / "corpus" / target).iterdir())]
    compared = 0
    for _ in range(400):
        data = bytearray(source.choice(kept))
        for _ in range(source.randint(1, 3)):
            at = source.randrange(len(data) + 1)
            kind = source.randrange(4)
            if kind == 0:
                del data[at : at + source.randint(1, 4)]
            elif kind == 1:
                data[at : at + 1] = bytes([source.randrange(256)])
            elif kind == 2:
                other = source.choice(kept)
                start = source.randrange(len(other))
                data[at:at] = other[start : start + source.randint(1, 8)]
            else:
                data[at:at] = source.choice(b"0123456789.*+?()[]{}|\\^$ae=\n").to_bytes(1, "big")
        compared += TARGETS[target](bytes(data))
    assert compared > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["killed_overwrites.py", "--kills=5", "--signals=5"],
        ["killed_overwrites.py", "--kills=5", "--signals=5", "--renames"],
        ["steady.py", "--rounds=100", "--threads=4"],
    ],
)
def test_the_long_runs_work(arguments):
    subprocess.run([sys.executable, FUZZ / arguments[0], *arguments[1:]], check=True, timeout=120)
