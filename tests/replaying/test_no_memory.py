"""Without memory for one log, that is the error of this log: the others are read, and the command says so."""

import subprocess
import sys

import pytest

import metricscan
from metricscan import Scanner
from metricscan.cli import main
from metricscan.scanning.deferred import Resolver

METRIC = r"loss=(?a:\w*?)loss=(\S+)"


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Logs with a record each that re decides; in one of them there is no memory for that."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.log").write_text(
            f"{'x' * 100_000}\nloss=loss=1\n{'no memory' * (name == 'b')}loss=loss=2\n"
        )
    found = Resolver.__call__

    def without_memory(self, pattern, record):
        if record.startswith(b"no memory"):
            raise MemoryError("no memory for a record of 20 bytes")
        return found(self, pattern, record)

    monkeypatch.setattr(Resolver, "__call__", without_memory)
    return tmp_path


@pytest.mark.parametrize("threads", [1, 2])
def test_the_other_logs_are_read(logs, threads):
    found = metricscan.replay(str(logs), Scanner([f"loss={METRIC}"], untamed="allow"), objective=None, threads=threads)
    assert [error.path for error in found.errors] == [str(logs / "b.log")]
    assert "b.log was not read to its end: no memory for a record of 20 bytes" in str(found.errors[0])
    assert set(found["loss"]["job"].to_pylist()) >= {"a", "c"}


def test_the_command_says_so(logs, capsys, monkeypatch):
    assert main(["replay", str(logs), "-m", f"loss={METRIC}", "--untamed", "allow"]) == 2
    told = capsys.readouterr().err
    assert "b.log was not read to its end: no memory" in told
    assert "Traceback" not in told

    def without(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Scanner, "__init__", without)
    assert main(["replay", str(logs), "-m", f"loss={METRIC}"]) == 2
    assert capsys.readouterr().err == "metricscan: no memory\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is Linux's")
def test_why_a_definition_is_silent_takes_little_memory_to_find_out(tmp_path):
    """Each control character is an escape sequence of four bytes under other options, and each of these has a place."""
    log = tmp_path / "a.log"
    log.write_bytes(b"step=1\n" + (b"\0" * (24 << 20) + b"\n") * 2)
    script = (
        "import resource, sys; from metricscan.cli import main\n"
        "code = main(['replay', sys.argv[1], '-m', sys.argv[2]])\n"
        "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    most = {}
    for regex in (r"step=([0-9]+)", r"loss=([0-9]+)"):
        ran = subprocess.run(
            [sys.executable, "-c", script, log, f"m={regex}"], capture_output=True, text=True, check=True, timeout=300
        )
        code, most[regex] = map(int, ran.stdout.splitlines()[-1].split())
    assert code == 0
    scanned, diagnosed = most.values()
    # the text that is read again has 48 MiB; with a place for each byte it took 800 MiB
    assert diagnosed - scanned < 200 << 10
