"""The package as a whole: its layers, what importing it costs, its public names, and who may print."""

import ast
import base64
import importlib.machinery
import inspect
import pickle
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import metricscan
import metricscan.sagemaker

FOLDER = Path(metricscan.__file__).parent

# The rooms: a folder or a module of the package, from the bottom up. A room imports only from those before it.
ROOMS = [
    "errors",
    "patterns",
    "definitions",
    "_core",
    "logs",
    "scanning",
    "datasets",
    "ranking",
    "replaying",
    "sagemaker",
    "live",
    "reports",
    "fleet",
    "cli",
    "__main__",
]
# The C: it is compiled into the modules above, and nothing imports it.
HEADERS = "kernel"

MODULES = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*.py")) if path.parent != FOLDER}
MODULES |= {path.name: path for path in FOLDER.glob("*.py") if path.stem != "__init__"}


def room_of(module: str) -> str:
    return module.split("/", maxsplit=1)[0].removesuffix(".py")


HEAVY = ["pyarrow", "numpy", "regex", "yaml", "click", "rich", "matplotlib", "pandas"]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, inside functions and for types too; names from the package as its modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "metricscan":
                yield from (f"metricscan.{alias.name}" for alias in node.names if alias.name != "__version__")
            else:
                yield node.module


def own(names: Iterator[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("metricscan.")}


def imported_modules(path: Path) -> set[str]:
    """The package's own modules that a file imports, as paths."""
    modules = set()
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("metricscan"):
            continue
        home = node.module.replace(".", "/").removeprefix("metricscan").removeprefix("/")
        modules |= {f"{home}.py"} | {f"{home}/{alias.name}.py".lstrip("/") for alias in node.names}
    return modules & set(MODULES)


# ---- rooms


def test_every_folder_and_module_is_a_room():
    found = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    found |= {path.stem for path in FOLDER.glob("*.py")} | {path.stem for path in FOLDER.glob("*.pyx")}
    assert found == {*ROOMS, HEADERS, "__init__"}


def test_the_documents_name_every_room():
    listing = (FOLDER.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for room in [*ROOMS, HEADERS]:
        assert re.search(rf"^  {room}(?:/|\.pyx?)", listing, re.MULTILINE), room


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_one_way(module):
    room = room_of(module)
    before = set(ROOMS[: ROOMS.index(room)])
    assert own(imports(tree(MODULES[module]))) - {room} <= before


def test_no_circle_within_a_room():
    graph = {module: imported_modules(path) for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(("module", "name", "meant"), [("", "Scaner", "Scanner"), (".sagemaker", "Audits", "Audit")])
def test_a_name_that_is_not_there_comes_with_the_module(module, name, meant):
    code = f"import metricscan.sagemaker; metricscan{module}.{name}"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert f"has no attribute '{name}'. Did you mean: '{meant}'?" in run.stderr


def test_a_scan_does_not_load_pandas():
    scan = "import metricscan; s = metricscan.Scanner(['a=a=(.)']); s.scan(b'a=1')['a']"
    live = "t = s.stream(); t.feed(b'a=1\\n', 0); t.take()"
    assert "pandas" not in loaded(f"{scan}\n{live}")


def test_each_name_is_listed_once():
    assert metricscan.Scanner
    assert metricscan.sagemaker.load_request
    for package in (metricscan, metricscan.sagemaker):
        assert len(dir(package)) == len(set(dir(package)))
        assert set(package.__all__) <= set(dir(package))


def test_the_package_itself_imports_nothing():
    body = [node for node in tree(FOLDER / "__init__.py").body if not is_for_types(node)]
    assert list(imports(ast.Module(body, []))) == [
        "__future__",
        "sys",
        "types",
        "importlib",
        "importlib",
        "importlib.machinery",
        "os",
    ]


def test_the_core_knows_bytes_integers_and_doubles():
    source = (FOLDER / "_core.pyx").read_text(encoding="utf-8")
    imported = re.findall(r"^\s*(?:from|c?import)\s+([\w.]+)", source, re.MULTILINE)
    assert imported
    assert all(name.startswith(("builtins", "cpython", "libc", "metricscan.kernel")) for name in imported), imported


@pytest.mark.parametrize("module", sorted(module for module in MODULES if room_of(module) not in ("cli", "__main__")))
def test_only_the_command_line_prints(module):
    path = MODULES[module]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit", "input"), f"{path}, line {node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            assert node.attr not in ("stdout", "stderr", "exit", "__stdout__"), f"{path}, line {node.lineno}"
    assert not {name.split(".")[0] for name in imports(tree(path))} & {"click", "rich", "logging"}


def test_no_module_is_a_drawer():
    names = {path.stem.strip("_") for path in MODULES.values()} | set(ROOMS)
    assert not names & {"utils", "util", "helpers", "common", "misc", "manager"}
    assert all(ast.get_docstring(tree(path)) for path in MODULES.values())


# ---- what importing costs


def loaded(code: str) -> list[str]:
    report = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], check=True, capture_output=True, text=True)
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import metricscan; dir(metricscan)",
        "import metricscan; metricscan.DefinitionError, metricscan.ScanStats",
        "from metricscan import load_definitions; load_definitions(['a=a=(.*?);', {'Name': 'b', 'Regex': '(?i)b'}])",
        "from metricscan import Scanner; str(Scanner(['a=a=(.*?);']).explain())",
        "from metricscan import Scanner; Scanner(['a=a=(.)']).stream().feed(b'a=1\\n')",
        "from metricscan import sagemaker; sagemaker.definitions('xgboost'), sagemaker.load_request",
    ],
)
def test_cheap_things_load_nothing_heavy(code):
    assert loaded(code) == []


