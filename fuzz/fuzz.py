"""One target under libFuzzer, by atheris: ``python fuzz/fuzz.py TARGET [libFuzzer's flags] [corpus folders]``."""

from __future__ import annotations

import sys
import warnings

import atheris
from core_targets import PARTS
from readers import READERS
from stream_targets import STREAMS
from targets import TARGETS

from metricscan.errors import DefinitionWarning


def main() -> None:
    """Fuzz until the flags say stop, or until a case differs."""
    warnings.simplefilter("ignore", DefinitionWarning)
    target = (TARGETS | READERS | PARTS | STREAMS)[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        target(data)

    # the compiled core tells where an input leads; of the Python around it only what plans a pattern would
    atheris.Setup(sys.argv, one, enable_python_coverage=False)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
