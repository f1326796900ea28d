"""Derived antigens in atlases: counted where all genes are on one cell, unknown where a gene is, judged as the gate."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cartarget.errors import InputError
from cartarget.evidence.derived import renewed, with_derived
from cartarget.evidence.packed import unpack_bits
from cartarget.evidence.panel import build_panel
from cartarget.evidence.part import Part, count_atlas
from cartarget.evidence.store import read_part, write_part
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.safety.judge import judge
from cartarget.selection.screen import score_gates
from cartarget.surface.derived import DerivedAntigen, add_derived
from tests import evidence_makers as makers
from tests.evidence.atlases import SYMBOLS, random_cells
from tests.panels import ORIGIN, REQUIRED, observations, protein, summary

GD2 = {"GD2": Gate.parse("ST8SIA1 & B4GALNT1")}
GENES = ["ST8SIA1", "B4GALNT1"]


def planted() -> anndata.AnnData:
    """One patient with 3 cells of GD2 among 10; hearts with each gene, in different cells; no gene in the lung."""
    tumor = np.array([[2, 1]] * 3 + [[2, 0]] * 4 + [[0, 5]] * 2 + [[0, 0]])
    apart = np.array([[1, 0]] * 5 + [[0, 1]] * 5)
    normal = {"heart": {f"d{i}": apart for i in range(5)}, "lung": {f"d{i}": 0 * apart for i in range(5)}}
    return observations("cells", {"p": tumor}, normal, symbols=GENES)


def positive(part: Part, name: str, threshold: int = 0) -> dict[str, int]:
    """Positive observations of an antigen by population."""
    bits = np.flatnonzero(part.donor >= 0)
    owner = np.repeat(part.segments["population"], 64 * (part.segments["stop"] - part.segments["start"])).to_numpy()
    shown = unpack_bits(part.words[threshold], bits)[part.symbols.index(name)]
    table = pd.Series(shown).groupby(part.populations["population"].to_numpy()[owner[bits]]).sum()
    return {str(name): int(count) for name, count in table.items()}


def measured(part: Part, name: str) -> dict[str, bool]:
    told = part.is_measured[part.symbols.index(name)]
    return dict(zip(part.populations["population"], told.tolist(), strict=True))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_gd2_is_counted_where_both_genes_are_on_one_cell(form) -> None:  # type: ignore[no-untyped-def]
    adata = planted()
    adata.X = form(adata.X)
    part = count_atlas(with_derived(adata, GD2), symbols=["GD2"], count=[1, 2])
    assert part.symbols == ("GD2", "B4GALNT1", "ST8SIA1"), "its genes are counted too"
    assert positive(part, "GD2") == {"p": 3, "heart": 0, "lung": 0}
    assert positive(part, "GD2", 1) == {"p": 0, "heart": 0, "lung": 0}, "B4GALNT1 has one count there"
    assert all(measured(part, "GD2").values())


def test_its_level_is_the_lowest_of_an_and_and_the_highest_of_an_or() -> None:
    derived = GD2 | {"either": Gate.parse("ST8SIA1 | B4GALNT1")}
    part = count_atlas(with_derived(planted(), derived), symbols=["GD2", "either"])
    level = {name: part.levels[:, part.symbols.index(name)] for name in part.symbols}
    np.testing.assert_array_equal(level["GD2"], np.minimum(level["ST8SIA1"], level["B4GALNT1"]))
    np.testing.assert_array_equal(level["either"], np.maximum(level["ST8SIA1"], level["B4GALNT1"]))


def test_a_gene_that_the_atlas_lacks_is_unknown_unless_what_is_known_decides() -> None:
    lacking = planted()[:, ["ST8SIA1"]].copy()
    derived = GD2 | {"either": Gate.parse("ST8SIA1 | B4GALNT1"), "neither": Gate.parse("B4GALNT1 & ST3GAL2")}
    part = count_atlas(with_derived(lacking, derived), symbols=[*derived])
    assert part.symbols == ("GD2", "either", "ST8SIA1"), "of an antigen without a single gene nothing is told"
    assert measured(part, "GD2") == {"p": False, "heart": False, "lung": True}, "no cell of the lung shows ST8SIA1"
    assert positive(part, "GD2") == {"p": 0, "heart": 0, "lung": 0}
    assert not any(measured(part, "either").values()), "cells without ST8SIA1 may have the other"
    assert positive(part, "either") == {"p": 7, "heart": 25, "lung": 0}, "but what was seen was seen"


def test_a_gene_that_a_data_set_lacks_is_unknown_there() -> None:
    adata = planted()
    adata.X[(adata.obs["dataset"] == "heart").to_numpy(), 1] = 0
    adata.varm["is_measured"].loc["B4GALNT1", "heart"] = False
    part = count_atlas(with_derived(adata, GD2), symbols=["GD2"])
    assert measured(part, "GD2") == {"p": True, "heart": False, "lung": True}
    heart = part.level_population == part.populations["population"].tolist().index("heart")
    assert np.isnan(part.levels[heart, 0]).all()


def test_an_unknown_antigen_is_never_safe_and_a_counted_one_may_be() -> None:
    tumor = {f"p{i}": np.full((40, 3), 2.0) for i in range(6)}
    absent = np.tile([1.0, 0.0, 0.0], (40, 1))
    normal = {place: {f"d{i}": absent for i in range(6)} for place in REQUIRED}
    symbols = [*GENES, "X"]
    classes = {}
    for name, unmeasured in (("counted", {}), ("hole", {"heart": ["B4GALNT1"]})):
        adata = observations("cells", tumor, normal, symbols=symbols, unmeasured=unmeasured)
        panel = build_panel(with_derived(adata, GD2), symbols=["GD2"], required=REQUIRED, origin=ORIGIN)
        row = score_gates(panel, gates=Gates.singles(1)).iloc[0]
        classes[name] = row["safety_class"], row["tissues_unmeasured"]
    assert classes == {"counted": ("within caps", ""), "hole": ("unknown", "heart")}


EXPRESSIONS = ("G0 & G3", "G4 | G5", "G0 & (G1 | G5)", "(G2 & G3) | G4", "G1 & G2 & G3")


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), text=st.sampled_from(EXPRESSIONS), holes=st.booleans())
def test_bits_are_those_of_three_valued_logic(seed: int, text: str, holes: bool) -> None:
    """Against pandas' nullable booleans, one observation after the other."""
    adata, gate = random_cells(seed, holes=holes), Gate.parse(text)
    part = count_atlas(with_derived(adata, {"D": gate}), symbols=["D", *SYMBOLS], count=[1, 2])
    known = adata.varm["is_measured"].T.loc[adata.obs["dataset"]].to_numpy()
    tumor = (adata.obs["side"] == "tumor").to_numpy()
    known = np.where(tumor[:, None], adata.varm["is_measured"]["t"].to_numpy(), known)
    unknown = pd.Series(False, index=adata.obs_names)
    sure = pd.Series(0, index=adata.obs_names)
    for least in (1, 2):
        cells = pd.DataFrame(least <= adata.X, index=adata.obs_names, columns=SYMBOLS).astype("boolean").mask(~known)
        hit = add_derived(cells, {"D": DerivedAntigen("D", gate, "", "", "", "")})["D"]
        unknown |= hit.isna()
        sure += hit.fillna(False).astype(int)
    bits = np.flatnonzero(part.donor >= 0)
    owner = np.repeat(part.segments["population"], 64 * (part.segments["stop"] - part.segments["start"])).to_numpy()
    found = np.bincount(owner[bits], unpack_bits(part.words[0], bits)[0] + 0 + unpack_bits(part.words[1], bits)[0])
    mask = ["" if side == "tumor" else "x" for side in part.populations["side"]]
    masks = np.where(tumor, "", ["".join(map(str, row.astype(int))) for row in known])
    genes = part.is_measured[1:].astype(int).T
    for row, (about, own) in enumerate(zip(part.populations.itertuples(), genes, strict=True)):
        here = (adata.obs["population"] == about.population).to_numpy() & (adata.obs["assay"] == about.assay).to_numpy()
        here &= masks == ("" if mask[row] == "" else "".join(map(str, own)))
        assert found[row] == sure[here].sum()
        assert part.is_measured[0, row] == (not unknown[here].any())


