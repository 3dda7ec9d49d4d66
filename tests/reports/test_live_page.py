"""A page that is served while jobs run: who gets it, and that new rows reach it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from support.pages import data_of

from metricscan import Dataset, FollowedFile, Journal, Objective, OptionError, Scanner, SourceError, replay
from metricscan.cli import main
from metricscan.reports.live_page import LivePage, state_of
from metricscan.reports.page_data import page_data

MIN = Objective("loss", "Minimize")
SCANNER = Scanner([r"loss=loss=(\S+)"])


@pytest.fixture
def log(tmp_path):
    (tmp_path / "a.log").write_text("loss=3\n")
    return tmp_path / "a.log"


@contextmanager
def served(log, monkeypatch, **options):
    monkeypatch.setattr("metricscan.reports.live_page._LEAST_PAUSE_S", 0.0)
    monkeypatch.setattr("metricscan.reports.live_page._PAUSES", 0)
    with running(LivePage(lambda: page_data(replay(log, SCANNER, objective=MIN)), **options)) as page:
        yield page


@contextmanager
def running(live):
    """A page that is served meanwhile."""
    with live as page:
        thread = threading.Thread(target=page.serve)
        thread.start()
        try:
            yield page
        finally:
            page.close()
            thread.join()


def ask(page, path, method="GET", host=None, **headers):
    """The status, the headers and the content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{page.port}")
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def path_of(page):
    return page.url.partition(f":{page.port}")[2]


def test_the_page_and_its_data(log, monkeypatch):
    with served(log, monkeypatch) as page:
        status, headers, content = ask(page, path_of(page))
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        text = content.decode()
        assert "connect-src 'self'" in text
        assert data_of(text)["live"] is True
        assert data_of(text)["jobs"]["value"] == [3]
        status, headers, content = ask(page, path_of(page) + "data.json")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert json.loads(content) == data_of(text)


def test_new_rows_reach_the_page(log, monkeypatch):
    with served(log, monkeypatch) as page:
        status, headers, _ = ask(page, path_of(page) + "data.json")
        assert ask(page, path_of(page) + "data.json", If_None_Match=headers["ETag"])[0] == 304
        log.write_text("loss=3\nloss=1\n")
        status, after, content = ask(page, path_of(page) + "data.json", If_None_Match=headers["ETag"])
        assert status == 200
        assert after["ETag"] != headers["ETag"]
        assert json.loads(content)["jobs"]["value"] == [1]


def test_data_are_gathered_again_only_if_files_changed(log, monkeypatch):
    seen = []

    def state():
        seen.append(1)
        return state_of([str(log.parent)])

    with served(log, monkeypatch, state=state) as page:
        gathered = []
        monkeypatch.setattr(
            page, "_gather", lambda: gathered.append(1) or page_data(replay(log, SCANNER, objective=MIN))
        )
        ask(page, path_of(page) + "data.json")
        assert (len(seen), len(gathered)) == (2, 0)
        log.write_text("loss=3\nloss=1\nloss=0\n")
        assert json.loads(ask(page, path_of(page) + "data.json")[2])["jobs"]["value"] == [0]
        assert len(gathered) == 1


def test_files_and_folders_show_that_they_changed_and_globs_do_not(log):
    for path in (log, log.parent):
        before = state_of([str(path)])
        assert before == state_of([str(path)])
        log.write_text(log.read_text() + "loss=1\n")
        assert state_of([str(path)]) != before
    assert state_of([str(log), str(log.parent / "*.log")]) is None


