"""Columns that grow, and bytes that are put away, beside lists."""

import errno
import os
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Objective, OptionError, Scanner, SourceError
from metricscan.fleet import columns, decide, rank_partials, scan_batch
from metricscan.fleet.columns import Column, PutAway, Texts, is_one_value, renumbered, taken

NUMBERS = st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf")])


@given(st.lists(st.lists(NUMBERS, max_size=3), max_size=4))
def test_a_column_holds_its_values_bit_for_bit(batches):
    column = Column(np.float64)
    for one in batches:
        column.add(np.array(one, np.float64))
    given_ = np.array([value for one in batches for value in one], np.float64)
    found = column.array()
    assert found.tobytes() == given_.tobytes()
    assert is_one_value(found) == (len({value.tobytes() for value in given_}) == 1)
    order = np.random.default_rng(1).permutation(len(given_))
    assert taken(found, order).tobytes() == given_[order].tobytes()


def test_equal_values_take_no_memory():
    column = Column(np.int64)
    for _ in range(1000):
        column.add(np.full(1000, 7))
    found = taken(column.array(), np.arange(1_000_000)[::-1])
    assert is_one_value(found)
    assert found.shape == (1_000_000,)
    assert is_one_value(renumbered(found, np.arange(8) * 10))
    assert renumbered(found, np.arange(8) * 10)[-1] == 70


@given(st.lists(st.lists(st.text(max_size=3), max_size=3), max_size=4), st.integers(0, 2))
def test_texts_are_those_that_were_added(batches, cut):
    texts = Texts()
    for one in batches:
        texts.add(pa.array(one, pa.string())[cut:])
    found = texts.array()
    found.validate(full=True)
    assert found.to_pylist() == [text for one in batches for text in one[cut:]]
    assert len(texts) == len(found)


def test_more_than_a_column_of_string_holds_is_an_error(monkeypatch):
    monkeypatch.setattr(columns, "MOST_TEXT", 3)
    texts = Texts()
    texts.add(pa.array(["ab", "cd"]))
    with pytest.raises(OptionError, match="the names of 2 jobs or streams take more than"):
        texts.array()


@pytest.mark.parametrize("in_memory", [1, 1 << 20])
def test_what_was_put_away_is_found(monkeypatch, in_memory):
    monkeypatch.setattr(columns, "IN_MEMORY", in_memory)
    items = [os.urandom(random.Random(at).randrange(40)) for at in range(300)]
    put_away = PutAway()
    for at in range(0, 300, 7):
        put_away.add(items[at : at + 7])
    assert [put_away[at] for at in reversed(range(300))] == items[::-1]


def test_a_full_folder_for_temporary_files_is_an_error(monkeypatch):
    class Full:
        def seek(self, place):
            pass

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self):
            pass

    monkeypatch.setattr(columns.tempfile, "SpooledTemporaryFile", lambda size: Full())
    logs = pa.table({"path": ["a"], "bytes": [b"loss=1"]})
    partial = decide(scan_batch(logs, Scanner(["loss=loss=(.*)"])), Objective("loss", "Minimize"))
    with pytest.raises(SourceError, match=r"cannot write a temporary file in .*: No space left on device") as caught:
        rank_partials(iter([partial]))
    assert caught.value.hint == "TMPDIR names another folder"


def test_jobs_that_are_copies_are_found_in_any_order(monkeypatch):
    monkeypatch.setattr(columns, "IN_MEMORY", 1)
    rng = random.Random(3)
    same = "".join(f"loss={at}\n" for at in range(9))
    texts = {f"f/{name}.log": same if name in (3, 8) else same.replace("8", f"8.{name}5") for name in range(12)}
    texts["f/short.log"] = "loss=1\n"
    scanner, objective = Scanner(["loss=loss=([0-9.]+)"]), Objective("loss", "Minimize")
    for _ in range(3):
        paths = rng.sample(sorted(texts), len(texts))
        partials = [
            decide(scan_batch(pa.table({"path": [path], "bytes": [texts[path].encode()]}), scanner), objective)
            for path in paths
        ]
        found = rank_partials(iter(partials))
        status = dict(zip(found["job"].to_pylist(), found["objective_status"].to_pylist(), strict=True))
        assert [job for job, one in status.items() if one != "found"] == ["f/8.log"]
        assert status["f/8.log"] == "copy"
