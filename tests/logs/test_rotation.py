"""Which files are pieces of one rotated log, in which order; which only look so; and what is said about both."""

import logging.handlers
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.folders import tree
from support.surveys import told

from metricscan.logs.rotation import pieces_of
from metricscan.logs.survey import survey

# Names as the schemes write them, the oldest first and the current file last.
SCHEMES = {
    "logrotate": "fit.log.3.gz fit.log.2.gz fit.log.1 fit.log",
    "logrotate, ten and more": " ".join(f"fit.log.{number}" for number in range(11, 0, -1)) + " fit.log",
    "python, by size, a thousand and more": " ".join(f"fit.log.{number}" for number in range(1002, 0, -1)) + " fit.log",
    "databricks": "stdout--2026-03-01--09-00 stdout--2026-03-01--10-00 stdout",
    "logrotate, from 0": "fit.log.1.bz2 fit.log.0 fit.log",
    "logrotate, extension": "fit.2.log.gz fit.1.log fit.log",
    "logrotate, dateext": "fit.log-20251231.gz fit.log-20260102 fit.log",
    "logrotate, dateext by the hour": "fit.log-2026010209 fit.log-2026010210 fit.log",
    "logrotate, dateext and extension": "fit-20251231.log.xz fit-20260102.log fit.log",
    "logrotate, dateformat with seconds": "fit.log-20260102-1767312000 fit.log-20260102-1767315600 fit.log",
    "logrotate, dateformat of seconds": "fit.log-1767312000 fit.log-1767315600 fit.log",
    "logrotate, dateformat with points": "fit.log.2025.12.31 fit.log.2026.01.02 fit.log",
    "logrotate, no extension": "messages.2.zst messages.1 messages",
    "python, by size": "fit.log.2 fit.log.1 fit.log",
    "loguru": "fit.2026-01-02_09-59-59_999999.log fit.2026-01-02_10-00-00_000001.2.log fit.2026-01-02_10-00-00_000002.log "
    "fit.log",
    "loguru, compressed": "fit.2026-01-01_09-59-59_000000.log.gz fit.2026-01-02_09-59-59_000000.log.gz fit.log",
    "kubelet": "4.log.20260101-235959.gz 4.log.20260102-000001 4.log",
    "docker": "0a1b2c-json.log.2.gz 0a1b2c-json.log.1 0a1b2c-json.log",
    "lumberjack": "fit-2026-01-02T10-00-00.000.log.gz fit-2026-01-02T10-00-00.001.log fit.log",
    "log4j": "fit-2026-01-02-1.log.gz fit-2026-01-02-2.log.gz fit-2026-01-02-10.log.gz fit-2026-01-03-1.log fit.log",
    "log4j, by the month": "fit-12-31-2025-1.log.gz fit-01-02-2026-1.log.gz fit.log",
    "days before months": "fit-02-01-2026.log fit-13-01-2026.log fit-01-02-2026.log fit.log",
    "logback": "fit.2026-01-02.0.log fit.2026-01-02.1.log fit.2026-01-03.0.log fit.log",
    "newsyslog": "fit.log.1.bz2 fit.log.0.bz2 fit.log",
    "newsyslog, by time": "fit.log.20260102T100000.bz2 fit.log.20260102T110000 fit.log",
    "multilog": "@400000006957c0ff00000000.s @400000006957c10000000000.s @400000006957c1000000000a.u current",
    "rotatelogs": "access.1767312000 access.1767315600 access",
    "rotatelogs, milliseconds": "access.log.1767312000001 access.log.1767312000002 access.log",
    "cronolog": "out.2026-01-01.log out.2026-01-02.log out.log",
    "spdlog": "fit.3.txt fit.2.txt fit.1.txt fit.txt",
    "file-rotate": "fit.log.20260102T100000 fit.log.20260102T100000.1 fit.log",
    "every piece compressed": "fit.log.2.gz fit.log.1.gz fit.log.gz",
    "capitals": "FIT.LOG.2 FIT.LOG.1 FIT.LOG",
    "a log of a date": "fit-20260102.log.2 fit-20260102.log.1 fit-20260102.log",
    "a log with a number": "fit_7.log.2 fit_7.log.1 fit_7.log",
    "trials that are rotated": "trial.1.log.2 trial.1.log.1 trial.1.log",
    "by the month": "fit.log.2025-12 fit.log.2026-01 fit.log.2026-02.gz fit.log",
    "log4j, by the month with numbers": "fit-2025-12-1.log.gz fit-2026-01-1.log.gz fit-2026-01-2.log.gz fit.log",
    "by the week": "fit.log.2025-W51 fit.log.2026-W08 fit.log.2026-W10 fit.log",
    "by the quarter": "fit.log.2025-Q4 fit.log.2026-Q1 fit.log",
    "a date without a separator": "fit.log2026-03-01 fit.log2026-03-02.gz fit.log",
    "a date behind @": "fit.log@20260301 fit.log@20260302 fit.log",
    "pm2": "out__2026-03-01_00-00-00.log out__2026-03-02_00-00-00.log out.log",
    "pm2, compressed": "fit-out__2026-03-01_00-00-00.log.gz fit-out__2026-03-02_00-00-00.log.gz fit-out.log",
    "compressed before it was rotated": "fit.log.gz.2 fit.log.gz.1 fit.log",
    "compressed, and rotated": "fit.log.gz.2 fit.log.gz.1 fit.log.gz",
}
# Some programs number such pieces upwards: if the times of the files do not tell the order, it is not known.
UPWARDS_TOO = {"logrotate, extension", "spdlog"}
UNKNOWN = (
    "the order of the pieces of 1 rotated log is not known, for example of {}: the greater number is taken for the older "
    "piece, though some programs (NLog) count upwards, and the times of the files do not tell"
)


