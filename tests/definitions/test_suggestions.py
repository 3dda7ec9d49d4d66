"""Suggestions run beside plain ``re``: they keep what was read rightly, read each number whole, and lose nothing."""

import json
import random
import re
from collections import Counter, defaultdict

import pytest
from support import grammar, reference

from metricscan import Scanner
from metricscan.definitions.lint import lint
from metricscan.definitions.regex_parts import NUMBER
from metricscan.replaying.lint_log import lint_log
from metricscan.scanning.scanner import _configured

# Findings about the value's group: its suggestion takes every number.
ABOUT_NUMBERS = {
    "no-sign-or-exponent",
    "no-exponent",
    "no-sign",
    "whole-numbers",
    "cut-number",
    "no-group",
    "wrong-group",
}
NOTATIONS = (
    *("0.25", "7", "12.", ".5", "-3.75", "+2", "1e-05", "6.02E+23", "-1.5e3", "1234567.875"),
    *("nan", "NaN", "-nan", "inf", "-inf", "Infinity"),
)
WHOLE = re.compile(rf"(?:{NUMBER}|[-+]?(?i:nan|inf(?:inity)?))(?![\w.])")


def as_found(pattern, line):
    """Where values start, and what they are; as text, so that nan equals nan."""
    group = reference.value_group(pattern)
    found = {}
    for match in pattern.finditer(line):
        if match.start(group) >= 0 and reference.number(match[group]) is not None:
            found[match.span(group)[0] + len(match[group]) - len(match[group].lstrip())] = repr(float(match[group]))
    return found


def is_right(record, at, value, regex):
    """Whether a value is all of the number at a place of a record and, where a regex is given, no longer name's."""
    whole = WHOLE.match(record, at)
    if whole is None or repr(float(whole[0])) != repr(value) or re.search(r"[\w.+-]$", record[:at]):
        return False
    words = re.findall(r"[A-Za-z_][\w/.-]*", record[:at].lower())
    for name in re.findall(r"[a-z]\w+", regex.lower() if regex else ""):
        # a name of the regex stands last at the end of a longer word
        last = [word for word in words if word.endswith(name)][-1:]
        if last and last != [name]:
            return False
    return True


def read_rightly(pattern, line, *, skips):
    """Where a value starts: the values that are all of the number that stands there, and no longer name's."""
    right = {}
    group = reference.value_group(pattern)
    for match in pattern.finditer(line):
        value = reference.number(match[group] or "")
        if value is not None and is_right(line, match.start(group), value, skips and pattern.pattern):
            right[match.start(group)] = repr(value)
    return right


