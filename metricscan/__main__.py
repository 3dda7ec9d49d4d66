"""``python -m metricscan``."""

import sys

from metricscan.cli import main

if __name__ == "__main__":
    sys.exit(main())
