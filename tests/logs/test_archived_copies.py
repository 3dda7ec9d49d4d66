"""Copies that archives hold, and archives that lie beside what was extracted from them: no job counts twice."""

import pytest
from support.archives import KINDS, PACK, packed, tarred
from support.folders import tree
from support.surveys import notices, told

from metricscan.logs import details, members
from metricscan.logs.survey import survey

EACH = pytest.mark.parametrize("kind", ["logs.tar", "logs.tar.gz", "logs.zip", "stored.zip"])


@pytest.fixture(params=["held", "one-pass"], autouse=True)
def place(request, monkeypatch):
    """Whether small compressed tars are held in memory."""
    if request.param == "one-pass":
        monkeypatch.setattr(members, "HELD_BYTES", 0)


# ---- copies within an archive


@EACH
@pytest.mark.parametrize(
    "files",
    [
        {"run-1/a.log": "loss=1\n", "run-2/a.log": "loss=2\n", "latest-run/a.log": "loss=2\n"},
        {
            "w/latest/files/output.log": None,
            "w/latest/logs/debug.log": "x\n",
            "w/run-20260302_100000-def2/files/output.log": None,
        }
        | {"w/run-20260302_100000-def2/logs/debug.log": "x\n"},
        {"one.log": "loss=3\n", "two.log": "loss=4\n", "last.log": "loss=4\n"},
        {"latest/a.log": "loss=1\n", "run-1/a.log": "loss=2\n"},
        {"latest/a.log": "loss=1\n", "run-1/a.log": "loss=1\nloss=2\n"},
        {"latest/a.log": "", "run-1/a.log": ""},
        {"latest/a.log": "start\n", "run-1/a.log": "start\n", "run-2/a.log": "start\n"},
        {"x/latest/a.log": "loss=1\n", "run-1/a.log": "loss=1\n"},
        # the same 32 bits of a checksum, as zip stores it
        {"latest/a.log": "plumless\n", "run-1/a.log": "buckeroo\n"},
    ],
    ids=" ".join,
)
def test_a_copy_is_no_second_job(tmp_path, kind, files):
    folder = tree(tmp_path / "folder" / "runs", files)
    path = tmp_path / "runs"
    path.write_bytes(packed(folder, kind))
    in_folder, found = survey([folder]), survey([path])
    assert told(found) == told(in_folder)
    assert found.skipped_copies == in_folder.skipped_copies
    assert notices(found) == [one.replace(str(folder), str(path)) for one in notices(in_folder)]
    assert set(found.sizes) == {log.path for job in found.jobs for log in job.logs}
    for given in ("latest-run", "run-1"):
        if any(name.startswith(given) for name in files):
            assert told(survey([f"{path}/{given}"])) == told(survey([folder / given]))


def test_checksums_that_are_equal_prove_nothing():
    import zlib

    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")


@EACH
def test_copies_that_are_given(tmp_path, kind):
    path = tmp_path / kind
    path.write_bytes(KINDS[kind]({"run-1/a.log": b"loss=1\n", "latest/a.log": b"loss=1\n"}))
    assert len(told(survey([f"{path}/run-1", f"{path}/latest"]))) == 1
    # a log that is given is read, whatever it is
    assert len(told(survey([f"{path}/run-1", f"{path}/latest/a.log"]))) == 2


# ---- an archive beside what was extracted from it


