"""Doubts of a replay: crashes in logs of every kind, and datasets that say the same when they are ranked again."""

import gzip
import io
import json
import tarfile
from unittest import mock

import numpy as np
import pytest
from support.folders import tree

import metricscan
from metricscan import Objective, Scanner, SourceError
from metricscan.datasets.dataset import Dataset
from metricscan.datasets.evidence import NotedSuspects, Unit
from metricscan.ranking.doubts import Doubt
from metricscan.replaying.log_scan import LogScanner
from metricscan.scanning import small_logs, threaded

SCANNER = Scanner([r"err=err=([0-9.]+)", r"it=it=([0-9]+)"])
BEST = Objective("err", "Minimize", step="it")
CRASH = 'Traceback (most recent call last):\n  File "fit.py", line 3, in <module>\n    fit()\nValueError: no rows\n'
ROWS = "".join(f"it={n} err={1 / n:.3f}\n" for n in range(1, 6))


def crashes(result):
    found = {job: [one for one in some if one.kind == "crashed"] for job, some in result.doubts.items()}
    return {job: [(one.path, one.line, one.offset) for one in some] for job, some in found.items() if some}


def test_the_best_job_says_why_it_is_doubted(tmp_path):
    tree(tmp_path, {"a.log": ROWS, "b.log": f"{ROWS}it=6 err=0.01\n{CRASH}", "c.log": "nothing\n"})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST, job="file")
    path = str(tmp_path / "b.log")
    expected = Doubt("crashed", "the log ends in a traceback: ValueError: no rows", path, 7, len(ROWS) + 14)
    assert result.best.job == "b"
    assert result.best.doubts == (expected,)
    assert result.doubts == {"b": (expected,)}
    assert metricscan.replay(tmp_path, SCANNER).doubts == {}


WAYS = ["together", "alone", "blocks", "gzip", "pipe"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", ["", "\ufeff", "x" * 9000 + "\n"])
def test_a_crash_is_found_in_logs_of_every_kind(tmp_path, way, before):
    text = (before + ROWS + CRASH.removesuffix("\n")).encode()
    name = "b.log.gz" if way == "gzip" else "b.log"
    tree(tmp_path, {"a.log": ROWS, name: gzip.compress(text) if way == "gzip" else text})
    sizes = {"together": (1 << 17, 1 << 25), "alone": (0, 1 << 25), "blocks": (0, 0)}.get(way, (0, 1 << 25))
    with (
        mock.patch.object(small_logs, "MOST_BYTES", sizes[0]),
        mock.patch("metricscan.replaying.schedule.MOST_BYTES", sizes[0]),
        mock.patch.object(threaded, "SERIAL_BYTES", sizes[1]),
    ):
        result = metricscan.replay(tmp_path, SCANNER, objective=BEST, job="file", threads=2 if way == "blocks" else 1)
    start = text.index(b"Traceback")
    assert crashes(result) == {"b": [(str(tmp_path / name), text.count(b"\n", 0, start) + 1, start)]}


def test_rows_behind_a_crash_show_that_the_program_went_on(tmp_path):
    tree(tmp_path, {"a.log": f"{ROWS}{CRASH}it=6 err=0.1\n", "b.log": f"{ROWS}{CRASH}one word\n"})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST, job="file")
    assert list(result.doubts) == ["b"]
    # a label matches any line, those of a traceback too
    scanner = Scanner([r"err=err=([0-9.]+)", r"it=it=([0-9]+)"], labels={"word": r"^(\w+)"})
    assert list(metricscan.replay(tmp_path, scanner, objective=BEST, job="file").doubts) == ["b"]


def test_only_the_last_piece_of_a_rotated_log_ends_it(tmp_path):
    tree(tmp_path, {"a/fit.log.1": ROWS + CRASH, "a/fit.log": ROWS, "b/fit.log.1": ROWS, "b/fit.log": ROWS + CRASH})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST)
    assert list(crashes(result).values()) == [[(str(tmp_path / "b/fit.log"), 6, len(ROWS))]]


def test_any_stream_of_a_job_may_end_in_a_crash(tmp_path):
    tree(tmp_path, {"a/stdout": ROWS, "a/stderr": f"a warning\n{CRASH}", "b/stdout": ROWS, "b/stderr": "a warning\n"})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST)
    assert crashes(result) == {"a": [(str(tmp_path / "a/stderr"), 2, 10)]}


