"""Draw the picture of README.md, docs/replay.svg: a command on data/, and what it prints on a terminal.

.venv/bin/python docs/picture.py
"""

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "replay.svg"
COMMAND = r"metricscan replay data/tqdm/logs -m 'val_loss=val_loss (\S+)' --minimize val_loss"
COLUMNS = 104


def printed() -> str:
    """What the command prints on a terminal of so many columns, with its escape sequences."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", *shlex.split(COMMAND)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    return run.stdout


def draw(output: str) -> str:
    """An SVG of the prompt, the command and its output."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(Text(f"$ {COMMAND}", style="bold green"))
    console.print(Text.from_ansi(output))
    svg = console.export_svg(title="metricscan replay", unique_id="metricscan")
    # the fonts of the one who looks at it will do; nothing is loaded from elsewhere
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"\n\s*<!--.*?-->", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    PICTURE.write_text(draw(printed()), encoding="utf-8")
