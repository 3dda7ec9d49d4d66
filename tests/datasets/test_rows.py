"""Names in columns of rows, as numbers."""

import numpy as np
import pyarrow as pa
import pytest

from metricscan import OptionError
from metricscan.datasets.rows import codes_of

# it must outlive all that was allocated from it
POOL = pa.proxy_memory_pool(pa.default_memory_pool())


def plain(chunks):
    return pa.chunked_array(chunks, pa.string())


def own_dictionaries(chunks):
    names = pa.dictionary(pa.int32(), pa.string())
    return pa.chunked_array([pa.array(chunk, pa.string()).dictionary_encode() for chunk in chunks], names)


def one_dictionary(chunks):
    names = pa.array(sorted({name for chunk in chunks for name in chunk}), pa.string())
    codes = [pa.array([names.index(name).as_py() for name in chunk], pa.int32()) for chunk in chunks]
    chunks = [pa.DictionaryArray.from_arrays(one, names) for one in codes]
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string()))


KINDS = [plain, own_dictionaries, one_dictionary]


@pytest.mark.parametrize("column_of", KINDS)
@pytest.mark.parametrize("chunks", [[], [[]], [["a"]], [["b", "a"], [], ["a", "c", "b"]], [["x"], ["y"], ["x"]]])
def test_codes_give_back_the_names(column_of, chunks):
    names, codes = codes_of(column_of(chunks), "job")
    assert [names[code].as_py() for code in codes.tolist()] == [name for chunk in chunks for name in chunk]
    assert names.to_pylist() == list(dict.fromkeys(names.to_pylist()))


@pytest.mark.parametrize("column_of", KINDS)
def test_memory_grows_with_rows_not_with_chunks_times_names(column_of):
    column = column_of([[f"{chunk}_{row}" for row in range(100)] for chunk in range(400)])
    before = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    try:
        names, codes = codes_of(column, "job")
    finally:
        pa.set_memory_pool(before)
    assert len(names) == len(np.unique(codes)) == 40_000
    # 400 chunks times 40,000 names are 64 MB
    assert POOL.max_memory() < 10_000_000


def test_a_row_without_a_name_is_an_error():
    with pytest.raises(OptionError, match="'job' is null in 1 rows"):
        codes_of(pa.chunked_array([["a"], [None]], pa.string()), "job")
