"""The plan of the house, held by machine: who may import whom, how long a file may be, what public names look like."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cartarget

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cartarget"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = {
    "errors": 0, "files": 0, "genes": 0, "spellings": 0,
    "aliases": 0, "config": 0, "config_text": 0, "dictionary": 0, "contracts": 0,
    "indications": 0, "provenance": 0, "sheet": 0, "cell_labels": 0, "yaml_file": 0, "surface_keys": 0,
    "logic": 1, "atlas": 2, "surface": 3, "evidence": 4, "safety": 5, "search": 6, "selection": 7,
    "report": 8, "plots": 8, "run": 9, "cli": 10, "cli_atlas": 10, "cli_product": 10, "__main__": 10,
}  # fmt: skip
MAX_LINES = 400
MAX_ARGUMENTS = 6
"""Of a compiled function; what belongs together is a record."""
COMPILERS = {"compiled", "inner"}
"""Decorators that compile."""


def room(module: str) -> str:
    """The room of a dotted module name: that of `cartarget.atlas.contract` is `atlas`, that of the package is empty."""
    return [*module.split("."), ""][1]


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full name"
            found.add(str(node.module))
            if node.module == "cartarget":
                found |= {f"cartarget.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "cartarget"}


def names_from(path: Path) -> set[str]:
    """Dotted names that a file takes from modules or rooms of the package."""
    nodes = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom))
    return {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert rooms <= set(FLOORS), f"give {sorted(rooms - set(FLOORS))} a floor"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_lower_floors(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        assert not imports(path), "the package itself imports nothing; public names are imported when they are used"
        return
    for name in imports(path):
        other = room(name)
        if other in ("", own, "__version__") or other not in FLOORS:
            continue
        same_ground = FLOORS[own] == FLOORS[other] and FLOORS[own] in (0, 10)
        assert FLOORS[other] < FLOORS[own] or same_ground, f"{path.name} ({own}) must not import {name}"


def dotted(path: Path) -> str:
    """The name under which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_modules_import_each_other() -> None:
    modules = {dotted(path): imports(path) | names_from(path) for path in MODULES}
    graph = {name: needs & set(modules) - {name, "cartarget"} for name, needs in modules.items()}
    while graph:
        free = {name for name, needs in graph.items() if not needs & set(graph)}
        assert free, f"import cycle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in free}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    n_lines = len(text.splitlines())
    assert n_lines <= MAX_LINES, f"{n_lines} lines: a concept is hiding in it"
    assert not text.strip() or ast.get_docstring(ast.parse(text)), (
        "a module starts with a sentence that says what it is for"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_compiled_functions_take_few_arguments(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and {ast.unparse(each) for each in node.decorator_list} & COMPILERS:
            n = len(node.args.args)
            assert n <= MAX_ARGUMENTS, f"{path}:{node.lineno}: {node.name} takes {n}; put what belongs together in one"


def public_functions() -> list[tuple[str, Any]]:
    return [(name, thing) for name in cartarget.__all__ if inspect.isfunction(thing := getattr(cartarget, name))]


@pytest.mark.parametrize(("name", "function"), public_functions(), ids=[name for name, _ in public_functions()])
def test_public_functions_share_one_form(name: str, function: Any) -> None:
    signature = inspect.signature(function)
    arguments = list(signature.parameters.values())
    rest = [each for each in arguments if each.kind == each.KEYWORD_ONLY]
    assert len(arguments) - len(rest) <= 1, f"{name}: all but the first argument are keyword-only"
    assert all(each.annotation is not each.empty for each in arguments), f"{name}: annotate each argument"
    assert signature.return_annotation is not signature.empty, f"{name}: annotate what it returns"
    text = inspect.getdoc(function) or ""
    assert re.search(r"^Examples\n-{8}$", text, re.M), f"{name}: the docstring needs an example"
    assert ">>>" in text, f"{name}: the example must run"
    for parameter in rest:
        assert re.search(rf"\b{parameter.name}\b", text), f"{name}: the docstring does not say what {parameter.name} is"


def stub() -> str:
    """What type checkers and editors know the package by: the public names, each from its home."""
    homes = sorted((home, name) for name, home in cartarget._HOMES.items())
    lines = [f"from {home} import {name} as {name}" for home, name in homes]
    return "\n".join(
        [
            "# Generated from cartarget/__init__.py by pytest tests/test_structure.py --fix",
            *lines,
            "",
            "__version__: str",
            "",
        ]
    )


def test_type_checkers_know_the_public_names(request: pytest.FixtureRequest) -> None:
    path = PACKAGE / "__init__.pyi"
    if request.config.getoption("--fix"):
        path.write_text(stub(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == stub(), "run pytest tests/test_structure.py --fix"
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", cartarget.__all__)
def test_public_names_are_documented_and_found(name: str) -> None:
    thing = getattr(cartarget, name)
    assert inspect.getdoc(thing), f"{name}: no docstring"
    assert name in dir(cartarget)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        cartarget.absent  # noqa: B018


@pytest.mark.parametrize("module", ["cartarget", "cartarget.cli"])
def test_start_is_quick(module: str) -> None:
    heavy = {"pandas", "scanpy", "anndata", "numba", "pandera"}
    code = f"import sys, {module}; print(' '.join({heavy} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not loaded, f"importing {module} loads {loaded}; import them where they are used"


def test_nothing_of_this_machine_is_committed() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".lock", ".smk", ".tsv", ".html", ".js", ".rst"}
            and path.exists()
        ):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.>])/(home|root|Users|work)/\w", text), f"{name}: a path of one machine"
