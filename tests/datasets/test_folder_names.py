"""Names of metrics' folders: each is that of its metric, on every file system."""

import re

from hypothesis import given
from hypothesis import strategies as st

from metricscan.datasets.folder_names import folder_name, folder_names, metric_name

RESERVED = ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10)))
# any character, lone surrogates too
CHARACTERS = st.characters(categories=None)
ANY = st.one_of(
    st.text(CHARACTERS, min_size=1, max_size=16),
    st.text("._~%aA/\\é\0 \ud800", min_size=1, max_size=10),
    st.sampled_from(["con", "NUL", "aux.txt", "com1", "Lpt9.a", "prn ", "loss.", " a"]),
)


def check(folder):
    assert folder.isascii()
    assert folder.isprintable()
    assert not set(folder) & set('/\\:*?"<>|=')
    assert folder[0] not in "._"
    assert folder[-1] not in ". "
    assert folder.partition(".")[0].rstrip(" ").lower() not in RESERVED
    assert len(folder) <= 200


@given(ANY)
def test_the_name_of_a_folder_is_that_of_its_metric(name):
    folder = folder_name(name)
    check(folder)
    assert metric_name(folder) == name


@given(st.text(CHARACTERS, min_size=60, max_size=255))
def test_a_long_name_is_cut_and_stays_apart(name):
    folder = folder_name(name)
    check(folder)
    assert folder_name(name[:-1] + ("a" if name[-1] != "a" else "b")) != folder
    assert metric_name(folder) == name or "~" in folder


@given(
    st.one_of(
        st.lists(ANY, unique=True, max_size=8),
        st.lists(st.text("aAbB%.4", min_size=1, max_size=4), unique=True, max_size=40),
        st.lists(st.text("lLé", min_size=180, max_size=255), unique=True, max_size=4),
    )
)
def test_no_two_folders_are_one_where_case_does_not_count(names):
    folders = folder_names(names)
    assert list(folders) == names
    assert len({folder.lower() for folder in folders.values()}) == len(names)
    for name, folder in folders.items():
        check(folder)
        assert metric_name(folder) == name or "~" in folder
        if sum(folder_name(other).lower() == folder_name(name).lower() for other in names) == 1:
            assert folder == folder_name(name)


def test_of_names_that_differ_in_case_the_lower_one_stays():
    assert folder_names(["Loss", "loss", "LOSS"]) == {"Loss": "%4Coss", "loss": "loss", "LOSS": "%4C%4F%53%53"}
    assert folder_names(["Loss", "val"]) == {"Loss": "Loss", "val": "val"}


def test_names_of_devices_are_encoded():
    for name in RESERVED:
        for given_name in (name, name.upper(), f"{name}.parquet", f"{name} "):
            assert re.fullmatch(r"%[0-9A-F]{2}.*", folder_name(given_name))
    assert folder_name("console") == "console"
    assert folder_name("com") == "com"
