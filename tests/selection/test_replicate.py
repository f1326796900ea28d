"""The same gates on a second cohort: both numbers, drops flagged, missing genes named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.errors import InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.selection.replicate import replicate, without_shared
from cartarget.selection.screen import Gates, score_gates
from tests.panels import REQUIRED, observations

ROOT = Path(__file__).resolve().parents[2]
READ_GENES = ["CDH17", "CDH3", "MEP1A", "GDPD5", "NOX1", "CEACAM5", "GUCY2C", "MUC12", "GPA33", "EPCAM"]


def cohort(
    positive: dict[str, float], *, n: int = 40, normal: dict[str, float] | None = None, kind: str = "samples"
) -> Panel:
    """A cohort in which a given share of patients (and of normal hearts, lungs, colons) has each antigen."""
    symbols = list(positive)
    share = lambda table: np.array([[20.0 * (i < round(table.get(s, 0) * n)) for s in symbols] for i in range(n)])  # noqa: E731
    tumor = {f"p{i}": row[None] for i, row in enumerate(share(positive))}
    rows = {} if normal is None else dict.fromkeys(REQUIRED, share(normal))
    body = {name: {f"{name}{i}": row[None] for i, row in enumerate(values)} for name, values in rows.items()}
    return build_panel(observations(kind, tumor, body, symbols=symbols), symbols=symbols, required=REQUIRED)


def first_table(names: list[str], panel: Panel) -> pd.DataFrame:
    return score_gates(panel, gates=Gates.parse(names, panel=panel))


def test_what_holds_and_what_drops() -> None:
    first = cohort({"A": 0.9, "B": 0.9, "C": 0.6}, normal={})
    second = cohort({"A": 0.85, "B": 0.4, "C": 0.48}, normal={})
    table = replicate(["A", "B", "C"], second_cohort=second, first=first_table(["A", "B", "C"], first)).set_index(
        "gate"
    )
    assert table["verdict"].to_dict() == {"A": "holds", "B": "drops", "C": "uncertain"}
    assert table.loc["B", "coverage_drop"] == pytest.approx(0.5)
    assert table.loc["B", ["is_coverage_dropped", "is_below_floor"]].all()
    assert not table.loc["C", "is_coverage_dropped"] and table.loc["C", "is_below_floor"]
    assert (table["coverage_drop_lower"] < table["coverage_drop"]).all()
    assert (table["coverage_drop"] < table["coverage_drop_upper"]).all()
    assert not table["is_class_changed"].any() and (table["evidence_second"] == "samples").all()


def test_newcombe_by_hand() -> None:
    """p1 = 36/40, p2 = 16/40: Jeffreys ends 0.779, 0.966 and 0.260, 0.554 give 0.5 − √(0.121² + 0.154²)."""
    first, second = cohort({"A": 0.9}, normal={}), cohort({"A": 0.4}, normal={})
    row = replicate(["A"], second_cohort=second, first=first_table(["A"], first)).iloc[0]
    assert row["coverage_drop_lower"] == pytest.approx(0.5 - np.hypot(0.9 - 0.779, 0.554 - 0.4), abs=0.01)


def test_a_false_alarm_is_rare_where_nothing_changed() -> None:
    rng = np.random.default_rng(0)
    symbols = [f"G{i}" for i in range(200)]
    draw = lambda n: (rng.random((n, 200)) < 0.8) * 20.0  # noqa: E731

    def one(n: int) -> Panel:
        tumor = {f"p{i}": row[None] for i, row in enumerate(draw(n))}
        adata = observations("samples", tumor, {}, symbols=symbols)
        return build_panel(adata, symbols=symbols, required=REQUIRED)

    first = one(60)
    table = replicate(symbols, second_cohort=one(50), first=first_table(symbols, first))
    assert table["is_coverage_dropped"].mean() < 0.06


def test_a_class_that_worsens_is_a_drop() -> None:
    first = cohort({"A": 0.9, "B": 0.9}, normal={})
    second = cohort({"A": 0.9, "B": 0.9}, normal={"B": 0.5})
    table = replicate(["A", "B"], second_cohort=second, first=first_table(["A", "B"], first)).set_index("gate")
    assert table.loc["B", ["safety_class_first", "safety_class_second"]].tolist() == ["within caps", "over cap"]
    assert table.loc["B", "is_class_worse"] and table.loc["B", "verdict"] == "drops"
    assert table.loc["A", "verdict"] == "holds"


@pytest.mark.parametrize("normal", [None, "skin"])
def test_a_cohort_that_cannot_tell_safety_contradicts_none(normal: str | None) -> None:
    first = cohort({"A": 0.9}, normal={})
    tumor = {f"p{i}": np.array([[20.0]]) for i in range(30)}
    body = {} if normal is None else {normal: {f"d{i}": np.zeros((1, 1)) for i in range(30)}}
    second = build_panel(observations("samples", tumor, body, symbols=["A"]), symbols=["A"], required=REQUIRED)
    row = replicate(["A"], second_cohort=second, first=first_table(["A"], first)).iloc[0]
    assert pd.isna(row["is_class_changed"]) and row["verdict"] == "holds"


def test_genes_that_the_second_cohort_lacks_are_named_and_not_zero() -> None:
    first = cohort({"A": 0.9, "B": 0.9, "C": 0.9}, normal={})
    names = ["A & B", "A | C", "B & C"]
    table = replicate(names, second_cohort=cohort({"A": 0.9}, normal={}), first=first_table(names, first))
    assert table["genes_missing"].tolist() == ["B", "C", "B, C"]
    assert table["coverage_second"].isna().all() and (table["verdict"] == "not measured").all()
    assert table["is_coverage_dropped"].isna().all()


def test_no_shared_gene_is_an_error_that_says_what_to_do() -> None:
    first = cohort({"A": 0.9}, normal={})
    with pytest.raises(InputError, match=r"shares none of the 1 antigens.*same gene symbols"):
        replicate(["A"], second_cohort=cohort({"1080": 0.9}), first=first_table(["A"], first))


def test_a_first_table_without_the_gate_or_a_column_is_refused() -> None:
    panel = cohort({"A": 0.9, "B": 0.9}, normal={})
    with pytest.raises(InputError, match="gate 'B' is not in it"):
        replicate(["B"], second_cohort=panel, first=first_table(["A"], panel))
    with pytest.raises(InputError, match="no column 'n_patients'"):
        replicate(["A"], second_cohort=panel, first=first_table(["A"], panel).drop(columns="n_patients"))


def test_one_patient_drops_nothing_by_itself() -> None:
    first, second = cohort({"A": 0.9}, normal={}), cohort({"A": 0.0}, n=1)
    row = replicate(["A"], second_cohort=second, first=first_table(["A"], first)).iloc[0]
    assert row["n_patients_second"] == 1 and row["coverage_second"] == 0


def test_one_patient_upholds_nothing_either() -> None:
    first, second = cohort({"A": 0.9}, normal={}), cohort({"A": 1.0}, n=1)
    row = replicate(["A"], second_cohort=second, first=first_table(["A"], first)).iloc[0]
    assert row["coverage_second"] == 1 and row["coverage_lower_second"] < 0.5
    assert row["verdict"] == "uncertain"


def test_shared_patients_are_left_out_on_both_sides() -> None:
    adata = observations(
        "samples", {"a": np.ones((1, 1)), "b": np.ones((1, 1))}, {"lung": {"a": np.ones((1, 1))}}, symbols=["A"]
    )
    assert without_shared(adata, first={"a"}).obs["donor"].tolist() == ["b"]
    with pytest.raises(InputError, match="every patient of the second cohort is in the first"):
        without_shared(adata, first={"a", "b"})


@pytest.mark.real_data
def test_rectal_gates_in_an_independent_cohort_of_another_pipeline(shared_data: Path) -> None:
    from cartarget.atlas.readers.rsem import read_count_table
    from cartarget.config import AtlasConfig, Config

    tiers = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    genes = cartarget.read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    config = Config(data_dir=str(shared_data), indication="read")
    bulk = AtlasConfig(
        name="rnaseqdb", reader="rsem_counts", path="bulk_counts_rnaseqdb", normal="read-rsem-count-tcga.txt.gz"
    )
    read = cartarget.read_atlas(bulk, config=config, genes=genes, keep=READ_GENES)
    other = read_count_table(
        shared_data / "bulk_other" / "tcga_crc92_rsem_counts_entrez.tsv.gz",
        atlas=AtlasConfig(name="crc92", reader="rsem_counts"),
        genes=genes,
        keep=READ_GENES,
    )
    patients = set(read.obs["donor"])
    own = without_shared(other, first=patients)
    assert other.n_obs == 92 and own.n_obs == 73, "19 of its patients are among the 87"
    panels = [
        build_panel(cartarget.harmonise(a, tiers=tiers, origin=["rectum"]), symbols=symbols, required=tiers.required)
        for a in (read, own)
        for symbols in [[name for name in READ_GENES if name in a.var_names]]
    ]
    names = ["CDH17 & CDH3", "CDH3 & MUC12", "GDPD5 & NOX1", "CEACAM5", "GUCY2C"]
    table = replicate(names, second_cohort=panels[1], first=first_table(names, panels[0])).set_index("gate")
    assert table["n_patients_first"].tolist() == [87] * 5 and table["n_patients_second"].tolist() == [73] * 5
    assert table.loc["CDH17 & CDH3", "verdict"] == "holds"
    assert table.loc["CDH3 & MUC12", "verdict"] == "drops", "0.98 of 87 patients, about 0.8 of 73 others"
    assert table["is_class_changed"].isna().all(), "the second cohort has tumours alone"


@pytest.mark.real_data
def test_rectal_gates_in_single_cells_of_one_unnamed_patient(shared_data: Path) -> None:
    from cartarget.config import AtlasConfig, CellLabels, Config

    tiers = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    labels = CellLabels(malignant="malignant", cell_type="cell_type", exclude_values=["CAF", "TAM"])
    atlas = AtlasConfig(
        name="crc", reader="mtx", path="tumor_single_cell_crc", unit="log1p", tissue="colon", labels=labels
    )
    cells = cartarget.read_atlas(atlas, config=Config(data_dir=str(shared_data)), genes=None, keep=READ_GENES)
    second = build_panel(
        cartarget.harmonise(cells, tiers=tiers, origin=["colon"]),
        symbols=list(cells.var_names),
        required=tiers.required,
    )
    first = pd.DataFrame({"gate": ["GDPD5 & NOX1", "CEACAM5"], "coverage": [0.874, 1.0], "n_patients": 87})
    first = first.assign(liability=0.01, safety_class="within caps")
    table = replicate(first["gate"], second_cohort=second, first=first).set_index("gate")
    row = table.loc["GDPD5 & NOX1"]
    assert row["coverage_second"] < 0.02 and row["verdict"] == "drops"
    assert row["evidence_second"] == "cells" and row["n_patients_second"] == 1, "cells of one patient, not patients"
    assert pd.isna(row["is_class_worse"]), "what it does not measure contradicts nothing"
    assert table.loc["CEACAM5", "genes_missing"] == "CEACAM5"