def test_only_what_re_refuses_loads_regex():
    assert loaded(r"from metricscan import load_definitions; load_definitions([r'a=\p{L}'])") == ["regex"]
    assert loaded("import pyarrow")[:1] == ["pyarrow"], "this test sees what is loaded"


# ---- public names


def test_every_public_name_resolves():
    assert metricscan.__all__ == sorted(metricscan.__all__)
    assert set(metricscan.__all__) == set(metricscan._HOME)
    for name in metricscan.__all__:
        assert getattr(metricscan, name).__name__ == name
        assert getattr(metricscan, name) is getattr(
            importlib.import_module(f"metricscan.{metricscan._HOME[name]}"), name
        )
    assert set(metricscan.__all__) <= set(dir(metricscan))
    namespace = {}
    exec("from metricscan import *", namespace)
    assert set(metricscan.__all__) <= set(namespace)


def test_types_see_the_same_names():
    for_types = next(node for node in tree(FOLDER / "__init__.py").body if is_for_types(node))
    seen = {
        alias.name: node.module.removeprefix("metricscan.")
        for node in for_types.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("metricscan.")
        for alias in node.names
    }
    assert seen == metricscan._HOME


def test_no_public_name_is_a_module():
    # importing the module would put it in the place of the function
    assert not set(metricscan.__all__) & set(ROOMS)


def test_what_is_no_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'metricscan' has no attribute 'scan'"):
        metricscan.scan  # noqa: B018
    assert not hasattr(metricscan, "pyarrow")


# ---- former names


@pytest.mark.parametrize("former", sorted(metricscan._FORMER))
def test_a_former_module_has_the_names_that_it_had(former):
    module = importlib.import_module(f"metricscan.{former}")
    assert getattr(metricscan, former) is module
    for place in metricscan._FORMER[former]:
        home = importlib.import_module(f"metricscan.{place}")
        here = home.__name__
        names = [name for name, one in vars(home).items() if name.isupper() or getattr(one, "__module__", "") == here]
        assert names
        assert all(getattr(module, name) is getattr(home, name) for name in names)
    with pytest.raises(AttributeError, match=f"module 'metricscan.{former}' has no attribute 'no_such_name'"):
        module.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    ("former", "names"),
    [
        ("batch", "SCHEMA LABEL_SCHEMA TIME BATCH_ROWS NO_TIME from_columns joined in_pieces"),
        (
            "scanner",
            "Row Match ScanResult Stream Batches Scanner check_threads report_untamed of_checked _configured _rebuild",
        ),
    ],
)
def test_a_module_that_was_cut_has_the_names_of_all_its_parts(former, names):
    module = importlib.import_module(f"metricscan.{former}")
    assert [name for name in names.split() if not hasattr(module, name)] == []


def test_annotations_of_what_is_public_can_be_looked_up():
    for function in (metricscan.Scanner.__init__, metricscan.Stream.feed, metricscan.Row):
        assert typing.get_type_hints(function)


