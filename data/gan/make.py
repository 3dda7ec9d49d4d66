"""Write what the line is known to hold; the line itself is copied from the documentation."""

from pathlib import Path

from data import corpus

corpus.write(Path(__file__).resolve().parent, "gan", "loss", "Minimize", [corpus.Job("gan", ("gan.log",))])
