"""Several threads on one stream: they take turns, a second feeder is refused, and no row is lost or doubled."""

from threading import Barrier, Event, Thread

import pytest

from metricscan import Scanner, Stream, _core

LOSS = ["loss=loss=([0-9.]+)"]
# it is decided by `re`: the feeding thread needs the GIL for it
CASELESS = "re=(?<=(?:LOSS|loss))=([0-9]+)"
PATIENCE_S = 60


def started(*calls):
    """Threads that run these calls, and the list of the errors that they raised."""
    errors = []

    def run(call):
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=[call], daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    return threads, errors


def joined(threads):
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other"


def stream_with(resolve):
    """A stream whose records are decided by this function."""
    plan = Scanner(["m=(?<=(?:m|nn))=([0-9]+)", *LOSS]).plan
    decide = plan.resolver

    class Waiting:
        def fresh(self):
            return self

        def __call__(self, pattern, record):
            resolve(record)
            return decide(pattern, record)

    return Stream(plan._replace(resolver=Waiting()))


def utf16(data):
    return b"\xff\xfe" + data.decode().encode("utf-16-le")


def cri(data):
    return b"".join(b"2026-05-04T03:02:01Z stdout F " + line for line in data.splitlines(keepends=True))


@pytest.mark.parametrize("encode", [bytes, utf16, cri], ids=["utf-8", "utf-16", "cri"])
@pytest.mark.parametrize("labels", [(), {"worker": r"\[(rank[0-9]+)\]"}], ids=["plain", "labels"])
def test_no_row_is_lost_or_doubled(encode, labels):
    scanner = Scanner([*LOSS, CASELESS], labels=labels)
    stream = scanner.stream(format="cri" if encode is cri else "plain")
    records = 3_000
    data = encode(b"".join(b"[rank%d] loss=%d\n" % (number % 7, number) for number in range(records)))
    fed = Event()
    start = Barrier(5)
    taken = {name: [] for name in scanner.metrics}

    def feed():
        start.wait()
        for begin in range(0, len(data), 501):
            stream.feed(data[begin : begin + 501])
        fed.set()

    def use(call):
        start.wait()
        while not fed.is_set():
            call()

    def take():
        for name, batch in stream.take().items():
            taken[name].append(batch.to_pydict())

    def look():
        newest = stream.latest["loss"]
        seen = stream.stats.metrics["loss"].rows
        if newest is not None:
            assert newest.value == newest.line - 1 < seen

    threads, errors = started(feed, *[lambda call=call: use(call) for call in (take, look, look, lambda: repr(stream))])
    joined(threads)
    assert errors == []
    stream.close()
    take()
    for name in scanner.metrics:
        lines = [line for batch in taken[name] for line in batch["line"]]
        values = [value for batch in taken[name] for value in batch["value"]]
        assert lines == list(range(1, records + 1))
        if name == "worker":
            assert values == [f"rank{(line - 1) % 7}" for line in lines]
        else:
            assert values == [line - 1 for line in lines]
        assert stream.stats.metrics[name].rows == records


def test_takers_do_not_starve_beside_a_feeder_without_pause():
    stream = Scanner(LOSS).stream()
    data = b"".join(b"loss=%d\n" % number for number in range(20_000))
    turns = []
    fed = Event()

    def feed():
        # as long as it takes: a feeder that kept its turn would never end here
        while len(turns) < 20:
            stream.feed(data)
        fed.set()

    def take():
        while not fed.is_set():
            turns.append(sum(len(batch) for batch in stream.take().values()))

    threads, errors = started(feed, take)
    joined(threads)
    assert errors == []
    turns += [len(batch) for batch in stream.take().values()]
    assert sum(turns) == stream.stats.metrics["loss"].rows


@pytest.mark.parametrize("mark", [b"", b"\xff\xfe"], ids=["utf-8", "utf-16"])
def test_a_second_feeder_is_refused_and_others_wait(mark):
    within, go_on = Event(), Event()

    def resolve(_):
        within.set()
        assert go_on.wait(PATIENCE_S)

    stream = stream_with(resolve)
    text = "loss=1 m=7\n"
    data = mark + text.encode("utf-16-le") if mark else text.encode()
    results = {}
    calls = {
        "latest": lambda: stream.latest["m"].value,
        "rows": lambda: stream.stats.metrics["m"].rows,
        "take": lambda: stream.take()["m"]["value"].to_pylist(),  # noqa: PLW0108 - it is to be called later
    }
    feeder, errors = started(lambda: stream.feed(data))
    assert within.wait(PATIENCE_S)
    with pytest.raises(RuntimeError, match="the stream is being fed by another thread"):
        stream.feed(data)
    waiting, more_errors = started(*[lambda name=name: results.update({name: calls[name]()}) for name in calls])
    waiting[0].join(0.05)
    assert results == {}
    go_on.set()
    joined(feeder + waiting)
    assert errors == more_errors == []
    assert results == {"latest": 7.0, "rows": 1, "take": [7.0]}
    # and the next feed is no second one
    stream.feed(data[len(mark) :])
    assert stream.stats.records == 2


def test_close_waits_for_the_feed():
    within, go_on = Event(), Event()

    def resolve(record):
        if record == b"m=1":
            within.set()
            assert go_on.wait(PATIENCE_S)

    stream = stream_with(resolve)
    feeder, errors = started(lambda: stream.feed(b"m=1\nm=2"))
    assert within.wait(PATIENCE_S)
    closer, more_errors = started(stream.close)
    closer[0].join(0.05)
    assert not stream.closed
    go_on.set()
    joined(feeder + closer)
    assert errors == more_errors == []
    assert stream.take()["m"]["value"].to_pylist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="closed"):
        stream.feed(b"m=3\n")


def test_what_the_feeding_thread_calls_is_refused_and_does_not_wait():
    refused = []

    def resolve(record):
        if record != b"m=7":
            return
        for use in (
            lambda: stream.feed(b"again\n"),
            stream.close,
            stream.take,
            lambda: stream.latest["loss"],
            lambda: stream.stats,
        ):
            with pytest.raises(RuntimeError, match="the stream is in use by this thread"):
                use()
            refused.append(use)

    stream = stream_with(resolve)
    stream.feed(b"loss=1\nm=7\n")
    assert len(refused) == 5
    assert stream.stats.records == 2
    assert stream.latest["m"].value == 7.0


def test_the_turn_ends_with_an_error():
    def resolve(record):
        if record == b"m=7":
            raise MemoryError("mine")

    stream = stream_with(resolve)
    with pytest.raises(MemoryError, match="mine"):
        stream.feed(b"loss=1\nm=7\n")
    assert stream.latest["loss"].value == 1.0
    with pytest.raises(TypeError):
        stream.feed("text")
    stream.feed(b"loss=2\n")
    assert stream.latest["loss"].value == 2.0


def test_a_stream_of_the_core_refuses_what_it_cannot_do_while_it_scans(monkeypatch):
    refused = []

    def confirm(pattern, record):
        with pytest.raises(RuntimeError, match="in use by this thread"):
            core.feed(b"again\n")
        for use in (core.finish, core.take, core.filled, lambda: core.feed_in_turn(b"again\n")):
            with pytest.raises(RuntimeError, match="another thread"):
                use()
            refused.append((pattern, record))
        return []

    monkeypatch.setattr("metricscan.patterns.program.MOST_CODE", 0)
    core = _core.Stream(Scanner(["m=[mM]"]).plan.engine, confirm)
    core.feed(b"m\n")
    assert refused == [(0, b"m")] * 4
    assert core.records == 1