def test_an_export_has_a_crash_without_a_line(tmp_path):
    messages = [*ROWS.splitlines(), *CRASH.splitlines()]
    events = [{"timestamp": 1_700_000_000_000 + n, "message": message} for n, message in enumerate(messages)]
    tree(tmp_path, {"a.json": json.dumps({"events": events})})
    result = metricscan.replay(tmp_path / "a.json", SCANNER, objective=BEST)
    assert crashes(result) == {"a": [(str(tmp_path / "a.json"), None, None)]}
    for number, event in enumerate(events):
        event["logStreamName"] = f"job-{number % 2}/algo-1"
    tree(tmp_path, {"a.json": json.dumps({"events": events})})
    found = metricscan.replay(tmp_path / "a.json", SCANNER, objective=BEST).doubts
    assert "crashed" not in [one.kind for some in found.values() for one in some]


@pytest.mark.parametrize("kind", ["w", "w:gz"])
@pytest.mark.parametrize("before", ["", "x" * 200_000 + "\n"])
def test_a_member_of_an_archive_may_end_in_a_crash(tmp_path, kind, before):
    text = before + ROWS + CRASH
    with tarfile.open(tmp_path / "runs.tar", kind) as archive:
        for name, content in (("a/out.log", ROWS), ("b/out.log", text), ("c/out.log", ROWS)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    result = metricscan.replay(tmp_path / "runs.tar", SCANNER, objective=BEST)
    place = (
        str(tmp_path / "runs.tar/b/out.log"),
        text[: text.index("Traceback")].count("\n") + 1,
        text.index("Traceback"),
    )
    assert list(crashes(result).values()) == [[place]]


def test_a_crash_in_utf_16_has_a_line(tmp_path):
    tree(tmp_path, {"a.log": (ROWS + CRASH).encode("utf-16")})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST)
    assert list(crashes(result).values()) == [[(str(tmp_path / "a.log"), 6, None)]]


def test_a_log_that_cannot_be_read_to_its_end_has_no_crash(tmp_path):
    tree(tmp_path, {"a.log.gz": gzip.compress((ROWS + CRASH).encode())[:-9]})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST)
    assert len(result.errors) == 1
    assert result.doubts == {}


# ---- what a scan notes of values: the objects of the scan, by the number of the log


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """Logs with doubts of every kind."""
    files = {
        "a/stdout": f"{ROWS}it=6 err=0.01",
        "a/stderr": f"err=9\n{CRASH}",
        "b/stdout": ROWS * 40,
        "c/stdout": "it=1 err=0.5\n",
        "d/stdout": ROWS,
    }
    tree(tmp_path / "logs", files)
    starts = [at + 4 for at in range(len(ROWS * 40)) if (ROWS * 40).startswith("err=", at)]
    found = {
        "a/stdout": {"err": NotedSuspects((6, 999), np.array([13, len(ROWS) + 9]), len(ROWS) + 9)},
        "b/stdout": {"err": NotedSuspects(cut_starts=np.array(starts)), "it": NotedSuspects((2, 13))},
    }
    init = LogScanner.__init__

    def initialised(self, scanner, logs, *args, **options):
        init(self, scanner, logs, *args, **options)
        self.suspects = {
            number: dict(found[name])
            for number, log in enumerate(logs)
            for name in found
            if log.path == str(tmp_path / "logs" / name)
        }

    monkeypatch.setattr(LogScanner, "__init__", initialised)
    return tmp_path / "logs"


@pytest.mark.parametrize("scope", ["last", "first", "min", "mean", "last-2", "last-300", "best@3"])
def test_a_dataset_has_the_doubts_of_its_replay(noted, tmp_path, scope):
    objective = Objective("err", "Minimize", scope, step="it")
    result = metricscan.replay(noted, SCANNER, objective=objective, out=tmp_path / "out", min_step=2)
    doubts = result.ranking.to_pylist()
    kinds = {one.kind for some in result.doubts.values() for one in some}
    assert {"cut-value", "crashed", "several-streams", "behind"} <= kinds
    dataset = Dataset(tmp_path / "out")
    assert (dataset.min_step, dataset.exclude_doubts) == (2, ())
    assert metricscan.rank(dataset, objective, min_step=2).to_pylist() == doubts
    assert result.rank(objective, min_step=2).to_pylist() == doubts
    unkept = metricscan.replay(noted, SCANNER, objective=objective, min_step=2, keep=False)
    assert unkept.ranking.to_pylist() == doubts


def test_a_manifest_keeps_the_first_and_the_last_cut_values(noted, tmp_path):
    with mock.patch("metricscan.datasets.evidence._MOST_STARTS", 10):
        metricscan.replay(noted, SCANNER, out=tmp_path / "out")
    evidence = Dataset(tmp_path / "out").evidence
    starts = evidence.logs["b", "stdout", 0].suspects["err"].cut_starts.tolist()
    assert len(starts) == 10
    assert (starts[0], starts[-1]) == (9, len(ROWS * 40) - 6)


