"""Tables in terminals of any width: texts may be folded, but nothing is cut, and no number is in two pieces."""

import io

import pytest
from rich.console import Console

from metricscan.cli.output import new_table, print_table

JOBS = ["diabetes-261124-1600-003-93150466", "diabetes-261124-1600-005-903104eb", "名前"]
VALUES = ["57.06645", "5.708718320473662e+16", "nan"]


@pytest.mark.parametrize("width", [10, 30, 50, 80, 200])
def test_nothing_is_cut(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
    table = new_table("rank", "job", "a_rather_long_metric", "place", numbers=("rank", "a_rather_long_metric"))
    for rank, (job, value) in enumerate(zip(JOBS, VALUES, strict=True), 1):
        table.add_row(str(rank), job, value, f"{job}/algo-1-1795537885:{rank}")
    print_table(console, table)
    assert console.width == width
    text = console.file.getvalue()
    assert "…" not in text
    for value in VALUES:
        assert sum(value in line.split() for line in text.splitlines()) == 1
    # the letters of a row, however its cells are folded, are those of its cells
    rows = []
    for line in text.splitlines():
        if not rows or line.split()[:1] in (["1"], ["2"], ["3"]):
            rows.append("")
        rows[-1] += "".join(line.split())
    for rank, (job, value, row) in enumerate(zip(JOBS, VALUES, rows[-3:], strict=True), 1):
        assert sorted(row) == sorted(f"{rank}{job}{value}{job}/algo-1-1795537885:{rank}")
