"""A follower that is killed with -9 at random moments, while its log suffers all that happens to logs.

``python -m support.killing SEED KILLS SECONDS``, with ``tests`` in PYTHONPATH, is the long run.
"""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from support.following import JournalFound
from support.growing import Writer, compare


def run(folder, seed, kills, seconds):
    """Write for so long, kill the follower so often, and compare.

    Returns
    -------
    str
        What was compared.
    """
    folder = pathlib.Path(folder)
    folder.mkdir()
    moments = random.Random(seed)
    writer = Writer(folder, seed)
    tests = pathlib.Path(__file__).parent.parent
    command = [sys.executable, "-m", "support.following", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}

    def start():
        return subprocess.Popen(command, env=environment)

    follower, killed = start(), 0
    try:
        end = time.monotonic() + seconds
        next_kill = time.monotonic() + moments.uniform(0, 2 * seconds / kills)
        while time.monotonic() < end or killed < kills:
            writer.step()
            time.sleep(moments.expovariate(1 / 0.02))
            assert follower.poll() is None, f"the follower ended: {follower.returncode}"
            if time.monotonic() > next_kill:
                follower.kill()
                follower.wait()
                killed += 1
                for _ in range(moments.choice([0, 0, 1, 5, 30])):
                    writer.step()
                follower = start()
                next_kill = time.monotonic() + moments.uniform(0, 2 * seconds / kills)
        writer.end_line()
        folder.with_suffix(".done").touch()
        assert follower.wait(120) == 0
    finally:
        writer.close()
        follower.kill()
        follower.wait()
    found = JournalFound(folder.with_suffix(".journal"))
    lost, unseen = compare(found, writer)
    return (
        f"{killed} kills, {len(writer.generations)} generations of which {unseen} were never seen, {len(found.rows)} rows, "
        f"{lost} rows destroyed before a poll, {len(found.lost)} windows"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as parent:
        seed, kills, seconds = sys.argv[1:]
        sys.stdout.write(run(pathlib.Path(parent, "logs"), int(seed), int(kills), float(seconds)) + "\n")