def test_a_minus_sign_that_the_regex_does_not_read(tmp_path):
    tree(tmp_path, {"a.log": "score: -3.0\n", "b.log": "score: 2.0\n", "c.log": "score: 1-1.5 score: x-1.5\n"})
    scanner = metricscan.Scanner([r"score=score:.*?(\d+\.\d+)"])
    result = metricscan.replay(tmp_path, scanner, objective=Objective("score", "Maximize"), job="file")
    doubts = {row["job"]: [one["kind"] for one in row["doubts"]] for row in result.ranking.to_pylist()}
    assert result.best.job == "a"
    assert (doubts["a"], doubts["b"]) == (["cut-value"], [])
    # what stands before these dashes shows that they are none
    assert doubts["c"] == []


def test_units_of_all_logs(tmp_path):
    tree(tmp_path, {"a.log": ROWS, "b.log": "err=9\n"})
    units = {"err": [Unit("dB", "0.2 dB", "a.log", 5, 52), Unit("%", "9 %", "b.log", 1, 0)]}
    with mock.patch("metricscan.replaying.run.units_of", return_value=units):
        result = metricscan.replay(tmp_path, SCANNER, objective=BEST, job="file", out=tmp_path / "out")
    message = "values of err have different units: '0.2 dB' (a.log:5), '9 %' (b.log:1)"
    assert [(one.kind, one.message) for one in result.best.doubts] == [("cut-value", message)]
    assert metricscan.rank(tmp_path / "out", BEST).to_pylist() == result.ranking.to_pylist()


def test_a_cut_line_is_doubted_in_the_dataset_too(tmp_path):
    tree(tmp_path, {"a.log": f"{ROWS}it=6 err=0.\n125\n", "b.log": ROWS})
    result = metricscan.replay(tmp_path, SCANNER, objective=BEST, job="file", out=tmp_path / "out")
    message = "the line ends within the value, and the next line begins with the rest"
    expected = Doubt("cut-line", message, str(tmp_path / "a.log"), 6, len(ROWS))
    assert (result.best.job, result.best.doubts) == ("a", (expected,))
    assert metricscan.rank(tmp_path / "out", BEST).to_pylist() == result.ranking.to_pylist()
    assert result.stats.metrics["err"].cut_lines == 1


@pytest.mark.parametrize(
    "change",
    [
        {"crash": {"kind": "traceback"}},
        {"crash": 3},
        {"suspects": []},
        {"suspects": {"err": {"last_near_miss": 3, "cut_starts": [], "unterminated_start": None}}},
        {"suspects": {"err": {"last_near_miss": None, "cut_starts": "x", "unterminated_start": None}}},
        {"suspects": {"err": {}}},
    ],
    ids=str,
)
def test_a_manifest_whose_evidence_is_invalid(tmp_path, change):
    tree(tmp_path, {"a.log": ROWS})
    metricscan.replay(tmp_path / "a.log", SCANNER, out=tmp_path / "out")
    place = tmp_path / "out" / "_manifest.json"
    document = json.loads(place.read_text())
    document["sources"][0] |= change
    place.write_text(json.dumps(document))
    with pytest.raises(SourceError, match="is not a valid manifest"):
        Dataset(tmp_path / "out")


# ---- logs as tools write them


def bar(epoch, done, train, val):
    shown = "" if val is None else f", val_loss={val}"
    rate = f"{done}/4 [00:00<00:00, 11.23it/s, v_num=0, train_loss={train}{shown}]"
    return f"\rEpoch {epoch}: {25 * done:3}%|{'█' * done:<4}| {rate}"


def lightning(values):
    """A bar of Lightning in a file: each epoch begins with the loss of the epoch before it, and ends with its own."""
    text = "\rSanity Checking DataLoader 0:  50%|█████     | 1/2 [00:00<00:00, 60.1it/s]"
    for epoch, (before, value) in enumerate(zip([None, *values], values, strict=False)):
        text += "".join(bar(epoch, done, 9 - epoch, before) for done in range(1, 5))
        text += "\rValidation: |          | 0/? [00:00<?, ?it/s]" + bar(epoch, 4, 9 - epoch, value)
    return text + f"\n`Trainer.fit` stopped: `max_epochs={len(values)}` reached.\n"


