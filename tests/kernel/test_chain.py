"""One-pass patterns: behind their literal a match can continue in one way only, and is verified where the literal is found."""

from re import _parser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import expected, scanned, streamed

from metricscan import _core
from metricscan.patterns.chain import chain
from metricscan.patterns.tree import Tree
from metricscan.scanning.scanner import _configured

NUMBER = r"[-+]?[0-9]*\.?[0-9]+"
CHAINS = [
    r"consumed samples: +([0-9]+)",
    r"loss: *(\S+)",
    r"loss:\s*(\S+)",
    r"loss=([0-9]+\.[0-9]+)",
    rf"reward: ({NUMBER}(?:[eE][-+]?[0-9]+)?)",
    rf"reward: ({NUMBER}([eE][-+]?[0-9]+)?).*",
    r"f1:([0-9.]+|nan)",
    r"step_avg:(nan|[0-9.]+)ms",
    r"fid_score=([-+]?\d\.?\d*)",
    r"lm loss: ([0-9.]+E[-+][0-9]+)",
    r"eta: \d{2}:\d{2} loss: (\S+)",
    r"global_step/sec:\s(.*)",
    r"r(?:ate)?=([0-9]+);",
    r"précision=\s*([0-9.]+)",
]
NONE = [
    r"([0-9]+) +tokens",  # no literal in front
    r"loss=([0-9]*)[0-9]",  # the run has to give back
    r"loss=([0-9.]+)\.",
    r"loss=(.*) acc",
    r"loss=(?:[0-9]+)?([0-9]+)",
    rf"loss=({NUMBER})5",
    rf"loss=({NUMBER}\.?)[0-9]",
    r"loss=(1|12);",  # both ways begin alike
    r"loss=(a|[a-z]+)",
    r"loss=(?:(?:a+b?)?c)?([0-9])",  # optional in optional
    r"loss=([^,]{3})",  # counts characters
    r"loss=(?:([0-9])|x)",  # the group may take no part
    r"loss=[0-9]",  # no group
    r"(?i)loss=([0-9]+\.[0-9]+)",
    r"loss=\b([0-9]+\.[0-9]+)",
    r"loss[a-z ]+([0-9]+)",  # walks over places where others begin, and may fail then
    r"x(?:x+y)?(\d)",
    r"a=(\d\d*?) +b",
]


def chain_of(regex):
    items = _parser.parse(regex)
    return chain(Tree(items, items.state.flags), 1 if items.state.groups > 1 else 0)


@pytest.mark.parametrize("regex", CHAINS)
def test_a_chain(regex):
    found = chain_of(regex)
    assert found is not None
    assert regex.encode().startswith(found.prefix)


@pytest.mark.parametrize("regex", NONE)
def test_no_chain(regex):
    assert chain_of(regex) is None


def every_way(definitions, log, **options):
    wanted = expected(definitions, log, **options)
    for level in _core.SIMD_LEVELS:
        scanner = _configured(definitions, simd=level, **options)
        assert scanned(scanner, log) == wanted, level
        assert streamed(scanner, [log[:7], log[7:30], log[30:]]) == wanted, level
    return wanted


TEXTS = [
    "consumed samples:   17 consumed samples: x consumed samples:5",
    "loss: 0.5 loss:1 loss:  loss: \t2 loss:\u00a03 loss: \u0664\u0665 loss: é",
    "loss=1.5 loss=.5 loss=5. loss=1.x loss=12.25.3 loss=\u0663.5 loss=1.\u0663",
    "reward: 12 reward: 12. reward: .5 reward: -. reward: +1.5e3 reward: 1e reward: 1e+ reward: 7E-2x reward: 1..5",
    "f1:nan f1:0.5 f1:na f1:.. f1: f1:n0 step_avg:nanms step_avg:1.5ms step_avg:3 step_avg:ms",
    "fid_score=-1.25 fid_score=5 fid_score=\u0665.1 fid_score=.1 fid_score=+",
    "lm loss: 2.4E+00 | lm loss: 2.4E00 | lm loss: E+1 | lm loss: .E-01",
    "eta: 01:02 loss: 5 eta: 1:02 loss: 6 eta: 001:02 loss: 7 eta: \u0661\u0662:00 loss: 8",
    "global_step/sec: 5.25 and more global_step/sec: 2",
    "r=5; rate=6; rat=7; ra=8; rate= rate=9",
    "pr\u00e9cision=   0.5 pr\u00e9cision=x",
]


