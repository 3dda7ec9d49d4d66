"""``metricscan algorithms``: SageMaker's built-in algorithms and their metrics."""

from __future__ import annotations

import click

from metricscan.cli import documents
from metricscan.cli.options import json_option
from metricscan.cli.output import literal, new_table, open_console, print_table


@click.command(short_help="List SageMaker's built-in algorithms and their metrics.")
@click.argument("name", required=False)
@json_option
def algorithms(name: str | None, print_json: bool) -> int:
    """List SageMaker's built-in algorithms. With NAME, list the metrics of one, their regexes and the evidence for each."""
    from metricscan.sagemaker.algorithms import EVIDENCE, algorithm, table

    listed = list(table().values()) if name is None else [algorithm(name)]
    if print_json:
        document = {
            one.name: {
                "title": one.title,
                "repositories": list(one.repositories),
                "metrics": [row._asdict() for row in one.metrics],
            }
            for one in listed
        }
        documents.print_document(document)
        return 0
    console = open_console()
    if name is None:
        numbers = ("metrics", "with regex")
        shown = new_table("algorithm", "title", "image", *numbers, numbers=numbers)
        for one in listed:
            with_regex = sum(row.regex is not None for row in one.metrics)
            cells = (one.name, one.title, ", ".join(one.repositories), str(len(one.metrics)), str(with_regex))
            shown.add_row(*map(literal, cells))
        print_table(console, shown)
        return 0
    shown = new_table("metric", "better", "evidence", "regex")
    for row in listed[0].metrics:
        better = {"Minimize": "lower", "Maximize": "higher"}.get(row.direction or "", "")
        shown.add_row(*map(literal, (row.name, better, row.evidence, row.regex or "")))
    print_table(console, shown)
    for evidence in dict.fromkeys(row.evidence for row in listed[0].metrics):
        console.print(f"{evidence}: {EVIDENCE[evidence]}", soft_wrap=True)
    for source in dict.fromkeys(row.source for row in listed[0].metrics):
        console.print(f"source: {source}", soft_wrap=True)
    for row in listed[0].metrics:
        if row.note:
            console.print(f"{row.name}: {row.note}", soft_wrap=True)
    return 0
