"""Labels: the text that distinguishes the workers of one job, from the log to the tables, datasets and curves."""

import json
import pickle
import random
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import reference
from support.grammar import Patterns

import metricscan
from metricscan import Dataset, DefinitionError, DefinitionWarning, Objective, OptionError, Scanner, replay, wide
from metricscan.cli import main
from metricscan.scanning.scanner import _configured, _rebuild

#: The prefixes that launchers put before a worker's lines: of SageMaker's MPI, torchrun with ranks, torchrun's default role.
PREFIXES = {
    "mpi": ("[1,mpirank:{0},algo-{1}]<stdout>:", r"^\[(\d+,mpirank:\d+,algo-\d+)\]<stdout>:"),
    "rank": ("[rank{0}]:", r"^\[(rank\d+)\]:"),
    "default": ("[default{0}]:", r"^\[(default\d+)\]:"),
}
LOSS = r"loss=loss=(\S+)"
EPOCH = r"epoch=epoch=(\d+)"


def scanner_of(kind, **options):
    return Scanner([LOSS, EPOCH], labels={"worker": PREFIXES[kind][1]}, **options)


def log_of(kind, lines):
    """Lines of ``(worker, text)``; None: no prefix."""
    prefix = PREFIXES[kind][0]
    return "".join(
        f"{'' if worker is None else prefix.format(worker, worker // 2 + 1)}{text}\n" for worker, text in lines
    )


def naive(kind, text):
    """The values of the loss by worker and epoch, the last one winning, read line by line with ``re``."""
    found, epochs = {}, {}
    for line in text.split("\n"):
        label = re.search(PREFIXES[kind][1], line)
        worker = label[1] if label else None
        epoch = re.search(r"epoch=(\d+)", line)
        if epoch:
            epochs[worker] = float(epoch[1])
        for value in re.findall(r"loss=(\S+)", line):
            found[worker, epochs.get(worker)] = float(value)
    return found


def by_worker(table):
    return {(row["worker"], row["step"]): row["value"] for row in table.to_pylist()}


LINES = st.lists(
    st.tuples(
        st.none() | st.integers(0, 11),
        st.sampled_from(["loss=1 epoch=1", "loss=2.5", "epoch=2", "epoch=3 loss=0.5", "x", "loss=7 loss=8"]),
    ),
    max_size=30,
)


# ---- from the log


