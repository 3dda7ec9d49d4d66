"""The command as a process of its own: pipes, closed streams, a full disk, interrupts."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from support.command import LOSS, MODULE, stdin

import metricscan

# ---- as a process


def test_help_is_cheap():
    script = (
        "import sys; from metricscan.cli import main; "
        "assert main(sys.argv[1:]) == 0; "
        "print(*{'pyarrow', 'numpy', 'regex', 'yaml', 'rich.console', 'metricscan._core'} & set(sys.modules), file=sys.stderr)"
    )
    for arguments in (["--help"], ["replay", "--help"], ["check", "--help"]):
        ran = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=60
        )
        assert ran.stderr.split() == []
        assert "--help" in ran.stdout


def test_as_a_module(trials):
    command = [*MODULE, "replay", trials, *LOSS, "--minimize", "loss"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0
    assert ran.stdout.startswith("Best: trial_7, loss 0.0312 at logs/trial_7/stdout:10412, lr=3e-4")
    assert "\x1b" not in ran.stdout + ran.stderr
    assert ran.stderr == "4 logs, 1 skipped (1 by name, 0 binary)\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "check"])
def test_a_pipe_is_read(command):
    ran = subprocess.run(
        [*MODULE, command, "-", *LOSS], input=b"loss=1\n" * 100_000, capture_output=True, check=False, timeout=60
    )
    assert ran.returncode == 0
    assert b"100,000" in ran.stdout


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
@pytest.mark.parametrize("arguments", [["replay", "--json"], ["replay"], ["check"]])
def test_output_that_cannot_be_written(tmp_path, arguments):
    (tmp_path / "a.log").write_text("loss=1\n")
    with open("/dev/full", "wb") as full:
        arguments = [*MODULE, *arguments, tmp_path / "a.log", *LOSS]
        ran = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ran.stderr.splitlines()[-1] == "metricscan: cannot write the output: No space left on device"
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 2


@pytest.mark.slow
def test_a_working_folder_that_is_gone(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'rmdir "$PWD" && exec "$@"'
    arguments = ["replay", str(tmp_path / "a.log"), *LOSS, "--out", "out"]
    ran = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *MODULE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=gone,
        env={**os.environ, "PYTHONPATH": str(Path(metricscan.__file__).parent.parent)},
    )
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == "metricscan: cannot write out: No such file or directory"


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed(tmp_path, closed):
    (tmp_path / "a.log").write_text("loss=1\n")
    command = f'exec "$@" {closed}'
    arguments = ["replay", "-", "a.log", *LOSS, "--minimize", "loss", "--out", "out"]
    ran = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *MODULE, *arguments],
        input="",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr
    # nothing was printed into a file that has the number of what was closed
    assert (tmp_path / "a.log").read_text() == "loss=1\n"
    assert metricscan.Dataset(tmp_path / "out")["loss"]["value"].to_pylist() == [1.0]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["replay", "--json"], ["replay"], ["check"], ["--help"]])
def test_a_reader_that_has_closed_the_pipe_is_no_error(tmp_path, arguments):
    (tmp_path / "a.log").write_text("loss=1\n" * 1000)
    if arguments != ["--help"]:
        arguments = [*arguments, tmp_path / "a.log", *LOSS]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ran = subprocess.run([*MODULE, *arguments], stdout=gone, stderr=subprocess.PIPE, check=False, timeout=60)
    assert b"Traceback" not in ran.stderr
    assert b"rror" not in ran.stderr
    assert ran.returncode == 0


def wait_until_it_waits(process):
    """Until the child has read what the pipe held, and sits there reading on: looked at often, as each look may lie."""
    seen = 0
    while process.poll() is None and seen < 200:
        (left,) = struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        seen = seen + 1 if left == 0 and state == "S" else 0
        os.sched_yield()


@pytest.fixture
def interruptible():
    """Children take SIGINT. A background job of a script starts with it ignored, and so would its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments", [["replay", "-", "--out", "out"], ["replay", "-", "--out", "out", "--threads", "2"], ["check", "-"]]
)
def test_an_interrupt_leaves_nothing(tmp_path, arguments, sent):
    with subprocess.Popen(
        [*MODULE, *arguments, *LOSS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        # more than a pipe holds: when all is written, the scan is under way
        process.stdin.write(b"loss=1\n" * 200_000)
        process.stdin.flush()
        wait_until_it_waits(process)
        process.send_signal(sent)
        try:
            process.wait(60)
        finally:
            process.kill()
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 128 + sent
    assert (out, err.strip()) == (b"", b"metricscan: interrupted")
    assert list(tmp_path.iterdir()) == []


def through_a_pipe(path, log, *arguments):
    """The command's exit code and output, of a named pipe that is filled once: who opens it again waits for ever."""
    os.mkfifo(path)
    with subprocess.Popen(
        [*MODULE, *arguments], cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            path.write_bytes(log)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out


@pytest.mark.slow
def test_a_pipe_that_is_named_is_read_once(run, tmp_path, monkeypatch):
    text = b"loss=1\nloss=x\nloss=2\n"
    definitions = (*LOSS, "-m", r"other=zzz(\d)")
    stdin(monkeypatch, text)
    _, wanted, _ = run("check", "-", *definitions)
    code, out = through_a_pipe(tmp_path / "pipe", text, "check", "pipe", *definitions)
    assert code == 1
    assert out == wanted.replace("standard input", "pipe")
    assert "other found nothing: pipe cannot be read again to see why" in out
    assert [line.split() for line in out.splitlines()[1:4]] == [
        ["1", "loss=1", "1.0"],
        ["2", "loss=x", "not", "a", "number"],
        ["3", "loss=2", "2.0"],
    ]
    code, out = through_a_pipe(tmp_path / "again", text, "replay", "again", *definitions, "--minimize", "loss")
    assert code == 0
    assert out.startswith("Best: again, loss 2.0 at again:3\n")
    assert out.endswith("other found nothing: again cannot be read again to see why\n")
