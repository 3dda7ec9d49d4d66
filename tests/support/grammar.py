"""Patterns over the whole grammar of ``re``, and records near them, out of a string of bytes: equal bytes, equal case.

A fuzzer mutates the bytes, a seed makes them, hypothesis draws them: all three come here. Bytes that run out are zeros,
and a zero always means the simplest choice, so that a shorter string is a simpler case.
"""

from __future__ import annotations

import random
import re
import sys
import warnings
from re import _parser as sre_parser
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

PLAIN_LETTERS = "ab=1:.0xkKsS iI_,-\t"
LETTERS = (
    PLAIN_LETTERS + "\u017f\u212a\u0130\u0131\u00e9\u00c9\u00b2\u0663\u1e9e\u00df\u03c3\u03c2\U0001f600\x1c\x00\u2028"
)
# Classes, and what many of them are: one that is repeated is a run of it.
PLAIN_CLASSES = [
    r"\d",
    r"\w",
    r"\s",
    r"\S",
    r"\W",
    r"\D",
    r".",
    r"[a-c]",
    r"[^a]",
    r"[0-9.]",
    r"[^=: ]",
    r"[kK]",
    r"[\d.]",
    r"[^\s;]",
    r"[-+0-9.e]",
    r"[ab=]",
]
CLASSES = [
    *PLAIN_CLASSES,
    *[
        r"[aé]",
        r"[^é]",
        r"[\w-]",
        r"[^\W\d]",
        r"[i]",
        r"[ſ]",
        r"[^ſ]",
        r"[à-ý]",
        r"[^\x80-\xff]",
        r"[\x00-\x7f]",
        r"[\u0100-\U0010ffff]",
        r"[\udc80-\udcff]",
        r"[^\n]",
        r"[\S\s]",
        r"[^\d\D]",
        r"[1²]",
        r"[\x1c-\x1f]",
    ],
]
ANCHORS = [r"\b", r"\B", r"\b", r"\B", "^", "$", r"\A", r"\Z"]
BEHIND = ["a", ".", "=", r"\d", "[ab]", r"\w", "[^a]", "é", ".", r"\S", "^", r"\b", "k", r"\s", "(?:ab|xa)", "(a)"]
REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "{,2}", "{0}", "{3,7}", "{1}", "{0,}"]
GLOBAL_FLAGS = ["", "", "", "", "(?i)", "(?a)", "(?s)", "(?ai)", "(?m)", "(?x)", "(?u)"]
SCOPED_FLAGS = ["i", "-i", "a", "s", "m", "ai", "i-s", "x", "u", "-s"]
PLAIN_ESCAPES = [r"\t", r"\x41", r"\.", r"\061", r"\x1f", r"[\b]"]
ESCAPES = [*PLAIN_ESCAPES, r"\u00e9", r"\N{KELVIN SIGN}", r"\ud800", r"\udcff", r"\r", r"\n"]
PLAIN_LITERALS = ["loss=", "loss: ", "val_loss=", "a=", "[1]", "ab", "K", "x", "nan", "e-", "==", "is", "aaa"]
LITERALS = [*PLAIN_LITERALS, "é=", "=é", "😀", "\u212a=", "ß"]
NUMBERS = [
    "1",
    "0.5",
    "12",
    "-3.25",
    "1e-05",
    "nan",
    "inf",
    "1_0",
    ".5",
    "5.",
    "1e400",
    "٣",
    "0x1",
    "1E+3",
    "16.020744",
    "9007199254740993",
    "-inf",
    "+0",
    "2.5e-324",
]

# re before 3.11.5 crashes on some possessive groups
GROUPS_MAY_POSSESS = sys.version_info >= (3, 11, 5)
DEEPEST = 3
MOST_PARTS = 60


class Choices:
    """Choices read off bytes, one byte each."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> bool:
        return self.at < len(self.data)

    def below(self, count: int) -> int:
        byte = self.data[self.at] if self.left else 0
        self.at += 1
        return byte % count

    def one_of(self, some: Sequence[T]) -> T:
        return some[self.below(len(some))]

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent


class Pattern(NamedTuple):
    text: str
    tree: Any


def parsed(text: str) -> Any:
    """The tree of a pattern that ``re`` takes and that is a definition; None if it is neither."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(text)
            return sre_parser.parse(text) if text else None
        except (re.error, OverflowError, RecursionError):
            return None


