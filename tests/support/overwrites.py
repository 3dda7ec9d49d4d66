"""Overwrites of a dataset for tests: each dataset holds one number, in all of its files."""

import os

import pyarrow as pa

from metricscan import Dataset
from metricscan.datasets import dataset_disk
from metricscan.datasets.schema import SCHEMA
from metricscan.datasets.sink import Sink

METRICS = ("loss", "acc", "auc", "lr")
NOTED = {"objective": None, "jobs": [], "sources": [], "counts": {}}


def rows(value, metric):
    row = {
        "job": "a",
        "stream": "stdout",
        "part": 0,
        "metric": metric,
        "value": value,
        "line": 1,
        "offset": 0,
        "start": 5,
    }
    columns = [pa.array([{**row, "time": None}[name]]) for name in SCHEMA.names]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA).to_batches()[0]


def write(path, value):
    """Write a dataset of this number, in the place of one that is there."""
    with Sink(path, METRICS, overwrite=True) as sink:
        for metric in METRICS:
            sink.write(metric, rows(value, metric))
        sink.finish(pa.table({"value": [value]}), NOTED)


def value_of(path):
    """The number of a dataset; -inf if its files differ, which none of one writing do."""
    dataset = Dataset(path)
    values = {value for metric in METRICS for value in dataset[metric]["value"].to_pylist()}
    return values.pop() if len(values) == 1 and len(os.listdir(path)) == len(METRICS) + 2 else float("-inf")


def by_renames():
    """From now on this process swaps two folders by renames, as where the system cannot exchange them."""

    def refused(one, other):
        raise dataset_disk.NoExchange

    dataset_disk.exchange = refused
