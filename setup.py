"""Build of the compiled modules. Everything that is data stands in pyproject.toml.

Environment switches: METRICSCAN_DEBUG=1 builds with bounds checks and asserts and without optimisation;
METRICSCAN_SANITIZE=1 adds the address and undefined-behaviour sanitisers; METRICSCAN_PORTABLE=1 builds without SIMD, for the
tests of the branches that other processors take; METRICSCAN_FUZZ=1, with clang, what libFuzzer needs to see which paths an
input took (fuzz/run.sh builds so); METRICSCAN_WERROR=1 makes a warning of the C compiler an error.
"""

import os
import re
import shutil
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import Cython
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("METRICSCAN_DEBUG") == "1"
SANITIZE = os.environ.get("METRICSCAN_SANITIZE") == "1"
FUZZ = os.environ.get("METRICSCAN_FUZZ") == "1"
WERROR = os.environ.get("METRICSCAN_WERROR") == "1"
PORTABLE = os.environ.get("METRICSCAN_PORTABLE") == "1"
PACKAGE = Path(__file__).resolve().parent / "metricscan"

# The one table of directives: a header in the .pyx would override it, and the checked build with it.
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": not DEBUG,
    "initializedcheck": DEBUG,
    "overflowcheck": False,
    "embedsignature": True,
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
if WERROR:
    compile_args += ["-Werror"]
if SANITIZE:
    flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    compile_args += ["-g", *flags]
    link_args += flags
if FUZZ:
    # short records are fuzzed: what is remembered of long ones is remembered at once
    compile_args += ["-O1", "-fsanitize=fuzzer-no-link", "-DMS_PATIENCE=0", "-DMS_PATIENCE_A_BYTE=0"]


def sources_of(path: Path) -> list[Path]:
    """A .pyx and all of the package that it is compiled with: what it cimports and includes, also through headers."""
    found = [path]
    for source in found:
        text = source.read_text(encoding="utf-8")
        near = [source.with_suffix(".pxd")]
        for name in re.findall(r'^\s*(?:cdef\s+extern\s+from|#?\s*include)\s+"([^"<>]+)"', text, re.MULTILINE):
            near += [PACKAGE / name, source.parent / name]
        if source.suffix != ".h":
            lines = re.findall(r"^\s*(?:from\s.*)?\bcimport\b.*$", text, re.MULTILINE)
            words = set(re.findall(r"\w+", " ".join(lines)))
            near += [pxd for pxd in PACKAGE.rglob("*.pxd") if {pxd.stem, pxd.parent.name} & words]
        found += [other for other in dict.fromkeys(near) if other.is_file() and other not in found]
    return found


def digest(data: bytes) -> int:
    """The digest of a file's bytes, as kernel/built.h computes it."""
    value = 0
    for at in range(0, len(data), 8):
        value = (value ^ int.from_bytes(data[at : at + 8].ljust(8, b"\0"), sys.byteorder)) * 0xFF51AFD7ED558CCD % 2**64
        value ^= value >> 32
    return value ^ len(data)


def built_from(path: Path, sources: list[Path]) -> str:
    """What a module is built from, as kernel/built.h reads it: its flags, and each source with its digest."""
    flags = f"{Cython.__version__} {DIRECTIVES} {compile_args} {os.environ.get('CC')} {os.environ.get('CFLAGS')}"
    names = [os.path.relpath(source, path.parent) for source in sources]
    pairs = (f"{name} {digest(source.read_bytes()):016x}" for name, source in zip(names, sources, strict=True))
    return " ".join([f"{digest(flags.encode()):016x}", *pairs])


def extension(path: Path) -> Extension:
    sources = sources_of(path)
    module = Extension(
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts),
        sources=[path.relative_to(PACKAGE.parent).as_posix()],
        define_macros=[("METRICSCAN_SOURCES", f'"{built_from(path, sources)}"')],
        include_dirs=["metricscan"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    module.cython_directives = DIRECTIVES
    return module


class Build(build_ext):
    """Goes by what files hold, not by their times: a module is compiled unless it was built from just these sources."""

    def run(self) -> None:
        # all that lies in build/lib would be packed, modules of former builds and places too
        for old in Path(self.build_lib, PACKAGE.name).rglob("*.*"):
            source = PACKAGE.parent / old.relative_to(self.build_lib)
            if old.suffix == ".so":
                source = source.with_name(source.name.partition(".")[0]).with_suffix(".pyx")
            if not source.is_file():
                old.unlink()
        super().run()

    def build_extension(self, ext: Extension) -> None:
        built = Path(self.get_ext_fullpath(ext.name))
        marker = ext.define_macros[0][1].strip('"').encode()
        for place in (built, PACKAGE.parent / self.get_ext_filename(ext.name)):
            if not self.force and place.is_file() and marker in place.read_bytes():
                built.parent.mkdir(parents=True, exist_ok=True)
                if place != built:
                    shutil.copyfile(place, built)
                return
        forced, self.force = self.force, True  # generated C that lies there is written again, however new it looks
        super().build_extension(ext)
        self.force = forced

    def copy_extensions_to_source(self) -> None:
        # those of former places go too; and a file that a running process has loaded is replaced, not written over
        for old in PACKAGE.rglob(f"*{EXTENSION_SUFFIXES[0]}"):
            old.unlink()
        super().copy_extensions_to_source()


setup(ext_modules=[extension(path) for path in sorted(PACKAGE.rglob("*.pyx"))], cmdclass={"build_ext": Build})
