"""The build: a compiled module knows its sources, and none that was built from others is imported or kept."""

import importlib
import importlib.machinery
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import metricscan

PACKAGE = Path(metricscan.__file__).parent
ROOT = PACKAGE.parent
PLACES = sorted(path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.pyx"))
pytestmark = pytest.mark.skipif(not PLACES, reason="installed, not checked out")
each_module = pytest.mark.parametrize("place", PLACES, ids=str)


def module_at(place):
    return importlib.import_module(".".join(("metricscan", *place.parts)))


def sources_of(module):
    """The sources that a compiled module names, its .pyx first."""
    names = module.BUILT_FROM.split()[1::2]
    return [(Path(module.__file__).parent / name).resolve() for name in names]


def python(code, *arguments, folder):
    command = [sys.executable, "-B", "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def setup_py():
    """The names of setup.py, which builds nothing here."""
    pytest.importorskip("Cython")
    setuptools = pytest.importorskip("setuptools")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **_: None)
        return runpy.run_path(str(ROOT / "setup.py"))


# ---- what a module knows of its sources


@each_module
def test_a_module_names_its_sources(place, setup_py):
    module = module_at(place)
    sources = sources_of(module)
    assert sources[0] == PACKAGE / place.with_suffix(".pyx")
    assert sources == setup_py["sources_of"](sources[0])
    # all but the flags, with which this interpreter's setup.py may not have been called
    assert module.BUILT_FROM.split()[1:] == setup_py["built_from"](sources[0], sources).split()[1:]


def test_every_header_is_a_source_of_a_module():
    found = {path for place in PLACES for path in sources_of(module_at(place))}
    assert {*PACKAGE.rglob("*.h"), *PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd"), *PACKAGE.rglob("*.pxi")} == found


def test_the_package_alone_loads_no_compiled_module():
    run = python(
        "import sys, metricscan; dir(metricscan);"
        "assert not [n for n, m in sys.modules.items() if n.startswith('metricscan.')]",
        folder=ROOT,
    )
    assert run.returncode == 0, run.stderr


# ---- what is imported


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("import metricscan; metricscan.Scanner", "logs._reading"),
        ("from metricscan import _core", "_core"),
        ("import metricscan.logs.find", "logs._reading"),
        ("import metricscan.logs.exports", "logs._events"),
        ("import metricscan.logs.natural", "logs._natural"),
    ],
)
def test_sources_that_are_not_built_say_what_to_do(tmp_path, code, module):
    shutil.copytree(PACKAGE, tmp_path / "metricscan", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    # -S: without the finder of an editable installation
    run = subprocess.run([sys.executable, "-BSc", code], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert run.stderr.splitlines()[-1] == (
        f"ImportError: No module named 'metricscan.{module}': {tmp_path}/metricscan holds sources that are not "
        "built; run Python from another folder, to use the installed metricscan, or build the sources with `make build`"
    )


IMPORT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location(sys.argv[1], sys.argv[2])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


@pytest.fixture
def copied(tmp_path):
    """Copies a module and its sources as they lie to each other; gives the copy and its sources."""

    def copy(place):
        module = module_at(place)
        for path in [Path(module.__file__), *sources_of(module)]:
            target = tmp_path / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        sources = [tmp_path / path.relative_to(PACKAGE) for path in sources_of(module)]
        return tmp_path / Path(module.__file__).relative_to(PACKAGE), sources

    return copy


def imported(compiled):
    return python(IMPORT, compiled.name.split(".")[0], compiled, folder=compiled.parent)


@each_module
def test_a_module_beside_its_own_sources_is_imported(place, copied):
    compiled, _ = copied(place)
    assert imported(compiled).stderr == ""


@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
@each_module
def test_a_module_beside_other_sources_is_refused(place, which, copied):
    compiled, sources = copied(place)
    with sources[which].open("ab") as file:
        file.write(b"\n")
    run = imported(compiled)
    assert run.stderr.splitlines()[-1] == (
        f"ImportError: {compiled} was built from other sources than those beside it: "
        f"{compiled.parent}/{Path(module_at(place).BUILT_FROM.split()[1::2][which])} differs; "
        "build it again with `make build` or `pip install -e .`"
    )


@each_module
def test_a_module_one_of_whose_sources_is_gone_is_refused(place, copied):
    compiled, sources = copied(place)
    sources[-1].unlink()
    assert "was built from other sources" in imported(compiled).stderr


@each_module
def test_an_installed_module_reads_nothing(place, copied):
    compiled, sources = copied(place)
    for source in sources:
        source.unlink()
    assert imported(compiled).stderr == ""


@pytest.mark.parametrize("lengths", [(0,), (1, 7, 8, 9), (8191, 8192, 8193), (20_000,)])
def test_python_and_c_agree_on_digests(lengths, setup_py, copied):
    # the last source of a module is given other contents, and its digest put in the place of the old one
    compiled, sources = copied(Path("logs/_natural"))
    (*_, old) = module_at(Path("logs/_natural")).BUILT_FROM.split()
    built = compiled.read_bytes()
    for length in lengths:
        contents = bytes(i * 7 % 256 for i in range(length))
        sources[-1].write_bytes(contents)
        new = f"{setup_py['digest'](contents):016x}"
        compiled.write_bytes(built.replace(old.encode(), new.encode()))
        assert imported(compiled).stderr == ""


def test_a_core_from_before_it_knew_its_sources_is_refused(tmp_path):
    names = shutil.ignore_patterns("_core.*.so", "*.pyx", "*.c", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "metricscan", ignore=names)
    (tmp_path / "metricscan" / "_core.py").write_text("class Engine: ...\nclass Stream: ...\n")
    code = """
import metricscan
for attempt in range(2):
    try:
        metricscan.Scanner(["a=a=(.)"])
    except ImportError as error:
        print(error)
"""
    run = python(code, folder=tmp_path)
    assert run.stdout.splitlines() == 2 * [
        f"{tmp_path}/metricscan/_core.py was built for an older version; build it again with `make build` or `pip install -e .`"
    ], run.stderr


# ---- what is built

TINY = """
cdef extern from "kernel/answer.h":
    int ANSWER
cdef extern from "kernel/built.h":
    object ms_built_from(object file)
BUILT_FROM = ms_built_from(__file__)
answer = ANSWER
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A package of one small module, and the project's setup.py; gives its folder and what builds and imports it."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    package = tmp_path / "metricscan"
    (package / "kernel").mkdir(parents=True)
    shutil.copy(ROOT / "setup.py", tmp_path)
    shutil.copy(PACKAGE / "kernel" / "built.h", package / "kernel")
    (package / "__init__.py").touch()
    (package / "tiny.pyx").write_text(TINY)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "metricscan"\nversion = "0"\n[tool.setuptools]\npackages = ["metricscan"]\n'
    )
    monkeypatch.setenv("METRICSCAN_DEBUG", "1")

    def build(answer):
        (package / "kernel" / "answer.h").write_text(f"#define ANSWER {answer}\n")
        command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        run = python("from metricscan.tiny import answer; print(answer)", folder=tmp_path)
        return run.stdout.strip() or run.stderr

    return package, build


@pytest.mark.slow
def test_the_build_goes_by_contents(tiny):
    package, build = tiny
    generated = package / "tiny.c"
    former = package / f"_former{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    former.touch()
    assert build(41) == "41"
    (compiled,) = package.glob("*.so")
    assert compiled != former
    (packed,) = package.parent.glob("build/lib*/metricscan")
    former_packed = [packed / former.name, packed / "former.py"]
    for path in former_packed:
        path.touch()
    # newer than the sources: neither C of another module nor the compiled module is taken for what it would be
    generated.write_text('/* Generated by Cython */\n#error "stale"\n')
    compiled.touch()
    assert build(42) == "42"
    assert "stale" not in generated.read_text()
    assert not any(path.exists() for path in former_packed)
    # and older ones are not built again for that
    before = generated.stat().st_mtime_ns
    for source in package.rglob("*.[hp]*"):
        source.touch()
    assert build(42) == "42"
    shutil.rmtree(package.parent / "build")  # the module that lies beside its sources will do
    assert build(42) == "42"
    assert generated.stat().st_mtime_ns == before
