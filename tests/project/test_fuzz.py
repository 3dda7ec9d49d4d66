"""The fuzzer's targets without the fuzzer: the kept corpus, and random cases from seeds."""

import random
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
sys.path.insert(0, str(FUZZ))

from targets import TARGETS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
KEPT = [pytest.param(path.parent.name, path, id=f"{path.parent.name}-{path.name}") for path in FUZZ.glob("corpus/*/*")]


@pytest.mark.parametrize(("target", "path"), sorted(KEPT, key=lambda kept: kept.id))
def test_the_kept_corpus(target, path):
    TARGETS[target](path.read_bytes())


def test_a_corpus_is_kept_for_every_target():
    assert {param.values[0] for param in KEPT} == set(TARGETS)


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
