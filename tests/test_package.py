"""The package as a whole: its layers, what importing it costs, its public names, and who may print."""

import ast
import importlib.machinery
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import metricscan
import metricscan.sagemaker

FOLDER = Path(metricscan.__file__).parent
# A module of the package, or a package in it, and its files.
MODULES = {path.stem: [path] for path in FOLDER.glob("*.py") if path.stem != "__init__"}
MODULES |= {path.parent.name: sorted(path.parent.glob("*.py")) for path in FOLDER.glob("*/__init__.py")}

# From the bottom up; a module imports only from layers below its own. ARCHITECTURE.md tells the same in words.
LAYERS = [
    {"_core", "_events", "_reading", "_natural"},
    {"errors", "stats", "batch", "_classes", "_parse", "_fingerprints", "_relaxed"},
    {"_dialect"},
    {"definition", "source", "_pattern", "_confirm"},
    {"_program", "_chain", "_blocks", "_framing", "_tame", "_labels"},
    {"_lint"},
    {"_plan"},
    {"scanner"},
    {"objective", "_together"},
    {"_names", "_rows", "_sums", "_jobs", "sink"},
    {"_steps", "_decide", "dataset"},
    {"_judge"},
    {"ranking"},
    {"_scopes", "_wide", "_frames"},
    {"_plot", "_replay", "_diagnosis", "_check", "_lint_log"},
    {"sagemaker"},
    {"cli"},
    {"__main__"},
]
HEAVY = ["pyarrow", "numpy", "regex", "yaml", "click", "rich", "matplotlib", "pandas"]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All that runs: whatever stands under ``if TYPE_CHECKING`` does not."""
    for child in ast.iter_child_nodes(tree):
        if is_for_types(child):
            for other in child.orelse:
                yield from nodes(other)
            continue
        yield child
        yield from nodes(child)


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, inside functions too; names from the package itself as its modules."""
    for node in nodes(tree):
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


# ---- layers


def test_every_module_has_its_layer():
    placed = [module for layer in LAYERS for module in layer]
    assert len(placed) == len(set(placed))
    assert set(placed) == {*MODULES, "_core", "_events", "_reading", "_natural"}


def test_the_documents_name_every_module():
    text = (FOLDER.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listing, rest = text.split("Imports point one way", 1)
    told = set(re.findall(r"\w+", rest.split("`_core` knows", 1)[0]))
    # those that import nothing of ours, or whose place is plain
    plain = {"stats", "batch", "_core", "_events", "_reading", "_natural", "_relaxed", "__main__"}
    for module in (module for layer in LAYERS for module in layer):
        assert re.search(rf"\b{module}(?:\.pyx?|/)", listing), module
        assert module in told | plain, module


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_one_way(module):
    level = next(level for level, layer in enumerate(LAYERS) if module in layer)
    below = set().union(*LAYERS[:level])
    for path in MODULES[module]:
        assert own(imports(tree(path))) - {module} <= below, path


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
    assert list(imports(tree(FOLDER / "__init__.py"))) == ["__future__", "importlib"]


def test_the_core_knows_bytes_integers_and_doubles():
    source = (FOLDER / "_core.pyx").read_text(encoding="utf-8")
    imported = re.findall(r"^\s*(?:from|c?import)\s+([\w.]+)", source, re.MULTILINE)
    assert imported
    assert all(name.startswith(("builtins", "cpython", "libc")) for name in imported), imported


@pytest.mark.parametrize("module", sorted({*MODULES} - {"cli", "__main__"}))
def test_only_the_command_line_prints(module):
    for path in MODULES[module]:
        for node in nodes(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "exit", "quit", "input"), f"{path}, line {node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
                assert node.attr not in ("stdout", "stderr", "exit", "__stdout__"), f"{path}, line {node.lineno}"
        assert not {name.split(".")[0] for name in imports(tree(path))} & {"click", "rich", "logging"}


def test_no_module_is_a_drawer():
    assert not {name.strip("_") for name in MODULES} & {"utils", "util", "helpers", "common", "misc", "manager"}
    assert all(ast.get_docstring(tree(path)) for paths in MODULES.values() for path in paths)


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
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == metricscan._HOME


def test_no_public_name_is_a_module():
    # importing the module would put it in the place of the function
    assert not set(metricscan.__all__) & set(MODULES)


def test_what_is_no_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'metricscan' has no attribute 'scan'"):
        metricscan.scan  # noqa: B018
    assert not hasattr(metricscan, "pyarrow")


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
