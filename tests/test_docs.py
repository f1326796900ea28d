"""What the pages say is so: their links lead somewhere, their commands exist, their Python runs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cartarget.atlas.registry import READERS
from cartarget.cli import app
from cartarget.config import parse_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "config" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page, block) for page, text in TEXT.items() for block in re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)
    ]


@pytest.mark.parametrize("page", TEXT)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", TEXT[page]):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", TEXT)
def test_named_files_are_there(page: str) -> None:
    for name in re.findall(r"`((?:cartarget|config|docs|resources|tests|workflow)/[\w./-]+)`", TEXT[page]):
        assert (ROOT / name).exists(), f"{page}: {name}"


@pytest.mark.parametrize("page", TEXT)
def test_commands_exist(page: str) -> None:
    targets = re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    commands = typer.main.get_command(app).commands
    code = "\n".join(re.findall(r"(?ms)^```sh\n(.*?)^```", TEXT[page]) + re.findall(r"`([^`\n]+)`", TEXT[page]))
    assert set(re.findall(r"(?m)^make ([a-z]+)", code)) <= set(targets)
    assert set(re.findall(r"(?m)^(?:\.venv/bin/)?cartarget ([a-z]+)\b", code)) <= set(commands)


def test_each_reader_is_told() -> None:
    for reader in READERS:
        assert f"`{reader}`" in TEXT["docs/run.md"]


@pytest.mark.parametrize(("page", "block"), blocks("python"), ids=lambda value: value[:30])
def test_python_runs(page: str, block: str) -> None:
    if "results/" in block or "run(" in block:
        compile(block, page, "exec")  # it needs the results of a run, or is one: only its form is checked here
        return
    done = subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "block"), blocks("yaml"), ids=lambda value: value[:30])
def test_configurations_are_right(page: str, block: str) -> None:
    import yaml

    assert parse_config(yaml.safe_load(block), where=page)


def test_named_functions_are_there() -> None:
    """`module.function`, and `module`: `function`, … in the table of docs/import.md."""
    for row in re.findall(r"(?m)^\| .* \| (`cartarget\..*) \|$", TEXT["docs/import.md"]):
        for part in row.split("; "):
            where, *names = re.findall(r"`([\w.]+)`", part)
            module, names = (
                (where, names) if names and ": " in part else (where.rpartition(".")[0], [where.rpartition(".")[2]])
            )
            assert [name for name in names if not hasattr(importlib.import_module(module), name)] == [], part