def both_ways(adata: anndata.AnnData, text: str) -> pd.DataFrame:
    """The expression as a gate, and as a derived antigen, scored."""
    panel = build_panel(
        with_derived(adata, {"D": Gate.parse(text)}), symbols=["D", *SYMBOLS], required=REQUIRED, origin=ORIGIN
    )
    return score_gates(panel, gates=Gates.parse(["D", text], panel=panel))


SCORES = ["coverage", "coverage_p10", "liability", "liability_upper", "selectivity", "people_over_cap"]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), text=st.sampled_from(EXPRESSIONS))
def test_judged_as_an_antigen_it_is_what_it_is_as_a_gate(seed: int, text: str) -> None:
    """In counted cells all of which measured every gene."""
    antigen, gate = both_ways(random_cells(seed, holes=False), text).to_dict("records")
    for name in SCORES:
        assert antigen[name] == pytest.approx(gate[name], abs=1e-9, nan_ok=True), name
    if antigen["window"] >= 0:  # a window closed by pooled levels is asked of an antigen alone
        assert antigen["safety_class"] == gate["safety_class"]


@pytest.mark.parametrize("seed", range(8))
def test_with_holes_it_is_never_better_than_the_gate(seed: int) -> None:
    order = ["within caps", "origin only", "unknown", "over cap"]
    for text in EXPRESSIONS:
        antigen, gate = both_ways(random_cells(seed), text)["safety_class"]
        assert order.index(antigen) >= order.index(gate), text