def test_former_modules_are_imported_as_they_were():
    code = (
        "import metricscan.objective, metricscan.ranking; from metricscan.scanner import Scanner;"
        "from metricscan.objective import Objective, natural, nearest; from metricscan.ranking import rank, SCHEMA;"
        "import metricscan; assert Scanner is metricscan.Scanner and rank is metricscan.rank;"
        "assert metricscan.objective.Objective is metricscan.Objective"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'metricscan\.nothing'"):
        importlib.import_module("metricscan.nothing")


# Made when there were no folders: Scanner(loss, matches="last", labels=..), and (ScanStats, Objective, ScanResult).
PICKLES = {
    "Scanner": """
        gASV1AAAAAAAAACMEm1ldHJpY3NjYW4uc2Nhbm5lcpSMCF9yZWJ1aWxklJOUKIwVbWV0cmljc2Nhbi5kZWZpbml0aW9ulIwQTWV0cmljRGVmaW
        5pdGlvbpSTlIwEbG9zc5SMDUxvc3MgPSAoLio/KTuUhpSBlGgFjARyYW5rlIwOXlxbKHJhbmtcZCspXF2UhpSBlIaUfZQojAduZXdsaW5llE6M
        B21hdGNoZXOUjARsYXN0lIwGZXNjYXBllIwEbm9uZZSMBGFuc2mUjARrZWVwlHV9lGgKhZR0lFKULg==""",
    "others": """
        gASVcgEAAAAAAACMEG1ldHJpY3NjYW4uc3RhdHOUjAlTY2FuU3RhdHOUk5QpgZROfZQojAVieXRlc5RLEowHbWV0cmljc5R9lCiMBGxvc3OUaA
        CMC01ldHJpY1N0YXRzlJOUKYGUTn2UKIwGZmFpbGVklEsAjAtvdmVyX2J1ZGdldJRLAIwEcm93c5RLAYwHc2FtcGxlc5RdlIwIdGltZW91dHOU
        SwCMCHVucGFyc2VklEsAdYaUYowEcmFua5RoCimBlE59lChoDUsAaA5LAGgPSwFoEF2UaBJLAGgTSwB1hpRidYwHcmVjb3Jkc5RLAXWGlGKMFG
        1ldHJpY3NjYW4ub2JqZWN0aXZllIwJT2JqZWN0aXZllJOUKYGUfZQojAZtZXRyaWOUaAiMBGdvYWyUjAhNaW5pbWl6ZZSMBXNjb3BllIwEbGFz
        dJSMBHN0ZXCUTnVijBJtZXRyaWNzY2FuLnNjYW5uZXKUjApTY2FuUmVzdWx0lJOUh5Qu""",
}


def test_pickles_of_former_modules_load():
    scanner = pickle.loads(base64.b64decode(PICKLES["Scanner"]))
    definitions = [{"Name": "loss", "Regex": "Loss = (.*?);"}]
    made = metricscan.Scanner(definitions, labels={"rank": r"^\[(rank\d+)\]"}, matches="last")
    assert scanner == made
    assert scanner.scan(b"[rank0] Loss = 1;\n")["rank"]["value"].to_pylist() == ["rank0"]
    stats, objective, result = pickle.loads(base64.b64decode(PICKLES["others"]))
    assert (stats.records, stats.metrics["loss"].rows) == (1, 1)
    assert objective == metricscan.Objective("loss", "Minimize")
    assert result is metricscan.ScanResult


def public_members(value: object) -> Iterator[tuple[str, object]]:
    for name, member in vars(value).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, (property, classmethod))):
            yield name, member


@pytest.mark.parametrize(
    ("home", "name"),
    [(home, name) for home in (metricscan, metricscan.sagemaker) for name in home.__all__],
)
def test_public_names_are_documented(home, name):
    value = getattr(home, name)
    # a NamedTuple without one is given a signature instead
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")
    for member_name, member in public_members(value) if inspect.isclass(value) else ():
        assert member.__doc__, f"{name}.{member_name}"


def test_the_compiled_core_is_the_one_loaded():
    from metricscan import _core

    assert _core.__file__.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
    assert Path(_core.__file__).parent == FOLDER
    assert "portable" in _core.SIMD_LEVELS


def test_the_package_is_typed():
    assert (FOLDER / "py.typed").is_file()
    assert (FOLDER / "_core.pyi").is_file()


def test_the_version_stands_in_two_places():
    pyproject = FOLDER.parent / "pyproject.toml"
    if not pyproject.is_file():
        pytest.skip("installed, not checked out")
    assert f'\nversion = "{metricscan.__version__}"\n' in pyproject.read_text(encoding="utf-8")
