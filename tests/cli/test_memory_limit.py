"""Commands whose memory is limited end with a result or an error of ours; fuzz/memory_ladder.py has more commands and limits."""

import subprocess
import sys

import pytest
from support.limited import METRICS, run_limited, what_is_wrong, write_logs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limited") / "logs"
    write_logs(folder, lines=50_000)
    return folder


def test_what_a_large_request_may_not_take():
    script = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (400 << 20,) * 2)\n"
        "from metricscan.cli.memory_limit import RESERVE_BYTES, set_memory_aside\n"
        "set_memory_aside()\n"
        "large = []\n"
        "size = 64 << 20\n"
        "while size >= 256 << 10:\n"
        "    try: large.append(bytearray(size))\n"
        "    except MemoryError: size //= 2\n"
        "small = [bytearray(64 << 10) for _ in range((RESERVE_BYTES >> 16) * 3 // 4 // 2)]\n"
        "print(len(small) > 100)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert (ran.stdout, ran.stderr) == ("True\n", "")


@pytest.mark.parametrize("megabytes", [1000, 400, 350, 240, 170])
def test_a_replay_is_never_ended_in_cpp(logs, tmp_path, megabytes):
    arguments = ["replay", logs, *METRICS, "--minimize", "loss", "--out", tmp_path / "out", "--no-sync"]
    code, told = run_limited(arguments, megabytes)
    assert what_is_wrong(code, told) == "", told
    assert code == (0 if megabytes == 1000 else code)


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [500, 450, 375, 325, 300, 275, 200])
def test_more_limits(logs, tmp_path, megabytes):
    test_a_replay_is_never_ended_in_cpp(logs, tmp_path, megabytes)
    code, told = run_limited(["check", logs / "job0.log", *METRICS], megabytes)
    assert what_is_wrong(code, told) == "", told


def test_a_process_without_a_limit_sets_nothing_aside():
    script = (
        "import threading; from metricscan.cli.memory_limit import is_limited, set_memory_aside\n"
        "set_memory_aside(); print(is_limited(), threading.stack_size())"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout == "False 0\n"
