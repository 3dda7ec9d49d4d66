"""The page of a report: its numbers are those of the dataset, its names stay text, its size is bounded; and bad input."""

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from support.pages import all_same, curves_of, data_of, numbers_of, page_of, same

import metricscan
from metricscan import (
    Dataset,
    Objective,
    OptionError,
    Scanner,
    SourceError,
    compare_scopes,
    curve,
    rank,
    replay,
    report,
)
from metricscan.logs.job import Job
from metricscan.ranking.doubts import KINDS
from metricscan.reports import page
from metricscan.reports.excerpt import excerpt
from metricscan.reports.packing import embedded
from metricscan.reports.page_curves import FIRST_JOBS, MOST_POINTS, page_curves
from metricscan.reports.page_data import MOST_BYTES, page_data
from metricscan.reports.thinning import thinned
from metricscan.reports.wording import COUNTS, DOUBTS, STATUSES, rule_of

DEFINITIONS = [r"epoch=epoch=(\d+)", r"loss=loss=(\S+)", r"val_loss=val_(?:loss)=([0-9.]+)", r"acc=acc=(\S+)"]
MIN = Objective("val_loss", "Minimize", step="epoch")
INJECTIONS = [
    "</script><script>window.hit=1</script>",
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg><script>window.hit=1</script></svg>",
    "'\"><img src=x onerror=window.hit=1>",
    '" onmouseover="window.hit=1',
    "' onfocus='window.hit=1' autofocus='",
    "<!-- <script>window.hit=1</script> -->",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "</title><script>window.hit=1</script>",
    "</style><script>window.hit=1</script>",
    "<style>*{display:none}</style>",
    "<base href=//example.invalid>",
    "<meta http-equiv=refresh content=0>",
    "<link rel=stylesheet href=//example.invalid/x.css>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<object data=//example.invalid></object>",
    "<form action=//example.invalid><button>x</button></form>",
    "<a href=javascript:window.hit=1>x</a>",
    "javascript:window.hit=1",
    "data:text/html,<script>window.hit=1</script>",
    "{{data}}",
    "{{script}}{{library}}{{policy}}",
    "${window.hit=1}",
    "`;window.hit=1;`",
    "\\u003cscript>window.hit=1</script>",
    "\\x3cscript>window.hit=1",
    "\\",
    '\\"',
    '";window.hit=1;//',
    "';window.hit=1;//",
    "\u2028window.hit=1",
    "\u2029window.hit=1",
    "\u202ereversed",
    "\u200binvisible\ufeff",
    "\x1b[31mred\x07",
    "\x00nul",
    "line\nbreak\r\n",
    "tab\there",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "&#60;script&#62;",
    "&",
    "a&b<c>d",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "NaN",
    "Infinity",
    "null",
    "%00%3Cscript%3E",
    "=1+1",
    "🎉" * 20,
    "x" * 5_000,
]


def rows(values, job="a"):
    """A table of rows, one record each."""
    count = len(values)
    return pa.table(
        {
            "job": pa.array([job] * count, pa.string()),
            "stream": pa.array(["out"] * count, pa.string()),
            "value": pa.array(values, pa.float64()),
            "line": pa.array(range(1, count + 1), pa.int64()),
            "offset": pa.array(range(0, 10 * count, 10), pa.int64()),
            "start": pa.array(range(5, 10 * count + 5, 10), pa.int64()),
            "time": pa.nulls(count, pa.timestamp("us", "UTC")),
        }
    )


def written(tables, tmp_path, **options):
    report(tables, tmp_path / "page.html", **options)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.fixture
def logs(tmp_path):
    """Jobs with a NaN, a near miss, a crash, a job without a value, and hyperparameters in their names."""
    folder = tmp_path / "logs"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(12):
        lines = [f"start {number}"]
        for epoch in range(1, 31):
            base = 1 / epoch + number / 50 + rng.normal() / 100
            lines.append(f"epoch={epoch} loss={base:.6f}")
            lines.append(f"val_loss={'nan' if number == 3 and epoch > 25 else f'{base * 1.1:.6f}'} acc={1 - base:.5f}")
        if number == 4:
            lines += ["Traceback (most recent call last):", '  File "x.py", line 1, in <module>', "RuntimeError: out"]
        text = "nothing\n" if number == 5 else "\n".join(lines) + "\n"
        name = f"lr={10.0 ** -(number % 4 + 1):g},units={64 if number % 2 else 32},opt={'ab'[number % 2]}.{number}.log"
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def dataset(logs, tmp_path):
    replay(logs, Scanner(DEFINITIONS), objective=MIN, out=tmp_path / "out")
    return tmp_path / "out"


