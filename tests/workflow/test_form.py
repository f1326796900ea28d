"""The form of the workflow: short files, thin scripts, logs and benchmarks, the same files as the steps."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cartarget.config import Config
from cartarget.run.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "workflow"
RULES = {name: text for path in sorted((WORKFLOW / "rules").glob("*.smk")) for name, text in
         re.findall(r"(?ms)^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"))}  # fmt: skip


def snakemake(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_snakefile_is_short() -> None:
    assert len((WORKFLOW / "Snakefile").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("path", sorted((WORKFLOW / "scripts").glob("*")), ids=lambda path: path.name)
def test_scripts_are_thin(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 25


def test_there_is_a_rule_for_each_step() -> None:
    assert set(RULES) == {step.name for step in STEPS}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_logs_and_is_timed(name: str) -> None:
    for directive in ("log", "benchmark", "params", "conda", "script"):
        assert re.search(rf"(?m)^    {directive}:$", RULES[name]), f"rule {name} has no {directive}"
    assert f'"<logs>/{name}.log"' in RULES[name]


def test_memory_and_time_grow_with_the_input_and_the_attempt(tmp_path: Path) -> None:
    grows = runpy.run_path(str(WORKFLOW / "rules" / "resources.smk"))["grows"]
    memory = grows(1000, 4)
    assert [memory(None, SimpleNamespace(size_mb=mb), attempt) for mb, attempt in ((0, 1), (100, 1), (100, 2))] == [
        1000, 1400, 2800,
    ]  # fmt: skip
    for name, text in RULES.items():
        for resource in ("mem_mb", "runtime"):
            assert re.search(rf"(?m)^        {resource}=grows\([\d.]+, [\d.]+\),$", text), f"{name}: {resource}"
    with open(tmp_path / "big.h5ad", "wb") as big:
        big.truncate(10**9)
    asked = {
        "name": "form",
        "data_dir": str(tmp_path),
        "atlases": [{"name": "x", "reader": "h5ad", "path": "big.h5ad"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(asked))
    plan = snakemake("--dry-run", "--configfile", str(tmp_path / "run.yaml"))
    assert plan.returncode == 0, plan.stderr
    mb = [int(found) for found in re.findall(r"mem_mb=(\d+)", plan.stdout + plan.stderr)]
    assert mb and min(mb) > 5000, "a file of 1 GB asks for more than the smallest job"


@pytest.mark.parametrize("name", RULES)
def test_each_caption_is_there(name: str) -> None:
    for caption in re.findall(r'caption="([^"]+)"', RULES[name]):
        assert (WORKFLOW / "rules" / caption).resolve().read_text(encoding="utf-8").strip()


def test_rules_and_steps_make_the_same_files() -> None:
    plan = snakemake("--dry-run", "--forceall", "--quiet", "host", "--config", "name=form")
    assert plan.returncode == 0, plan.stderr
    config = Config(name="form")  # type: ignore[call-arg]
    told = plan.stdout + plan.stderr
    for step in STEPS:
        block = re.search(rf"(?ms)^\s*rule {step.name}:$(.*?)^\s*resources:", told)
        assert block, f"no plan for {step.name}:\n{told}"
        files = {word: block[1].split(f"{word}: ")[1].splitlines()[0].split(", ") for word in ("input", "output")
                 if f"{word}: " in block[1]}  # fmt: skip
        assert set(files.get("output", [])) == {Path(path).as_posix() for path in step.outputs(config)}
        assert set(files.get("input", [])) == {Path(path).as_posix() for path in step.inputs(config)}


def test_rules_and_steps_read_the_same_keys() -> None:
    for step in STEPS[:-1]:
        assert set(re.findall(r'dpath="(\w+)"', RULES[step.name])) == set(step.keys)
    assert "asked=lambda wildcards: config" in RULES["report"]
    assert set(STEPS[-1].keys) == set(Config.model_fields)


def test_a_change_of_each_key_runs_a_step_again() -> None:
    named = {key for name, text in RULES.items() if name != "report" for key in re.findall(r'dpath="(\w+)"', text)}
    by_path = {"name", "results", "tiers"}  # they change the files that a rule reads or writes
    joined = {"sheet"}  # its rows are among `atlases` once the configuration is read
    assert named == set(Config.model_fields) - by_path - joined - {"title"}, (
        "name the key in the params of the rule that reads it"
    )


def test_lint_is_clean() -> None:
    lint = snakemake("--lint")
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_the_form_is_snakefmts() -> None:
    command = [str(Path(sys.executable).parent / "snakefmt"), "--check", str(WORKFLOW)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", ["default", "slurm"])
def test_profiles_plan_the_demo(name: str) -> None:
    profile = WORKFLOW / "profiles" / name
    assert yaml.safe_load((profile / "profile.yaml").read_text(encoding="utf-8"))["rerun-incomplete"] is True
    plan = snakemake("--dry-run", "--forceall", "--workflow-profile", str(profile), "--config", "name=form")
    assert plan.returncode == 0, plan.stdout + plan.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nmae=x", "unknown key 'nmae'; did you mean 'name'?"),
        ("results=../outside", "results: '../outside' is outside the working directory"),
        ("coverage_floor=2", "coverage_floor: found 2"),
    ],
)
def test_a_wrong_key_stops_before_any_work(given: str, message: str) -> None:
    told = snakemake("--dry-run", "--config", given)
    assert told.returncode != 0
    assert message in told.stdout + told.stderr


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: a\ntop: 5\nname: b\n")
    plan = snakemake("--dry-run", "--configfile", str(tmp_path / "run.yaml"))
    assert plan.returncode != 0
    assert "run.yaml, line 3: the key 'name' stands on line 1 too" in plan.stdout + plan.stderr
