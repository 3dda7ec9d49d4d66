"""What a pattern may cost: it is compiled or refused in bounded time; and which patterns are not provably linear."""

import re
import resource
import sys
import warnings

import pytest

from metricscan import DefinitionError, DefinitionWarning, OptionError, Scanner
from metricscan.patterns.dialect import TOO_DEEP, compile_regex
from metricscan.patterns.safety import doubt
from metricscan.patterns.tree import Tree


def parse(regex):
    tree = compile_regex(regex).tree
    return Tree(tree, tree.state.flags)


def scanner(regex, **options):
    return Scanner([{"Name": "m", "Regex": regex}], **{"untamed": "allow", **options})


# ---- compiling


HUGE = {
    "text of 100 KB": ("ab" * 50_000, "ab" * 50_000),
    "100 KB of groups": ("(a)" * 33_000, "a" * 33_000),
    "10,000 alternatives": (r"x(?:" + "|".join(f"n{i}" for i in range(10_000)) + r")=(\d)", "xn9999=1"),
    "a long count": ("a{0,65535}b", "aab"),
    "a long count of a group": ("(?:ab){0,65535}(c)", "ababc"),
    "counts in counts": ("(?:a{65535}){65535}|(b)", "b"),
    "counts in counts in counts": ("(?:(?:(?:a{1,200}b){1,200}){1,200}){1,200}(c)", "abaabc"),
    "a count of nothing": ("a(?:){50000000}(b)", "ab"),
    "counts of nothing in counts": ("a(?:(?:){3}|(?:(?:)*?){2,50000000}){50000000}(b)", "ab"),
    "a count beyond any record": ("a{4294967294}|(b)", "b"),
    "a class of 20,000": ("([" + "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))) + "])", "\u4e00"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HUGE)
def test_huge_patterns_compile(kind):
    regex, text = HUGE[kind]
    # Python's re takes 2.7 GB to search for a count of nothing, and a minute and 20 GB for counts of it in counts
    simple = "a(b)" if "of nothing" in kind else regex
    wanted = re.search(simple, text)[0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert [match.text for match in scanner(regex).find(text)][:1] == [wanted]
    scanner(regex).explain()
    # the greatest takes 24 MB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    ("regex", "fault"),
    [
        (r"(?:\p{L}{65535}){65535}", "unroll to 4,294,836,225 elements; with \\p{..} at most 100,000 are taken"),
        ("a{99999999999}", "the repetition number is too large"),
        ("(" * 1000 + "a" + ")" * 1000, TOO_DEEP.format(sys.getrecursionlimit())),
        ("(?:" * 5000 + "a" + ")*" * 5000, TOO_DEEP.format(sys.getrecursionlimit())),
    ],
)
def test_a_pattern_beyond_a_limit_is_an_error_that_names_the_limit(regex, fault):
    with pytest.raises(DefinitionError) as caught:
        scanner(regex)
    assert fault in str(caught.value)


def deeper(levels, call):
    return call() if levels == 0 else deeper(levels - 1, call)


@pytest.mark.slow
@pytest.mark.parametrize("closing", [")", ")+", "){2}", ")?", ")??", "|b)", "|b)+"])
@pytest.mark.parametrize("opening", ["(", "(?:", "(?=", "(?i:", "(?>", r"(?:\w"])
def test_nesting_is_never_a_recursion_error(opening, closing):
    for levels in (30, 170, 290, 320):
        regex = opening * levels + "a" + closing * levels
        for depth in (0, 100):

            def build(regex=regex):
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", DefinitionWarning)
                        return str(Scanner([{"Name": "m", "Regex": regex}]).explain())
                except DefinitionError as error:
                    return str(error)

            said = deeper(depth, build)
            assert "strategy" in said or "nested too deeply" in said


def test_what_compiled_on_a_short_stack_may_be_built_on_a_long_one():
    regex = "(?:" * 200 + "a" + "|b)+" * 200
    scanner(regex)
    # re keeps what it has compiled; its parser would not come so far here
    found = deeper(400, lambda: scanner(regex).find("ab"))
    assert [match.text for match in found] == ["ab"]


# ---- provably linear or not


