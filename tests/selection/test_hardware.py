"""Constructs that build gates: planted bystanders are found, orders are chosen, and trans is never safer than cis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.contracts import CLASSES, conform
from cartarget.errors import GateError, InputError
from cartarget.logic.batch import Gates
from cartarget.safety.judge import judge
from cartarget.safety.priming import judge_primed
from cartarget.selection.hardware import HARDWARE, read_hardware, score_hardware
from cartarget.selection.screen import score_gates
from tests.panels import ORIGIN, REQUIRED, observations, random_panel

TIERS = cartarget.read_tiers("config/tissue_tiers.tsv")
GENES = ["A", "B", "C"]
SPLIT, PRIMED = "split-signal CAR", "synNotch CAR"


def atlas(name, rows, *, kind="cells", genes=GENES):
    """Each row: side, tissue, cell type, donors, observations each, and the value of each gene in each of them."""
    side, tissue, cell_type, donors, number, *values = zip(*rows, strict=True)
    repeats = [n * m for n, m in zip(donors, number, strict=True)]
    obs = pd.DataFrame({"side": side, "tissue": tissue, "cell_type": cell_type}).loc[
        np.repeat(range(len(rows)), repeats)
    ]
    obs["donor"] = [f"{s}{d}" for s, n, m in zip(side, donors, number, strict=True) for d in range(n) for _ in range(m)]
    obs["dataset"], obs["library"] = name, 10_000
    obs.index = [f"{name}{i}" for i in range(len(obs))]
    adata = anndata.AnnData(
        np.repeat(np.array(values, dtype="float32").T, repeats, axis=0), obs=obs, var=pd.DataFrame(index=list(genes))
    )
    adata.varm["is_measured"] = pd.DataFrame(True, index=list(genes), columns=[name])
    adata.uns["cartarget"] = {"kind": kind, "unit": "counts" if kind == "cells" else "CPM", "atlas": name}
    return cartarget.harmonise(adata, tiers=TIERS, origin=["colon"])


def summary(rows):
    """Each row: tissue and the level of each gene."""
    tissues = [row[0] for row in rows]
    obs = pd.DataFrame(
        {"tissue": tissues, "side": "normal", "donor": "", "cell_type": "", "dataset": "summary"}, index=tissues
    )
    adata = anndata.AnnData(
        np.array([row[1:] for row in rows], dtype="float32"), obs=obs, var=pd.DataFrame(index=GENES)
    )
    adata.uns["cartarget"] = {"kind": "summary", "unit": "CPM", "atlas": "summary"}
    return cartarget.harmonise(adata, tiers=TIERS, origin=["colon"])


TUMOR = atlas("tumor", [("tumor", "", "", 10, 50, 9, 9, 9)])


def built(gates, *atlases, required=(), **given):
    panel = cartarget.build_panel([TUMOR, *atlases], symbols=GENES, required=required, origin=["colon"], **given)
    table = score_hardware(panel, gates=gates)
    conform("hardware", table)
    return table


def rows_of(table):
    return table.set_index("hardware")


LUNG = [
    ("normal", "lung", "alveolar type 1 cell", 5, 10, 0, 0, 0),
    ("normal", "lung", "alveolar type 2 cell", 5, 10, 0, 9, 0),
    ("normal", "lung", "club cell", 5, 10, 9, 0, 0),
]


def test_each_construct_says_which_exposure_decides_what_fails_and_where_it_was_shown():
    kinds = {one.name: one for one in read_hardware()}
    assert list(kinds) == [
        *("single CAR", "tandem CAR", "two products", SPLIT, PRIMED, "inhibitory CAR", "HLA-gated CAR", "adaptor CAR"),
    ]
    assert [name for name, one in kinds.items() if one.exposure == "trans"] == [PRIMED]
    assert "Bystander" in kinds[PRIMED].failure and "scape" in kinds["single CAR"].failure
    assert all(len(one.needs) > 10 and len(one.source_title) > 15 for one in kinds.values())


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("A", ["single CAR", "adaptor CAR"]),
        ("A | B", ["tandem CAR", "two products", "adaptor CAR"]),
        ("A & B", [SPLIT, PRIMED]),
        ("A & (B | C)", [PRIMED]),
        ("A & ~B", ["inhibitory CAR"]),
        ("A & ~HLA-B", ["inhibitory CAR", "HLA-gated CAR"]),
        ("A & B & C", []),
    ],
)
def test_a_gate_is_built_by_what_fits_its_shape(gate, expected):
    assert [one.name for one in read_hardware() if one.builds(cartarget.Gate.parse(gate))] == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\ttrans\tyes", "\tboth\tyes", "line 6: exposure is 'both'; expected cis, trans"),
        ("\ttrans\tyes", "\ttrans\tno", "line 6: exposure 'trans' with is_ordered 'no'"),
        ("A & B; A & (B | C)", "A | B", "line 6: shape 'A | B' has no order"),
        ("A & B; A & (B | C)", "A &", "line 6: shapes: gate does not parse"),
        ("doi:10.1126/scitranslmed.3006597", "a paper", "line 7: source is 'a paper'"),
        ("HLA-gated CAR", "inhibitory CAR", "line 8: 'inhibitory CAR' stands twice"),
        ("One binder; one vector.", "", "line 2: needs is empty"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path: Path, old, new, message):
    file = tmp_path / "hardware.tsv"
    file.write_text(HARDWARE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_hardware(file)
    assert message in str(error.value)


def test_a_bystander_tissue_is_found_and_only_by_what_primes():
    """Club cells carry A, alveolar type 2 cells B: no cell has both, and every type 2 cell has an armed neighbour."""
    table = rows_of(built(["A & B"], atlas("lung", LUNG)))
    assert list(table.index) == [SPLIT, PRIMED], "the safer construct first"
    cis, trans = table.loc[SPLIT], table.loc[PRIMED]
    assert (cis["safety_class"], round(cis["liability"], 3)) == ("within caps", 0.016)
    assert (trans["safety_class"], round(trans["liability"], 3)) == ("over cap", 0.984)
    assert trans["tissues_broken"] == "lung" and trans["liability_population"].startswith("lung")
    assert trans["order_reason"].startswith("Either order is alike.")


def test_the_order_proposed_primes_on_the_antigen_whose_tissues_hold_least_of_the_other():
    skin = [("normal", "skin", "keratinocyte", 5, 20, 9, 0, 0)]
    skin += [("normal", "skin", "melanocyte", 5, n, 0, b, 0) for n, b in ((2, 9), (18, 0))]
    row = rows_of(built(["A & B"], atlas("skin", skin))).loc[PRIMED]
    assert (row["prime"], row["kill"], row["safety_class"]) == ("A", "B", "within caps")
    assert row["order_reason"].startswith("A first, then B: within caps, liability 0.05")
    assert "B first, then A: over cap, liability 0.49 (skin: keratinocyte" in row["order_reason"]


MARROW = [
    ("normal", "bone marrow", "fibroblast", 5, 10, 0, 9, 0),
    ("normal", "lung", "club cell", 5, 10, 9, 0, 0),
]
"""A is EPCAM, B is ROR1: marrow stroma carries B, and no normal cell of the marrow carries A."""


def test_ror1_stroma_is_spared_while_the_tumor_is_elsewhere_and_not_where_cells_that_prime_are_beside_it():
    """Srivastava et al. 2019: no harm when tumour and ROR1+ stroma lay apart, marrow failure when together."""
    apart = built(["B", "A & B"], atlas("apart", MARROW))
    alone = apart[apart["hardware"] == "single CAR"].iloc[0]
    assert (alone["safety_class"], alone["tissues_broken"]) == ("over cap", "bone marrow")
    row = rows_of(apart[apart["gate"] == "A & B"]).loc[PRIMED]
    assert (row["prime"], row["kill"], row["safety_class"]) == ("A", "B", "within caps")
    assert row["tissues_seeded"] == "bone marrow", "a lesion in the marrow would bring the primer"
    beside = [*MARROW, ("normal", "bone marrow", "erythroblast", 5, 10, 9, 0, 0)]
    together = rows_of(built(["A & B"], atlas("together", beside)))
    assert together.loc[SPLIT, "safety_class"] == "within caps"
    assert together.loc[PRIMED, "safety_class"] == "over cap"
    assert (together.loc[PRIMED, "prime"], together.loc[PRIMED, "tissues_broken"]) == ("A", "bone marrow")


@pytest.mark.parametrize(
    ("place", "word"),
    [(("colon", "colonocyte"), "origin only"), (("tumor microenvironment", "fibroblast"), "over cap")],
)
def test_the_tumor_arms_its_surroundings_and_its_origin(place, word):
    """No normal cell carries A; the tumour does, and it grows in the colon among its own stroma."""
    table = rows_of(built(["A & B"], atlas("body", [("normal", *place, 5, 10, 0, 9, 0), LUNG[0]])))
    assert table.loc[SPLIT, "safety_class"] == "within caps"
    row = table.loc[PRIMED]
    assert (row["prime"], row["kill"], row["safety_class"]) == ("B", "A", "within caps"), "no normal cell carries A"
    assert f"A first, then B: {word}" in row["order_reason"]


def test_a_primer_that_nothing_measured_leaves_the_class_unknown():
    lung = [("normal", "lung", "alveolar type 2 cell", 5, 10, 9, 0)]
    open_ = rows_of(built(["A & B"], atlas("lung", lung, genes=["B", "C"]), required=["lung"]))
    assert open_.loc[PRIMED, "safety_class"] == "unknown"
    empty = [("normal", "lung", "alveolar type 2 cell", 5, 10, 0, 0)]
    absent = rows_of(built(["A & B"], atlas("lung", empty, genes=["B", "C"]), required=["lung"]))
    assert absent.loc[PRIMED, "safety_class"] == "within caps", "what would be killed is not there, whatever primes"


def bulk(patients, normal, **given):
    """Bulk of twelve patients and twenty donors a tissue, A and B: tissue → their levels."""
    tumor = {f"p{i}": np.array([levels], dtype=float) for i, levels in enumerate(patients)}
    made = {name: {f"{name}{i}": np.array([levels], dtype=float) for i in range(20)} for name, levels in normal.items()}
    atlas_ = observations("samples", tumor, made, symbols=["A", "B"], **given)
    return cartarget.build_panel(atlas_, symbols=["A", "B"], required=REQUIRED, origin=ORIGIN)


def test_a_primer_that_was_not_measured_in_a_vital_tissue_is_not_absent_though_none_of_it_is_required():
    normal = {"heart": (0, 0), "lung": (0, 0), "colon": (0, 0), "spinal cord": (0, 100)}
    found = {}
    for name, given in (("measured", {}), ("not", {"unmeasured": {"spinal cord": ["A"]}})):
        panel = bulk([(100, 100)] * 12, normal, **given)
        prime, kill, both = (Gates.parse([text], panel=panel) for text in ("A", "B", "A & B"))
        judged = judge_primed(panel, prime=prime, kill=kill, both=both).judged
        found[name] = CLASSES[int(judged.safety_class[0])]
        assert judged.unresolved.any() == (name == "not")
    assert found == {"measured": "within caps", "not": "unknown"}


@pytest.mark.parametrize(("primer", "word"), [("heart", "over cap"), ("lung", "within caps")])
def test_an_armed_vital_tissue_with_more_of_the_second_antigen_than_the_tumor_is_over_cap(primer, word):
    """B is below the threshold in the heart, 8, and above the lower quartile of the tumour, 4: alone it is over cap."""
    normal = {"heart": (0, 8), "lung": (0, 0), "colon": (0, 0)}
    normal[primer] = (20, normal[primer][1])
    panel = bulk([(5000, 4)] * 4 + [(5000, 12)] * 8, normal)
    assert score_gates(panel, gates=["B"])["safety_class"].tolist() == ["over cap"]
    row = rows_of(score_hardware(panel, gates=["A & B"])).loc[PRIMED]
    assert f"A first, then B: {word}" in row["order_reason"]


def test_a_summary_that_shows_both_is_open_in_cis_and_over_cap_in_trans():
    heart = [("normal", "lung", "club cell", 5, 10, 0, 0, 0)]
    table = rows_of(built(["A & B"], atlas("lung", heart), summaries=[summary([("heart", 50, 50, 0)])]))
    assert (table.loc[SPLIT, "safety_class"], table.loc[SPLIT, "tissues_unresolved"]) == ("unknown", "heart")
    assert (table.loc[PRIMED, "safety_class"], table.loc[PRIMED, "tissues_broken"]) == ("over cap", "heart")


def test_cells_explain_bulk_in_cis_and_not_in_trans():
    bulk = atlas("bulk", [("normal", "lung", "", 20, 1, 50, 50, 0)], kind="samples")
    required = ["lung", *(f"lung: {row[2]}" for row in LUNG)]
    table = rows_of(built(["A & B"], bulk, atlas("lung", LUNG), required=required))
    assert table.loc[SPLIT, "safety_class"] == "within caps"
    assert (table.loc[PRIMED, "safety_class"], round(table.loc[PRIMED, "liability"], 2)) == ("over cap", 0.99)


def test_an_armed_tumor_is_covered_by_what_is_killed():
    """Half of a patient's cells carry both, half B alone: cis covers 0.5 of them, trans all; 2 % do not arm."""
    half = atlas("half", [("tumor", "", "", 4, 25, 9, 9, 0), ("tumor", "", "", 4, 25, 0, 9, 0)])
    few = atlas("few", [("tumor", "", "", 4, 1, 9, 9, 0), ("tumor", "", "", 4, 49, 0, 9, 0)])
    for tumor, cis, trans in ((half, 0.5, 1.0), (few, 0.02, 0.02)):
        panel = cartarget.build_panel([tumor, atlas("lung", LUNG)], symbols=GENES, required=[], origin=["colon"])
        table = rows_of(score_hardware(panel, gates=["A & B"]))
        assert table["coverage"].round(3).to_dict() == {SPLIT: cis, PRIMED: trans}