@pytest.mark.parametrize("kind", PREFIXES)
@given(lines=LINES)
def test_the_texts_are_those_that_re_finds(kind, lines):
    text = log_of(kind, lines)
    rows = scanner_of(kind).scan(text.encode())["worker"]
    expected = [
        (match[1], number, match.start(1))
        for number, line in enumerate(text.split("\n"), 1)
        if (match := re.search(PREFIXES[kind][1], line))
    ]
    assert [(row["value"], row["line"], row["start"] - row["offset"]) for row in rows.to_pylist()] == expected
    assert rows.schema.field("value").type == pa.string()


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4096])
@pytest.mark.parametrize("threads", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_no_row_depends_on_chunks_or_threads(chunk_bytes, threads):
    data = log_of(
        "mpi", [(number % 13, f"loss={number}") for number in range(3000 if chunk_bytes > 1 else 500)]
    ).encode()
    whole = scanner_of("mpi").scan(data)
    plain = scanner_of("mpi")
    cut = _rebuild(plain.definitions, plain._given, {"chunk_bytes": chunk_bytes}, plain.labels)
    found = cut.scan(data, threads=threads)
    assert len(set(found["worker"]["value"].to_pylist())) == 13
    assert found["worker"].equals(whole["worker"])
    assert found["loss"].equals(whole["loss"])


def test_numbers_start_anew_when_rows_are_handed_over():
    # more rows than a batch holds, and other texts in each part
    texts = [f"w{number % 7 + number // 50_000 * 7}" for number in range(200_000)]
    scanner = Scanner([LOSS], labels={"worker": r"\[(\w+)\]"})
    data = "".join(f"[{text}]\n" for text in texts).encode()
    assert scanner.scan(data, threads=1)["worker"]["value"].to_pylist() == texts


def test_a_live_stream_gives_text():
    with scanner_of("rank").stream() as stream:
        stream.feed(b"[rank0]: loss=1\n[rank3]: lo")
        assert stream.latest["worker"].value == "rank0"
        assert stream.take()["worker"]["value"].to_pylist() == ["rank0"]
        assert stream.latest["worker"].value == "rank0"
        stream.feed(b"ss=2\n[rank0]: loss=3\n")
        assert stream.latest["worker"].value == "rank0"
        assert stream.take()["worker"]["value"].to_pylist() == ["rank3", "rank0"]
        assert stream.take() == {}
        assert stream.latest["loss"].value == 3.0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"[7]", ["7"], id="a number is text"),
        pytest.param(b"[007]", ["007"], id="as it is written"),
        pytest.param(b"[]", [""], id="nothing is text too"),
        pytest.param(b"[nan]", ["nan"], id="nan"),
        pytest.param("[größe]".encode(), ["größe"], id="Unicode"),
        pytest.param(b"[\xff]", ["\\xff"], id="bytes that are no UTF-8"),
        pytest.param(b"[a][b]", ["a", "b"], id="several in a record"),
        pytest.param(b"[" + b"x" * 1000 + b"]", ["x" * 1000], id="long"),
    ],
)
def test_what_a_label_captures(line, expected):
    result = Scanner([LOSS], labels={"worker": r"\[([^]]*)\]"}).scan(line)
    assert result["worker"]["value"].to_pylist() == expected
    assert result.stats.metrics["worker"].unparsed == 0


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize("matches", ["all", "first", "last"])
@pytest.mark.parametrize("seed", range(4))
def test_labels_of_any_regex_beside_the_oracle(seed, matches):
    patterns = Patterns(seed)
    for regex, _ in zip(patterns, range(150), strict=False):
        lines = [patterns.text() + patterns.text() for _ in range(12)]
        data = b"\n".join(lines) + b"\n"
        expected = [
            (match.text, match.value_text, line, offset)
            for line, offset, content in reference.records(data, "universal", "none")
            for match in reference.find("label", reference.compiled(regex), content, matches)
            if match.value_text is not None and len(match.value_text) <= 1000
        ]
        for search in ("simd", "naive", "every"):
            plain = Scanner(["none=(no metric)"], labels={"label": regex}, matches=matches, untamed="allow")
            scanner = _rebuild(plain.definitions, plain._given, {"search": search}, plain.labels)
            rows = scanner.scan(data)["label"].to_pylist()
            shown = [
                (text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), line, offset)
                for _, text, line, offset in expected
            ]
            assert [(row["value"], row["line"], row["offset"]) for row in rows] == shown, regex


def test_many_texts_of_many_lengths_are_told_apart():
    draw = random.Random(7)
    texts = ["".join(draw.choices("ab", k=draw.randint(0, 40))) for _ in range(20_000)]
    data = "".join(f"[{text}]\n" for text in texts).encode()
    rows = Scanner([LOSS], labels={"worker": r"\[(.*?)\]"}).scan(data)["worker"]
    assert rows["value"].to_pylist() == texts


def test_characters_are_counted_not_bytes():
    result = Scanner([LOSS], labels={"worker": r"\[([^]]*)\]"}).scan(f"[{'é' * 1000}]\n[{'é' * 1001}]\n[a]\n".encode())
    assert result["worker"]["value"].to_pylist() == ["é" * 1000, "a"]
    assert result.stats.metrics["worker"].unparsed == 1