LINEAR = [
    r"(\w+)=(\d+)",
    r"(?:, (\d+))*",
    r"(?:\w+: \d+, )*loss=(\d+)",
    r"(['\"])(.*?)\1",
    r"(a|b)\1+(\d)",
    r"(?:(a)|b|(c))*d",
    r"(<)?(\d+)(?(1)>|;)",
    r"(?>a|ab)c",
    r"(?:[^,]*,){5}(\d+)",
    r"([\w|-]+)\s*=\s*((-?\d+)(\.\d+)?)",
    r".*loss=(\d+)",
    r"x(\d{1,3}\.){3}(\d{1,3})",
    r"(?=.*x)(\w)",
    r"(?:ab{2}c)*(d)",
    r"a*+a(\d)",
    r"(?i)(k+)=",
]
NOT_LINEAR = [
    r"(a+)+$",
    r"(a|a)*b",
    r"(.*)*x",
    r"(\w+\s?)*:",
    r"(a*)*",
    r"(a|b|ab)*c",
    r"(?:(?:a{1,3}){1,3}){1,3}[bc]",
    r"([a-z]+)*=",
    r"^(\d+)*$",
    r"(x+x+)+y",
    r"(.*a){20}",
    r"(.*)(.*)x",
    r"a*a*b",
    r"\s*\s*$x",
    r".*\d+b",
    r"(\d+)\1",
    r"a*(?=.*x)b",
    r"(?:a|\ba)*b",
    r"(?:a?b?)*c",
    r"(?:ab?)*b",
    r"(?:é|[^a])*b",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    r"(?:(a)|(?(1)a|b))*c",
    r"(?:.*,)?.*;",
    "a{0,5000}a{0,5000}b",
]


@pytest.mark.parametrize("regex", LINEAR)
def test_these_are_provably_linear(regex):
    assert doubt(parse(regex)) is None


@pytest.mark.parametrize("regex", NOT_LINEAR)
def test_these_are_not_provably_linear(regex):
    assert doubt(parse(regex))


def test_a_pattern_of_another_grammar_has_no_classes():
    assert doubt(parse(r"(\w+),(\d)")) is None
    assert doubt(parse(r"(\w+)+,(\d)"), classes_known=False)
    assert scanner(r"(\p{L})=(\d)").explain()[0].untamed is None
    assert scanner(r"(\p{L}+,)+=(\d)").explain()[0].untamed


# a part with flags of its own for \w is for re
RUNS_AWAY = r"(?a:\w)(?:a+)+$"


def test_only_what_the_core_leaves_is_warned_of():
    with pytest.warns(
        DefinitionWarning, match=r"definition 'm': `re` runs this regex with no bound on its time, and it is not ReDoS"
    ) as caught:
        Scanner([{"Name": "m", "Regex": RUNS_AWAY}])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Scanner([r"m=(?:a+)+$", r"n=(?a:\w)(\d)"])
        Scanner([{"Name": "m", "Regex": RUNS_AWAY}], untamed="allow")


def test_patterns_that_are_not_provably_linear_are_refused_if_asked():
    with pytest.raises(DefinitionError) as caught:
        Scanner([f"a={RUNS_AWAY}", r"b=b=(\d)", f"c=c{RUNS_AWAY}"], untamed="refuse")
    assert [fault.index for fault in caught.value.faults] == [0, 2]
    assert all("not ReDoS-safe: a repeat stands in a loop" in fault.message for fault in caught.value.faults)
    Scanner([r"b=b=(\d)", r"m=(?a:\w)(\d)"], untamed="refuse")
    with pytest.raises(OptionError, match=r"untamed='no': 'warn' or 'refuse' or 'allow'"):
        Scanner([r"b=b=(\d)"], untamed="no")


def test_explain_says_which_they_are():
    explanation, linear = scanner(RUNS_AWAY).explain()[0], scanner(r"(?a:\w)(\d)").explain()[0]
    assert explanation.untamed == "a repeat stands in a loop whose next round can take the same text"
    assert "untamed   re runs it with no bound on its time" in str(explanation)
    assert (linear.engine, linear.untamed) == ("re", None)
    assert "untamed" not in str(linear)


def test_the_choice_changes_no_row():
    first, second = scanner(RUNS_AWAY, untamed="allow"), scanner(r"(?a:\w)(\d)", untamed="refuse")
    assert first.options == second.options
    assert second == Scanner([{"Name": "m", "Regex": r"(?a:\w)(\d)"}])