def test_a_primer_may_open_a_tandem():
    lung = [*LUNG, ("normal", "lung", "ciliated cell", 5, 10, 0, 0, 9)]
    row = built(["A & (B | C)"], atlas("lung", lung)).iloc[0]
    assert {row["prime"], row["kill"]} == {"A", "B | C"} and row["safety_class"] == "over cap"


@pytest.mark.parametrize("kind", ["cells", "samples"])
@pytest.mark.parametrize("seed", range(6))
def test_trans_is_never_safer_than_cis_nor_worse_than_what_is_killed_alone(seed, kind):
    panel = random_panel(seed, kind=kind, n_genes=8)
    pairs = [(a, b) for a in panel.symbols for b in panel.symbols if a != b]
    prime, kill = (Gates.parse([pair[place] for pair in pairs], panel=panel) for place in (0, 1))
    both = Gates.parse([f"{a} & {b}" for a, b in pairs], panel=panel)
    cis, found = judge(panel, both), judge_primed(panel, prime=prime, kill=kill, both=both)
    trans, alone = found.judged, found.kill
    assert (trans.low >= cis.low).all() and (trans.high >= cis.high - 1e-12).all()
    assert (trans.breaks >= cis.breaks).all() and (trans.unit_breaks >= cis.unit_breaks).all()
    assert (trans.decided <= cis.decided).all()
    assert (trans.safety_class >= cis.safety_class).all()
    assert (trans.low <= np.maximum(cis.low, alone.low)).all()
    assert (trans.breaks <= cis.breaks | alone.breaks).all()
    assert (trans.safety_class > cis.safety_class).any(), "or the panel tests nothing"