def test_every_number_of_the_ranking_is_that_of_the_dataset(dataset, tmp_path):
    data = data_of(written(dataset, tmp_path))
    ranking = rank(dataset, MIN, at_best=["loss", "acc"])
    jobs = data["jobs"]
    assert jobs["name"] == ranking["job"].to_pylist()
    assert jobs["rank"] == ranking["rank"].to_pylist()
    assert all_same(numbers_of(jobs["value"]), ranking["value"].to_pylist())
    assert all_same(numbers_of(jobs["step"]), ranking["step"].to_pylist())
    for name in ("rows", "not_finite", "tied", "line"):
        assert jobs[name] == ranking[name].to_pylist()
    statuses = [jobs["status"]["texts"][code] for code in jobs["status"]["codes"]]
    assert statuses == ranking["objective_status"].to_pylist()
    assert set(data["statuses"]) == set(statuses)
    assert [one["metric"] for one in data["others"]] == ["loss", "acc"]
    for one in data["others"]:
        assert all_same(numbers_of(one["value"]), ranking[f"at_best.{one['metric']}"].to_pylist())
    parameters = ranking["hyperparameters"].to_pylist()
    for column in data["parameters"]:
        texts = [None if code < 0 else column["texts"][code] for code in column["codes"]]
        assert texts == [dict(one).get(column["name"]) for one in parameters]
    assert {one["name"]: one["is_number"] for one in data["parameters"]} == {"lr": True, "units": True, "opt": False}
    doubts = [
        (at, one["kind"], one["message"]) for at, some in enumerate(ranking["doubts"].to_pylist()) for one in some
    ]
    assert [(one["job"], one["kind"], one["message"]) for one in data["doubts"]["of"]] == doubts
    assert {"near-miss-after", "crashed"} <= {kind for _, kind, _ in doubts}


def test_the_winner_is_that_of_the_ranking_with_its_line(dataset, logs, tmp_path):
    winner = data_of(written(dataset, tmp_path))["winner"]
    first, second = rank(dataset, MIN).slice(0, 2).to_pylist()
    assert (winner["name"], winner["value"], winner["line"]) == (first["job"], first["value"], first["line"])
    assert winner["second"] == {"name": second["job"], "value": second["value"]}
    lines = Path(winner["path"]).read_text().split("\n")
    shown = winner["excerpt"]
    assert shown["first"] + shown["at"] == first["line"]
    assert shown["lines"] == lines[shown["first"] - 1 : shown["first"] - 1 + len(shown["lines"])]
    assert str(first["value"]) in shown["lines"][shown["at"]]
    assert shown["at"] == 3


def test_scopes_and_counts_are_those_of_the_dataset(dataset, tmp_path):
    data = data_of(written(dataset, tmp_path))
    compared = compare_scopes(dataset, MIN).to_pylist()
    assert [one["scope"] for one in data["scopes"]] == [one["scope"] for one in compared]
    for one, other in zip(data["scopes"], compared, strict=True):
        assert one["best"] == other["best"]
        for name in ("value", "tied", "rank", "own_value", "regret"):
            assert same(numbers_of([one[name]])[0], other[name])
    opened = Dataset(dataset)
    for one in data["counts"]:
        assert one["rows"] == opened[one["metric"]].num_rows
        assert {kind: one[kind] for kind in COUNTS} == {
            kind: opened.manifest["counts"][one["metric"]][kind] for kind in COUNTS
        }
    assert [one["regex"] for one in data["counts"]] == [one.partition("=")[2] for one in DEFINITIONS]
    assert sum(one["near_misses"] for one in data["counts"]) == 5
    assert [one["text"] for one in data["suspects"]] == ["val_loss=nan acc=" + last_acc(data)]