def test_a_text_beyond_a_thousand_characters_is_counted():
    result = Scanner([LOSS], labels={"worker": r"\[([^]]*)\]"}).scan(b"[" + b"7" * 1001 + b"]\n[a]\n")
    assert result["worker"]["value"].to_pylist() == ["a"]
    assert result.stats.metrics["worker"].unparsed == 1
    assert result.stats.metrics["worker"].samples[0].text == "7" * 200


def test_a_group_that_took_no_part_gives_no_row():
    result = Scanner([LOSS], labels={"worker": r"rank(?: (\w+))?"}).scan(b"rank a\nrank\n")
    assert result["worker"]["value"].to_pylist() == ["a"]
    assert result.stats.metrics["worker"].unparsed == 0


def test_one_regex_may_be_a_metric_and_a_label():
    result = Scanner([r"number=rank(\d+)"], labels={"text": r"rank(\d+)"}).scan(b"rank01\n")
    assert result["number"]["value"].to_pylist() == [1.0]
    assert result["text"]["value"].to_pylist() == ["01"]


@pytest.mark.parametrize("matches", ["all", "first", "last"])
def test_matches(matches):
    result = Scanner([LOSS], labels={"worker": r"<(\w)>"}, matches=matches).scan(b"<a> <b> <c>\n")
    assert result["worker"]["value"].to_pylist() == {"all": ["a", "b", "c"], "first": ["a"], "last": ["c"]}[matches]


def test_escapes_and_terminators():
    result = Scanner([LOSS], labels={"worker": r"rank#011(\w+)"}, escape="syslog").scan(b"rank\ta\nrank\tb\n")
    assert result["worker"]["value"].to_pylist() == ["a", "b"]


def test_exported_events(tmp_path):
    export = tmp_path / "events.json"
    messages = ["[rank0]: loss=1", "[rank1]: loss=2"]
    events = [{"timestamp": 1000 + at, "message": text} for at, text in enumerate(messages)]
    export.write_text(json.dumps({"events": events}))
    rows = scanner_of("rank").scan(export, input_format="auto")["worker"]
    assert rows["value"].to_pylist() == ["rank0", "rank1"]
    assert rows["time"].null_count == 0


# ---- what a scanner says of them


def test_a_scanner_with_labels():
    scanner = scanner_of("rank")
    assert scanner.labels == ("worker",)
    assert scanner.metrics == ("loss", "epoch", "worker")
    again = pickle.loads(pickle.dumps(scanner))
    assert again == scanner
    assert again.labels == scanner.labels
    as_metric = Scanner([LOSS, EPOCH, f"worker={PREFIXES['rank'][1]}"])
    assert as_metric.labels == ()
    assert as_metric.fingerprint != scanner.fingerprint
    assert _configured([LOSS]).fingerprint == Scanner([LOSS]).fingerprint
    assert Scanner([LOSS], labels=iter(["a=(a)"])).labels == ("a",)
    found = scanner.scan(b"[rank0]: loss=1\n")
    assert pickle.loads(pickle.dumps(found))["worker"].equals(found["worker"])
    assert scanner.scan(b"")["worker"].schema.field("value").type == pa.string()
    match = scanner.find(b"[rank0]: x")[0]
    assert (match.name, match.value_text, match.number) == ("worker", "rank0", None)
    explanation = scanner.explain()[2]
    assert (explanation.strategy, explanation.engine, explanation.lint) == ("span", "core", ())


def test_wrong_labels_are_errors_like_others():
    with pytest.raises(DefinitionError) as caught:
        Scanner(["a=("], labels={"a": "x", "b": "(", "c": 3})
    message = str(caught.value)
    assert message.count("unterminated subpattern") == 2
    assert "label 0 'a': the name is already that of definition 0" in message
    assert "label 1 'b': missing )" in message
    assert "label 2 'c': Regex is int 3" in message
    assert [(one.kind, one.index) for one in caught.value.faults] == [
        ("definition", 0),
        ("label", 0),
        ("label", 1),
        ("label", 2),
    ]
    with pytest.raises(DefinitionError, match=r"label 2 'b': the name is already that of label 0"):
        Scanner(["a=x"], labels=["b=x", "c=x", "b=y"])
    assert "Regex is int 3" in message
    with pytest.raises(DefinitionError, match="a str where a list"):
        Scanner([LOSS], labels="worker=x")