# ---- the budget of steps


ALTERNATIVES = "|".join(f"{chr(97 + number % 26)}{chr(97 + number * 7 % 26)}+x" for number in range(34))
MONTHS = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?"
DAY = (
    rf"(?:(?<!:)(?<!:\d)[0-3]?\d(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{MONTHS})|(?:{MONTHS})\s+[0-3]?\d)(?:,)?\s*(?:\d{{4}})?"
)
DATES = "(?i)(?:" + "|".join(DAY.replace(r"\s+", rf"\s{{1,{2 + number}}}") for number in range(30)) + ")=x"


@pytest.mark.parametrize(
    ("regex", "record"),
    [
        pytest.param(rf"(?:{ALTERNATIVES}|[a-z])+=(\d+)", b"ab" * 1088 + b"=", id="34 alternatives"),
        pytest.param(DATES, b"12 of sep 2020 " * 23, id="a regex of 7,000 characters"),
        pytest.param("(1|11)+$", b"1" * 1_400_000, id="a choice at each byte"),
        pytest.param("(?:[ab][ab][ab][ab][ab][ab][ab][ab]){300}c", b"ab" * 3000, id="a long straight program"),
    ],
)
def test_ordinary_patterns_lose_no_record(regex, record):
    explanation = scanner(regex).explain()[0]
    assert explanation.strategy == "program"
    counts = scanner(regex).scan(record).stats.metrics["m"]
    assert counts.over_budget == 0
    if len(record) < 10_000:
        matches = [match.span() for match in re.finditer(regex, record.decode())]
        assert [match.span for match in scanner(regex).find(record)] == matches


def test_explain_says_which_records_may_exceed_the_budget():
    regexes = {
        r"loss=(\d+)": None,
        r"(?:a|b)=(\d+),(?:\d+)?": None,
        r"(?:a|ab)*c": "those of more than",
        r"((a|ab)*)\1+c": "any: its failures are not remembered",
        r"(a|b)=\1(\d)": None,
        r"(\w)\1+=": "any: its failures are not remembered",
        r"(?:a{1,60}){1,60}b{1,9}(?:c{1,60}){1,60}d": "any: its failures are not remembered",
        r"(?:ab|cd)+e": "those of more than",
        r"(?:<.*?>|x)*y": "any: a lazy repeat stands in a loop",
    }
    for regex, told in regexes.items():
        explanation = scanner(regex).explain()[0]
        assert (explanation.budget or "").startswith(told or ""), regex
        assert (explanation.budget is None) == (told is None), regex
        assert ("budget    records that may exceed it" in str(explanation)) == (told is not None)


def test_what_takes_only_the_empty_text_is_left_out():
    for regex in ("a(?:){50000000}(b)", "a(?:(?:){3}){50000000}?(b)", "a(?:(?:)*?){2,9}(b)"):
        assert [match.span for match in scanner(regex).find("ab")] == [
            re.search(regex.replace("50000000", "5"), "ab").span()
        ]
    # a group whose value is asked for stays
    assert scanner("a(){3}b").find("ab")[0].value_span == (1, 1)


@pytest.mark.parametrize("regex", [r"(?:a|ab)*c", r"(?:a+a+)+[bc]", r"(?:\w+\s?)*:", r"(?:[a-z]+)*[=:]", r"(a|a)*b"])
def test_the_budget_is_not_exceeded_by_shorter_records(regex):
    told = scanner(regex).explain()[0].budget
    longest = int(told.removeprefix("those of more than ").removesuffix(" bytes").replace(",", ""))
    for unit in (b"a", b"ab", b"a "):
        record = unit * (longest // len(unit)) if longest < 3_000_000 else unit * 100_000
        assert scanner(regex).scan(record + b"\n").stats.metrics["m"].over_budget == 0


def test_the_budget_of_a_large_record_is_capped():
    counts = scanner("x=((a{1,60}){1,60})b").scan(b"x=" + b"a" * 8_000_000 + b"\nx=aab\n").stats.metrics["m"]
    # the text of the second record is no number
    assert (counts.rows, counts.unparsed, counts.over_budget) == (0, 1, 1)
