"""What an sdist and a wheel hold: the first all that git knows, the second nothing that only builds it.

.ci/contents.py SDIST WHEEL
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

# a report is made of the pages, styles and scripts
SHIPPED = {".py", ".pyi", ".so", ".json", ".typed", ".html", ".css", ".js"}


def main(sdist: str, wheel: str) -> int:
    """Print what is missing or too much; 1 if anything is."""
    with tarfile.open(sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    run = subprocess.run(["git", "ls-files", "-z"], check=False, capture_output=True, text=True)
    tracked = set(filter(None, run.stdout.split("\0")))
    made = {"PKG-INFO", "setup.cfg"}
    extra = {name for name in packed - tracked - made if not name.startswith("metricscan.egg-info/")}
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if ".dist-info/" not in name]
    sources = [path for path in Path("metricscan").rglob("*") if path.suffix in SHIPPED - {".so"} | {".pyx"}]
    wanted = {PurePosixPath(path.with_suffix(".so") if path.suffix == ".pyx" else path).as_posix() for path in sources}
    # compiled modules are named after the interpreter, too
    shipped = {f"{name.partition('.')[0]}.so" if name.endswith(".so") else name for name in inside}
    problems = [f"not in the sdist: {name}" for name in sorted(tracked - packed) if Path(name).is_file()]
    problems += [f"in the sdist, though git does not know it: {name}" for name in sorted(extra)] if tracked else []
    problems += [f"in the wheel: {name}" for name in sorted(inside) if PurePosixPath(name).suffix not in SHIPPED]
    problems += [f"not in the wheel: {name}" for name in sorted(wanted - shipped)]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"sdist: {len(packed)} files, {Path(sdist).stat().st_size} bytes; ", end="")
    print(f"wheel: {len(inside)} files, {Path(wheel).stat().st_size} bytes")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
