"""Commands whose memory is limited."""

import resource
import subprocess

from support.command import MODULE

METRICS = ("-m", r"loss=loss=([0-9.]+)", "-m", r"step=step=([0-9]+)")


def write_logs(folder, *, lines=100_000, logs=4):
    """Logs with two metrics; the last also has a record in which a choice is open at each byte."""
    folder.mkdir()
    for number in range(logs):
        with (folder / f"job{number}.log").open("w") as log:
            log.writelines(f"step={step} loss={step / 7:.5f}\n" for step in range(lines))
            if number == logs - 1:
                log.write("1" * (1 << 22) + "2\n")


def commands(folder, logs):
    """By name, the arguments of commands that take memory in different places. The dataset of ``folder / "dataset"`` is read."""
    return {
        "survey": ["survey", logs],
        "check": ["check", logs / "job0.log", *METRICS],
        "replay": ["replay", logs, *METRICS, "--minimize", "loss"],
        "one thread": ["replay", logs, *METRICS, "--minimize", "loss", "--threads", "1"],
        "choices": ["replay", logs, "-m", r"loss=((?:1|11)+)$"],
        "silent": ["replay", logs, "-m", r"loss=losss=([0-9.]+)"],
        "dataset": ["replay", logs, *METRICS, "--out", folder / "out", "--overwrite", "--no-sync"],
        "csv": ["replay", logs, *METRICS, "--out", folder / "csv", "--format", "csv", "--overwrite", "--no-sync"],
        "rank": ["rank", folder / "dataset", "--minimize", "loss"],
        "report": ["report", folder / "dataset", "--minimize", "loss", "--out", folder / "page.html"],
        "plot": ["plot", folder / "dataset", "--metric", "loss", "--out", folder / "plot.png"],
    }


def run_limited(arguments, megabytes):
    """The exit code of a command that may ask for so much memory, and what it said on standard error."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    ran = subprocess.run(
        [*MODULE, *map(str, arguments)], capture_output=True, preexec_fn=limit, check=False, timeout=600
    )
    return ran.returncode, ran.stderr.decode("utf-8", "replace")


def what_is_wrong(code, told):
    """What a command without memory may not do: be killed, end with a traceback, fail without a reason; else an empty string."""
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "Traceback" in told:
        return "a traceback"
    return "no reason" if code == 2 and "metricscan: " not in told else ""


def write_dataset(folder, logs):
    """The dataset that some of the commands read, written without a limit."""
    arguments = ["replay", logs, *METRICS, "--out", folder / "dataset", "--no-sync"]
    subprocess.run([*MODULE, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
