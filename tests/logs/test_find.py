"""From paths to logs: what is found, what is skipped, and what is reported as missing."""

import gzip
import itertools
import os
import shutil
import socket
from pathlib import Path

import pytest
from support.folders import tree
from support.surveys import messages, notices, told

import metricscan
from metricscan.logs.survey import survey

# ---- what is found


def test_standard_input_is_a_job(tmp_path):
    assert told(survey(["-"])) == told(survey(["-", "-"])) == {"stdin": ["stdin"]}
    tree(tmp_path, ["a.log", "stdin"])
    assert list(told(survey(["-", tmp_path / "a.log"]))) == ["a", "stdin"]
    assert len(told(survey(["-", tmp_path / "stdin"]))) == 2


def test_a_file_that_is_named_is_read_whatever_it_is(tmp_path):
    tree(tmp_path, {"model.bin": b"\0\0", "notes.json": None, ".hidden": None})
    found = survey([tmp_path / name for name in ("model.bin", "notes.json", ".hidden")])
    assert len(told(found)) == 3
    assert (found.skipped_by_name, found.skipped_binary) == (0, 0)


def test_what_is_no_log_is_passed_over_and_counted(tmp_path):
    tree(
        tmp_path,
        {
            "a.log": None,
            "no_suffix": None,
            "config.json": None,
            "model.pt": None,
            "metrics.csv.gz": gzip.compress(b"1\n"),
            "events.out.tfevents.1795537611.host": None,
            ".hidden": None,
            "requirements-dev.txt": None,
            "README.md": None,
            "core": b"text first" + bytes(range(256)) * 9,
            "core.gz": gzip.compress(bytes(range(256))),
            ".git/a.log": None,
        },
    )
    found = survey([tmp_path])
    assert list(told(found)) == ["a.log", "no_suffix"]
    assert (found.skipped_by_name, found.skipped_binary) == (7, 2)
    assert str(found) == "2 logs, 9 skipped (7 by name, 2 binary)"


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), ("*err",), ["trial_1/a.json", "trial_1/stdout", "trial_2/stdout"]),
        (("*.json",), (), ["trial_1/a.json"]),
        (("trial_1/*",), ("stderr",), ["trial_1/a.json", "trial_1/stdout"]),
        (("std*", "*.json"), ("trial_2/*", "*.json"), ["trial_1/stderr", "trial_1/stdout"]),
    ],
)
def test_include_and_exclude(tmp_path, include, exclude, expected):
    tree(tmp_path, ["trial_1/stdout", "trial_1/stderr", "trial_1/a.json", "trial_2/stdout"])
    found = survey([tmp_path], include=include, exclude=exclude)
    taken = [Path(log.path).relative_to(tmp_path).as_posix() for job in found.jobs for log in job.logs]
    if not include:
        expected = [name for name in expected if not name.endswith(".json")]
    assert sorted(taken) == expected
    assert found.skipped_by_name == 4 - len(expected)


def test_a_log_is_read_once(tmp_path):
    tree(tmp_path, ["a.log", "sub/b.log"])
    (tmp_path / "same.log").symlink_to(tmp_path / "a.log")
    paths = [
        tmp_path,
        tmp_path / "a.log",
        tmp_path,
        str(tmp_path / "sub"),
        tmp_path / "same.log",
        tmp_path / "sub" / "*",
    ]
    found = survey(paths)
    assert list(told(found)) == ["a", "sub/b"]


def test_further_names_of_a_log_are_counted(tmp_path):
    tree(tmp_path, ["a/a.log", "b/b.log"])
    os.link(tmp_path / "a" / "a.log", tmp_path / "a" / "hard.log")
    (tmp_path / "b" / "soft.log").symlink_to("b.log")
    (tmp_path / "c").symlink_to("a")
    found = survey([tmp_path])
    assert list(told(found)) == ["a/a", "b/b"]
    assert found.skipped_names == 2
    assert str(found) == "2 logs, 2 further names of logs"
    named = metricscan.replay(tmp_path, metricscan.Scanner(["loss=loss=(.)"])).survey
    assert named.skipped_names == 2


