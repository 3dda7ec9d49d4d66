"""The table of contents of the tests names every file of theirs and no other, and the rooms are those of the package."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CONTENTS = (TESTS / "README.md").read_text(encoding="utf-8").partition("## Contents")[2]
# Folders of the tests that are no rooms of the package.
OTHERS = {"cases", "project", "support"}


def test_the_table_of_contents_names_every_file_and_no_other():
    named = re.findall(r"`([^`]+\.py)`", "".join(re.findall(r"^\| (`.*?) \|", CONTENTS, re.MULTILINE)))
    there = [path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py")]
    assert sorted(named) == sorted(there)


def test_the_rooms_are_those_of_the_package():
    rooms = {path.name for path in (TESTS.parent / "metricscan").iterdir() if path.is_dir()}
    tested = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert tested - rooms == {"project"}
    assert set(re.findall(r"\*\*`(\w+)/`\*\*", CONTENTS)) == tested | (OTHERS - {"cases"})