# ---- from datasets


@pytest.mark.parametrize("kind", PREFIXES)
@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
def test_labels_survive_a_dataset(tmp_path, kind, format_):
    lines = [(worker, f"loss={worker + epoch} epoch={epoch}") for epoch in range(3) for worker in (10, 2, 0)]
    (tmp_path / "a.log").write_text(log_of(kind, lines))
    (tmp_path / "b.log").write_text("loss=1 epoch=1\n")
    objective = Objective("loss", "Minimize", "best@1", "epoch")
    out = tmp_path / "out"
    found = replay(
        [tmp_path / "a.log", tmp_path / "b.log"], scanner_of(kind), objective=objective, out=out, format=format_
    )
    dataset = Dataset(out)
    assert dataset.labels == ("worker",)
    assert dataset.manifest["labels"] == {"worker": PREFIXES[kind][1]}
    assert [one["Name"] for one in dataset.manifest["definitions"]] == ["loss", "epoch"]
    assert dataset["worker"].to_pylist() == found["worker"].to_pylist()
    assert dataset["worker"]["value"][0].as_py() == re.search(PREFIXES[kind][1], log_of(kind, lines))[1]
    assert metricscan.rank(out, objective).equals(found.ranking)
    assert metricscan.rank(found, objective).equals(found.ranking)
    for worker in ((), "worker", ["stream", "worker"]):
        table = found.wide("epoch", worker=worker)
        assert "worker" in table.column_names or not worker
        assert wide(out, "epoch", worker=worker).equals(table)
    assert "worker" not in metricscan.metric_frame(out, "a")["metric_name"].to_pylist()


def test_texts_that_a_format_could_mistake(tmp_path):
    texts = ["NaN", "", "a,b", 'say "x"', "null", "Infinity", "7"]
    (tmp_path / "a.log").write_text("".join(f"<{text}>\n" for text in texts))
    scanner = Scanner([LOSS], labels={"worker": "<(.*)>"})
    for format_ in ("parquet", "arrow", "csv", "jsonl"):
        replay(tmp_path / "a.log", scanner, out=tmp_path / format_, format=format_)
        assert Dataset(tmp_path / format_)["worker"]["value"].to_pylist() == texts, format_


def test_many_logs_and_threads_give_the_same(tmp_path):
    for number in range(40):
        lines = [(at % 5 + number, f"loss={at}") for at in range(number)]
        (tmp_path / f"{number}.log").write_text(log_of("default", lines))
    one, more = (replay(tmp_path, scanner_of("default"), threads=threads) for threads in (1, 3))
    assert one["worker"].equals(more["worker"])
    assert one["worker"].num_rows == sum(range(40))
    for number in (3, 17):
        alone = scanner_of("default").scan(tmp_path / f"{number}.log")["worker"]["value"].to_pylist()
        rows = zip(one["worker"]["job"].to_pylist(), one["worker"]["value"].to_pylist(), strict=True)
        assert [value for job, value in rows if job == str(number)] == alone


# ---- side by side


@pytest.mark.parametrize("kind", PREFIXES)
@given(lines=LINES)
def test_workers_are_distinguished_as_by_a_naive_reading(tmp_path_factory, kind, lines):
    text = log_of(kind, lines)
    log = tmp_path_factory.mktemp("logs") / "a.log"
    log.write_text(text)
    found = replay(log, scanner_of(kind))
    if found["loss"].num_rows and all(worker is None for worker, _ in naive(kind, text)):
        with pytest.raises(OptionError, match="'worker' shares no record with the metric 'loss' in any log"):
            found.curve("loss", "epoch", worker="worker")
        return
    table = found.curve("loss", "epoch", worker="worker")
    assert by_worker(table) == naive(kind, text)
    assert table.schema.field("worker").type == pa.string()


