"""Globs among the paths of a replay."""

import glob
import os

from support.folders import tree
from support.surveys import messages, told

from metricscan.logs.globs import paths_of
from metricscan.logs.survey import survey


def test_globs(tmp_path):
    tree(tmp_path, ["t/trial_10/stdout", "t/trial_2/stdout", "t/trial_2/stderr", "t/[1].log"])
    assert told(survey([tmp_path / "t" / "*" / "stdout"])) == {"trial_2": ["stdout"], "trial_10": ["stdout"]}
    assert list(told(survey([tmp_path / "t" / "trial_*"]))) == ["trial_2", "trial_10"]
    assert list(told(survey([f"{tmp_path}/**/stderr"]))) == ["trial_2"]
    assert len(told(survey([f"{tmp_path}/t/**"]))) == 3
    # a name that is there is no glob
    assert list(told(survey([tmp_path / "t" / "[1].log"]))) == ["[1]"]


def test_two_stars_fit_what_those_of_the_standard_library_do(tmp_path, monkeypatch):
    monkeypatch.chdir(
        tree(
            tmp_path,
            ["a.log", "t/b.log", "t/in/deep/c.log", "t/in/d.txt", "t/.h/e.log", ".f.log", "u/[1]/g.log", "u/in/h"],
        )
    )
    (tmp_path / "u" / "l.log").symlink_to("../a.log")
    for pattern in (
        *(
            "**",
            "**/",
            "**/*",
            "**/*.log",
            "*/**",
            "t/**",
            "t/**/",
            "./**/*.log",
            "**/in/**",
            "**/in/**/*.log",
            "**/deep",
        ),
        *(
            "u/**/g.log",
            "u/[[]1]/**",
            "**/.f.log",
            "**/none",
            "**x/*",
            "t/**b.log",
            f"{tmp_path}/**/c.*",
        ),
    ):
        expected = {os.path.normpath(path) for path in glob.glob(pattern, recursive=True)}
        assert {os.path.normpath(path) for path in paths_of(pattern) if path} == expected - {"."}, pattern
        assert len(set(paths_of(pattern))) == len(paths_of(pattern))


def test_two_stars_end_where_links_lead_in_circles(tmp_path):
    tree(tmp_path, ["in/a.log", "in/x/b.log"])
    for name in ("one", "two", "x/three"):
        (tmp_path / "in" / name).symlink_to(tmp_path)
    assert list(told(survey([f"{tmp_path}/**/*.log"]))) == ["a", "x/b"]
    assert list(told(survey([f"{tmp_path}/in/one/**/b.*"]))) == ["b"]
    assert list(told(survey([f"{tmp_path}/**/*.log"], follow_links=True))) == ["a", "x/b"]
    tree(tmp_path / "apart", ["y/c.log"])
    (tmp_path / "in" / "four").symlink_to(tmp_path / "apart")
    assert len(told(survey([f"{tmp_path}/in/**/*.log"]))) == 2
    assert len(told(survey([f"{tmp_path}/in/**/*.log"], follow_links=True))) == 3
    assert messages(survey([f"{tmp_path}/none/**"])) == [f"nothing matches {tmp_path}/none/**"]