@pytest.mark.parametrize("regex", [r"val_loss=([0-9.]+|nan)", r"val_loss=([0-9.]+)"])
def test_the_best_epoch_of_a_bar_and_one_that_diverged(tmp_path, regex):
    values = {"a": ["0.9", "0.5", "0.7"], "b": ["0.8", "0.6", "0.65"], "c": ["0.7", "0.4", "nan"]}
    tree(tmp_path, {f"{name}.log": lightning(some) for name, some in values.items()})
    scanner = Scanner([f"val_loss={regex}", r"epoch=Epoch (\d+):"])
    objective = Objective("val_loss", "Minimize", "best", "epoch")
    found = metricscan.replay(tmp_path, scanner, objective=objective)
    ranked = found.ranking.select(["job", "value", "step"]).to_pylist()
    assert [tuple(row.values()) for row in ranked] == [("c", 0.4, 1.0), ("a", 0.5, 1.0), ("b", 0.6, 1.0)]
    assert {name: some[0].kind for name, some in found.doubts.items()} == {"c": "diverged"}
    assert metricscan.replay(tmp_path, scanner, objective=objective, exclude_doubts="diverged").best.job == "a"


def test_a_drivers_log_of_ray(tmp_path):
    """Of Ray 2.60: workers in colour take turns, and equal lines that are left out hold no loss."""
    said = "\x1b[32m [repeated 30x across cluster] (Ray deduplicates logs by default. Set RAY_DEDUP_LOGS=0 to disable)\x1b[0m"

    def driver(best):
        lines = ["2026-11-30 23:16:45,476\tINFO worker.py:2038 -- Started a local Ray instance."]
        lines += [
            f"\x1b[36m(train pid={pid})\x1b[0m epoch={epoch} loss={best + abs(3 - epoch) / 10}"
            for epoch in range(1, 6)
            for pid in (25, 24)
        ]
        lines.append(f"\x1b[36m(train pid=24)\x1b[0m warming up{said}")
        return "\n".join(lines) + "\n"

    tree(tmp_path, {"a/driver.log": driver(0.1), "b/driver.log": driver(0.2)})
    scanner = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\d+)"])
    found = metricscan.replay(tmp_path, scanner, objective=Objective("loss", "Minimize", "best", "epoch"))
    assert (found.best.job, found.best.value, found.best.line) == ("a/driver", 0.1, 7)
    assert not found.doubts
    assert not found.notices


SEEN, LOST = ("near-miss-after",), ("diverged", "near-miss-after")
CAPTURED = {
    **dict.fromkeys(("None", "n/a", "'0.2'", "1,234.5", "***", "tensor(0.5)", "[0.5]", "\u22120.5"), SEEN),
    **dict.fromkeys(("tensor(nan)", "'inf'", "\u221e!"), LOST),
    **dict.fromkeys(("-", "achieved", "=====", "noneuclidean", "(see)", "\u2588\u2586\u2581"), ()),
}


# the last one is left to the module regex
@pytest.mark.parametrize(
    "regex", [r"loss=(\S+)", "loss=(.*)", r"loss=(.*?)(?:;|$)", r"(?:\S+ )?loss=(\S+)", r"(?|loss=(\S+))"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_captured_text_that_stands_for_a_value_is_a_doubt(tmp_path, regex, encoding):
    texts = {f"{at}.log": f"loss={text}\nloss=0.25\nloss={text}\n" for at, text in enumerate(CAPTURED)}
    folder = tree(tmp_path / "logs", {name: text.encode(encoding) for name, text in texts.items()})
    found = metricscan.replay(
        folder, Scanner([f"loss={regex}"]), objective=Objective("loss", "Minimize"), out=tmp_path / "out"
    )
    for ranking in (found.ranking, metricscan.rank(tmp_path / "out", Objective("loss", "Minimize"))):
        doubts = dict(zip(ranking["job"].to_pylist(), ranking["doubts"].to_pylist(), strict=True))
        kinds = {text: tuple(one["kind"] for one in doubts[str(at)]) for at, text in enumerate(CAPTURED)}
        assert kinds == CAPTURED
        assert {one["line"] for some in doubts.values() for one in some} == {3}
    # what is no number is counted once, and is no near miss
    assert found.stats.metrics["loss"].near_misses == 0
    assert found.stats.metrics["loss"].unparsed == 2 * len(CAPTURED)


def test_a_captured_text_before_the_deciding_row_is_no_doubt(tmp_path):
    folder = tree(tmp_path, {"a.log": "loss=None\nloss=0.5\n", "b.log": "loss=0.75, loss=None\n"})
    found = metricscan.replay(folder, Scanner([r"loss=([^,\s]+)"]), objective=Objective("loss", "Minimize"))
    assert found.doubts == {}