def last_acc(data):
    """The accuracy in the line of the near miss, as it stands in the log."""
    (one,) = data["suspects"]
    return Path(one["path"]).read_text().split("\n")[one["line"] - 1].partition("acc=")[2]


@pytest.mark.parametrize("worker", [(), "stream"])
def test_every_point_of_the_curves_is_that_of_the_dataset(dataset, tmp_path, worker):
    data = data_of(written(dataset, tmp_path, worker=worker))
    assert [one["metric"] for one in data["curves"]] == ["loss", "val_loss", "acc"]
    for entry in data["curves"]:
        wanted: dict[str, list] = {}
        for row in curve(dataset, entry["metric"], "epoch").to_pylist():
            wanted.setdefault(row["job"], []).append((row["step"], row["value"]))
        found = {data["jobs"]["name"][job]: points for (job, _), points in curves_of(entry).items()}
        assert found.keys() == wanted.keys()
        for job, points in wanted.items():
            for place, own in ((0, 0), (1, 3)):
                assert all_same([one[own] for one in found[job]], [one[place] for one in points])
        assert entry["points"] == [sum(map(len, wanted.values()))] * 2
        assert entry["length"] == entry["size"]
    assert not data["notes"]


def test_a_replay_in_memory_gives_the_page_of_its_dataset(logs, dataset, tmp_path):
    found = replay(logs, Scanner(DEFINITIONS), objective=MIN)
    data, of_dataset = data_of(written(found, tmp_path)), data_of(written(dataset, tmp_path))
    for name in ("jobs", "parameters", "others", "winner", "scopes", "counts", "curves", "doubts", "objective"):
        assert data[name] == of_dataset[name], name
    assert [(one["kind"], one["text"]) for one in data["suspects"]] == [("near-miss", "val_loss=nan")] * 5


def test_tables_without_a_replay(tmp_path):
    tables = {"loss": pa.concat_tables([rows([3.0, 2.0]), rows([1.0], "b")])}
    data = data_of(written(tables, tmp_path))
    assert data["jobs"]["name"] == ["a", "b"]
    assert data["objective"] is data["winner"] is None
    assert {job: len(points) for (job, _), points in curves_of(data["curves"][0]).items()} == {0: 2, 1: 1}
    data = data_of(written(tables, tmp_path, objective=Objective("loss", "Minimize")))
    assert data["winner"]["name"] == "b"
    assert data["winner"]["excerpt"]["reason"] == "the log is not known"


def test_workers_are_apart(tmp_path):
    lines = [f"[rank{rank}] epoch={epoch} loss={epoch + rank / 4}\n" for epoch in range(3) for rank in range(2)]
    (tmp_path / "a.log").write_text("".join(lines) + "acc=1\n")
    scanner = Scanner(DEFINITIONS, labels=[r"rank=\[(rank\d)\]"])
    found = replay(tmp_path / "a.log", scanner, objective=Objective("loss", "Minimize", step="epoch"))
    data = data_of(written(found, tmp_path, worker="rank"))
    loss, _, acc = data["curves"]
    assert {worker: [one[3] for one in points] for (_, worker), points in curves_of(loss).items()} == {
        "rank rank0": [0, 1, 2],
        "rank rank1": [0.25, 1.25, 2.25],
    }
    assert acc["together"]
    assert any("acc" in note for note in data["notes"])
    with pytest.raises(OptionError, match="the worker 'nobody' is not among the metrics"):
        report(found, tmp_path / "x.html", worker="nobody")


def test_times_are_those_of_the_rows(tmp_path):
    table = rows([3.0, 2.0, 1.0])
    times = pa.array([1_700_000_000_000_000, None, 1_700_000_061_500_000], pa.timestamp("us", "UTC"))
    table = table.set_column(table.column_names.index("time"), "time", times)
    (points,) = curves_of(data_of(written({"loss": table}, tmp_path))["curves"][0]).values()
    assert [one[2] for one in points] == [1_700_000_000_000_000, None, 1_700_000_061_500_000]


# ---- names stay text