def test_workers_stand_in_natural_order(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(log_of("rank", [(None, "loss=9"), (10, "loss=1"), (2, "loss=2"), (0, "loss=3")]))
    table = replay(log, scanner_of("rank")).wide(None, worker="worker")
    assert table["worker"].to_pylist() == [None, "rank0", "rank2", "rank10"]
    assert table.column_names == ["job", "worker", "step", "loss", "epoch"]


def test_a_label_without_rows(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("loss=1\n")
    found = replay(log, scanner_of("rank"))
    with pytest.raises(OptionError, match="the worker 'worker' shares no record with the metric 'loss' in any log"):
        found.curve("loss", worker="worker")
    assert by_worker(found.curve("loss", worker="worker", carry=True)) == {(None, 1.0): 1.0}


def test_text_is_no_value(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("[rank0]: loss=1\n")
    out = tmp_path / "out"
    found = replay(log, scanner_of("rank"), out=out)
    for tables in (found, out):
        for objective in (Objective("worker", "Minimize"), Objective("loss", "Minimize", "best@1", "worker")):
            with pytest.raises(OptionError, match="'worker' is a label: its values are text"):
                metricscan.rank(tables, objective)
        for wrong in (
            lambda tables: wide(tables, "worker", ["loss"]),
            lambda tables: wide(tables, None, ["worker"]),
            lambda tables: wide(tables, "worker", ["loss"], worker="worker"),
        ):
            with pytest.raises(OptionError, match="'worker' is a label: its values are text"):
                wrong(tables)
    with pytest.raises(OptionError, match="the objective metric 'worker' is a label"):
        replay(log, scanner_of("rank"), objective=Objective("worker", "Minimize"))


# ---- from the command line


def test_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_text(log_of("mpi", [(0, "loss=1"), (1, "loss=2"), (1, "loss=3")]))
    given = ["-m", LOSS, "--label", f"worker={PREFIXES['mpi'][1]}"]
    assert main(["check", "a.log", *given]) == 0
    shown = capsys.readouterr().out
    assert "'1,mpirank:1,algo-1'" in shown
    assert "not a number" not in shown
    assert "lint" not in shown.split("worker")[1]
    assert main(["replay", "a.log", *given, "--minimize", "loss", "--out", "out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["worker"]["rows"] == 3
    assert main(["rank", "out", "--scope", "min"]) == 0
    assert wide("out", None, worker="worker")["worker"].to_pylist() == [
        "1,mpirank:0,algo-1",
        "1,mpirank:1,algo-1",
        "1,mpirank:1,algo-1",
    ]
    pytest.importorskip("matplotlib")
    assert main(["plot", "out", "--metric", "loss", "--worker", "worker", "-o", "loss.svg"]) == 0
    assert "mpirank:1" in (tmp_path / "loss.svg").read_text()
    capsys.readouterr()
    assert main(["rank", "out", "--minimize", "worker"]) == 2
    assert "'worker' is a label" in capsys.readouterr().err


def test_what_is_suspicious_in_a_label_is_said_of_the_label():
    regex = r"(?P<host>\w+) (?P<step>\d+)"
    with pytest.warns(DefinitionWarning, match=r"^label 'worker' takes its value from the first group, named 'host'"):
        Scanner(["a=x"], labels={"worker": regex})
    untamed = r"(?:(.)|x)++"
    with pytest.warns(DefinitionWarning, match=r"^label 'worker': `re` runs this regex"):
        Scanner(["a=x"], labels={"worker": untamed})
    with pytest.raises(DefinitionError, match=r"label 1 'worker': `re` runs this regex") as caught:
        Scanner(["a=x", "b=x"], labels={"host": "x", "worker": untamed}, untamed="refuse")
    assert [(one.kind, one.index) for one in caught.value.faults] == [("label", 1)]
