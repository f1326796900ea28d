"""One list of dependencies: pyproject.toml, the lock, environment.yml and the provenance tell the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cartarget import __version__
from cartarget.provenance import PACKAGES, versions

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRA = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA_NAMES = {"playwright": "playwright-python"}
PIP_ONLY = {"axe-playwright-python"}
BIOCONDA = {"pysam", "snakemake", "snakemake-executor-plugin-slurm", "snakefmt"}


def entries() -> list[tuple[Requirement, str]]:
    """Each locked requirement with the lines of its hashes."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", LOCK)
    return [(Requirement(block.split("\\")[0].strip()), block) for block in blocks if block.strip()]


def locked() -> dict[str, list[Requirement]]:
    by_name: dict[str, list[Requirement]] = {}
    for requirement, _ in entries():
        by_name.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return by_name


@pytest.mark.parametrize("requirement", [*CORE, *EXTRA], ids=lambda requirement: requirement.name)
def test_the_lock_covers_the_project(requirement: Requirement) -> None:
    pins = locked().get(canonicalize_name(requirement.name), [])
    assert pins, f"{requirement.name} is not in requirements.lock: run `make lock`"
    for pin in pins:
        (version,) = (each.version for each in pin.specifier)
        assert requirement.specifier.contains(version), f"{pin} is not {requirement}: run `make lock`"


def test_each_locked_package_is_pinned_and_hashed() -> None:
    assert len(entries()) > 50
    for requirement, block in entries():
        assert [each.operator for each in requirement.specifier] == ["=="], f"{requirement} is not pinned"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), f"{requirement} has no hash"


def test_the_lock_holds_no_address() -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|@ file", LOCK)


def test_conda_is_the_twin_of_the_project() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    python, pip, *packages, from_pip = environment["dependencies"]
    assert (python, pip) == (f"python {PROJECT['requires-python']}", "pip")
    expected = []
    for requirement in [*CORE, *EXTRA]:
        if requirement.name in PIP_ONLY:
            continue
        channel = "bioconda::" if requirement.name in BIOCONDA else ""
        expected.append(f"{channel}{CONDA_NAMES.get(requirement.name, requirement.name)} {requirement.specifier}")
    assert from_pip == {"pip": [str(requirement) for requirement in EXTRA if requirement.name in PIP_ONLY]}
    assert packages == expected, "write the same packages, in the same order, into environment.yml"


def test_provenance_records_each_dependency() -> None:
    assert list(PACKAGES) == [requirement.name for requirement in CORE]
    assert set(versions()) == {"python", "cartarget", *PACKAGES}


def test_each_package_that_is_imported_is_declared() -> None:
    names = {"yaml": "pyyaml", "Bio": "biopython", "llvmlite": "numba"}
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "cartarget").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    outside = found - set(sys.stdlib_module_names) - {"cartarget"}
    pinned = re.findall(r"([\w-]+)==", (ROOT / "workflow" / "envs" / "census.yaml").read_text(encoding="utf-8"))
    apart = {name.replace("-", "_") for name in pinned}  # imported only where that environment is
    assert {names.get(name, name) for name in outside} - apart <= set(PACKAGES), "declare it in pyproject.toml"


def test_the_version_is_told_once() -> None:
    assert PROJECT["version"] == __version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"] == "BSD-3-Clause"