def written(folder, names, step_s=3600):
    """Give files times as if one had been written after the other."""
    for number, name in enumerate(names):
        os.utime(folder / name, (1_770_000_000 + number * step_s,) * 2)


def pieces(names, apart=()):
    """The names of each stream's pieces in order, and the notices."""
    notices = []
    files = {f"/logs/{name}": name for name in names}
    found = pieces_of(files, notices, apart)
    streams = {}
    for path, piece in sorted(found.items(), key=lambda one: one[1].part):
        streams.setdefault(piece.base.rpartition("/")[2], []).append(files[path])
        assert piece.part == len(streams[piece.base.rpartition("/")[2]]) - 1
    return streams, [notice.message for notice in notices]


# ---- pieces


@pytest.mark.parametrize("rule", ["auto", "file", "dir", r"/(?P<job>[^/]+)/[^/]+$", r"([^/]+)$"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_pieces_are_one_stream(tmp_path, scheme, rule):
    names = SCHEMES[scheme].split()
    tree(tmp_path, [f"{folder}/{name}" for folder in "ab" for name in names])
    for folder in "ab":
        written(tmp_path / folder, names)
    found = survey([tmp_path], job=rule)
    jobs = [found.jobs[:1], found.jobs[1:]] if len(found.jobs) == 2 else [found.jobs]
    logs = [log for job in found.jobs for log in job.logs]
    assert found.errors == []
    assert found.notices == []
    assert len(found.jobs) == (1 if rule == "([^/]+)$" else 2), jobs
    for folder in "ab":
        own = [log for log in logs if f"/{folder}/" in log.path]
        assert [log.path.rpartition("/")[2] for log in own] == names
        assert [log.part for log in own] == list(range(len(names)))
        (stream,) = {log.stream for log in own}
        assert stream.rpartition("/")[2] == names[-1]


@given(st.sampled_from(list(SCHEMES)), st.randoms(use_true_random=False))
def test_the_order_of_the_search_does_not_matter(scheme, random):
    names = SCHEMES[scheme].split()
    shuffled = [*names, "other.log", "loss.txt"]
    random.shuffle(shuffled)
    assert pieces(shuffled) == ({names[-1]: names}, [UNKNOWN.format(names[-1])] if scheme in UPWARDS_TOO else [])


@pytest.mark.parametrize("when", ["S", "M", "H", "D", "midnight", "W0", "W6"])
def test_the_names_of_pythons_handler_by_time(tmp_path, when):
    handler = logging.handlers.TimedRotatingFileHandler(tmp_path / "fit.log", when=when, delay=True)
    moments = [time.gmtime(1767312000 + weeks * 7 * 86400) for weeks in (0, 1, 9)]
    names = [f"fit.log.{time.strftime(handler.suffix, moment)}" for moment in moments]
    handler.close()
    assert pieces([*names[::-1], "fit.log"]) == ({"fit.log": [*names, "fit.log"]}, [])


def test_the_names_of_pythons_handler_by_size(tmp_path):
    handler = logging.handlers.RotatingFileHandler(tmp_path / "fit.log", maxBytes=1, backupCount=3)
    for number in range(4):
        handler.emit(logging.LogRecord("", 0, "", 0, f"loss={number}", None, None))
    handler.close()
    (job,) = survey([tmp_path]).jobs
    assert job.name == "fit"
    assert [Path(log.path).read_text() for log in job.logs] == [f"loss={number}\n" for number in range(4)]


LAYOUTS = {
    "ray": (["t1/stdout", "t1/stdout.1", "t2/stdout"], {"t1": ["stdout", "stdout"], "t2": ["stdout"]}),
    "kubernetes": (
        ["ns_p-1_u/main/0.log", "ns_p-1_u/main/0.log.20260101-000000.gz", "ns_p-1_u/main/1.log", "ns_p-2_u/main/0.log"],
        {"ns_p-1_u": ["main/1.log"] * 3, "ns_p-2_u": ["main/0.log"]},
    ),
    "one numbered log in each folder": (
        ["p-1/main/0.log", "p-1/main/0.log.20260101-000000.gz", "p-2/main/0.log"],
        {"p-1/main/0": ["0.log", "0.log"], "p-2/main/0": ["0.log"]},
    ),
    "pods whose current log is gone": (
        ["ns_p-1_u/main/0.log.20260101-000000.gz", "ns_p-1_u/main/0.log.20260102-000000", "ns_p-1_u/main/1.log"],
        {"ns_p-1_u": ["main/1.log"] * 3},
    ),
    "hydra": (
        [
            "outputs/2026-01-02/10-00-00/fit.log",
            "outputs/2026-01-02/10-00-00/fit.log.1",
            "outputs/2026-01-03/10-00-00/fit.log",
        ],
        {"2026-01-02/10-00-00": ["fit.log", "fit.log"], "2026-01-03/10-00-00": ["fit.log"]},
    ),
    "slurm": (
        ["fit-17.out", "fit-17.out.1", "fit-17.err", "fit-18.out", "fit-18.err"],
        {"fit-17": ["fit-17.err", "fit-17.out", "fit-17.out"], "fit-18": ["fit-18.err", "fit-18.out"]},
    ),
    "files": (
        ["a.log", "a.log.1.gz", "a.log.2.gz", "b.log", "b.log.1.gz"],
        {"a": ["a.log"] * 3, "b": ["b.log"] * 2},
    ),
    "multilog": (
        ["svc-1/current", "svc-1/@400000006957c0ff00000000.s", "svc-2/@400000006957c0ff00000000.s"],
        {"svc-1/current": ["current"] * 2, "svc-2/current": ["current"]},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_in_every_layout(tmp_path, layout):
    files, expected = LAYOUTS[layout]
    found = survey([tree(tmp_path, files)])
    # a restart of a container makes parts, too
    assert [one for one in found.notices if "tried several times" not in one.message] == []
    assert told(found) == expected
    for job in found.jobs:
        places = [(log.stream, log.part) for log in job.logs]
        assert places == sorted(places)
        assert len(set(places)) == len(places)


def test_hyperparameters_are_those_of_the_log(tmp_path):
    tree(tmp_path, ["lr=0.1.log", "lr=0.1.log.1", "lr=0.2.log"])
    found = survey([tmp_path])
    assert {job.name: (len(job.logs), job.hyperparameters) for job in found.jobs} == {
        "lr=0.1": (2, {"lr": "0.1"}),
        "lr=0.2": (1, {"lr": "0.2"}),
    }


def test_a_jobs_file_may_tell_pieces_apart(tmp_path):
    tree(tmp_path / "logs", ["fit.log", "fit.log.1", "fit.log.2"])
    facts = tmp_path / "jobs.csv"
    facts.write_text("path,job\nlogs/fit.log.1,one\n")
    found = survey([tmp_path / "logs"], jobs_file=facts)
    jobs = {job.name: [(log.path.rpartition("/")[2], log.part) for log in job.logs] for job in found.jobs}
    assert jobs == {"fit": [("fit.log.2", 0), ("fit.log", 1)], "one": [("fit.log.1", 0)]}


# ---- names that only look so


APART = {
    "trials without a log of the name": ["fit.log.1", "fit.log.2"],
    "one trial without a log of the name": ["fit.log.1"],
    "runs by date": ["fit-20260102.log", "fit-20260103.log"],
    "runs by date, or days": ["out.2026-01-01.log", "out.2026-01-02.log"],
    "seconds": ["access.1767312000", "access.1767315600"],
    "trials": ["trial.1.log", "trial.2.log", "trial.log"],
    "my folds": ["my_fold.1.log", "my_fold.2.log", "my_fold.log"],
    "workers": ["worker.1", "worker.2", "worker"],
    "seeds from 0": ["fit.0.log", "fit.1.log", "fit.2.log", "fit.log"],
    "seeds": ["fit.42.log", "fit.7.log", "fit.log"],
    "numbers behind -": ["fit-1.log", "fit-2.log", "fit.log"],
    "numbers of processes": ["fit.log.12345", "fit.log.1234", "fit.log"],
    "padded numbers": ["fit.log.000", "fit.log.001", "fit.log"],
    "runs by time, beside the log": ["fit-20260102-101010.log", "fit-20260102-101110.log", "fit.log"],
    "runs by time, with _": ["fit_2026-01-02_10-10-10.log", "fit_20260103.log", "fit.log"],
    "numbers behind _": ["fit.log_1", "fit.log_2", "fit.log"],
    "numbers without a separator": ["fit0.log", "fit1.log", "fit2.log", "fit.log"],
    "numbers behind the extension": ["fit.log1", "fit.log2", "fit.log"],
    "a month without a separator": ["fit.log.202602", "fit.log.202603", "fit.log"],
    "runs by date, without a separator": ["fit20260102.log", "fit20260103.log", "fit.log"],
    "a piece of a piece": ["fit.log.1.20260101", "fit.log.1", "fit.log"],
}
# no word about these: nothing suggests that they are pieces
PLAIN = {
    "trials by number": ["trial_1.log", "trial_2.log", "trial_10.log"],
    "runs by time": ["fit_20260102_101010.log", "fit_20260102_101110.log", "20260102_101110.log"],
    "units without a log of the name": ["trial.1", "trial.2", "worker.1.log", "worker.2.log"],
    "numbers without a log of the name": ["fit.1.log", "fit.2.log"],
    "a number in the name of a hyperparameter": ["lr0.1.log", "lr0.log", "lr0.1", "lr0", "lr=0.1", "lr=0"],
    "numbers of processes without a log of the name": ["fit.log.12345", "fit.log.12346", "fit.log.20261399"],
    "long numbers": ["fit.log.1234567", "fit.log.20261399", "fit.log"],
    "streams of a service": ["algo-1-1767312000", "algo-2-1767312000"],
    "a job and its tasks": ["fit-17_1.out", "fit-17_2.out", "fit-17.out"],
    "sizes of models": ["resnet.log", "resnet18.log", "resnet50.log", "bert-2048-12.log", "bert.log"],
    "no months": ["fit.log.2026-54", "fit.log.2026-00", "fit.log.2026-Q5", "fit.log.202613", "fit.log"],
    "dates alone": ["20260102.log", "2026-01-02", "1767312000"],
    "one run by date": ["fit-20260102.log", "other-20260102.log"],
    "an old log of its own": ["fit.old.log", "fit.log", "other.old"],
    "a usual log and its compression": ["fit.log", "fit.log.gz"],
    "strange names": [".1", "-1", "~", "@1", "a..1", "..1", "1", "@400000006957c0ff0000000", "é.٣"],
}


@pytest.mark.parametrize("kind", APART)
def test_what_is_in_doubt_stays_apart_and_is_said(tmp_path, kind):
    found = survey([tree(tmp_path, APART[kind])])
    merged = [job for job in found.jobs if len(job.logs) > 1]
    if kind == "a piece of a piece":
        assert [log.path.rpartition("/")[2] for log in merged.pop().logs] == ["fit.log.1", "fit.log"]
    assert merged == []
    (notice,) = found.notices
    assert "each is taken for a log of its own" in notice.message
    assert notice.path in {log.path for job in found.jobs for log in job.logs}


@pytest.mark.parametrize("kind", PLAIN)
def test_usual_names_are_no_pieces(kind):
    assert pieces(PLAIN[kind]) == ({}, [])


def test_what_is_said_once():
    many = [f"{job}.log.{number}" for job in "abc" for number in (1, 2)]
    said = "named like pieces of a rotated log, for example a.log.1, but the log itself is not among them"
    assert pieces(many) == ({}, [f"6 logs are {said}: each is taken for a log of its own"])
    said = "named like a piece of a log beside, for example trial.1.log, but also like other runs"
    assert pieces(["trial.log", "trial.1.log"]) == ({}, [f"1 log is {said}: each is taken for a log of its own"])


def test_missing_pieces():
    names = ["fit.log.5.gz", "fit.log.3", "fit.log.1", "fit.log"]
    said = "pieces of 1 rotated log are missing: fit.log has no piece 2, 4"
    assert pieces(names) == ({"fit.log": names}, [said])
    other = ["x.2.log", "x.log"]
    said = "pieces of 2 rotated logs are missing: fit.log has no piece 2, 4, and 1 more"
    assert pieces([*names, *other]) == ({"fit.log": names, "x.log": other}, [said])


@pytest.mark.parametrize(
    "names",
    [
        ["fit.log-20260101", "fit.log.2", "fit.log.1", "fit.log"],
        ["fit.log.old", "fit.log.1", "fit.log"],
        ["fit.log.bak", "fit.log"],
        ["fit.log.bak2", "fit.log.bak1", "fit.log.bak", "fit.log"],
        ["fit.log.orig", "fit.log"],
        ["fit.log.~2~", "fit.log.~1~", "fit.log"],
        ["fit.log~", "fit.log"],
        ["fit.log-20260101", "fit-20260102.log", "fit.log"],
        ["fit-01-02-2026.log", "fit-03-01-2026.log", "fit.log"],
    ],
)
def test_an_order_that_names_do_not_tell(names):
    streams, said = pieces(names[::-1])
    assert streams == {"fit.log": names}
    order = "first backups (.old, .bak), then those with dates, then those with numbers, and last the log itself"
    what = "names do not tell in which order the pieces of 1 rotated log were written, for example of fit.log"
    assert said == [f"{what}: {order}"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fit.log.1.gz", "fit.log.1"),
        ("fit.log-20260101.xz", "fit.log-20260101"),
        ("fit.log.20260101-100000.gz.tmp", "fit.log.20260101-100000.gz"),
    ],
)
def test_the_same_piece_twice(one, other):
    said = f"{one} and {other} are the same piece of a log by their names: both are read, in this order"
    assert pieces([other, "fit.log", one]) == ({"fit.log": [one, other, "fit.log"]}, [said])


# ---- the order that the times of files tell


@pytest.mark.parametrize("form", ["fit.{}.log", "fit.log.{}"])
def test_numbers_that_rise_with_the_times_of_the_files(tmp_path, form):
    names = [form.format(number) for number in (1, 2, 3)] + ["fit.log"]
    tree(tmp_path, names)
    written(tmp_path, names)
    found = survey([tmp_path])
    (job,) = found.jobs
    assert [os.path.basename(log.path) for log in job.logs] == names
    (notice,) = found.notices
    current = tmp_path / "fit.log"
    assert notice.message == (
        f"the pieces of 1 rotated log, for example of {current}, are numbered upwards by the times of the files: "
        "the greater number is taken for the newer piece"
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
@pytest.mark.parametrize("step_s", [0, 1e-3])
def test_times_of_a_copy_tell_no_order(tmp_path, order, step_s):
    names = ["fit.2.log", "fit.1.log", "fit.log"]
    tree(tmp_path, names)
    written(tmp_path, [names[index] for index in order], step_s)
    found = survey([tmp_path])
    (job,) = found.jobs
    assert [os.path.basename(log.path) for log in job.logs] == names
    said = [notice.message for notice in found.notices]
    assert said == ([] if step_s and order == (0, 1, 2) else [UNKNOWN.format(tmp_path / "fit.log")])


# ---- a link with the name of the current file


LINKED = {
    "by date": ["fit.log.2026-03-01", "fit.log.2026-03-02"],
    "by time, without an extension": ["fit.20260301-100000", "fit.20260302-100000"],
    "numbers that rise": ["fit.log.1", "fit.log.2", "fit.log.3"],
    "numbers that fall": ["fit.log.2", "fit.log.1"],
}


@pytest.mark.parametrize("kind", LINKED)
@pytest.mark.parametrize("given", ["folder", "glob", "include"])
def test_a_link_names_the_stream(tmp_path, kind, given):
    names = LINKED[kind]
    link = tmp_path / ("fit.log" if names[0].startswith("fit.log") else "fit")
    tree(tmp_path, names)
    link.symlink_to(names[-1])
    found = survey([tmp_path / "fit*"] if given == "glob" else [tmp_path], include="fit*" if given == "include" else ())
    (job,) = found.jobs
    assert job.name == "fit"
    assert [(os.path.basename(log.path), log.part, log.stream) for log in job.logs] == [
        (name, part, link.name) for part, name in enumerate(names)
    ]
    assert found.notices == []


def test_a_link_to_a_piece_that_is_not_the_newest(tmp_path):
    tree(tmp_path, ["fit.log.2026-03-01", "fit.log.2026-03-02"])
    (tmp_path / "fit.log").symlink_to("fit.log.2026-03-01")
    found = survey([tmp_path])
    (job,) = found.jobs
    assert [os.path.basename(log.path) for log in job.logs] == ["fit.log.2026-03-02", "fit.log.2026-03-01"]
    (notice,) = found.notices
    assert "names do not tell in which order" in notice.message


@pytest.mark.parametrize("names", [["fit-20260301.log", "fit-20260302.log"], ["a.log", "b.log"]])
def test_a_link_to_the_latest_run_makes_no_pieces(tmp_path, names):
    tree(tmp_path, names)
    (tmp_path / "fit.log").symlink_to(names[-1])
    found = survey([tmp_path])
    assert len(found.jobs) == 2
    assert len(found.notices) == (names[0] != "a.log")


# ---- older pieces that were not asked for


@pytest.mark.parametrize("given", ["path", "glob", "include", "link"])
@pytest.mark.parametrize("older", [["0.log.20260301-100100.gz"], ["0.log.20260301-100100.gz", "0.log.20260302-100100"]])
def test_older_pieces_that_are_not_read_are_said(tmp_path, given, older):
    tree(tmp_path, [*older, "0.log", "1.log"])
    paths, include = [tmp_path / "0.log"], ()
    if given == "glob":
        paths = [tmp_path / "*.log"]
    elif given == "include":
        paths, include = [tmp_path], "*.log"
    elif given == "link":
        (tmp_path / "0.log").rename(tmp_path / "0.log.20260303-100100")
        (tmp_path / "0.log").symlink_to("0.log.20260303-100100")
    found = survey(paths, include=include)
    (notice,) = found.notices
    log = tmp_path / "0.log"
    first = tmp_path / older[0]
    if len(older) == 2:
        assert notice.message.startswith(
            f"{log} was rotated, and 2 older pieces of it, for example {tmp_path}/0.log.2026"
        )
        assert notice.message.endswith(" are not read; give the folder, or a glob such as 0.log*")
    else:
        said = f"{log} was rotated, and 1 older piece of it, for example {first}, is not read"
        assert notice.message == f"{said}; give the folder, or a glob such as 0.log*"


def test_no_word_about_pieces_that_are_read_or_excluded(tmp_path):
    tree(tmp_path, ["0.log.20260301-100100", "0.log", "1.log", "trial.1.log", "trial.log"])
    for paths in ([tmp_path / "0.log*"], [tmp_path], [tmp_path / "1.log"], [tmp_path / "trial.log"]):
        assert not any("not read" in notice.message for notice in survey(paths).notices)
    assert survey([tmp_path], exclude=["0.log.*", "trial*"]).notices == []


def test_older_pieces_of_several_logs_are_said_once(tmp_path):
    tree(tmp_path, [f"{folder}/x.log{end}" for folder in "abc" for end in ("", ".1")])
    (notice,) = survey([tmp_path], include="*.log").notices
    assert f"{tmp_path}/a/x.log.1, is not read, and 2 more logs have some" in notice.message
