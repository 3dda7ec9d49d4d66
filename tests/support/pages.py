"""Pages of reports, read back: their data as numbers, their curves, and the elements that they are made of."""

import json
import math
from html.parser import HTMLParser

from metricscan.reports.packing import from_number, unpacked


class _Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.texts = {}

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, *sorted((name, value) for name, value in attributes if name != "content")))

    def handle_data(self, text):
        if self.elements:
            key = len(self.elements) - 1
            self.texts[key] = self.texts.get(key, "") + text


def page_of(text):
    """The page that a text is: its elements in order, each with its attributes, and the text behind each."""
    page = _Page()
    page.feed(text)
    page.close()
    return page


def data_of(text):
    """The data that stand in a page."""
    page = page_of(text)
    (place,) = [at for at, element in enumerate(page.elements) if ("id", "data") in element]
    return json.loads(page.texts[place])


def numbers_of(column):
    """A column of numbers that the page has; None where it has none."""
    return [from_number(one) for one in column]


def curves_of(entry):
    """The curves of a metric: by job's place and worker, the points as (step, row, time, value)."""
    starts, total = [], 0
    for size in entry["size"]:
        starts.append(total)
        total += size
    places = (
        [None] * total if entry[name] is None else unpacked(entry[name], starts) for name in ("step", "row", "time")
    )
    points = list(zip(*places, numbers_of(entry["value"]), strict=True))
    workers = entry["worker"] or [None] * len(entry["job"])
    return {
        (job, worker): points[start : start + size]
        for job, worker, start, size in zip(entry["job"], workers, starts, entry["size"], strict=True)
    }


def same(one, other):
    """Whether two numbers are the same, NaN and None included, and the sign of zero."""
    if one is None or other is None:
        return one is other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other and math.copysign(1, one) == math.copysign(1, other)


def all_same(some, others):
    """Whether all numbers of two columns are the same."""
    return len(some) == len(others) and all(map(same, some, others))