def test_what_depth_hides_is_corrected_as_for_the_gate() -> None:
    """Tumour cells of 1,000 counts hold one or two of each; hearts of as many show both on one in twenty."""
    symbols = ["A", "B"]
    seen = np.array([[1, 1]] + [[0, 0]] * 19)
    blocks = makers.tumor([[1, 1], [2, 2]] * 15, depth=1000.0) + makers.normal(["heart"], seen, depth=1000.0, donors=8)
    adata = makers.atlas(blocks, symbols=symbols)
    panel = build_panel(
        with_derived(adata, {"D": Gate.parse("A & B")}), symbols=["D", *symbols], required=["heart"], origin=ORIGIN
    )
    heart = panel.populations["population"].tolist().index("heart")
    power = panel.power[:, heart]
    assert 0.3 < power[1] < 0.95
    assert power[0] == pytest.approx(power[1] * power[2])
    judged = judge(panel, Gates.parse(["D", "A & B"], panel=panel))
    assert panel.corrected[0, heart] == pytest.approx(0.05 / power[0])
    assert judged.low[1, heart] <= judged.low[0, heart], "the gate is also held below its least exposed member"


def test_a_summary_is_an_upper_bound_and_a_gene_not_measured_stays_unknown() -> None:
    values = {"heart": [30.0, 12.0], "lung": [30.0, 2.0], "colon": [30.0, np.nan]}
    table = with_derived(summary(values, symbols=GENES), GD2)
    assert table[:, "GD2"].X.ravel().tolist()[:2] == [12.0, 2.0]
    tumor = {f"p{i}": np.full((10, 2), 2.0) for i in range(5)}
    adata = observations("cells", tumor, {"breast": {"d": np.zeros((5, 2))}}, symbols=GENES)
    panel = build_panel(
        with_derived(adata, GD2), symbols=["GD2"], required=REQUIRED, origin=ORIGIN, summaries=[table]
    )  # fmt: skip
    row = score_gates(panel, gates=Gates.singles(1)).iloc[0]
    assert (row["safety_class"], row["liability_population"]) == ("over cap", "heart (summary)")
    assert row["tissues_unmeasured"] == "colon"


def test_a_new_unit_reaches_derived_antigens_through_their_genes() -> None:
    table = with_derived(summary({"heart": [30.0, 12.0]}, symbols=GENES), GD2)
    table.X[:, :2] *= [0.1, 2.0]
    assert renewed(table)[:, "GD2"].X.item() == pytest.approx(3.0)


def test_stains_stand_where_all_genes_are_stained_and_veto_where_all_are_at_the_membrane() -> None:
    stains = protein({"heart": [3.0, 2.0], "lung": [3.0, np.nan]}, symbols=GENES)
    stains.layers["reliability"][:, 1] = 1.0
    found = with_derived(stains, GD2)
    assert found[:, "GD2"].X.ravel().tolist()[0] == 2.0 and np.isnan(found[:, "GD2"].X.ravel()[1])
    assert found[:, "GD2"].layers["reliability"].ravel().tolist()[0] == 1.0
    assert found.var["is_membrane"].tolist() == [True, True, True]
    stains.var["is_membrane"] = pd.array([True, pd.NA], dtype="boolean")
    assert with_derived(stains, GD2).var["is_membrane"].tolist()[2] is False


def test_a_name_that_a_gene_has_is_refused() -> None:
    with pytest.raises(InputError, match=r"derived antigen 'B4GALNT1' \(ST8SIA1\).*the gene 'B4GALNT1'"):
        with_derived(planted(), {"B4GALNT1": Gate.parse("ST8SIA1")})


def test_the_store_keeps_what_is_derived(tmp_path) -> None:  # type: ignore[no-untyped-def]
    part = count_atlas(with_derived(planted(), GD2), symbols=["GD2"])
    write_part(part, tmp_path / "part")
    assert read_part(tmp_path / "part").derived == {"GD2": "B4GALNT1 & ST8SIA1"}
