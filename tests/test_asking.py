"""Gates of one's own scored from a run, and a gene explained: the same numbers as the run's, and names that mean."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import cartarget
from cartarget.aliases import Names
from cartarget.contracts import columns, read_table
from cartarget.errors import CartargetError, ConfigError, GateError, InputError
from cartarget.run.asking import OpenRun, read_gates
from cartarget.run.checking import check_run
from cartarget.run.steps import run
from tests.shared import once
from tests.test_cli import cartarget as command
from tests.workflow.place import SMALL, workplace

ROOT = Path(__file__).resolve().parents[1]
LOST, UNVOTED = "MUC16", "SIM0003"


def make(folder: Path, factory: pytest.TempPathFactory) -> None:
    """A small run whose gene table knows aliases and lacks one gene, and whose votes speak against another."""
    workplace(folder / "here", factory)
    symbols = cartarget.simulate_atlas(n_patients=1, n_donors=1, n_background=20, cells_per_population=2).var_names
    other = {"CEACAM5": "CD66e|CEA", "MSLN": "MPF|CAK1", "EPCAM": "CEA"}
    rows = [f"{i}\t{name}\t{other.get(name, '-')}\t" for i, name in enumerate(symbols, 1) if name != LOST]
    head = "ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene"
    (folder / "here" / "genes.tsv").write_text("\n".join([head, *rows]) + "\n")
    votes = [f"{name}\t{int(name != UNVOTED)}\t{int(name != UNVOTED)}" for name in symbols]
    (folder / "here" / "votes.tsv").write_text("\n".join(["symbol\tmine\tyours", *votes]) + "\n")
    extra = "genes: {table: genes.tsv}\nsurface: {votes: votes.tsv}\n"
    (folder / "here" / "small.yaml").write_text(SMALL + extra)
    with contextlib.chdir(folder / "here"):
        run(cartarget.load_config("small.yaml"), last="gates")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "asked", lambda path: make(path, tmp_path_factory)) / "here"


@pytest.fixture
def opened(folder: Path) -> Iterator[OpenRun]:
    with contextlib.chdir(folder):
        yield cartarget.open_run("small.yaml")


@pytest.mark.parametrize("is_larger", [False, True])
def test_a_gate_scored_alone_is_as_the_run_scored_it(opened: OpenRun, folder: Path, is_larger: bool) -> None:
    expected = read_table("gates", folder / "results/demo/gates.parquet")
    told = expected["control"].eq("") & (expected["n_antigens"] > 2 if is_larger else expected["rank"].notna())
    expected = expected[told].head(30).reset_index(drop=True)
    asked = list(reversed(expected["gate"].tolist()))
    scored = opened.score(asked)
    assert scored.table["gate"].tolist() == asked, "in the order asked"
    assert list(scored.table) == list(columns("gates"))
    other = ["rank_sweep_lower", "rank_sweep_upper"]
    if is_larger:  # here none has a rank, and a run sweeps ranked gates alone
        assert len(expected) and expected["rank"].isna().all()
        other += ["rank", "class_best", "class_worst", "coverage_twice"]
    mine = scored.table.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine.drop(columns=other), expected.drop(columns=other), check_categorical=False)
    rows = read_table("exposure", folder / "results/demo/exposure.parquet")
    key = ["gate", "population", "evidence", "atlas"]
    rows = rows[rows["gate"].isin(asked)].astype({"gate": str}).sort_values(key).reset_index(drop=True)
    found = scored.exposure[scored.exposure["gate"].isin(rows["gate"].unique())]
    found = found.astype({"gate": str}).sort_values(key).reset_index(drop=True)
    assert len(rows)
    pd.testing.assert_frame_equal(found, rows, check_categorical=False)


def test_any_shape_and_size_is_scored(opened: OpenRun) -> None:
    many = " | ".join(f"({a} & ~PTPRC)" for a in opened.run.candidates[:7] if a != "PTPRC")
    scored = opened.score([many, "(CEACAM5 | MSLN) & ~(PTPRC | EPCAM)"])
    assert len(scored.table) == 2 and scored.table["n_antigens"].ge(4).all()
    assert scored.table["coverage"].notna().all()


def test_names_are_resolved_and_told(opened: OpenRun) -> None:
    scored = opened.score("cd66E and not MPF")
    assert scored.table["gate"].tolist() == ["CEACAM5 & ~MSLN"]
    assert scored.notes == ("cd66E is read as CEACAM5", "MPF is read as MSLN")
    assert opened.score(["CEACAM5 & !MSLN", "ceacam5 ∧ ¬msln", "CEACAM5 AND NOT MSLN"]).table["gate"].tolist() == [
        "CEACAM5 & ~MSLN"
    ]
    assert opened.score([cartarget.Gate.parse("CD66e")]).table["gate"].tolist() == ["CEACAM5"]


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (f"CEACAM5 & {LOST}", f"{LOST} is no candidate of this run: gene names: name not in the gene table"),
        (f"CEACAM5 & {UNVOTED.lower()}", f"{UNVOTED} is no candidate of this run: "),
        ("CEA & MSLN", "'CEA' is a name of several genes; write one of them: CEACAM5, EPCAM"),
        ("CEACAM55 & MSLN", "did you mean CEACAM5"),
        ("CEACAM5 & CEACAM5 & ~CEACAM5", "never true"),
        ("~CEACAM5", "senses nothing"),
    ],
)
def test_what_cannot_be_scored_says_why(opened: OpenRun, gate: str, reason: str) -> None:
    with pytest.raises(GateError) as told:
        opened.score([gate])
    assert reason in str(told.value)


def test_wrong_types_are_one_message(opened: OpenRun) -> None:
    with pytest.raises(CartargetError, match="is no gate; write a text such as"):
        opened.score([7])  # type: ignore[list-item]
    with pytest.raises(CartargetError, match="no gate was given"):
        opened.score([])


def test_a_gene_is_explained(opened: OpenRun, folder: Path) -> None:
    table = read_table("antigens", folder / "results/demo/antigens.parquet").set_index("symbol")
    row = table.loc["CEACAM5"]
    told = opened.explain("CD66E")
    assert told.startswith(f"CD66E is read as CEACAM5.\nCEACAM5: {row['safety_class']}; rank {row['rank']} of ")
    assert f"liability {row['liability']:.3f} ({row['liability_population']})" in told
    assert f"the cap is broken in {row['tissues_broken']}." in told
    few = table.index[~table["is_eligible"] & table["control"].eq("")][0]
    assert "not ranked, since its coverage is below the floor of 0.5" in opened.explain(few)
    assert "housekeeping" in opened.explain(table.index[table["control"] == "housekeeping"][0])
    surface = opened.run.surface.set_index("symbol")
    reason = surface.loc[UNVOTED, "surface_reason"]
    assert reason and opened.explain(UNVOTED) == f"{UNVOTED} is no candidate of this run: {reason}."
    assert opened.explain(LOST).endswith("gene names: name not in the gene table.")
    with pytest.raises(GateError, match="no name of a gene"):
        opened.explain("XYZZY")


def test_the_commands_score_and_explain(folder: Path) -> None:
    (folder / "gates.txt").write_text("# mine\n\nCEA66 | MSLN\n")
    told = command("score", "small.yaml", "--file", "gates.txt", folder=folder)
    assert (told.returncode, told.stdout) == (1, "")
    assert "error: gate 'CEA66 | MSLN': 'CEA66' is no name of a gene" in told.stderr
    (folder / "gates.txt").write_text("# mine\n\nMSLN or CEACAM5\n")
    told = command("score", "small.yaml", "cd66e & ~MSLN", "--file", "gates.txt", folder=folder)
    assert told.returncode == 0, told.stderr
    assert "note: cd66e is read as CEACAM5" in told.stdout
    assert told.stdout.endswith("Scored: results/demo/scored/\n")
    written = folder / "results" / "demo" / "scored"
    assert {path.name for path in written.iterdir()} == {
        f"{n}.{e}" for n in ("gates", "exposure") for e in ("parquet", "tsv")
    }
    table = read_table("gates", written / "gates.parquet")
    assert table["gate"].tolist() == ["CEACAM5 & ~MSLN", "CEACAM5 | MSLN"]
    assert set(read_table("exposure", written / "exposure.parquet")["gate"]) == set(table["gate"])
    told = command("score", "small.yaml", "cd66e ≥ 2 and MSLN", folder=folder)
    assert told.returncode == 0, told.stderr
    line = (written / "gates.tsv").read_text(encoding="utf-8").splitlines()[1]
    assert line.startswith("CEACAM5>=2 & MSLN\t")
    told = command("score", "small.yaml", "CEACAM5>=7", folder=folder)
    assert (told.returncode, told.stdout) == (1, "")
    assert "not counted at 7 counts; counted at 1, 2" in told.stderr
    told = command("explain", "small.yaml", "CD66e", LOST, folder=folder)
    assert told.returncode == 0, told.stderr
    assert "CEACAM5: " in told.stdout and f"{LOST} is no candidate of this run" in told.stdout


def test_thresholds_of_their_own_are_searched_from_the_command_line(folder: Path) -> None:
    told = command("affinity", "small.yaml", "--step", "2", folder=folder)
    assert told.returncode == 0, told.stderr
    assert told.stdout.endswith("Thresholds: results/demo/affinity.tsv\n")
    table = read_table("gates", folder / "results" / "demo" / "affinity.parquet")
    assert table["rank"].dropna().tolist() == list(range(1, table["rank"].notna().sum() + 1))
    told = command("affinity", "small.yaml", "--step", "1", folder=folder)
    assert (told.returncode, told.stdout) == (1, "") and "other than that of the run (1)" in told.stderr


def test_a_file_of_gates_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "gates.txt").write_text("A & B\nA &\n")
    with pytest.raises(GateError, match=r"gates\.txt, line 2: gate does not parse"):
        read_gates(tmp_path / "gates.txt")
    with pytest.raises(InputError, match=r"absent\.txt: cannot be read"):
        read_gates(tmp_path / "absent.txt")


def test_a_symbol_is_before_other_names_and_case_before_no_case() -> None:
    names = Names(["ABC", "Abc", "X"], {"X": "abc|ABC"})
    assert [names.find(name) for name in ("ABC", "Abc", "abc", "x")] == ["ABC", "Abc", "X", "X"]
    with pytest.raises(GateError, match="several genes; write one of them: ABC, Abc"):
        names.find("aBC")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"indication": "raed"}, "indication 'raed' is not in"),
        ({"atlases": [{"name": "a", "reader": "simulated"}, {"name": "b", "reader": "ihc", "path": "README.md"}]},
         "atlases.b.role: 'counted' does not fit reader 'ihc'; give role: protein"),
        ({"primary": "bulk"}, "primary: bulk, but no counted atlas has a reader of bulk samples"),
        ({"surface": {"votes": "absent.tsv"}}, "absent.tsv: no such file"),
    ],
)  # fmt: skip
def test_a_configuration_is_checked_before_anything_is_read(content: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, InputError)) as told:
        check_run(cartarget.parse_config(content))
    assert message in str(told.value)


@pytest.mark.real_data
@pytest.mark.parametrize("file", ["rectal", "breast", "lung_single_cell", "tumour_only"])
def test_the_examples_pass_the_check(file: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check_run(cartarget.load_config(f"config/examples/{file}.yaml"))


def test_version_and_module() -> None:
    assert command("--version").stdout == f"cartarget {cartarget.__version__}\n"
