"""Which ends of logs show a crash, and what only looks so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan._core import SIMD_LEVELS
from metricscan.logs._reading import FLAG_CRASH, may_show_crash, put_together
from metricscan.logs.crashes import crash_at_end
from metricscan.logs.tails import TAIL_BYTES, joined_tail, may_show_crash_behind

FRAMES = '  File "fit.py", line 40, in <module>\n    main()\n    ^^^^^^\n  File "fit.py", line 12, in main\n    step(batch)\n'
HEADER = "Traceback (most recent call last):\n"
TRACEBACK = f"{HEADER}{FRAMES}RuntimeError: shapes differ: 3 and 4\n"

CRASHES = {
    "a traceback": ("traceback", "RuntimeError: shapes differ: 3 and 4", TRACEBACK),
    "an exception without a message": ("traceback", "KeyboardInterrupt", f"{HEADER}{FRAMES}KeyboardInterrupt\n"),
    "no final line end": ("traceback", "ValueError: x", f"{HEADER}{FRAMES}ValueError: x"),
    "behind a progress bar": (
        "traceback",
        "KeyError: 'lr'",
        f"epoch 3:  40%|####    | 4/10{HEADER}{FRAMES}KeyError: 'lr'\n",
    ),
    "a message of several lines": (
        "traceback",
        "RuntimeError: CUDA error: device-side assert triggered",
        (
            f"{HEADER}{FRAMES}RuntimeError: CUDA error: device-side assert triggered\nCUDA kernel errors may come later\n"
            "Compile with `TORCH_USE_CUDA_DSA`.\nand so on\n"
        ),
    ),
    "a chain": (
        "traceback",
        "TypeError: second",
        (
            f"{HEADER}{FRAMES}ValueError: first\n\nDuring handling of the above exception, another exception occurred:\n\n"
            f"{HEADER}{FRAMES}TypeError: second\n"
        ),
    ),
    "no memory on the device": (
        "out-of-memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        f"{HEADER}{FRAMES}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n",
    ),
    "ranks": (
        "traceback",
        "AssertionError",
        "".join(f"[rank3]: {line}\n" for line in (HEADER + FRAMES).splitlines()) + "[rank3]: AssertionError\n",
    ),
    "torchrun": (
        "traceback",
        "AssertionError: no data",
        "".join(f"[default0]:{line}\n" for line in (HEADER + FRAMES).splitlines())
        + "[default0]:AssertionError: no data\n"
        + "E0105 10:00:01.123000 77 torch/distributed/elastic/multiprocessing/api.py:826] failed (exitcode: 1)\n"
        + "=====\nfit.py FAILED\n-----\nFailures:\n  <NO_OTHER_FAILURES>\nRoot Cause (first observed failure):\n[0]:\n"
        + "  time      : 2026-01-05_10:00:01\n  host      : node7\n  exitcode  : 1 (pid: 88)\n=====\n",
    ),
    "SageMaker's toolkit": (
        "traceback",
        "RuntimeError: shapes differ: 3 and 4",
        TRACEBACK
        + "".join(
            f"2026-01-05 10:00:01,123 sagemaker-training-toolkit {line}\n"
            for line in (
                "INFO     Waiting for the process to finish and give a return code.",
                "INFO     Done waiting for a return code. Received 1 from exiting process.",
                "ERROR    Reporting training FAILURE",
                "ERROR    ExecuteUserScriptError:",
            )
        )
        + 'ExitCode 1\nErrorMessage "RuntimeError: shapes differ: 3 and 4"\nCommand "/usr/bin/python3 fit.py --lr 0.1"\n'
        + "2026-01-05 10:00:01,123 sagemaker-training-toolkit ERROR    Encountered exit_code 1\n",
    ),
    "DeepSpeed's launcher": (
        "signal",
        "[launch.py:321:sigkill_handler] ['python', 'fit.py'] exits with return code = -9",
        None,
    ),
    "an exception of C++": (
        "signal",
        "terminate called after throwing an instance of 'c10::Error'",
        "terminate called after throwing an instance of 'c10::Error'\n  what():  device-side assert triggered\n",
    ),
    "container's lines": (
        "traceback",
        "OSError: gone",
        "".join(f"2026-01-05T10:00:01.123456789Z stderr F {line}\n" for line in (TRACEBACK + "x").splitlines()[:-2])
        + "2026-01-05T10:00:01.123456789Z stderr F OSError: gone\n",
    ),
    "log lines": (
        "traceback",
        "ValueError: odd",
        "2026-01-05 10:00:01,123 ERROR Traceback (most recent call last):\n"
        + "".join(f"2026-01-05 10:00:01,123 ERROR {line}\n" for line in FRAMES.splitlines())
        + "2026-01-05 10:00:01,123 ERROR ValueError: odd\n",
    ),
    "marked lines": (
        "traceback",
        "ValueError: odd",
        "".join(
            f"[MFLOG|0|2026-01-05T10:00:01Z|runtime|a1]{line}\n"
            for line in (HEADER + FRAMES + "ValueError: odd").splitlines()
        ),
    ),
    "a traceback in colours": ("traceback", "ValueError: x", f"{HEADER}{FRAMES}\x1b[31mValueError: x\x1b[0m\n"),
    "a box": (
        "traceback",
        "ValueError: thin",
        "╭──── Traceback (most recent call last) ────╮\n│ /w/fit.py:3 in main │\n╰─────────────╯\nValueError: thin\n",
    ),
    "killed by the shell's word": ("signal", "fit.sh: line 3:  4711 Killed                  python fit.py", None),
    "killed": ("signal", "Killed", None),
    "segmentation fault": ("signal", "Segmentation fault (core dumped)", None),
    "fatal": ("signal", "Fatal Python error: Segmentation fault", None),
    "mpirun": (
        "signal",
        "mpirun noticed that process rank 1 with PID 0 on node n2 exited on signal 9 (Killed).",
        None,
    ),
    "a launcher": ("signal", "subprocess died with <Signals.SIGKILL: 9>.", None),
    "slurm's memory": ("out-of-memory", "slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.", None),
    "slurm's end": (
        "signal",
        "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-05T10:00:00 DUE TO TIME LIMIT ***",
        None,
    ),
    "Airflow's task that prints its own traceback": (
        "traceback",
        "ValueError: boom",
        "".join(
            f"[2026-03-01T10:00:00.100+0000] {{logging_mixin.py:190}} INFO - {line}\n"
            for line in f"{HEADER}{FRAMES}ValueError: boom".splitlines()
        ),
    ),
    "srun": ("signal", "srun: error: n1: task 0: Killed", None),
    "the kernel": ("out-of-memory", "Out of memory: Killed process 4711 (python)", None),
}


@pytest.mark.parametrize("name", CRASHES)
def test_crashes(name):
    kind, text, log = CRASHES[name]
    log = log or f"{text}\n"
    before = "step 1 loss=0.5\nstep 2 loss=0.25\n"
    data = (before + log).encode()
    found = crash_at_end(data[-TAIL_BYTES:], max(len(data) - TAIL_BYTES, 0), data.count(b"\n"))
    assert (found.kind, found.text) == (kind, text)
    # of a chain the last traceback counts
    start = len(before) + (log.rindex(HEADER) if name == "a chain" else 0)
    assert (found.line, found.offset) == (data.count(b"\n", 0, start) + 1, start)


CAUGHT = {
    "a run that ended well": "step 2 loss=0.25\ntraining finished, exit code 0\n",
    "an exception that was caught": f"{TRACEBACK}skipping this batch\nstep 3 loss=0.2\n",
    "an exception long ago": TRACEBACK + "".join(f"step {n} loss=0.2\n" for n in range(20)),
    "a thread's exception": f"Exception in thread Thread-3 (pin_memory):\n{TRACEBACK}",
    "an exception at the end of the interpreter": f"Exception ignored in: <function Pool.__del__ at 0x7f>\n{TRACEBACK}",
    "a retry": "CUDA out of memory, retrying with batch size 8\n",
    "a finished retry": "CUDA out of memory.\nTrying again with batch size 8\n",
    "a traceback without an end": f"{HEADER}{FRAMES}",
    "a line of code": '  File "fit.py", line 3, in main\n',
    "a metric's name": "train-error:0.25\n",
    "other words": "signal to noise: 3.2, killed branches: 4, exit loss 0.1\n",
    "an exit code": "process exited with code 0\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", CAUGHT)
def test_what_only_looks_so(name):
    assert crash_at_end(f"step 1 loss=0.5\n{CAUGHT[name]}".encode(), 0, 9) is None


def test_a_traceback_longer_than_the_tail():
    data = (HEADER + FRAMES * 60 + "ValueError: deep\n").encode()
    found = crash_at_end(data[-TAIL_BYTES:], len(data) - TAIL_BYTES, data.count(b"\n"))
    assert (found.kind, found.text) == ("traceback", "ValueError: deep")
    assert data.count(b"\n", 0, found.offset) + 1 == found.line > 1


def test_text_behind_a_crash_has_its_place():
    data = f"{TRACEBACK}one more line\n".encode()
    assert crash_at_end(data, 100, 50).after == 100 + len(TRACEBACK)
    assert crash_at_end(data).after is None


def test_a_long_line_is_cut():
    assert len(crash_at_end(f"{HEADER}{FRAMES}ValueError: {'x' * 1000}\n".encode()).text) == 200


@given(st.lists(st.binary(max_size=3000), max_size=6))
def test_the_tail_of_pieces(pieces):
    tail = b""
    for piece in pieces:
        tail = joined_tail(tail, memoryview(piece))
    assert tail == b"".join(pieces)[-TAIL_BYTES:]


@given(st.text('Traceback:Fil "\n,ne0x[]╰─Killed\r\x1b', max_size=300))
def test_no_text_raises(text):
    crash_at_end(text.encode("utf-8", "surrogatepass"), 0, 0)


# the texts for which the last bytes of a log are searched, and the one for which its tail is
MARKS = [
    mark.encode()
    for mark in (
        *(
            "Killed",
            "ignal",
            "Aborted",
            "Segmentation",
            "Bus error",
            "Illegal",
            "Terminated",
            "te called",
            "NCELLED",
            "oom-k",
            "oom_k",
        ),
        *("OOM", "f memory", "OfMem", "SIG", "exit", "d_alloc", "╰", "F_MEM", "dumped", "Fatal"),
    )
]
FRAME = b'", line '
LAST_BYTES = 512


def may_show(data, level):
    files = put_together([data], bytearray(len(data) + 1), b"", enough=1, universal=True, level=level)
    return bool(int.from_bytes(files[40:48], "little") & FLAG_CRASH)


@pytest.mark.parametrize("level", SIMD_LEVELS)
@pytest.mark.parametrize("mark", MARKS, ids=repr)
def test_a_mark_is_found_wherever_it_stands(mark, level):
    for behind in range(LAST_BYTES + 8):
        for before in (0, 1, 700):
            data = b"." * before + mark + b"." * behind
            assert may_show(data, level) == (mark in data[-LAST_BYTES:]), (before, behind)


@pytest.mark.parametrize("level", SIMD_LEVELS)
def test_a_frame_is_found_wherever_it_stands(level):
    for behind in range(TAIL_BYTES + 8):
        data = b'", "' * 40 + FRAME + b"." * behind
        assert may_show(data, level) == (FRAME in data[-TAIL_BYTES:]), behind


@pytest.mark.parametrize("level", SIMD_LEVELS)
@given(
    data=st.lists(
        st.sampled_from([*MARKS, FRAME, b"K", b"ig", b"e", b"o", b"f ", b"S", b"\xe2\x95", b"design" * 40])
    ).map(b"".join)
)
def test_what_may_show_a_crash(data, level):
    expected = FRAME in data[-TAIL_BYTES:] or any(mark in data[-LAST_BYTES:] for mark in MARKS)
    assert may_show(data, level) == expected
    assert may_show_crash(data) == expected


@given(
    st.lists(
        st.sampled_from([*MARKS, FRAME, *(mark[:2] for mark in MARKS), *(mark[2:] for mark in MARKS), b"e", b"." * 500])
    )
)
def test_a_text_that_grows_is_examined_piece_by_piece(pieces):
    tail, quiet_at, end = b"", None, 0
    for piece in pieces:
        tail, end = joined_tail(tail, piece), end + len(piece)
        found = may_show_crash_behind(tail, None if quiet_at is None else end - quiet_at)
        assert found == may_show_crash(tail)
        quiet_at = None if found else end


def test_a_signal_is_found_wherever_it_stands():
    for behind in range(500):
        # empty lines do not count as text behind the crash
        data = b"\nProcess received signal" + b"\n" * behind
        assert crash_at_end(data[-TAIL_BYTES:]).text == "Process received signal"