@pytest.mark.parametrize("hostile", INJECTIONS, ids=range(len(INJECTIONS)))
def test_an_injection_stays_text(hostile, tmp_path):
    tables = {hostile: rows([3.0, 2.0], hostile), f"{hostile}2": rows([1.0], hostile)}
    jobs = [Job(hostile, [], "Completed", {hostile: hostile, "x": hostile}), Job("other", [], hostile, {hostile: "1"})]
    text = written(tables, tmp_path, objective=Objective(hostile, "Minimize"), jobs=jobs, title=hostile)
    plain = written({"m": rows([3.0, 2.0]), "n": rows([1.0])}, tmp_path, objective=Objective("m", "Minimize"))
    found = page_of(text)
    assert found.elements == page_of(plain).elements
    data = data_of(text)
    assert data["title"] == hostile
    assert data["jobs"]["name"][0] == hostile
    assert data["winner"]["hyperparameters"] == {hostile: hostile, "x": hostile}
    assert [one["metric"] for one in data["curves"]] == [hostile, f"{hostile}2"]
    script = text[text.index('id="data">') :]
    script = script[: script.index("</script>")]
    assert script.isascii()
    assert not set("<&") & set(script)


@pytest.mark.parametrize("hostile", [one for one in INJECTIONS if "\n" not in one][:40:3])
def test_an_injection_in_a_log_and_a_definition_stays_text(hostile, tmp_path):
    lines = f"{hostile} before\nloss=2 {hostile}\n{hostile} behind\nloss=<b>\n"
    (tmp_path / "a.log").write_bytes(lines.encode(errors="surrogateescape"))
    scanner = Scanner({"loss": r"loss=(\S+)", "x<b>": r"<b>(?:</script>)?([0-9]+)"})
    text = written(replay(tmp_path / "a.log", scanner, objective=Objective("loss", "Minimize")), tmp_path)
    data = data_of(text)
    assert [name for name, *_ in page_of(text).elements].count("script") == 3
    assert hostile.encode(errors="surrogateescape").decode(errors="replace") in "\n".join(
        data["winner"]["excerpt"]["lines"]
    )
    assert [one["text"] for one in data["suspects"]] == ["<b>"]
    assert data["counts"][1]["regex"] == r"<b>(?:</script>)?([0-9]+)"


@pytest.mark.parametrize("title", ["\ud800lone", "\udce9byte"])
def test_a_title_that_is_not_utf8(title, tmp_path):
    assert data_of(written({"loss": rows([1.0])}, tmp_path, title=title))["title"] == title


def test_the_page_may_load_nothing(dataset, tmp_path):
    text = written(dataset, tmp_path)
    policy = text.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    parts = dict(one.split(" ", 1) for one in policy.split("; "))
    assert parts["default-src"] == "'none'"
    assert "connect-src" not in parts
    assert "unsafe" not in parts["script-src"]
    assert parts["script-src"].count("sha256-") == 2


def test_a_script_that_could_end_its_element_is_spelled_otherwise():
    assert "</script" not in page._safe('x = "</script>"; y = "<!--";\r\n')
    assert "<!--" not in page._safe('x = "<!--"')
    assert "\r" not in page._safe("a\r\nb\rc")


# ---- sizes


def many(jobs, points, metrics=("loss",), seed=0):
    rng = np.random.default_rng(seed)
    tables = {}
    for metric in metrics:
        count = jobs * points
        job = pa.DictionaryArray.from_arrays(
            pa.array(np.repeat(np.arange(jobs, dtype=np.int32), points)), pa.array([f"job{at}" for at in range(jobs)])
        )
        line = np.tile(np.arange(points), jobs)
        tables[metric] = pa.table(
            {
                "job": job,
                "stream": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["out"])),
                "value": rng.normal(size=count).round(5),
                "line": line + 1,
                "offset": 40 * line,
                "start": 40 * line + 5,
                "time": pa.nulls(count, pa.timestamp("us", "UTC")),
            }
        )
    return tables


