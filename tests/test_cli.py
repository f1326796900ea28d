"""The command line: it teaches, it tells errors in one message, and it holds no science."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget import harmonise, read_tiers, simulate_atlas
from cartarget.cli import _unknown
from cartarget.config import load_config
from cartarget.config_text import config_schema, default_config
from cartarget.evidence.part import count_atlas
from cartarget.run.contents import part_row
from cartarget.run.inputs import load_run
from cartarget.run.steps import run

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "run", "screen", "gates", "score", "explain", "report", "evidence", "index", "demo", "config", "workflow", "init",
)  # fmt: skip
PRODUCT = ("affinity", "backtest", "panel", "patient")
"""Commands of `cli_product`."""


def cartarget(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-W", "error", "-m", "cartarget.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_help_names_each_command() -> None:
    told = cartarget("--help")
    assert told.returncode == 0
    for command in (*COMMANDS, *PRODUCT):
        assert f"\n  {command} " in told.stdout
    assert "not clinical" in told.stdout
    assert "..." not in told.stdout.split("Commands:")[1], "the first line of each command's help is short enough"


@pytest.mark.parametrize("command", (*COMMANDS, *PRODUCT))
def test_each_command_has_help(command: str) -> None:
    told = cartarget(command, "--help")
    assert told.returncode == 0
    assert len(told.stdout.split("Options:")[0].split()) > 10


@pytest.mark.parametrize(("module", "commands"), [("cli", COMMANDS), ("cli_product", PRODUCT)])
def test_no_command_is_longer_than_ten_lines(module: str, commands: tuple[str, ...]) -> None:
    tree = ast.parse((ROOT / "cartarget" / f"{module}.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(commands) <= set(functions)
    for name in commands:
        body = functions[name].body[1:]  # after the docstring
        assert (body[-1].end_lineno or 0) - body[0].lineno < 10, name


def test_config_prints_what_is_generated() -> None:
    assert cartarget("config").stdout == cartarget("config", "--default").stdout == default_config()
    assert cartarget("config", "--schema").stdout == config_schema()


def test_config_checks_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\n")
    told = cartarget("config", "--check", str(file))
    assert (told.returncode, told.stderr) == (0, "")
    assert "results/mine/" in told.stdout


@pytest.mark.parametrize("command", [("run",), ("screen",), ("gates",), ("report",), ("config", "--check")])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nmae: x", "unknown key 'nmae'; did you mean 'name'?"),
        ("results: ../outside", "results: '../outside' is outside the working directory"),
        ("results: /outside", "results: '/outside' is outside the working directory"),
        ("name: ../../outside", "name: found '../../outside'"),
        ("name: [", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_one_message(tmp_path: Path, command: tuple[str, ...], content: str, message: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "mine.yaml").write_text(content)
    told = cartarget(*command, "mine.yaml", folder=inside)
    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr.startswith("error: mine.yaml: ")
    assert message in told.stderr
    assert "Traceback" not in told.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "mine.yaml"], "nothing was written"


@pytest.mark.parametrize(
    "content",
    [
        "tiers: absent.tsv",
        "surface: {votes: absent.tsv}",
        "genes: {table: absent.tsv}",
        "atlases: [{name: cells, reader: h5ad, path: absent.h5ad}]",
        "{data_dir: absent, atlases: [{name: bulk, reader: rsem_counts, path: counts}]}",
    ],
)
def test_an_absent_file_is_one_message_before_any_work(tmp_path: Path, content: str) -> None:
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "mine.yaml").write_text(content)
    told = cartarget("run", "mine.yaml", folder=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert re.fullmatch(r"error: absent\S*: no such file; check .*\n", told.stderr), told.stderr
    assert not (tmp_path / "results").exists()


def test_an_unknown_option_is_a_usage_error() -> None:
    told = cartarget("run", "--fast", "x.yaml")
    assert told.returncode == 2
    assert "--fast" in told.stderr


def test_without_a_browser_nothing_is_printed_and_no_work_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = cartarget("report", "mine.yaml", "--pdf", folder=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error: no Chromium on the path") and "apt-get install chromium" in told.stderr


def test_evidence_tells_what_was_counted_and_what_nothing_measures(tmp_path: Path) -> None:
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    told = cartarget("evidence", "mine.yaml", folder=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert re.fullmatch(r"error: results/mine/\S+: no counted atlas; run the count step first .*\n", told.stderr)
    assert not (tmp_path / "results").exists()

    config = load_config(tmp_path / "mine.yaml")
    with contextlib.chdir(tmp_path):
        run(config, last="count")
        [part] = load_run(config).parts
    told = cartarget("evidence", "mine.yaml", folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    head, row, _, places, _, _, *measured = told.stdout.splitlines()
    assert head.split() == [
        "atlas", "kind", "assay", "observations", "donors", "populations", "antigens", "thresholds", "median_depth",
        "size",
    ]  # fmt: skip
    n = [f"{number:,}" for number in (part.words.shape[1], len(part.donors), len(part.populations))]
    cells = f"{(part.donor >= 0).sum():,}"
    thresholds = ["1,", "2", "counts"]
    assert row.split()[:-2] == ["simulated", "cells", "cells", cells, n[1], n[2], n[0], *thresholds, "-"]
    assert places == "Required places that no input measures: none."
    assert measured == [f"  1 of 1: {n[0]}"]


def test_a_counted_atlas_in_words(tmp_path: Path) -> None:
    """The median depth by hand: of 3 cells at 1,024 counts and 4 at 4,096 the fourth is 4,096."""
    atlas = simulate_atlas(n_patients=2, n_donors=3, cells_per_population=4, n_background=0)
    adata = harmonise(atlas, tiers=read_tiers(ROOT / "config" / "tissue_tiers.tsv"), origin=["colon"])
    part = count_atlas(adata, symbols=["MSLN", "CEACAM5"], count=[1, 3])
    depth = np.zeros_like(part.depth)
    depth[0, 80], depth[1, 96] = 3, 4  # 2^(80 / 8) and 2^(96 / 8) counts
    (tmp_path / "words.npy").write_bytes(bytes(1_250_000))
    row = part_row(replace(part, depth=depth), folder=tmp_path)
    assert row == {
        "atlas": "simulated", "kind": "cells", "assay": "cells", "observations": f"{adata.n_obs:,}",
        "donors": str(adata.obs["donor"].nunique()), "populations": str(len(part.populations)), "antigens": "2",
        "thresholds": "1, 3 counts", "median_depth": "4,096", "size": "1.25 MB",
    }  # fmt: skip


def test_an_index_of_nothing_says_so(tmp_path: Path) -> None:
    told = cartarget("index", "results", folder=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert "results: no run here has a report.html" in told.stderr


def test_a_missing_liability_is_explained() -> None:
    frame = pd.DataFrame({"liability": [0.1, None], "tissues_unmeasured": [None, "brain, heart, kidney, liver, lung"]})
    assert _unknown(frame) == [
        "-: unknown, since no input measures brain, heart, kidney, liver and 1 more; nothing can be called safe."
    ]
    assert _unknown(frame.head(1)) == []
