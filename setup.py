"""Build of the compiled modules. Everything that is data stands in pyproject.toml.

Environment switches: METRICSCAN_DEBUG=1 builds with bounds checks and asserts and without optimisation;
METRICSCAN_SANITIZE=1 adds the address and undefined-behaviour sanitisers; METRICSCAN_PORTABLE=1 builds without SIMD, for the
tests of the branches that other processors take; METRICSCAN_FUZZ=1, with clang, what libFuzzer needs to see which paths an
input took (fuzz/run.sh builds so).
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("METRICSCAN_DEBUG") == "1"
SANITIZE = os.environ.get("METRICSCAN_SANITIZE") == "1"
PACKAGE = Path(__file__).parent / "metricscan"
FUZZ = os.environ.get("METRICSCAN_FUZZ") == "1"
PORTABLE = os.environ.get("METRICSCAN_PORTABLE") == "1"

# The one table of directives: a header in the .pyx would override it, and the checked build with it.
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": not DEBUG,
    "initializedcheck": DEBUG,
    "overflowcheck": False,
    "embedsignature": True,
    "freethreading_compatible": True,
    # nothing in the core is pickled, or tested by docstrings
    "auto_pickle": False,
    "autotestdict": False,
}

compile_args = (
    ["-O0", "-g", "-UNDEBUG", "-DCYTHON_REFNANNY=0", "-DMS_SMALL"]
    if DEBUG
    else ["-O3", "-fno-tree-slp-vectorize", "-DCYTHON_WITHOUT_ASSERTIONS=1"]
)
compile_args += [
    "-std=gnu11",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Wno-unused-function",
]
if PORTABLE:
    compile_args += ["-DMS_PORTABLE_ONLY"]
link_args = []
if SANITIZE:
    flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    compile_args += ["-g", *flags]
    link_args += flags
if FUZZ:
    # short records are fuzzed: what is remembered of long ones is remembered at once
    compile_args += ["-O1", "-fsanitize=fuzzer-no-link", "-DMS_PATIENCE=0", "-DMS_PATIENCE_A_BYTE=0"]

# Each compiled module, and the headers of kernel/ that it is made of.
MODULES = {
    "_core": sorted(path.name for path in (PACKAGE / "kernel").glob("*.h") if not path.name.startswith("event")),
    "logs/_events": ["levels.h", *sorted(path.name for path in (PACKAGE / "kernel").glob("event*.h"))],
    "logs/_reading": ["bytes.h", "levels.h"],
    "logs/_natural": [],
}
extensions = [
    Extension(
        f"metricscan.{name.replace('/', '.')}",
        sources=[f"metricscan/{name}.pyx"],
        depends=[f"metricscan/kernel/{header}" for header in headers],
        include_dirs=["metricscan"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    for name, headers in MODULES.items()
]

setup(ext_modules=cythonize(extensions, compiler_directives=DIRECTIVES, force=DEBUG or SANITIZE))