def test_a_long_curve_is_thinned_and_the_page_says_so(tmp_path):
    tables = many(2, 5_000)
    data = data_of(written(tables, tmp_path, objective=Objective("loss", "Minimize")))
    (entry,) = data["curves"]
    assert entry["most"] == [MOST_POINTS, MOST_POINTS]
    for (job, _), points in curves_of(entry).items():
        name = data["jobs"]["name"][job]
        values = np.array([one["value"] for one in tables["loss"].to_pylist() if one["job"] == name])
        kept = thinned(values, MOST_POINTS)
        assert [one[3] for one in points] == values[kept].tolist()
        assert [one[1] for one in points] == (kept + 1.0).tolist()
    assert any("thinned to at most 2,000 points" in note for note in data["notes"])


def test_the_data_of_a_thousand_jobs_of_ten_metrics_are_below_five_megabytes(tmp_path):
    metrics = [f"m{number}" for number in range(10)]
    tables = many(1_000, 60, metrics)
    jobs = [Job(f"job{at}", [], "Completed", {"lr": f"{at / 1000}", "opt": "ab"[at % 2]}) for at in range(1_000)]
    data = page_data(tables, objective=Objective("m0", "Minimize"), jobs=jobs)
    assert 0.6 * MOST_BYTES < len(embedded(data)) <= MOST_BYTES
    assert [one["jobs"] for one in data["curves"]] == [1_000] * 10
    assert any("thinned" in note for note in data["notes"])
    for entry in data["curves"]:
        few, more = entry["most"]
        for (job, _), points in curves_of(entry).items():
            assert len(points) <= (more if job < FIRST_JOBS else few)


def test_where_even_few_points_do_not_fit_fewer_jobs_are_drawn():
    tables = many(50, 20)
    names = [f"job{at}" for at in range(50)]
    (entry,) = page_curves(tables, ["loss"], names, budget=2_000, step=None, carry=False)
    assert 1 <= entry["jobs"] < 50
    assert set(entry["job"]) == set(range(entry["jobs"]))
    assert len(embedded(entry)) <= 2_000


def test_a_hundred_thousand_jobs(tmp_path):
    tables = many(100_000, 1)
    text = written(tables, tmp_path, objective=Objective("loss", "Minimize"))
    data = data_of(text)
    assert data["jobs"]["count"] == data["jobs"]["listed"] == 100_000
    assert data["curves"][0]["jobs"] == 1_000
    assert any("first 1,000 of 100,000 jobs" in note for note in data["notes"])
    assert len(text) < 20_000_000


def test_a_dataset_is_read_for_the_jobs_that_are_drawn(dataset, monkeypatch):
    whole = page_data(dataset)
    monkeypatch.setattr("metricscan.reports.page_curves.MOST_JOBS", 3)
    some = page_data(dataset)
    for one, other in zip(whole["curves"], some["curves"], strict=True):
        assert other["jobs"] == 3
        assert curves_of(other) == {key: points for key, points in curves_of(one).items() if key[0] < 3}


# ---- bad input


def test_no_objective(logs, tmp_path):
    replay(logs, Scanner(DEFINITIONS), out=tmp_path / "out")
    data = data_of(written(tmp_path / "out", tmp_path))
    assert data["objective"] is data["winner"] is None
    assert data["scopes"] == []
    assert len(data["jobs"]["name"]) == 12
    assert [one["name"] for one in data["parameters"]] == ["lr", "units", "opt"]


def test_one_job_with_one_point(tmp_path):
    data = data_of(written({"loss": rows([0.5])}, tmp_path, objective=Objective("loss", "Minimize")))
    assert data["winner"]["value"] == 0.5
    assert data["winner"]["second"] is None
    assert curves_of(data["curves"][0]) == {(0, None): [(None, 1.0, None, 0.5)]}


def test_no_job_and_no_row(tmp_path):
    data = data_of(written({"loss": rows([])}, tmp_path, objective=Objective("loss", "Minimize")))
    assert data["jobs"]["count"] == 0
    assert data["winner"] is None
    assert data["curves"][0]["job"] == []
    assert data_of(written({}, tmp_path))["curves"] == []


def test_all_nan(tmp_path):
    values = [float("nan"), float("inf"), float("-inf")]
    data = data_of(written({"loss": rows(values)}, tmp_path, objective=Objective("loss", "Minimize")))
    assert data["winner"] is None
    assert data["jobs"]["rank"] == [None]
    assert data["statuses"] == {"not_finite": STATUSES["not_finite"]}
    (points,) = curves_of(data["curves"][0]).values()
    assert all_same([one[3] for one in points], values)


