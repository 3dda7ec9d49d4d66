"""The numbers that Python and the kernel share are the same in both."""

import pytest

from metricscan import _core
from metricscan.patterns import chain, classes, fingerprints, program
from metricscan.scanning import arrow, stats

# The module that holds them, what the kernel puts before their names, and the names.
SHARED = [
    (
        program,
        "",
        "MATCH BYTE STRING CLASS RUN SPLIT JUMP SAVE BEGIN END BOUNDARY LOOK ENTER CHECK ROUND COUNT MORE GROUP",
    ),
    (program, "", "END_GROUP SAME IF FIXED MAYBE REST KEEP GREEDY LAZY POSSESSIVE ATOMIC MUST MUST_NOT"),
    (program, "", "ANYWHERE AT_TEXT BEFORE_TEXT AT_ONCE BEFORE_END FOLD_NOT FOLD_ASCII FOLD_UNICODE"),
    (classes, "", "STOP MEMBER UNDECIDED FOLD_NOT FOLD_ASCII FOLD_UNICODE DIGIT SPACE WORD"),
    (classes, "SET_", "END RANGE CATEGORY NEGATE RANGE_FOLDED"),
    (chain, "STEP_", "TEXT RUN DECIMAL OPTIONAL EITHER DONE OPEN CLOSE END"),
    (fingerprints, "", "BUCKETS WINDOW"),
    (arrow, "", "NO_TIME BATCH_ROWS"),
    (stats, "", "MAX_SAMPLES"),
]
CASES = [(module, prefix, name) for module, prefix, names in SHARED for name in names.split()]
SIZES = {"RUN_SIZE": ["RUN", "FIXED", "MAYBE", "REST"], "SPLIT_SIZE": ["SPLIT"], "COUNT_SIZE": ["COUNT"]}
# What the kernel exports that is no name in Python, and is compared on its own below.
OTHERS = {"MS_COLUMNS", "MS_FIELDS", "MS_SLAB_ROWS", "MS_SAMPLE_BYTES", *(f"MS_{name}" for name in SIZES)}


def number(module, prefix, name):
    """The module's number of this name, with or without the prefix, public or not."""
    names = [prefix + name, f"_{prefix}{name}", name, f"_{name}"]
    return next(getattr(module, each) for each in names if hasattr(module, each))


@pytest.mark.parametrize(("module", "prefix", "name"), CASES)
def test_python_has_the_number_of_the_kernel(module, prefix, name):
    assert number(module, prefix, name) == _core.CONSTANTS[f"MS_{prefix}{name}"]


def test_no_number_of_the_kernel_is_left_out():
    assert {f"MS_{prefix}{name}" for _, prefix, name in CASES} | OTHERS == set(_core.CONSTANTS)


@pytest.mark.parametrize("size", SIZES)
def test_instructions_have_the_size_that_the_kernel_skips(size):
    sizes = getattr(program, "SIZES", None) or program._SIZES
    assert {sizes[number(program, "", name)] for name in SIZES[size]} == {_core.CONSTANTS[f"MS_{size}"]}


def test_a_size_is_known_of_every_instruction():
    opcodes = range(_core.CONSTANTS["MS_MATCH"], _core.CONSTANTS["MS_KEEP"] + 1)
    assert set(getattr(program, "SIZES", None) or program._SIZES) == set(opcodes)


def test_batches_have_the_fields_of_the_schema():
    assert _core.CONSTANTS["MS_FIELDS"] == len(arrow.SCHEMA)
    # the last field is the time, which the core does not hand over by itself
    assert _core.CONSTANTS["MS_COLUMNS"] == len(arrow.SCHEMA) - 1
    assert arrow.SCHEMA.names[-1] == "time"


def test_a_full_batch_is_a_batch():
    assert _core.SLAB_ROWS == _core.CONSTANTS["MS_SLAB_ROWS"] <= arrow.BATCH_ROWS


def test_samples_have_the_length_that_is_documented():
    assert f"at most {_core.CONSTANTS['MS_SAMPLE_BYTES']} characters" in stats.Sample.__doc__


def test_the_core_takes_names():
    options = {"universal": False, "syslog": False, "strip": False, "matches": "all", "search": "simd", "level": "auto"}
    assert _core.Engine([], [], [], [], **options)
    for option, message in (
        ("search", "search 'fast', simd, naive or every"),
        ("level", "SIMD level 'fast' is not available"),
    ):
        with pytest.raises(ValueError, match=message):
            _core.Engine([], [], [], [], **{**options, option: "fast"})
    with pytest.raises(KeyError, match="some"):
        _core.Engine([], [], [], [], **{**options, "matches": "some"})