PIECES = (
    "1.5",
    "-3",
    "1e-05",
    "nan",
    "7",
    "2.",
    "x",
    "cost",
    "min_cost=",
    "acc ",
    "cost=",
    "\x1b[32m",
    "[rank0]: ",
    "[a] ",
)
NAMES = ("cost=", "^cost ", ".*cost=", r"acc.*cost\D+", "[a] cost=", "(?i)Cost ", r"([\w/-]+)\s*=\s*")
VALUES = ("([0-9.]+)", r"(\S+)", "(.*?)", "[0-9.]+", r"(\d+)", r"(-?\d+\.\d+)", r"(\w+) ([0-9.]+)")


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize("first", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_suggestions_for_any_regex_and_any_log(tmp_path, first):
    shown = 0
    for seed in range(first, first + (40 if first == 0 else 500)):
        drawn = random.Random(seed)
        pattern = grammar.pattern_from(grammar.Choices(drawn.randbytes(200)), loops_in_loops=False)
        if pattern is None:
            continue
        regex = pattern.text
        if drawn.random() < 0.7:
            regex = drawn.choice(NAMES) + drawn.choice(VALUES) + drawn.choice(["", "", ",", "$", ".", " acc", regex])
        if grammar.parsed(regex) is None:
            continue
        records = [grammar.record_from(grammar.Choices(drawn.randbytes(60)), pattern) for _ in range(4)]
        for _ in range(10):
            texts = [drawn.choice(PIECES) + drawn.choice(["", " ", "="]) for _ in range(drawn.randrange(6))]
            records.append(
                "".join([*texts, drawn.choice(NAMES), drawn.choice(PIECES), drawn.choice(["", ",", " acc=2"])]).encode()
            )
        records = [re.sub(rb"[\r\n]", b" ", record) for record in records]
        (tmp_path / "a.log").write_bytes(b"\n".join(records) + b"\n")
        scanner = Scanner([{"Name": "cost", "Regex": regex}], untamed="allow")
        findings = [one for one in lint_log(scanner, [str(tmp_path / "a.log")]).get("cost", ()) if one.suggestion]
        if not findings:
            continue
        (suggestion,) = {one.suggestion for one in findings}
        shown += 1
        skips = any(one.code == "inside-longer-name" for one in findings)
        for record in records:
            line = record.decode("utf-8", "surrogateescape")
            right = read_rightly(re.compile(regex), line, skips=skips)
            assert right.items() <= as_found(re.compile(suggestion), line).items(), (seed, regex, suggestion, line)
    assert shown > 5


@pytest.fixture(scope="module")
def definitions(facts, corpora):
    rows = [json.loads(line) for line in (facts / "real_regexes.jsonl").read_text(encoding="utf-8").splitlines()]
    lists = defaultdict(list)
    for row in rows:
        lists[row["source"]].append((row["name"], row["regex"]))
    for line in (corpora / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        log = json.loads(line)
        lists[log["file"]] = [(one["Name"], one["Regex"]) for one in log["definitions"]]
    return [(name, regex, [other for _, other in some]) for some in lists.values() for name, regex in some]


@pytest.fixture(scope="module")
def lines(facts, corpora):
    samples = json.loads((facts / "log_samples.json").read_text(encoding="utf-8"))
    regexes = (facts / "real_regexes.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [text for _, _, text, _ in samples] + [json.loads(line)["sample"] or "" for line in regexes]
    for path in sorted((corpora / "logs").iterdir()):
        log = path.read_bytes().decode("utf-8", "replace").splitlines()
        texts += [line[:2000] for line in log[:: max(1, len(log) // 30)]]
    return list(dict.fromkeys(line for text in texts for line in re.split(r"[\r\n]+", text)))


def suggested(name, regex, others):
    """The one suggestion, and the codes of what it mends; None if there is none."""
    findings = [finding for finding in lint(name, regex, others) if finding.suggestion is not None]
    assert len({finding.suggestion for finding in findings}) <= 1
    return (findings[0].suggestion, {finding.code for finding in findings}) if findings else None


def test_suggestions_keep_what_was_read_rightly(definitions, lines):
    values = 0
    for name, regex, others in definitions:
        found = suggested(name, regex, others)
        if found is None:
            continue
        pattern, better = re.compile(regex), re.compile(found[0])
        for line in lines:
            right = read_rightly(pattern, line, skips="inside-longer-name" in found[1])
            values += len(right)
            if right:
                assert right.items() <= as_found(better, line).items(), (regex, found[0], line)
    assert values > 1000


def test_suggestions_read_numbers_in_every_notation(definitions, lines):
    """In the place of a value in a real line stands a number in each notation."""
    tried = 0
    for name, regex, others in definitions:
        found = suggested(name, regex, others)
        if found is None or not found[1] & ABOUT_NUMBERS:
            continue
        pattern, better = re.compile(regex), re.compile(found[0])
        group = reference.value_group(pattern)
        matches = (match for line in lines for match in pattern.finditer(line) if match[group] is not None)
        places = ((match.string, WHOLE.match(match.string, match.start(group))) for match in matches)
        line, whole = next(((line, whole) for line, whole in places if whole is not None), (None, None))
        if line is None:
            continue
        start, end = whole.span()
        sign = line[start - 1 : start] in ("-", "+")
        for notation in NOTATIONS:
            changed = line[: start - sign] + notation + line[end:]
            assert as_found(better, changed).get(start - sign) == repr(float(notation)), (regex, found[0], changed)
            tried += 1
    assert tried > 1000


def written(items, group, number, drawn):
    """A text that a tree of ``re`` matches, with a number in the place of a group."""
    text = ""
    for op, av in items:
        name = str(op)
        if name == "SUBPATTERN":
            text += number if av[0] == group else written(av[3], group, number, drawn)
        elif name == "BRANCH":
            text += written(drawn.choice(av[1]), group, number, drawn)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            count = min(av[0] + drawn.randrange(3), av[1])
            text += "".join(written(av[2], group, number, drawn) for _ in range(count))
        elif name == "LITERAL":
            text += chr(av)
        elif name in ("ANY", "NOT_LITERAL", "IN"):
            # what stands between names is seldom a letter
            members = re.compile(_written_class(op, av))
            text += drawn.choice([one for one in "  ,:|" if members.fullmatch(one)] or [_of_class(members)])
    return text


def _written_class(op, av):
    if str(op) != "IN":
        return "." if str(op) == "ANY" else f"[^{re.escape(chr(av))}]"
    negated = "^" if str(av[0][0]) == "NEGATE" else ""
    kinds = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w", "NOT_DIGIT": r"\D", "NOT_SPACE": r"\S", "NOT_WORD": r"\W"}
    spelled = {
        "LITERAL": lambda one: re.escape(chr(one)),
        "RANGE": lambda one: f"{re.escape(chr(one[0]))}-{re.escape(chr(one[1]))}",
        "CATEGORY": lambda one: kinds[str(one).removeprefix("CATEGORY_")],
        "NEGATE": lambda one: "",
    }
    return f"[{negated}{''.join(spelled[str(kind)](one) for kind, one in av)}]"


def _of_class(members):
    return next(one for one in ["x", *map(chr, range(32, 127))] if members.fullmatch(one))


def test_every_suggestion_keeps_and_reads_numbers_in_lines_of_its_shape(definitions):
    """A line is written for each regex, so that no suggestion is shown without having read anything."""
    drawn = random.Random(7)
    shown = 0
    for name, regex, others in definitions:
        found = suggested(name, regex, others)
        if found is None:
            continue
        shown += 1
        pattern, better = re.compile(regex), re.compile(found[0])
        # of a regex without a group, or whose first takes a name, the suggestion says where the value stands
        is_kept = not found[1] & {"no-group", "wrong-group"}
        shape = pattern if is_kept else better
        tree = re._parser.parse(shape.pattern)
        kept = read = 0
        for notation in NOTATIONS * 4:
            line = written(tree, reference.value_group(shape), notation, drawn)
            line += "" if regex.endswith("$") else drawn.choice(["", " ", ", x", " | y=1"])
            number = repr(float(notation))
            is_read = number in as_found(better, line).values()
            if is_kept and number in as_found(pattern, line).values():
                assert is_read, (regex, found[0], line)
                kept += 1
            read += is_read
        if is_kept and not found[1] & {"empty-value"}:
            assert kept >= 4, (regex, found[0])
        about_numbers = found[1] & (ABOUT_NUMBERS | {"empty-value"})
        assert read == len(NOTATIONS) * 4 if about_numbers else read >= 5, (regex, found[0], read)
    assert shown > 200


@pytest.mark.slow
def test_suggestions_hold_on_the_logs_that_they_were_made_for(corpora):
    shown = 0
    for log in map(json.loads, (corpora / "manifest.jsonl").read_text(encoding="utf-8").splitlines()):
        path = corpora / "logs" / log["file"]
        data = path.read_bytes()
        scanner = _configured(log["definitions"])
        findings = lint_log(scanner, [str(path)])
        assert all(len({one.suggestion for one in some}) == 1 for some in findings.values()), findings
        better = Scanner([f"{name}={some[0].suggestion}" for name, some in findings.items()]) if findings else None
        old, new = scanner.scan(data), better.scan(data) if better else {}
        for name, some in findings.items():
            skips = any(one.code == "inside-longer-name" for one in some)
            found = dict(zip(*(new[name][column].to_pylist() for column in ("start", "value")), strict=True))
            regex = next(one.regex for one in scanner.definitions if one.name == name)
            columns = (old[name][column].to_pylist() for column in ("start", "value", "offset"))
            for start, value, offset in zip(*columns, strict=True):
                if repr(found.get(start)) != repr(value):
                    record = data[offset : start + 100].decode("latin-1")
                    assert not is_right(record, start - offset, value, skips and regex), (
                        name,
                        some[0].suggestion,
                        record,
                    )
            shown += 1
    assert shown > 100


def test_how_many_of_the_real_regexes_have_findings(definitions, facts):
    count = len((facts / "real_regexes.jsonl").read_text(encoding="utf-8").splitlines())
    found = Counter(
        code
        for name, regex, others in definitions[:count]
        for code in [finding.code for finding in lint(name, regex, others)]
    )
    # counted by hand; a check that is changed is looked through again
    assert found == {
        "no-sign-or-exponent": 121,
        "inside-longer-name": 10,
        "empty-value": 6,
        "no-exponent": 3,
        "no-group": 2,
        "whole-numbers": 2,
        "wrong-group": 2,
    }