def test_a_dataset_that_is_still_written_or_lacks_a_file_is_one_error(dataset, tmp_path):
    shutil.rmtree(dataset / "loss")
    with pytest.raises(SourceError, match="lacks files"):
        report(dataset, tmp_path / "x.html")
    os.remove(dataset / "_manifest.json")
    with pytest.raises(SourceError, match="is not a dataset"):
        report(dataset, tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_rows_that_were_not_kept_and_metrics_that_are_not_there(logs, dataset, tmp_path):
    found = replay(logs, Scanner(DEFINITIONS), objective=MIN, keep=False)
    with pytest.raises(LookupError, match="not kept"):
        report(found, tmp_path / "x.html")
    with pytest.raises(OptionError, match="'nothing' is not among the metrics"):
        report(dataset, tmp_path / "x.html", objective=Objective("nothing", "Minimize"))
    with pytest.raises(SourceError, match="cannot write"):
        report(dataset, tmp_path / "no" / "x.html")


def test_without_bokeh_the_error_says_what_to_install(dataset, tmp_path):
    page._library.cache_clear()
    with (
        mock.patch("importlib.util.find_spec", return_value=None),
        pytest.raises(OptionError, match="needs bokeh") as error,
    ):
        report(dataset, tmp_path / "x.html")
    assert error.value.hint == "pip install 'metricscan[report]'"


def test_a_log_that_changed_or_is_gone_shows_no_line(dataset, logs, tmp_path):
    winner = data_of(written(dataset, tmp_path))["winner"]
    content = Path(winner["path"]).read_text()
    Path(winner["path"]).write_text(content.replace(f"val_loss={winner['value']}", "val_loss=7.000000"))
    assert "has changed" in data_of(written(dataset, tmp_path))["winner"]["excerpt"]["reason"]
    os.remove(winner["path"])
    assert "cannot be read" in data_of(written(dataset, tmp_path))["winner"]["excerpt"]["reason"]
    data = data_of(written(dataset, tmp_path, logs=False))
    assert data["winner"]["excerpt"]["reason"] == "the logs were not asked for"
    assert [one["text"] for one in data["suspects"]] == [None]


def test_an_excerpt_of_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        assert excerpt(str(path), 1, 0, options={}).reason == "the log is no file any more"
    assert excerpt("-", 1, 0, options={}).reason == "the log was standard input"


# ---- words


def test_every_kind_of_doubt_and_status_has_a_meaning():
    assert set(DOUBTS) == set(KINDS)
    assert all(text.endswith(".") for text in DOUBTS.values())


@pytest.mark.parametrize(
    "scope", ["last", "first", "min", "max", "mean", "last-5", "best", "best@3", "best@2..3", "ema:0.9", "window:4"]
)
def test_every_scope_is_said_in_words(scope):
    (first, *_) = rule_of(Objective("loss", "Maximize", scope=scope, step="epoch"), {})
    assert first.startswith("The highest loss wins. Of each job, the ")
    assert first.endswith(" counts.")


def test_conditions_are_said_in_words():
    objective = Objective("loss", "Target", target=0.5, step="epoch", per_step="mean", from_step=3, restarts="purge")
    text = " ".join(rule_of(objective, {"completed_only": True, "min_step": 5, "exclude_doubts": ["crashed", "copy"]}))
    for part in ("nearest to 0.5", "their mean", "below step 3", "restart", "Completed", "at least 5", "crashed, copy"):
        assert part in text


def test_one_kind_of_doubt_may_be_a_text(tmp_path):
    data = data_of(
        written({"m": rows([1.0])}, tmp_path, objective=Objective("m", "Minimize"), exclude_doubts="crashed")
    )
    assert data["made"]["conditions"]["exclude_doubts"] == ["crashed"]
    assert "Jobs with these doubts have no rank: crashed." in data["objective"]["rule"]


def test_the_public_name():
    assert metricscan.report is report
    assert json.loads(embedded({"a": "\u2028</script>"})) == {"a": "\u2028</script>"}
