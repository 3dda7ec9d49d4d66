"""The numbers that Python and the kernel share are the same in both."""

import pytest

from metricscan import _core
from metricscan.patterns import fingerprints, opcodes
from metricscan.scanning import schema, stats

# The module that holds them, and their names there; the kernel puts MS_ before them.
SHARED = [
    (
        opcodes,
        """
            MATCH BYTE STRING CLASS RUN SPLIT JUMP SAVE BEGIN END BOUNDARY LOOK ENTER CHECK ROUND COUNT MORE
            GROUP END_GROUP SAME IF FIXED MAYBE REST KEEP CHARGE GREEDY LAZY POSSESSIVE ATOMIC MUST MUST_NOT ANYWHERE
            AT_TEXT BEFORE_TEXT AT_ONCE BEFORE_END STOP MEMBER UNDECIDED FOLD_NOT FOLD_ASCII FOLD_UNICODE
            SET_END SET_RANGE SET_CATEGORY SET_NEGATE SET_RANGE_FOLDED DIGIT SPACE WORD STEP_TEXT STEP_RUN
            STEP_DECIMAL STEP_OPTIONAL STEP_EITHER STEP_DONE STEP_OPEN STEP_CLOSE STEP_END
            STEPS_A_BYTE FREE_STEPS MOST_STEPS MOST_MEMO_BYTES MOST_FRAMES
        """,
    ),
    (fingerprints, "BUCKETS WINDOW"),
    (schema, "NO_TIME BATCH_ROWS"),
    (stats, "MAX_SAMPLES"),
]
CASES = [(module, name) for module, names in SHARED for name in names.split()]
# What the kernel exports that is no name in Python, and is compared on its own below.
# The kinds of suspects are taken from the kernel by name (scanning/suspects.py).
SUSPECTS = "NEAR_MISS LONGER THOUSANDS DECIMAL_COMMA IN_WORD UNIT UNTERMINATED CUT_LINE CUT_MISS UNREAD"
RECORDS = ("MS_PIECE_BYTES", "MS_MAX_RECORD_BYTES", "MS_LONGEST_MATCHED")
OTHERS = {
    "MS_COLUMNS",
    "MS_FIELDS",
    "MS_SLAB_ROWS",
    "MS_SAMPLE_BYTES",
    *RECORDS,
    *(f"MS_{name}" for name in SUSPECTS.split()),
}


def number(module, name):
    """The module's number of this name, public or not."""
    return getattr(module, name) if hasattr(module, name) else getattr(module, f"_{name}")


@pytest.mark.parametrize(("module", "name"), CASES)
def test_python_has_the_number_of_the_kernel(module, name):
    assert number(module, name) == _core.CONSTANTS[f"MS_{name}"]


def test_no_number_of_the_kernel_is_left_out():
    assert {f"MS_{name}" for _, name in CASES} | OTHERS == set(_core.CONSTANTS)


def test_instructions_have_the_sizes_of_the_kernel():
    assert [opcodes.SIZES[opcode] for opcode in range(len(opcodes.SIZES))] == _core.OPCODE_SIZES


def test_batches_have_the_fields_of_the_schema():
    assert _core.CONSTANTS["MS_FIELDS"] == len(schema.SCHEMA)
    # the last field is the time, which the core does not hand over by itself
    assert _core.CONSTANTS["MS_COLUMNS"] == len(schema.SCHEMA) - 1
    assert schema.SCHEMA.names[-1] == "time"


def test_a_full_batch_is_a_batch():
    assert _core.SLAB_ROWS == _core.CONSTANTS["MS_SLAB_ROWS"] <= schema.BATCH_ROWS


def test_samples_have_the_length_that_is_documented():
    assert f"at most {_core.CONSTANTS['MS_SAMPLE_BYTES']} characters" in stats.Sample.__doc__


def test_the_core_takes_names():
    options = {"universal": False, "syslog": False, "strip": False, "matches": "all", "search": "simd", "level": "auto"}
    assert _core.Engine([], [], [], [], **options)
    for option, message in (
        ("search", "search 'fast', simd, naive or every"),
        ("level", "SIMD level 'fast' is not available; available: "),
    ):
        with pytest.raises(ValueError, match=message):
            _core.Engine([], [], [], [], **{**options, option: "fast"})
    with pytest.raises(KeyError, match="some"):
        _core.Engine([], [], [], [], **{**options, "matches": "some"})
