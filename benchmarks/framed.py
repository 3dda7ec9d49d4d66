"""Time the same text plain and in each envelope of an export, interleaved, by processor time; the values are compared first.

``bytes`` is the speed on the export's bytes beside that of the plain text, ``time`` the plain text's time beside that of the same
text in the export; each of the median and of the fastest run.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gzip
import io
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from inputs import corpora

import metricscan

if TYPE_CHECKING:
    from collections.abc import Callable

_START = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
_START_MS = int(_START.timestamp() * 1000)


def events_json(lines: list[str]) -> bytes:
    """Frame lines as ``aws logs get-log-events`` prints them."""
    events = [
        {"timestamp": _START_MS + n, "message": line, "ingestionTime": _START_MS + n + 80}
        for n, line in enumerate(lines)
    ]
    return json.dumps({"events": events, "nextForwardToken": "f/1"}, indent=4, ensure_ascii=False).encode()


def filtered_json(lines: list[str]) -> bytes:
    """Frame lines as ``aws logs filter-log-events`` prints them."""
    events = [
        {
            "logStreamName": f"gan-tuning-001-{n % 2}/algo-1-1772359200",
            "timestamp": _START_MS + n,
            "message": line,
            "ingestionTime": _START_MS + n + 80,
            "eventId": f"{n:056d}",
        }
        for n, line in enumerate(lines)
    ]
    return json.dumps({"events": events, "searchedLogStreams": []}, indent=4, ensure_ascii=False).encode()


def console_csv(lines: list[str]) -> bytes:
    """Frame lines as the console exports them."""
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["timestamp", "message"])
    rows.writerows([_START_MS + n, line] for n, line in enumerate(lines))
    return file.getvalue().encode()


def s3_lines(lines: list[str]) -> bytes:
    """Frame lines as the export to S3 writes them."""
    step = dt.timedelta(milliseconds=1)
    return "".join(
        f"{(_START + n * step).strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z {line}\n" for n, line in enumerate(lines)
    ).encode()


def docker_lines(lines: list[str]) -> bytes:
    """Frame lines as Docker's json-file driver writes them."""
    dumped = json.JSONEncoder(ensure_ascii=False).encode
    return "".join(
        f'{{"log":{dumped(line + chr(10))},"stream":"std{"err" if n % 8 == 7 else "out"}","time":"{_nanoseconds(n)}Z"}}\n'
        for n, line in enumerate(lines)
    ).encode()


def cri_lines(lines: list[str]) -> bytes:
    """Frame lines as containers' runtimes write them under Kubernetes."""
    return "".join(
        f"{_nanoseconds(n)}Z std{'err' if n % 8 == 7 else 'out'} F {line}\n" for n, line in enumerate(lines)
    ).encode()


def _nanoseconds(n: int) -> str:
    """The time of a line, with the digits that Go writes: no zeros at the end."""
    at = _START + n * dt.timedelta(milliseconds=1)
    return f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}{n * 7919 % 1000:03}".rstrip("0").rstrip(".")


FORMS: dict[str, tuple[Callable[[list[str]], bytes], str]] = {
    "get-log-events": (events_json, "cloudwatch-json"),
    "filter-log-events": (filtered_json, "cloudwatch-json"),
    "console CSV": (console_csv, "cloudwatch-csv"),
    "S3": (s3_lines, "s3-export"),
    "docker": (docker_lines, "docker-json"),
    "CRI": (cri_lines, "cri"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("workloads", nargs="*", default=["every", "tenth", "hundredth"])
    options = parser.parse_args()
    columns = f"   {'plain':>8} {'framed':>8} {'bytes':>6} {'time':>6}"
    print(f"{'workload':10} {'form':18}{columns[2:]}{columns}   MB/s, medians and fastest")
    for name in options.workloads:
        workload = corpora.workload(name, options.mib << 20)
        scanner = metricscan.Scanner(workload.definitions)
        lines = workload.data.decode().split("\n")[:-1]
        inputs = {"plain": (workload.data, "plain")}
        inputs |= {form: (frame(lines), kind) for form, (frame, kind) in FORMS.items()}
        with tempfile.TemporaryDirectory() as folder:
            for form, written in (("plain, gzip", workload.data), ("S3, gzip", inputs["S3"][0])):
                path = Path(folder) / form
                path.write_bytes(gzip.compress(written, 6))
                inputs[form] = (path, "s3-export" if "S3" in form else "plain")
            _one_workload(name, scanner, inputs, len(workload.data), {"S3, gzip": len(inputs["S3"][0])}, options.rounds)


def _one_workload(name, scanner, inputs, text_bytes, sizes, rounds) -> None:
    values = None
    for source, kind in inputs.values():
        result = scanner.scan(source, threads=1, input_format=kind)
        found = {metric: result[metric]["value"].to_pylist() for metric in result}
        assert values in (None, found), "the values differ"
        values = found
    seconds: dict[str, list[float]] = {form: [] for form in inputs}
    for _ in range(rounds):
        for form, (source, kind) in inputs.items():
            start = time.process_time()
            scanner.scan(source, threads=1, input_format=kind)
            seconds[form].append(time.process_time() - start)
    for form, (source, _) in inputs.items():
        if form.startswith("plain"):
            continue
        size = sizes.get(form) or len(source)
        shown = ""
        for of in (statistics.median, min):
            plain_time, framed_time = of(seconds["plain, gzip" if "gzip" in form else "plain"]), of(seconds[form])
            plain, framed = text_bytes / plain_time / 1e6, size / framed_time / 1e6
            shown += f"   {plain:8,.0f} {framed:8,.0f} {framed / plain:6.2f} {plain_time / framed_time:6.2f}"
        print(f"{name:10} {form:18}{shown[2:]}")


if __name__ == "__main__":
    main()
