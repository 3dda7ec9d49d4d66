"""Notes what the line holds; the line itself is the documentation's."""

from pathlib import Path

from data import corpus

corpus.write(Path(__file__).resolve().parent, "gan", "loss", "Minimize", [corpus.Job("gan", ("gan.log",))])
