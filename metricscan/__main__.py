"""``python -m metricscan``, and what the command ``metricscan`` calls."""

import sys


def run() -> int:
    """Run the command, and return its exit code. An interrupt while it is still loaded is told as one amid its work."""
    try:
        from metricscan.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("metricscan: interrupted\n")
        # as metricscan.cli, which is not there
        return 130


if __name__ == "__main__":
    sys.exit(run())