class Grammar:
    """One pattern, written as the choices say."""

    def __init__(self, choices: Choices, *, loops_in_loops: bool = True) -> None:
        self.choices = choices
        self.loops_in_loops = loops_in_loops
        self.closed: list[int] = []
        self.names: list[str] = []
        self.groups = 0
        self.parts = 0
        plain = choices.below(3) < 2
        self.letters = PLAIN_LETTERS if plain else LETTERS
        self.literals = PLAIN_LITERALS if plain else LITERALS
        self.classes = PLAIN_CLASSES if plain else CLASSES
        self.escapes = PLAIN_ESCAPES if plain else ESCAPES

    def pattern(self) -> str:
        return self.choices.one_of(GLOBAL_FLAGS) + self.branches(0)

    def branches(self, depth: int) -> str:
        count = self.choices.one_of([1, 1, 1, 2, 3] if depth else [1, 1, 1, 1, 1, 1, 2])
        return "|".join(self.sequence(depth) for _ in range(count))

    def sequence(self, depth: int) -> str:
        text = ""
        for _ in range(self.choices.one_of([1, 2, 3, 2, 1, 4, 0, 3])):
            self.parts += 1
            if self.parts > MOST_PARTS:
                break
            text += self.element(depth)
        return text

    def element(self, depth: int) -> str:
        choices = self.choices
        kind = choices.below(100)
        if kind >= 45 and depth >= DEEPEST:
            kind %= 45
        if kind < 12:
            return re.escape(choices.one_of(self.letters)) + self.repeat("")
        if kind < 18:
            return re.escape(choices.one_of(self.literals))
        if kind < 36:
            return choices.one_of(self.classes) + self.repeat("", percent=65)
        if kind < 41:
            return choices.one_of(ANCHORS)
        if kind < 43:
            return choices.one_of(self.escapes) + self.repeat("")
        if kind < 45:
            return self.reference() + self.repeat("")
        if kind < 62:
            return self.captured(depth)
        if kind < 76:
            body = f"(?:{self.branches(depth + 1)})"
            return body + self.repeat(body)
        if kind < 81:
            body = f"(?{choices.one_of(SCOPED_FLAGS)}:{self.branches(depth + 1)})"
            return body + self.repeat(body)
        if kind < 86:
            body = f"(?>{self.branches(depth + 1)})"
            return body + self.repeat(body)
        if kind < 95:
            return self.look(depth)
        if kind < 97:
            return "(?#note)"
        return self.condition(depth)

    def repeat(self, body: str, percent: int = 45) -> str:
        choices = self.choices
        if not choices.chance(percent):
            return ""
        # loops in loops keep re busy for hours
        nested = not self.loops_in_loops and any(sign in body for sign in "*+,")
        quantifier = choices.one_of(["?", "{2}", "{0,2}"] if nested else REPEATS)
        kind = choices.one_of(["", "", "?", "+"])
        if kind == "+" and body and not GROUPS_MAY_POSSESS:
            kind = ""
        return quantifier + kind

    def captured(self, depth: int) -> str:
        self.groups += 1
        number = self.groups
        opening = "("
        kind = self.choices.below(8)
        if kind >= 6:
            name = "value" if kind == 7 and "value" not in self.names else f"g{number}"
            opening = f"(?P<{name}>"
            self.names.append(name)
        body = opening + self.branches(depth + 1) + ")"
        self.closed.append(number)
        return body + self.repeat(body)

    def reference(self) -> str:
        if not self.closed:
            return "a"
        if self.names and self.choices.chance(30):
            return f"(?P={self.choices.one_of(self.names)})"
        return f"\\{self.choices.one_of(self.closed)}"

    def look(self, depth: int) -> str:
        opening = self.choices.one_of(["(?=", "(?!", "(?<=", "(?<!"])
        if "<" in opening and self.choices.chance(90):
            # behind, only what has a fixed width is taken
            body = "".join(self.choices.one_of(BEHIND) for _ in range(1 + self.choices.below(3)))
            if "(a)" in body:
                self.groups += body.count("(a)")
        else:
            body = self.branches(min(depth + 1, DEEPEST))
        return f"{opening}{body})"

    def condition(self, depth: int) -> str:
        if not self.closed:
            return "(a)?"
        number = self.choices.one_of(self.closed)
        yes, no = self.sequence(depth + 1), self.sequence(depth + 1)
        return f"(?({number}){yes}|{no})" if self.choices.chance(60) else f"(?({number}){yes})"