def test_links_that_go_round_end(tmp_path):
    tree(tmp_path, ["a/x.log", "b/y.log"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    found = told(survey([tmp_path]))
    assert len(found) == 2


# names before and behind those of the real folders
@pytest.mark.parametrize("link", ["latest-run", "z-latest", "run-10"])
@pytest.mark.parametrize("options", [{}, {"include": "*.log"}, {"exclude": "{link}/*"}], ids=str)
def test_a_link_to_a_folder_beside_it_is_no_job_and_hides_none(tmp_path, link, options):
    tree(tmp_path, ["run-2/a.log", "run-3/a.log"])
    (tmp_path / link).symlink_to("run-3")
    options = {key: value.format(link=link) for key, value in options.items()}
    expected = {"run-2/a": ["a.log"], "run-3/a": ["a.log"]}
    assert told(survey([tmp_path], **options)) == expected
    for paths in itertools.permutations(tmp_path / name for name in ("run-2", "run-3", link)):
        assert told(survey(paths, **options)) == expected
    logs = [tmp_path / name / "a.log" for name in ("run-2", "run-3", link)]
    for paths in itertools.permutations(logs):
        assert told(survey(paths)) == expected
    assert told(survey([tmp_path / "*"])) == told(survey([f"{tmp_path}/*/a.log"])) == expected
    assert told(survey([f"{tmp_path}/**"])) == expected


def test_include_and_exclude_go_by_both_paths_of_a_file(tmp_path):
    tree(tmp_path, ["run-1/a.log", "run-2/a.log", "run-2/in/b.log"])
    (tmp_path / "latest").symlink_to("run-2")

    def found(**options):
        return {
            Path(log.path).relative_to(tmp_path).as_posix()
            for job in survey([tmp_path], **options).jobs
            for log in job.logs
        }

    assert found(include="latest/*") == found(include="*/in/*") | found(include="run-2/a.log")
    assert found(include="latest/a.log") == {"run-2/a.log"}
    assert found(include="latest/*", exclude="latest/in/*") == {"run-2/a.log"}
    assert found(include="latest/*", exclude="run-2/in/*") == {"run-2/a.log"}
    assert found(exclude="run-2/*") == {"run-1/a.log"}


def test_a_link_to_a_folder_that_is_given_has_the_name_of_that_folder(tmp_path, monkeypatch):
    tree(tmp_path, ["runs/trial_7/stdout"])
    (tmp_path / "runs" / "latest").symlink_to("trial_7")
    (tmp_path / "elsewhere").symlink_to("runs/trial_7")
    for path in ("latest", "latest/", "./latest"):
        monkeypatch.chdir(tmp_path / "runs")
        assert told(survey([path])) == {"trial_7": ["stdout"]}
    assert told(survey([tmp_path / "elsewhere"])) == {"elsewhere": ["stdout"]}
    assert told(survey([tmp_path / "elsewhere", tmp_path / "runs"])) == {"trial_7": ["stdout"]}


@pytest.mark.parametrize("name", ["a.log", "z.log"])
def test_a_link_to_a_file_gives_a_log_its_name_only_if_the_file_is_elsewhere(tmp_path, name):
    tree(tmp_path, {"in/m.log": None, "in/m.bin": b"\0", "out/x/0.log": None})
    (tmp_path / "in" / name).symlink_to("m.log")
    (tmp_path / "in" / f"binary-{name}").symlink_to("m.bin")
    (tmp_path / "in" / "pod.log").symlink_to(tmp_path / "out" / "x" / "0.log")
    (tmp_path / "in" / "same-pod.log").symlink_to(tmp_path / "out" / "x" / "0.log")
    assert list(told(survey([tmp_path / "in"]))) == ["m", "pod"]
    for paths in (["in", "out"], ["out", "in"], ["."]):
        assert [
            Path(log.path).name for job in survey([tmp_path / path for path in paths]).jobs for log in job.logs
        ] == [
            "m.log",
            "0.log",
        ]
    assert list(told(survey([tmp_path / "in"], exclude="m.*"))) == ["pod"]
    assert list(told(survey([tmp_path / "in"], include=name))) == ["m"]


def test_links_to_folders_elsewhere_are_followed_if_asked(tmp_path):
    tree(tmp_path, ["given/a.log", "other/b.log", "other/in/c.log", "given/.store/d.log", "empty/x.json"])
    for at, target in {
        "given/data": "../other",
        "given/kept": ".store",
        "empty/data": "../other",
        "other/up": "..",
    }.items():
        (tmp_path / at).symlink_to(target)
    found = survey([tmp_path / "given"])
    assert list(told(found)) == ["a", "kept/d"]
    assert found.skipped_links == 1
    assert str(found) == "2 logs, 1 link to folders elsewhere not followed"
    found = survey([tmp_path / "given"], follow_links=True)
    assert [Path(log.path).name for job in found.jobs for log in job.logs] == ["a.log", "b.log", "c.log", "d.log"]
    assert found.skipped_links == 0
    (error,) = survey([tmp_path / "empty"]).errors
    assert error.hint == "links in it lead to folders elsewhere; follow_links searches those"
    for paths in (["empty", "other"], ["other", "empty"]):
        assert messages(survey([tmp_path / path for path in paths])) == []


def test_a_folder_of_links_alone_holds_logs(tmp_path):
    tree(tmp_path, ["pods/ns_a_1/main/0.log", "pods/ns_b_2/main/0.log", "apart/x.json"])
    (tmp_path / "containers").mkdir()
    for pod in "ab":
        (tmp_path / "containers" / f"{pod}_ns_main-0.log").symlink_to(
            next(tmp_path.glob(f"pods/ns_{pod}_*/main/0.log"))
        )
    assert list(told(survey([tmp_path / "containers"]))) == ["a_ns_main-0", "b_ns_main-0"]
    assert told(survey([tmp_path / "containers", tmp_path / "pods"])) == told(survey([tmp_path / "pods"]))
    (tmp_path / "apart" / "itself").symlink_to(".")
    (error,) = survey([tmp_path / "apart"]).errors
    assert error.hint == "no file has the name of a log; include overrules the names"


def test_a_link_to_itself_stops_nothing(tmp_path):
    tree(tmp_path, ["x.log"])
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    (tmp_path / "dangling.log").symlink_to(tmp_path / "nowhere")
    assert [job.name for job in survey([tmp_path]).jobs] == ["x"]


def test_what_tools_write_about_themselves_is_no_log(tmp_path):
    runs = ("run-20260301_100000-abc1", "offline-run-20260302_100000-def2")
    for run in runs:
        tree(
            tmp_path / "wandb" / run,
            {
                "files/output.log": None,
                "files/config.yaml": "lr: {value: 1}\n",
                "files/diff.patch": None,
                "files/requirements.txt": None,
                "files/wandb-summary.json": "{}",
                "logs/debug.log": None,
                "logs/debug-internal.log": None,
                "logs/debug-core.log": None,
                f"run-{run[-4:]}.wandb": None,
            },
        )
    tree(tmp_path / "wandb", ["debug-cli.user.log"])
    (tmp_path / "wandb" / "debug.log").symlink_to(f"{runs[0]}/logs/debug.log")
    (tmp_path / "wandb" / "latest-run").symlink_to(runs[0])
    expected = {runs[1]: ["files/output.log"], runs[0]: ["files/output.log"]}
    for top in (tmp_path, tmp_path / "wandb"):
        assert told(survey([top])) == expected
    assert told(survey([tmp_path / "wandb" / "latest-run"])) == {runs[0]: ["files/output.log"]}
    # the client's logs of a run are streams of the run
    asked = told(survey([tmp_path], include="debug*.log"))
    assert (len(asked), sum(map(len, asked.values()))) == (3, 7)
    tree(tmp_path / "own", ["logs/debug.log", "run-1/logs/debug.log"])
    assert len(told(survey([tmp_path / "own"]))) == 2


@pytest.mark.parametrize("runs", ["runs", ".guild/runs", "copied"])
def test_of_a_run_of_guild_the_output_alone_is_a_log(tmp_path, runs):
    run = {
        "output": None,
        "output.index": None,
        "opref": None,
        "LOCK": None,
        "attrs/flags": "lr: 0.1\n",
        "attrs/cmd": None,
    }
    tree(tmp_path / runs / "aa11" / ".guild", {**run, "sourcecode/notes": None, "attrs/exit_status": "0\n"})
    tree(tmp_path / ".guild", ["cache/note", "trash/runs/bb22/.guild/output"])
    expected = {"aa11": [".guild/output"]}
    for top in ("", runs, f"{runs}/aa11", f"{runs}/aa11/.guild"):
        assert told(survey([tmp_path / top])) == expected
    assert told(survey([tmp_path], include="flags")) == {"flags": ["flags"]}


def test_a_pipe_among_logs_is_not_waited_for(tmp_path):
    tree(tmp_path, ["x.log"])
    os.mkfifo(tmp_path / "pipe.log")
    found = survey([tmp_path])
    assert list(told(found)) == ["x"]
    assert (found.skipped_by_name, found.skipped_not_regular) == (0, 1)
    assert str(found) == "1 log, 1 skipped (0 by name, 0 binary, 1 not regular)"


def test_what_is_skipped_for_what_it_is(tmp_path):
    tree(tmp_path, ["x.log", "x.json"])
    (tmp_path / "gone.log").symlink_to("nowhere")
    (tmp_path / "circle.log").symlink_to("circle.log")
    os.mkfifo(tmp_path / "pipe")
    found = survey([tmp_path])
    assert list(told(found)) == ["x"]
    assert str(found) == "1 log, 4 skipped (1 by name, 0 binary, 3 not regular)"
    assert repr(found) == f"<Survey of {found}, 1 job>"


def test_a_folder_without_logs_says_what_is_there(tmp_path):
    def hint(folder):
        (error,) = survey([folder]).errors
        assert error.message == f"no logs in {folder}"
        return error.hint

    for name in ("nothing", "named", "other", "dataset"):
        (tmp_path / name).mkdir()
    (tmp_path / "named" / "a.json").write_text("{}")
    (tmp_path / "other" / "a.log").write_bytes(b"\0")
    (tmp_path / "other" / "link").symlink_to("nowhere")
    log = tmp_path / "a.log"
    log.write_text("loss=1\n")
    metricscan.replay(log, metricscan.Scanner(["loss=loss=(.)"]), out=tmp_path / "dataset")
    assert hint(tmp_path / "nothing") is None
    assert hint(tmp_path / "named") == "no file has the name of a log; include overrules the names"
    (error,) = survey([tmp_path / "named"], include="*.log").errors
    assert error.hint == "include and exclude leave out all of its files"
    (error,) = survey([tmp_path / "named"], exclude="a.*").errors
    assert error.hint == ("no file has the name of a log that exclude leaves in; include overrules the names")
    assert hint(tmp_path / "other") == "its files are binary or not regular"
    assert hint(tmp_path / "dataset") == "it is a dataset that replay wrote; rank reads it"
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.log").symlink_to("nowhere.log")
    link = tmp_path / "links" / "a.log"
    assert hint(tmp_path / "links") == f"it holds nothing but broken links, for example {link} to nowhere.log"


def test_broken_links_are_said(tmp_path):
    tree(tmp_path, ["a.log"])
    for name in ("b.log", "c.log", "d.json"):
        (tmp_path / name).symlink_to("nowhere")
    found = survey([tmp_path])
    assert list(told(found)) == ["a"]
    said = f"2 links are broken, for example {tmp_path}/b.log to nowhere"
    assert [notice.message for notice in found.notices] == [said]
    (tmp_path / "c.log").unlink()
    assert [notice.message for notice in survey([tmp_path]).notices] == [
        f"{tmp_path}/b.log is a broken link to nowhere"
    ]
    (error,) = survey([tmp_path / "b.log"]).errors
    assert str(error) == f"cannot open {tmp_path}/b.log, a broken link to nowhere: No such file or directory"


def test_one_glob_may_stand_by_itself(tmp_path):
    tree(tmp_path, ["a.log", "b.txt"])
    assert list(told(survey([tmp_path], include="*.log"))) == ["a"]
    assert list(told(survey([tmp_path], exclude="*.log"))) == ["b"]


def test_the_log_of_a_container_is_named_by_the_link_that_leads_to_it(tmp_path):
    """Kubernetes links a container's file twice: from the folder of its pod, and from there under one name for all."""
    tree(tmp_path, {f"store/{one * 6}/{one * 6}-json.log": None for one in "ab"})
    for one in "ab":
        pod = tmp_path / "log" / "pods" / f"ml_train-{one}_77{one}" / "main"
        pod.mkdir(parents=True)
        (pod / "0.log").symlink_to(tmp_path / "store" / (one * 6) / f"{one * 6}-json.log")
        (tmp_path / "log" / "containers").mkdir(exist_ok=True)
        (tmp_path / "log" / "containers" / f"train-{one}_ml_main-{one * 6}.log").symlink_to(pod / "0.log")
    by_container = {f"train-{one}_ml_main-{one * 6}": [f"train-{one}_ml_main-{one * 6}.log"] for one in "ab"}
    by_pod = {f"ml_train-{one}_77{one}": ["main/0.log"] for one in "ab"}
    assert told(survey([tmp_path / "log" / "containers"])) == by_container
    assert told(survey([tmp_path / "log" / "pods"])) == by_pod
    assert told(survey([tmp_path / "log"])) == by_pod
    assert list(told(survey([tmp_path]))) == ["aaaaaa/aaaaaa-json", "bbbbbb/bbbbbb-json"]


@pytest.fixture
def deep(tmp_path):
    """A folder in a folder, and so on: more of them than Python calls, and a path longer than the system opens."""
    outer, inner = (os.fspath(tmp_path / name) for name in ("d", "inner"))
    tree(tmp_path, ["d/a.log"])
    at = os.open(outer, os.O_RDONLY)
    for _ in range(2_200):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    yield outer
    # pytest cannot remove it, nor can shutil
    while os.path.isdir(os.path.join(outer, "d")):
        os.rename(os.path.join(outer, "d"), inner)
        shutil.rmtree(outer)
        os.rename(inner, outer)


@pytest.mark.slow
def test_folders_within_folders_end_in_no_traceback(deep):
    assert [job.name for job in survey([f"{deep}/**/*.log"]).jobs] == ["a"]
    found = survey([deep])
    assert [job.name for job in found.jobs] == ["a"]
    assert [error.cause.strerror for error in found.errors] == ["File name too long"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fdinfo"), reason="a system without /proc")
def test_files_of_the_system_end_in_no_traceback():
    found = survey(["/proc/self/fdinfo", "/proc/self/fd", "/proc/self/status"])
    assert "/proc/self/status" in {log.path for job in found.jobs for log in job.logs}


def test_names_with_line_ends_and_sockets(tmp_path):
    tree(tmp_path, ["two\nlines.log", "in\n/x.log"])
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(tmp_path / "s.log"))
        found = survey([tmp_path])
    assert sorted(told(found)) == ["in\n/x", "two\nlines"]
    assert found.skipped_not_regular == 1


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    tree(tmp_path, ["a.log", "closed/b.log"])
    scandir = os.scandir

    def refusing(path):
        # root may read any folder
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = survey([tmp_path])
    assert [job.name for job in found.jobs] == ["a"]
    assert messages(found) == [f"cannot read the folder {tmp_path}/closed: Permission denied"]


# ---- hidden folders


def test_hidden_folders_that_hold_logs_are_mentioned(tmp_path):
    tree(
        tmp_path,
        ["a.log", ".runs/x/train.log", ".git/logs/a.log", ".venv/lib/pip.log", ".notes/README", ".more/x.json"],
    )
    found = survey([tmp_path])
    assert list(told(found)) == ["a"]
    assert notices(found) == [
        (
            f"the hidden folder {tmp_path}/.runs holds files that look like logs, for example {tmp_path}/.runs/x/train.log; "
            "give its path to read it"
        )
    ]
    assert found.notices[0].path == f"{tmp_path}/.runs"
    tree(tmp_path, ["in/.tries/stdout", "in/.tries/.git/x.log"])
    assert notices(survey([tmp_path])) == [
        (
            f"2 hidden folders hold files that look like logs, for example {tmp_path}/.runs/x/train.log; "
            "give the path of such a folder to read it"
        )
    ]
    assert notices(survey([tmp_path / ".runs"])) == notices(survey([tmp_path / ".git"])) == []
    for paths in ([tmp_path, tmp_path / ".runs"], [tmp_path / ".runs", tmp_path]):
        assert survey(paths).notices[0].path == f"{tmp_path}/in/.tries"


@pytest.mark.parametrize(
    "name", ["a.log", "a.log.gz", "a.log.3", "a.log.20260302.gz", "stdout", "x_stderr", "17_0_log.out"]
)
def test_names_that_look_like_logs(tmp_path, name):
    tree(tmp_path, {"a.log": None, f".kept/{name}": None, ".other/stdouts": None, ".other/a.logic": None})
    (notice,) = survey([tmp_path]).notices
    assert notice.path == f"{tmp_path}/.kept"


def test_of_many_hidden_files_some_names_are_read(tmp_path, monkeypatch):
    tree(tmp_path, ["a.log", ".first/1/x.json", ".first/2/x.json", ".first/3/x.log", ".second/a.log"])
    assert len(survey([tmp_path]).notices[0].message.split("2 hidden")) == 2
    monkeypatch.setattr("metricscan.logs.hidden._MOST_NAMES", 4)
    assert notices(survey([tmp_path])) == []
    monkeypatch.setattr("metricscan.logs.hidden._MOST_NAMES", 8)
    monkeypatch.setattr("metricscan.logs.hidden._MOST_FOLDERS", 1)
    assert survey([tmp_path]).notices[0].path == f"{tmp_path}/.first"
    monkeypatch.setattr("metricscan.logs.hidden._DEPTH", 1)
    assert notices(survey([tmp_path])) == []


# ---- what is not found


def test_what_is_missing_is_an_error_and_the_rest_is_found(tmp_path):
    tree(tmp_path, ["a.log"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    found = survey([tmp_path / name for name in ("b.log", "*.txt", "empty", "dangling", "a.log")])
    assert [job.name for job in found.jobs] == ["a"]
    assert [Path(error.path).name for error in found.errors] == ["b.log", "*.txt", "empty", "dangling"]
    assert messages(found) == [
        f"cannot open {tmp_path}/b.log: No such file or directory",
        f"nothing matches {tmp_path}/*.txt",
        f"no logs in {tmp_path}/empty",
        f"cannot open {tmp_path}/dangling, a broken link to {tmp_path}/nowhere: No such file or directory",
    ]


def test_a_folder_of_other_files_says_so(tmp_path):
    found = survey([tree(tmp_path, ["metrics.csv"])])
    assert messages(found) == [
        f"no logs in {tmp_path}\nhint: no file has the name of a log; include overrules the names"
    ]
    assert list(told(survey([tmp_path], include=["*.csv"]))) == ["metrics"]