@EACH
@pytest.mark.parametrize("into", ["", "x/"])
def test_an_extracted_archive_counts_once(tmp_path, kind, into):
    suffix = kind.partition(".")[2]
    files = {"runs/a/stdout": "loss=1\n", "runs/b/stdout": "loss=2\n", "runs/b/params.json": "{}"}
    top = tree(tmp_path / "top", {into + name: text for name, text in files.items()})
    path = top / f"x.{suffix}"
    path.write_bytes(KINDS[kind]({name: text.encode() for name, text in files.items()}))
    jobs = told(survey([top]))
    for paths in ([top, path], [path, top], [top / "*"]):
        found = survey(paths)
        assert told(found) == jobs
        assert found.skipped_copies == 1
        (notice,) = found.notices
        assert notice.path == str(path)
        assert notice.message.startswith(f"{path} holds the same logs as {top}")
        assert notice.message.endswith(", which is read; the archive was left out")
    found = survey([top], include=["*." + suffix, "stdout"])
    assert told(found) == jobs
    assert len(survey([path]).jobs) == 2
    listed = details.survey([top, path])
    assert {file.why for file in listed.files if file.path.startswith(f"{path}/") and file.path.endswith("stdout")} == {
        "copy"
    }


@EACH
def test_the_folder_that_is_told_is_that_of_the_logs(tmp_path, monkeypatch, kind):
    suffix = kind.partition(".")[2]
    files = {"jobs/a/stdout": "loss=1\n", "jobs/b/stdout": "loss=2\n"}
    monkeypatch.chdir(tree(tmp_path, files))
    path = tmp_path / f"jobs.{suffix}"
    path.write_bytes(KINDS[kind]({name: text.encode() for name, text in files.items()}))
    (notice,) = survey(["jobs", path.name]).notices
    assert notice.message == f"{path.name} holds the same logs as jobs, which is read; the archive was left out"
    (tmp_path / "jobs/b/stdout").write_text("loss=3\n")
    (notice,) = survey(["jobs", path.name]).notices
    assert notice.message.startswith(f"{path.name} and jobs have 2 logs of the same name, for example jobs/")


@EACH
def test_an_archive_that_differs_from_what_was_extracted(tmp_path, kind):
    path = tmp_path / kind
    path.write_bytes(KINDS[kind]({"a.log": b"loss=1\n", "b.log": b"loss=2\n"}))
    for changed in ({"a.log": "loss=1\n", "b.log": "loss=3\n"}, {"a.log": "loss=1\nloss=0\n"}, {"a.log": "loss=9\n"}):
        folder = tmp_path / str(len(changed)) / changed["a.log"][5]
        tree(folder, changed)
        (folder / kind).write_bytes(path.read_bytes())
        found = survey([folder, folder / kind])
        assert len(found.jobs) == len(changed) + 2
        (notice,) = found.notices
        assert f"have {len(changed)} log" in notice.message
        assert "a job may count twice" in notice.message
    other = tree(tmp_path / "other", {"c.log": "loss=1\n"})
    (other / kind).write_bytes(path.read_bytes())
    assert survey([other, other / kind]).notices == []


# ---- sizes


def test_the_size_of_a_member_is_that_of_the_file(tmp_path):
    files = {"a.log": b"loss=1\n" * 1000, "b.log.gz": PACK["gzip"](b"loss=1\n" * 1000), "m.pt": bytes(999)}
    sizes = {name: len(data) for name, data in files.items()}
    folder = tree(tmp_path / "f", files)
    stored = {}
    assert {file.path[len(str(folder)) + 1 :]: file.size for file in details.survey([folder]).files} == sizes
    for kind, write in KINDS.items():
        path = tmp_path / kind
        path.write_bytes(write(files))
        found = details.survey([path]).files
        assert {file.path[len(str(path)) + 1 :]: file.size for file in found} == sizes
        stored[kind] = {file.path[len(str(path)) + 1 :]: file.stored for file in found}
    assert stored["logs.tar"] == stored["stored.zip"] == sizes
    assert stored["logs.tar.gz"] == dict.fromkeys(sizes)
    assert stored["logs.zip"]["a.log"] < 100


def test_the_size_of_a_damaged_archive(tmp_path):
    path = tmp_path / "logs.tar"
    path.write_bytes(tarred({"a.log": b"loss=1\n", "b.log": b"x" * 2000})[:2000])
    found = details.survey([path])
    assert [(file.path, file.size) for file in found.files] == [(f"{path}/a.log", 7), (f"{path}/b.log", 2000)]