class Near:
    """A record that a tree may well match, and sometimes just not."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.captured: dict[int, str] = {}
        self.size = 0
        self.letters = PLAIN_LETTERS if choices.below(5) < 3 else LETTERS

    def record(self, tree: Any) -> bytes:
        choices = self.choices
        kind = choices.below(8)
        if kind == 7:
            text = "".join(choices.one_of(self.letters) for _ in range(choices.below(20)))
        else:
            text = "".join(self.text(tree, 0) for _ in range(choices.one_of([1, 1, 1, 2, 3])))
            if kind == 6:
                text = choices.one_of(["", "a", " ", "é", "x=", "1"]) + text + choices.one_of(["", "a", " ", "é", "1"])
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        for _ in range(choices.one_of([0, 0, 1, 0, 1, 2])):
            self.mutate(data)
        return bytes(data)

    def mutate(self, data: bytearray) -> None:
        choices = self.choices
        at = choices.below(len(data) + 1)
        kind = choices.below(5)
        if kind == 0:
            del data[at : at + 1]
        elif kind == 1:
            data[at:at] = choices.one_of(self.letters).encode()
        elif kind == 2:
            data[at : at + 1] = bytes([choices.below(256)])
        elif kind == 3:
            data[at:at] = choices.one_of(
                [b"\x80", b"\xc3", b"\xff", b"\x1c", b"\xe2\x84", b"\0", b"\xed\xa0\x80", b"\x7f"]
            )
        else:
            data[at:at] = data[at : at + 1 + choices.below(4)]

    def text(self, items: Any, depth: int) -> str:
        return "".join(self.node(str(op), av, depth) for op, av in items)

    def node(self, op: str, av: Any, depth: int) -> str:
        self.size += 1
        if self.size > 400:
            return ""
        choices = self.choices
        if op == "LITERAL":
            text = chr(av)
            return text.swapcase() if choices.chance(8) else text
        if op in ("ANY", "NOT_LITERAL"):
            return choices.one_of(self.letters)
        if op == "IN":
            return self.member(av)
        if op == "SUBPATTERN":
            number, _, _, body = av
            text = self.text(body, depth + 1)
            if number is not None:
                self.captured[number] = text
            return text
        if op == "GROUPREF":
            return self.captured.get(av, "a")
        if op == "GROUPREF_EXISTS":
            number, yes, no = av
            body = yes if number in self.captured else no
            return self.text(body, depth + 1) if body else ""
        if op == "BRANCH":
            return self.text(choices.one_of(av[1]), depth + 1)
        if op == "ATOMIC_GROUP":
            return self.text(av, depth + 1)
        if op in ("ASSERT", "ASSERT_NOT"):
            # what is looked for mostly stands there: behind, it was written already
            return self.text(av[1], depth + 1) if av[0] > 0 and choices.chance(50) else ""
        if op.endswith("REPEAT"):
            low, high, body = av
            if len(body) == 1 and str(body[0][0]) in ("IN", "ANY") and low <= 1 and choices.chance(40):
                return choices.one_of(NUMBERS)
            extra = choices.one_of([0, 1, 2, 3, 1, 6] if depth < 2 else [0, 1, 2])
            count = min(low + extra, int(high))
            return "".join(self.text(body, depth + 1) for _ in range(min(count, 12)))
        return ""

    def member(self, items: Any) -> str:
        choices = self.choices
        if str(items[0][0]) == "NEGATE":
            return choices.one_of(self.letters)
        op, av = choices.one_of(items)
        op = str(op)
        if op == "LITERAL":
            return chr(av)
        if op == "RANGE":
            low, high = av
            return chr(low + min(choices.below(256), high - low))
        if op == "CATEGORY":
            kind = str(av)
            if "NOT" in kind:
                return choices.one_of("a= .é1")
            return choices.one_of(
                {"D": "10257٣", "S": "  \t\x1c\u2003", "W": "ab1_é²k"}[kind.removeprefix("CATEGORY_")[0]]
            )
        return "a"


def pattern_from(choices: Choices, *, loops_in_loops: bool = True) -> Pattern | None:
    """The pattern that the choices spell; None if ``re`` refuses it."""
    text = Grammar(choices, loops_in_loops=loops_in_loops).pattern()
    tree = parsed(text)
    return None if tree is None else Pattern(text, tree)


def record_from(choices: Choices, pattern: Pattern) -> bytes:
    """A record near the pattern, without a terminator."""
    return Near(choices).record(pattern.tree).translate(None, b"\n\r")


class Patterns:
    """Endless patterns of a seed; with ``loops_in_loops`` also such as keep ``re`` busy for hours."""

    def __init__(self, seed: int, *, loops_in_loops: bool = False) -> None:
        self.random = random.Random(seed)
        self.loops_in_loops = loops_in_loops
        self.last: Pattern | None = None

    def __iter__(self) -> Iterator[str]:
        while True:
            pattern = pattern_from(self.choices(120), loops_in_loops=self.loops_in_loops)
            if pattern is not None:
                self.last = pattern
                yield pattern.text

    def choices(self, count: int) -> Choices:
        return Choices(self.random.randbytes(count))

    def text(self) -> bytes:
        """A record near the last pattern: short, because ``re`` may need time exponential in its length."""
        assert self.last is not None
        return record_from(self.choices(60), self.last)[:24]