@pytest.mark.parametrize(("seed", "kind"), [(0, "cells"), (1, "samples"), (2, "samples"), (3, "cells")])
def test_liability_in_trans_is_at_least_that_in_cis_and_names_do_not_matter(seed, kind):
    panel = random_panel(seed, kind=kind, n_genes=8)
    texts = [f"{a} & {b}" for a in panel.symbols for b in panel.symbols if a < b]
    table = score_hardware(panel, gates=texts)
    wide = table.pivot(index="gate", columns="hardware", values=["liability", "liability_upper"])
    for column in ("liability", "liability_upper"):
        lower, upper = wide[column][SPLIT], wide[column][PRIMED]
        assert (upper.fillna(0) >= lower.fillna(0) - 1e-12).all()
    back = score_hardware(panel, gates=[" & ".join(reversed(text.split(" & "))) for text in texts])
    pd.testing.assert_frame_equal(table, back)
    swapped = {name: panel.symbols[-1 - place] for place, name in enumerate(panel.symbols)}
    other = panel.take(list(reversed(panel.symbols)))
    renamed = replace(other, symbols=panel.symbols)
    mirrored = score_hardware(renamed, gates=[" & ".join(swapped[s] for s in text.split(" & ")) for text in texts])
    columns = ["hardware", "safety_class", "coverage", "liability", "tissues_broken"]
    pd.testing.assert_frame_equal(table[columns], mirrored[columns])


def test_no_gate_gives_an_empty_table_and_an_antigen_that_is_absent_is_named():
    assert conform("hardware", built([], atlas("lung", LUNG))).empty
    assert built(["A & B & C"], atlas("lung", LUNG)).empty
    with pytest.raises(GateError, match="antigen 'X' is not in the panel"):
        built(["A & X"], atlas("lung", LUNG))


def test_the_better_class_stands_first_whatever_the_order_of_the_table():
    table = built(["A & B", "A"], atlas("lung", LUNG))
    assert table["gate"].drop_duplicates().tolist() == ["A & B", "A"]
    for _, rows in table.groupby("gate", sort=False):
        places = [CLASSES.index(name) for name in rows["safety_class"]]
        assert places == sorted(places)