@pytest.mark.parametrize("regex", CHAINS)
def test_a_chain_gives_the_rows_of_the_oracle(regex):
    padding = "-" * 40
    log = "\n".join(f"{padding}{text}{padding}" for text in TEXTS).encode()
    log += b"\nloss: \xff5 loss: 6\xc3\nglobal_step/sec: 7.5\n" + b"-" * 50
    wanted = every_way([{"Name": "m", "Regex": regex}], log)
    assert wanted["metric m"]["rows"]


def test_what_python_decides_amid_a_record_comes_in_its_place():
    """Numbers that float() has to read, texts that it refuses, and places that the program takes over."""
    log = ("-" * 50 + " v= 1 v= 12345678901234567890 v= x v= \u0665 v= 2 v= 1_0 v= 3\n") * 3
    wanted = every_way([{"Name": "m", "Regex": r"v= +(\S+)"}, {"Name": "n", "Regex": r"v= (\d+) v"}], log.encode())
    assert [float.fromhex(row[0]) for row in wanted["metric m"]["rows"]][:6] == [
        1.0,
        12345678901234567890.0,
        5.0,
        2.0,
        10.0,
        3.0,
    ]


def test_a_match_goes_over_a_place_at_the_end_of_the_text():
    """What is too near to the end is tried the general way, which must know where the last match ended."""
    wanted = every_way(
        [{"Name": "m", "Regex": r"v=\s?(.*[^,]*)"}], b"-" * 50 + b" v= x, v=7\n" + b"." * 50 + b" v= 1 v=2"
    )
    assert wanted["metric m"]["unparsed"] == 2


PIECES = [
    " +", " *", r"\s*", r"\s", "[0-9]+", r"\d+", r"\d", r"\d{2}", "[0-9]*", r"\.", r"\.?", "[-+]?", ",", ",?", "e", "nan", "é",
    "[^,]*", "[^ ]+", r"\S+", ".*", r"[0-9]*\.?[0-9]+", r"\d*[.]?\d+", "(?:e[-+]?[0-9]+)?", "(?:ab)?", "(?:[0-9.]+|nan)",
    "(?:nan|a|[0-9]+,)", "[a-z]+",
]  # fmt: skip
WORDS = [
    "ab", "ab=", "a", "b", "=", " ", "  ", "\t", "1", "23", "0", ".", "-", "+", ",",
    "e", "e-5", "nan", "na", "é", "\u0663", "\u00a0", "x",
]  # fmt: skip


@st.composite
def chains(draw):
    before, value, after = (draw(st.lists(st.sampled_from(PIECES), max_size=size)) for size in (2, 3, 2))
    value = value or ["[0-9.]+"]
    return draw(st.sampled_from(["ab", "ab=", "é="])) + "".join([*before, "(", *value, ")", *after])


@given(
    st.lists(chains(), min_size=1, max_size=4, unique=True),
    st.lists(st.lists(st.sampled_from(WORDS), max_size=40).map("".join), max_size=5),
    st.sampled_from(["all", "all", "first", "last"]),
    st.integers(0, 80),
)
def test_what_looks_like_a_chain_gives_the_rows_of_the_oracle(regexes, lines, matches, padding):
    definitions = [{"Name": f"m{index}", "Regex": regex} for index, regex in enumerate(regexes)]
    log = "\n".join("." * padding + line for line in [*lines, "", ""]).encode()
    every_way(definitions, log, matches=matches)
