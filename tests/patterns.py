"""Random patterns over the whole grammar of ``re``, and texts near them; the same for the same seed."""

import random
import re
import warnings
from collections.abc import Iterator

LETTERS = "ab=:.01xkKs\u017f\u212a\u00e9\u00b2"
CLASSES = [r"\d", r"\w", r"\s", r"\S", r"\W", r"\D", "[a-c]", "[^a]", "[0-9.]", "[^=: ]", "[a\u00e9]", ".", "[kK]"]
ANCHORS = [r"\b", r"\B", "^", "$", r"\A", r"\Z"]
LOOKS = ["(?=", "(?!", "(?<=", "(?<!"]
REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"]
FLAGS = ["", "", "", "", "", "(?i)", "(?a)", "(?s)", "(?ai)", "(?m)"]


class Patterns:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __iter__(self) -> Iterator[str]:
        while True:
            pattern = self.random.choice(FLAGS) + self.sequence(2)
            if self.random.random() < 0.2:
                pattern += "|" + self.sequence(1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    re.compile(pattern)
                except (re.error, OverflowError):
                    continue
            yield pattern

    def sequence(self, depth: int) -> str:
        choice, chance = self.random.choice, self.random.random
        text = ""
        for _ in range(self.random.randint(1, 4)):
            atom, may_repeat = self.atom(depth)
            if may_repeat and chance() < 0.4:
                # possessive groups crash re before Python 3.11.5
                may_possess = not atom.startswith("(") and chance() < 0.3
                # loops in loops keep re busy for hours
                nested = atom.startswith("(") and any(sign in atom for sign in "*+,")
                repeat = choice(["?", "{2}", "{0,2}"] if nested else REPEATS)
                atom += repeat + choice(["", "", "?", "+" if may_possess else ""])
            text += atom
        return text

    def atom(self, depth: int) -> tuple[str, bool]:
        choice, share = self.random.choice, self.random.random()
        if share < 0.35:
            return re.escape(choice(LETTERS)), True
        if share < 0.55:
            return choice(CLASSES), True
        if share < 0.62:
            return choice(ANCHORS), False
        if share < 0.68:
            return choice(LOOKS) + choice(["a", "[ab]", r"\w", "=", r"\d", "a=", r"\s"]) + ")", False
        if depth == 0:
            return "a", True
        if share < 0.80:
            return f"({self.sequence(depth - 1)})", True
        if share < 0.96:
            return f"(?:{'|'.join(self.sequence(depth - 1) for _ in range(self.random.randint(1, 3)))})", True
        return f"(?i:{self.sequence(depth - 1)})", True

    def text(self) -> bytes:
        """A record: short, because ``re`` may need time exponential in its length."""
        letters = self.random.choice([LETTERS + " \t-", "ab=1: "])
        data = bytearray("".join(self.random.choices(letters, k=self.random.randint(0, 12))).encode())
        if self.random.random() < 0.15:
            data.insert(self.random.randint(0, len(data)), self.random.choice([0x80, 0xC3, 0xFF, 0x1C, 0xE2, 0]))
        return bytes(data)
