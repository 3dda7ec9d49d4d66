"""Containers' logs in a replay: standard output and standard error are streams of the job of their file."""

import gzip
import io
import json
import sys

from metricscan import Objective, Scanner, replay
from metricscan.cli import main
from metricscan.logs import exports

SCANNER = Scanner(["loss=loss=([0-9.]+)"])
LOSS = Objective("loss", "Minimize")


def docker(message, stream="stdout", second=0):
    line = {"log": message, "stream": stream, "time": f"2026-05-04T03:02:{second:02}.000000001Z"}
    return json.dumps(line, separators=(",", ":")) + "\n"


def cri(message, stream="stdout", second=0, tag="F"):
    return f"2026-05-04T03:02:{second:02}.000000001Z {stream} {tag} {message}\n"


def rows(result):
    return [(row["job"], row["stream"], row["value"], row["time"].second) for row in result["loss"].to_pylist()]


def test_both_streams_of_a_file_are_streams_of_its_job(tmp_path):
    path = tmp_path / "0a1b2c-json.log"
    path.write_text(docker("loss=3\n") + docker("loss=2\n", "stderr", 1) + docker("loss=1 late\n", second=2))
    result = replay(path, SCANNER, objective=LOSS)
    assert rows(result) == [
        ("0a1b2c-json", "stderr", 2.0, 1),
        ("0a1b2c-json", "stdout", 3.0, 0),
        ("0a1b2c-json", "stdout", 1.0, 2),
    ]
    assert (result.best.value, result.best.stream, result.best.path) == (1.0, "stdout", str(path))
    assert [log.within for log in result.jobs[0].logs] == ["stderr", "stdout"]
    assert not result.errors


def test_a_pod_is_one_job(tmp_path):
    pod = tmp_path / "ml_train-7_0a1b-2c3d" / "main"
    pod.mkdir(parents=True)
    (pod / "0.log").write_text(cri("loss=5") + cri("warning", "stderr"))
    (pod.parent / "side").mkdir()
    (pod.parent / "side" / "0.log").write_text(cri("loss=7"))
    result = replay(tmp_path, SCANNER)
    assert [(job.name, [log.stream for log in job.logs]) for job in result.jobs] == [
        ("ml_train-7_0a1b-2c3d", ["main/0.log/stderr", "main/0.log/stdout", "side/0.log/stdout"])
    ]
    assert [row[2] for row in rows(result)] == [5.0, 7.0]


def test_the_name_of_the_file_names_the_job(tmp_path):
    """The rules see the file's path, not the names of the streams in it."""
    (tmp_path / "a-json.log").write_text(docker("loss=1\n") + docker("loss=2\n", "stderr"))
    (tmp_path / "b.log").write_bytes(cri("loss=3").encode())
    assert [job.name for job in replay(tmp_path, SCANNER).jobs] == ["a-json", "b"]
    by_regex = replay(tmp_path, SCANNER, job=r"([ab])[^/]*\.log$")
    assert [(job.name, len(job.logs)) for job in by_regex.jobs] == [("a", 2), ("b", 1)]
    assert not by_regex.errors
    assert [job.name for job in replay(tmp_path, SCANNER, job="file").jobs] == ["a-json", "b"]


def test_a_large_log_is_not_read_to_know_its_streams(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "_SMALL_BYTES", 1000)
    path = tmp_path / "large.log.gz"
    path.write_bytes(gzip.compress((cri("loss=4") * 50 + cri("loss=2", "stderr")).encode()))
    result = replay(path, SCANNER)
    assert [(log.stream, log.within) for log in result.jobs[0].logs] == [("stderr", "stderr"), ("stdout", "stdout")]
    assert [row[2] for row in rows(result)] == [2.0] + [4.0] * 50
    path.write_bytes(gzip.compress(b'{"log":"loss=1\\n","time":"2026-05-04T03:02:01Z"}\n' * 50))
    result = replay(path, SCANNER)
    assert [log.within for log in result.jobs[0].logs] == [None]
    assert result["loss"].num_rows == 50


def test_a_folder_of_many_small_logs(tmp_path):
    """Small plain logs are scanned together; containers' logs among them are decoded all the same."""
    for number in range(40):
        write = cri if number % 2 else docker
        (tmp_path / f"{number}.log").write_text(
            write(f"loss={number + 1}.5" + ("" if number % 2 else "\n")) if number % 4 else f"loss={number + 1}.5\n"
        )
    result = replay(tmp_path, SCANNER, objective=LOSS)
    assert sorted(result["loss"]["value"].to_pylist()) == [number + 1.5 for number in range(40)]
    assert sum(time is None for time in result["loss"]["time"].to_pylist()) == 10
    (notice,) = result.notices
    assert "20 are cri" in notice.message


def test_check_shows_the_message_of_a_record_in_fragments(tmp_path, capsys):
    path = tmp_path / "a.log"
    path.write_text(cri("loss=1", tag="P") + cri("loss=8", "stderr") + cri("25 done", second=3))
    assert main(["check", str(path), "-m", "loss=loss=([0-9.]+)"]) == 0
    out = capsys.readouterr().out
    assert "1  loss=125 done  125.0" in out
    assert "2  loss=8  8.0" in out


def test_a_log_from_standard_input_is_one_stream(monkeypatch):
    text = docker("loss=3\n") + docker("loss=2\n", "stderr", 1)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    result = replay("-", SCANNER)
    assert rows(result) == [("stdin", "stdin", 3.0, 0), ("stdin", "stdin", 2.0, 1)]
    assert not result.errors


def test_an_input_format_for_all_logs(tmp_path, capsys):
    (tmp_path / "a.log").write_text("loss=1\n")
    assert main(["replay", str(tmp_path), "-m", "loss=loss=(.)", "--input-format", "docker-json"]) == 2
    assert "a JSON object was expected at byte 0" in capsys.readouterr().err


def test_a_step_on_the_other_stream_is_told_with_the_way_out(tmp_path):
    for name in "ab":
        lines = (cri(f"epoch={at}", "stderr", at) + cri(f"loss={5 - at}", second=at) for at in (1, 2, 3))
        (tmp_path / f"{name}.log").write_text("".join(lines))
    scanner = Scanner(["loss=loss=([0-9.]+)", "epoch=epoch=([0-9]+)"])
    objective = Objective("loss", "Minimize", "best", "epoch")
    for place in ("before", "after", "block"):
        apart = Objective("loss", "Minimize", "best", "epoch", step_place=place)
        found = replay(tmp_path, scanner, objective=apart, out=tmp_path / "out", overwrite=True)
        [message] = [notice.message for notice in found.notices if "have no step" in notice.message]
        assert "In 2 jobs 'epoch' stands in another stream" in message
        assert "--input-format plain" in message
        assert found.best.doubts[0].kind == "step-missing"
    joined = replay(tmp_path, scanner, objective=objective, input_format="plain")
    assert not joined.notices
    assert joined.ranking.select(["job", "step", "stepless"]).to_pylist()[0] == {"job": "a", "step": 3.0, "stepless": 0}
