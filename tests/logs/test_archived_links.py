"""Links and hidden folders in archives: as in the folder that was archived."""

import gzip
import io
import os
import tarfile

import pytest
from support.archives import entry, tarred, zipped
from support.folders import tree
from support.surveys import told

import metricscan
from metricscan import Scanner, replay
from metricscan.logs.survey import survey
from metricscan.logs.tars import linked_name

SCANNER = Scanner([r"loss=loss=(\S+)"])


def archived(path, folder):
    """A tar of a folder, as tar writes it, links included."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in sorted(os.listdir(folder)):
            archive.add(folder / name, name)
    path.write_bytes(out.getvalue())
    return path


def values(path, **options):
    result = replay(path, SCANNER, **options)
    assert not result.errors
    return {
        job.name: [row["value"] for row in result["loss"].to_pylist() if row["job"] == job.name] for job in result.jobs
    }


@pytest.fixture
def runs(tmp_path):
    folder = tree(tmp_path / "runs", {"1/train.log": "loss=1\n", "2/train.log": "loss=2\n", "2/data.bin": "loss=3\n"})
    (folder / "latest.log").symlink_to("2/train.log")
    (folder / "latest").symlink_to("2")
    (folder / "chain.log").symlink_to("latest.log")
    (folder / "out.log").symlink_to("2/data.bin")
    (folder / "broken.log").symlink_to("3/train.log")
    os.link(folder / "1" / "train.log", folder / "same.log")
    return folder


def test_links_in_a_tar_are_followed_as_in_the_folder(tmp_path, runs):
    of_folder = values(runs)
    path = archived(tmp_path / "runs.tar", runs)
    assert values(path) == of_folder == {"1/train": [1.0], "2/train": [2.0]}
    found = survey([path])
    # the broken link, and that to a folder
    assert found.skipped_not_regular == 2
    assert found.links[f"{path}/latest.log"] == found.links[f"{path}/chain.log"] == f"{path}/2/train.log"
    decisions = {file.path: (file.why, file.same_as) for file in metricscan.survey(path).files}
    assert decisions[f"{path}/latest.log"] == ("link", f"{path}/2/train.log")
    assert decisions[f"{path}/out.log"] == ("link", None)
    packed = tmp_path / "runs.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert values(packed) == of_folder


def test_a_link_in_a_tar_names_the_stream_of_its_pieces(tmp_path):
    folder = tree(tmp_path / "a", {"fit.log.2026-03-01": "loss=1\n", "fit.log.2026-03-02": "loss=2\n"})
    (folder / "fit.log").symlink_to("fit.log.2026-03-02")
    assert values(folder) == values(archived(tmp_path / "a.tar", folder)) == {"fit": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("name", "target"),
    [("a.log", "/etc/passwd"), ("a.log", "../b.log"), ("x/a.log", "../../b.log"), ("a.log", ""), ("a.log", "a.log")],
)
def test_a_link_that_leads_out_of_a_tar_is_passed_over(tmp_path, name, target):
    entries = [entry(name, type=tarfile.SYMTYPE, linkname=target), entry("b.log", b"loss=1\n")]
    path = tmp_path / "a.tar"
    path.write_bytes(tarred(entries))
    assert values(path) == {"b": [1.0]}
    assert survey([path]).skipped_not_regular == 1


def test_links_in_a_circle_and_long_chains(tmp_path):
    circle = [entry(f"{at}.log", type=tarfile.SYMTYPE, linkname=f"{(at + 1) % 3}.log") for at in range(3)]
    chain = [entry(f"c{at}.log", type=tarfile.SYMTYPE, linkname=f"c{at + 1}.log") for at in range(100)]
    path = tmp_path / "a.tar"
    path.write_bytes(tarred([*circle, *chain, entry("c100.log", b"loss=1\n")]))
    assert values(path) == {"c100": [1.0]}
    assert linked_name("a/b/c.log", "./../d//e.log", is_hard=False) == "a/d/e.log"


def test_a_hidden_folder_in_an_archive_is_mentioned(tmp_path):
    files = {
        "a.log": b"loss=1\n",
        ".runs/b.log": b"loss=2\n",
        ".runs/c/d.log": b"loss=2\n",
        ".cache/e.log": b"loss=2\n",
        ".git/f.log": b"loss=2\n",
        "x/.kept/readme": b"",
    }
    for path, data in ((tmp_path / "a.tar", tarred(files)), (tmp_path / "a.zip", zipped(files))):
        path.write_bytes(data)
        found = survey([path])
        assert list(told(found)) == ["a"]
        (notice,) = found.notices
        assert notice.message == (
            f"the hidden folder {path}/.runs holds files that look like logs, for example {path}/.runs/b.log; "
            "give its path to read it"
        )
        assert list(told(survey([f"{path}/.runs"]))) == ["b", "c/d"]
