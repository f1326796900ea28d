"""The example runs on the real atlases, read with a biologist's eye."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.config import Config, Trust, load_config
from cartarget.contracts import CLASSES, read_table
from cartarget.run.steps import run
from tests.conftest import ROOT

pytestmark = pytest.mark.real_data


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[None]:
    """A working directory with the project's tables in it."""
    for name in ("resources", "config"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    with contextlib.chdir(folder):
        yield


def results(folder: Path, shared: Path, example: str, **changes: object) -> tuple[Config, dict[str, object]]:
    """Run an example where it stands and load what it left."""
    config = load_config(ROOT / "config" / "examples" / f"{example}.yaml")
    config = config.model_copy(update={"data_dir": shared.as_posix(), **changes})
    with workplace(folder):
        run(config)
        tables: dict[str, object] = {
            name: read_table(name, config.run_dir / f"{name}.parquet")
            for name in ("antigens", "gates", "exposure", "shortlist", "trust", "replication", "hardware")
        }
        tables["summary"] = json.loads((config.run_dir / "summary.json").read_text())
        tables["report"] = (config.run_dir / "report.html").read_text()
    return config, tables


BRIEF = Trust(gates=30, folds=3, bootstrap=4, chance=50)
"""Every means by which gates are held to account, with few samples: the tests ask what, not how precisely."""
FIRST = 2000
"""Gates that are listed, of ten thousand: no test looks further down."""


@pytest.fixture(scope="module")
def rectal(shared_data, tmp_path_factory):
    return results(tmp_path_factory.mktemp("rectal"), shared_data, "rectal", trust=BRIEF, top=FIRST)[1]


@pytest.fixture(scope="module")
def lung(shared_data, tmp_path_factory):
    return results(tmp_path_factory.mktemp("lung"), shared_data, "lung_single_cell", trust=BRIEF, top=FIRST)[1]


def counted(tables, gate):
    """Rows of a gate in what was counted, with plain texts."""
    rows = tables["exposure"]
    texts = dict.fromkeys(("population", "side", "tissue", "cell_type", "evidence", "assay", "atlas"), str)
    return rows[(rows["gate"] == gate) & rows["evidence"].isin(["cells", "samples"])].astype(texts)


def normal_places(tables, gate="PTPRC"):
    """Tissues of the normal populations of each atlas and assay; a gate asks of all of them."""
    rows = counted(tables, gate).query("side == 'normal'")
    return {key: set(own["tissue"]) for key, own in rows.groupby(["atlas", "assay"])}


BESIDE = {
    ("blood_onek1k", "cells"): {"blood"},
    ("brain_nuclei", "nuclei"): {"brain"},
    ("heart_cells", "cells"): {"heart", "kidney"},
}
"""Normal populations that every example counts; one cell of the heart's file is of the kidney."""


def exposed(tables, gate):
    """Normal populations with the highest exposure of a gate, first those with the highest level."""
    rows = tables["exposure"]
    mine = rows[(rows["gate"] == gate) & (rows["side"] == "normal")].copy()
    mine["most"] = mine["fraction"].fillna(mine["fraction_upper"]).where(mine["is_measured"], -1)
    return mine[mine["most"] > 0.5]


@pytest.mark.parametrize("symbol", ["CEACAM5", "EPCAM"])
def test_gut_antigens_are_high_on_the_tumour_and_dangerous_in_normal_gut(rectal, symbol):
    row = rectal["antigens"].set_index("symbol").loc[symbol]
    assert row["coverage"] > 0.98
    assert row["safety_class"] == "over cap"
    assert {"colon", "rectum"} <= set(row["tissues_broken"].split(", "))
    assert row["liability_origin"] > 0.9
    assert row["rank"] <= 50


@pytest.mark.parametrize(
    ("symbol", "tissues"),
    [("MSLN", {"lung"}), ("FOLH1", {"prostate"}), ("CLDN18", {"stomach", "lung"}), ("CEACAM5", {"colon", "esophagus"})],
)
def test_known_antigens_are_seen_where_they_are_known_to_be(rectal, symbol, tissues):
    assert tissues <= set(exposed(rectal, symbol)["tissue"].astype(str))


def test_antigens_that_the_field_pursues_come_near_the_top(rectal):
    ranks = rectal["antigens"].set_index("symbol")["rank"]
    n = ranks.notna().sum()
    assert (ranks.loc[["CEACAM5", "EPCAM", "CDH17", "LGR5", "LY6G6D", "RNF43"]] <= n / 8).all()
    both = rectal["gates"].set_index("gate").loc["CDH17 & CDH3"]
    assert (both["safety_class"], both["class_half"]) == ("unknown", "over cap"), "so it is no idea for a meeting"
    assert both["tissues_unresolved"] == "smooth muscle", "no cells were counted there"


def test_housekeeping_and_intracellular_genes_lead_nothing(rectal):
    negative = [c for c in rectal["summary"]["controls"] if c["kind"] in ("housekeeping", "intracellular")]
    assert len(negative) >= 20
    assert all(c["passed"] for c in negative)
    assert min(c["rank"] for c in negative) > 200
    in_gates = {
        part for gate in rectal["gates"].query("n_antigens == 2")["gate"] for part in gate.replace("~", "").split(" ")
    }
    assert not in_gates & {c["name"] for c in negative}


def test_no_stromal_blocker_carries_a_gate_to_the_top(rectal):
    gates = rectal["gates"]
    blocked = gates[gates["gate"].str.contains("~", regex=False)]
    assert blocked["rank"].isna().all(), "in bulk a blocker earns no credit, so it never gains"
    assert (blocked["liability_naive"] <= blocked["liability"] + 1e-9).all()


def test_what_primes_hits_what_it_kills_alone_where_the_primer_is(rectal):
    """In cis the numbers are the gate's; in trans, where they are worse, those of the killed antigen by itself."""
    table, exposure = rectal["hardware"], rectal["exposure"]
    cis, trans = (table[table["exposure"] == kind].set_index("gate") for kind in ("cis", "trans"))
    cis = cis.loc[trans.index]
    gates = rectal["gates"].set_index("gate").loc[cis.index]
    assert cis["safety_class"].astype(str).tolist() == gates["safety_class"].astype(str).tolist()
    assert cis["liability"].tolist() == gates["liability"].tolist()
    places = [frame["safety_class"].astype(str).map(CLASSES.index) for frame in (cis, trans)]
    assert (places[1] >= places[0]).all() and (trans["liability"] >= cis["liability"]).all()
    worse = trans[trans["liability"] > cis["liability"]]
    assert (places[1] == len(CLASSES) - 1).any() and len(worse) >= 3
    weight = {"vital": 1.0, "important": 0.5, "tolerable": 0.1}
    for row in worse.itertuples():
        own = exposure[(exposure["gate"] == row.kill) & (exposure["population"] == row.liability_population)]
        own = own[own["evidence"] == "samples"].iloc[0]
        assert row.liability == pytest.approx(weight[str(own["tier"])] * own["fraction"])


def test_a_known_target_that_is_missing_says_why(rectal):
    why = rectal["summary"]["funnel_genes"]
    assert why["PCSK9"].startswith("secreted") and why["AURKA"].startswith("seen in the cytoplasm, nucleus")
    symbols = set(rectal["antigens"]["symbol"])
    for symbol in ("STEAP1", "MSLN", "GPC3", "PSCA", "CA9", "ERBB2", "DLL3", "CLDN6"):
        assert symbol in symbols or symbol in why, symbol
    assert rectal["antigens"].set_index("symbol").loc["STEAP1", "surface_status"] == "experiment"


def test_bulk_gates_show_what_cells_say_or_that_the_panel_lacks_them(rectal):
    gates = rectal["gates"]
    missing = gates["cells_note"] == "genes not in panel"
    assert gates.loc[missing, ["cells_malignant", "cells_normal"]].isna().all(axis=None)
    known = gates[~missing]
    assert len(known) > 100
    assert known["cells_malignant"].between(0, 1).all()
    assert known["cells_note"].str.contains("600 cells").all()
    assert (gates.loc[gates["gate"].str.contains("EPCAM|CEACAM5"), "cells_note"] == "genes not in panel").all()


def test_unmeasured_is_an_interval_and_required_tissues_are_there(rectal):
    rows = rectal["exposure"]
    unmeasured = rows[~rows["is_measured"]]
    assert len(unmeasured)
    assert (unmeasured["fraction_lower"] == 0).all()
    assert (unmeasured["fraction_upper"] == 1).all()
    assert unmeasured["fraction"].isna().all()
    required = {t["tissue"] for t in rectal["summary"]["tissues"] if t["required"] and t["measured_by"]}
    assert {
        "brain",
        "heart",
        "lung",
        "liver",
        "kidney",
        "colon",
        "small intestine",
        "stomach",
        "pancreas",
        "bone marrow",
    } <= required


def test_the_exposure_of_a_pair_is_counted_inside_the_sample(rectal):
    rows = rectal["exposure"]
    bulk = rows.loc[rows["evidence"] == "samples", ["gate", "population", "n_positive", "n_observations"]]
    table = bulk.astype({"gate": str, "population": str}).set_index(["gate", "population"]).astype(float)
    for gate in rectal["gates"].query("n_antigens == 2")["gate"].head(50):
        a, b = (table.loc[part, "n_positive"] for part in gate.split(" & "))
        both, total = table.loc[gate, "n_positive"], table.loc[gate, "n_observations"]
        assert (both <= np.minimum(a, b)).all()
        assert (both >= a + b - total).all()


def test_the_first_gates_are_held_to_account(rectal):
    trust = rectal["trust"]
    ranked = rectal["gates"].dropna(subset="rank")["gate"].tolist()
    assert trust["gate"].head(30).tolist() == ranked[:30]
    assert set(trust["gate"]) == {*ranked[:30], *rectal["shortlist"]["gate"]}
    assert (trust["n_folds"] == 3).all()
    procedure = {row["quantity"]: row for row in rectal["summary"]["procedure"]}
    assert procedure["coverage"]["held_out"] <= procedure["coverage"]["training"] + 0.01
    assert procedure["liability"]["held_out"] >= procedure["liability"]["training"] - 0.01
    assert rectal["summary"]["failed"] == ""

    row = rectal["replication"].iloc[0]
    assert row["gate"] == rectal["gates"]["gate"].iloc[0]


def test_the_first_gate_holds_in_a_second_cohort_of_other_patients(rectal):
    row = rectal["replication"].iloc[0]
    assert row["n_patients_second"] < 92, "patients of both cohorts are left out"
    assert (row["verdict"], row["coverage_second"] > 0.9) == ("holds", True)


def test_known_harm_is_ranked_per_kind_of_evidence_and_what_cannot_be_seen_says_why(rectal):
    regression = pd.DataFrame(rectal["summary"]["regression"])
    assert set(regression["evidence"]) == {"samples", "cells", "summary", "protein"}
    unseen = regression["rank"].isna()
    assert (regression.loc[unseen, "reason"] != "").all()
    summary = regression[regression["evidence"] == "summary"].set_index(["symbol", "organ"])["rank"]
    assert summary[("CEACAM5", "colon")] <= 2
    assert (summary.dropna() <= 10).sum() >= 10


def test_lung_cells_leave_safety_unknown_throughout_and_say_so(lung):
    for name in ("antigens", "gates"):
        assert not lung[name]["is_safety_known"].any()
        assert set(lung[name].loc[lung[name]["is_eligible"], "safety_class"]) <= {"unknown", "over cap"}
    assert any("Nothing can be called safe" in limit for limit in lung["summary"]["limits"])
    assert "Nothing can be called safe" in lung["report"]
    assert any("recovered" in note for atlas in lung["summary"]["atlases"] for note in atlas["notes"])


def test_lung_numbers_equal_a_count_by_hand(lung, shared_data):
    """DDR1 in Patient3's cancer cells: value > 0 in the source file."""
    folder = shared_data / "tumor_single_cell_emtab6149"
    fractions, weights = [], []
    for patient in range(1, 6):
        lines = pd.read_csv(
            folder / f"Patient{patient}_cancer_cells_thresh1_1269genes.txt.gz", sep="\t", header=None, skiprows=1
        )
        values = lines[lines[0] == "DDR1"].iloc[0, 2:].astype(float).dropna()
        fractions.append((values > 0).mean())
        weights.append(len(values) / (1 + 0.3 * (len(values) - 1)))
    row = lung["antigens"].set_index("symbol").loc["DDR1"]
    assert row["coverage"] == pytest.approx(np.average(fractions, weights=weights))
    assert row["coverage_p10"] == pytest.approx(np.quantile(fractions, 0.1))


def test_blood_heart_and_brain_are_counted_beside_the_lung_tumour(lung):
    assert normal_places(lung) == BESIDE | {("lung_cells", "cells"): {"tumor microenvironment"}}
    rows = counted(lung, "CD79B").set_index("population")
    assert rows.loc["blood: bmem", "fraction"] > 0.5, "B cells"
    antigen = lung["antigens"].set_index("symbol").loc["CD79B"]
    assert (antigen["safety_class"], antigen["liability_population"]) == ("over cap", "blood: bmem")
    assert {"brain", "heart"} <= set(antigen["tissues_unmeasured"].split(", ")), "two donors measure no required place"


@pytest.mark.parametrize("indication", ["chol", "kich", "ucs"])
def test_one_line_changes_the_tumour(shared_data, tmp_path, indication):
    _, tables = results(tmp_path, shared_data, "rectal", indication=indication, top=500, trust=Trust(gates=0))
    assert tables["antigens"]["n_patients"].iloc[0] == {"chol": 31, "kich": 60, "ucs": 47}[indication]
    negative = [c for c in tables["summary"]["controls"] if c["kind"] == "housekeeping"]
    assert all(c["passed"] for c in negative)
    assert tables["antigens"]["cells_malignant"].isna().all()
    left_out = "Left out, since they hold other tumours: hpa_cancer, cptac_colon, crc_cells, crc92."
    assert left_out in tables["summary"]["limits"]
    if indication == "ucs":
        assert "prostate" not in set(tables["gates"]["liability_population"].dropna())


def test_the_shortlist_holds_what_a_meeting_may_argue_over(rectal):
    ideas, antigens = rectal["shortlist"], rectal["antigens"].set_index("symbol")
    assert ideas["list"].eq("ideas").sum() >= 5
    assert (ideas["window"] >= 1).all()
    assert not ideas[["safety_class", "class_half", "class_twice"]].eq("over cap").any(axis=None)
    assert (ideas["mark_membrane"] == "yes").all()
    assert ideas["reason_cohort"].str.startswith("crc92: coverage").any(), "a second cohort was asked"
    members = {symbol for gate in ideas["gate"] for symbol in gate.split(" & ")}
    assert not members & {"PCSK9", "AURKA", "SRPX2", "PI3", "CTNNB1", "SNAP25", "NOX1"}
    assert antigens.loc[sorted(members), "contaminant"].fillna("").eq("").all()
    treated = [antigens.loc[gate.split(" & ")] for gate in ideas.query("list == 'precedent'")["gate"]]
    assert all(told["clinical"].notna().all() and told["is_treated"].all() for told in treated)
    assert not antigens.loc["LY6G6D", "is_treated"], "its products are preclinical"


def test_protein_of_the_tumour_stands_beside_its_rna(rectal):
    antigens = rectal["antigens"].set_index("symbol")
    assert antigens.loc["CEACAM5", "protein_stained"] == 1
    assert antigens.loc["CEACAM5", "protein_ratio"] > 1  # log2, 96 patients
    assert antigens.loc["ZP3", "protein_stained"] == 0  # RNA in most tumours, stain in none
    assert pd.isna(antigens.loc["NOX1", "protein_stained"])  # never stained: not measured, not absent