def test_rows_that_cannot_be_read_now_leave_those_from_before(log, monkeypatch):
    with served(log, monkeypatch) as page:

        def fail():
            raise SourceError("it is being replaced", path="x")

        monkeypatch.setattr(page, "_gather", fail)
        for _ in range(2):
            data = json.loads(ask(page, path_of(page) + "data.json")[2])
            assert data["jobs"]["value"] == [3]
            assert [note for note in data["notes"] if "earlier time" in note] == [
                "These are the rows of an earlier time: it is being replaced"
            ]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.invalid"},
        {"host": "evil.invalid:{port}"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1.evil.invalid:{port}"},
        {"host": ""},
        {"Origin": "http://evil.invalid"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("name", ["", "data.json"])
def test_another_host_or_origin_gets_nothing(log, monkeypatch, headers, name):
    with served(log, monkeypatch) as page:
        given = {key: value.format(port=page.port) for key, value in headers.items()}
        status, _, content = ask(page, path_of(page) + name, **given)
        assert (status, content) == (404, b"nothing here\n")


def test_two_hosts_get_nothing(log, monkeypatch):
    with served(log, monkeypatch) as page, socket.create_connection(("127.0.0.1", page.port)) as connection:
        hosts = f"Host: 127.0.0.1:{page.port}\r\nHost: evil.invalid\r\n"
        connection.sendall(f"GET {path_of(page)} HTTP/1.0\r\n{hosts}\r\n".encode())
        assert b" 404 " in connection.makefile("rb").readline()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "{token}",
        "{token}/../{token}",
        "{token}//",
        "{token}/data.json/",
        "{token}/data.json?x",
        "{token}/?",
        "{token}/%64ata.json",
        "{token}/../../etc/passwd",
        "{token}/..%2f..%2fetc%2fpasswd",
        "/../../../../etc/passwd",
        "/etc/passwd",
        "{token}x/",
        "{upper}/",
        "{short}/",
        "/é/",
        "http://127.0.0.1{token}/",
    ],
)
def test_a_wrong_token_or_a_trick_of_paths_gets_nothing(log, monkeypatch, path):
    with served(log, monkeypatch) as page:
        token = path_of(page).rstrip("/")
        other = path.format(token=token, upper=token.swapcase(), short=token[:-1])
        with socket.create_connection(("127.0.0.1", page.port)) as connection:
            connection.sendall(f"GET {other} HTTP/1.0\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
            answer = connection.makefile("rb").read()
        assert answer.split(b"\r\n")[0].split()[1] in (b"404", b"400"), answer
        assert b"loss" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(log, monkeypatch, method):
    with served(log, monkeypatch) as page:
        assert ask(page, path_of(page), method)[0] == 501


def test_a_head_has_no_content(log, monkeypatch):
    with served(log, monkeypatch) as page:
        status, headers, content = ask(page, path_of(page) + "data.json", "HEAD")
        assert (status, content) == (200, b"")
        assert int(headers["Content-Length"]) > 100


def test_each_page_has_a_token_of_its_own_and_only_this_machine_is_served(log, monkeypatch):
    with served(log, monkeypatch) as one, served(log, monkeypatch) as other:
        assert path_of(one) != path_of(other)
        assert len(path_of(one)) >= 43
        assert one._server.server_address[0] == "127.0.0.1"
        with pytest.raises(OptionError, match=f"cannot serve on port {one.port}"):
            LivePage(dict, port=one.port)


def test_the_command_serves_until_an_interrupt(log):
    command = [
        sys.executable,
        "-m",
        "metricscan",
        "report",
        str(log),
        "-m",
        r"loss=loss=(\S+)",
        "--minimize",
        "loss",
        "--live",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            port, path = int(url.split(":")[2].split("/")[0]), "/" + url.split("/", 3)[3]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path)
            assert data_of(connection.getresponse().read().decode())["jobs"]["value"] == [3]
            connection.close()
            os.kill(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in err
    assert path not in err


def test_a_journal_that_grows(tmp_path, monkeypatch):
    path = str(tmp_path / "journal")
    place = FollowedFile("a", "a", 0, "a.log")
    with Journal.open(path, SCANNER) as journal, SCANNER.stream() as stream:
        stream.feed(b"loss=3\n")
        journal.append(place, stream.take())
        journal.commit()
        monkeypatch.setattr("metricscan.reports.live_page._LEAST_PAUSE_S", 0.0)
        monkeypatch.setattr("metricscan.reports.live_page._PAUSES", 0)
        gather = lambda: page_data(Dataset(path), objective=MIN)  # noqa: E731
        with running(LivePage(gather, state=lambda: state_of([path]))) as page:
            assert json.loads(ask(page, path_of(page) + "data.json")[2])["jobs"]["value"] == [3]
            stream.feed(b"loss=1\n")
            journal.append(place, stream.take())
            journal.commit()
            data = json.loads(ask(page, path_of(page) + "data.json")[2])
            assert (data["jobs"]["value"], data["curves"][0]["value"]) == ([1], [3, 1])


def test_a_folder_of_runs_from_when_it_is_empty(tmp_path, monkeypatch, capsys):
    """The page is served before the first job has begun, and has each job that metricscan run adds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    served = {}

    def serve(gather, paths, port):
        served["gather"] = gather
        return 0

    monkeypatch.setattr(sys.modules["metricscan.cli.report"], "_serve", serve)
    assert main(["report", "--live", "runs", "--minimize", "loss"]) == 0
    data = served["gather"]()
    assert (data["jobs"]["count"], data["winner"]) == (0, None)
    assert data["notes"] == ["runs holds nothing yet. Its jobs appear here as they come."]
    for number in (2, 1):
        command = ["run", "--out", f"runs/job{number}", "-m", "loss=loss=([0-9.]+)", "--", "echo", f"loss={number}"]
        assert main(command) == 0
        data = served["gather"]()
        assert (data["winner"]["name"], data["winner"]["value"]) == (f"job{number}", number)
    assert data["jobs"]["name"] == ["job1", "job2"]
    capsys.readouterr()
    # without --live there is nothing to wait for
    (tmp_path / "empty").mkdir()
    assert main(["report", "empty", "-o", "x.html"]) == 2
    assert capsys.readouterr().err.startswith("metricscan: empty is not a dataset")
