"""Counted atlases: the numbers of a plain loop, and no trace of how an atlas was split."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.evidence.join import owners
from cartarget.evidence.packed import unpack_bits
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import DEPTHS, Part, count_atlas
from cartarget.logic.batch import Gates
from cartarget.selection.screen import score_gates
from tests.evidence.atlases import SYMBOLS, by_loop, random_cells
from tests.panels import REQUIRED, observations, summary

COUNTS = (1, 2, 3)


def by_bits(part: Part, number: int) -> dict[tuple[str, ...], np.ndarray]:
    """The same as `by_loop`, read from the words of a part."""
    bits = np.flatnonzero(part.donor >= 0)
    shown = unpack_bits(part.words[number], bits)
    length = 64 * (part.segments["stop"] - part.segments["start"])
    owner = np.repeat(part.segments["population"].to_numpy(), length)[bits]
    counts: dict[tuple[str, ...], np.ndarray] = {}
    for column, (population, donor) in enumerate(zip(owner, part.donor[bits], strict=True)):
        about = part.populations.iloc[population]
        normal = about["side"] == "normal"
        mask = "".join(map(str, part.is_measured[:, population].astype(int))) if normal else ""
        key = (about["population"], about["assay"], mask, part.donors[donor])
        own = counts.setdefault(key, np.zeros(len(SYMBOLS) + 1, dtype=int))
        own[:-1] += shown[:, column]
        own[-1] += 1
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_every_threshold_counts_what_a_plain_loop_counts(seed: int) -> None:
    adata = random_cells(seed)
    part = count_atlas(adata, symbols=SYMBOLS, count=COUNTS)
    assert part.thresholds == COUNTS and part.words.shape[:2] == (3, 6)
    for number, least in enumerate(COUNTS):
        slow, fast = by_loop(adata, least=least), by_bits(part, number)
        assert slow.keys() == fast.keys()
        for key, values in slow.items():
            np.testing.assert_array_equal(values, fast[key], err_msg=str(key))
    assert part.populations["n_observations"].sum() == adata.n_obs
    assert np.bitwise_count(part.words[0]).sum() == (adata.X >= 1).sum(), "no bit beyond the cells"


def test_what_a_data_set_lacks_parts_normal_places_and_not_patients() -> None:
    adata = random_cells(1)
    adata.obs["assay"] = "cells"
    adata.obs.loc[(adata.obs["donor"] == "p0").to_numpy(), "dataset"] = np.where(
        np.arange((adata.obs["donor"] == "p0").sum()) % 2, "y", "t"
    )
    part = count_atlas(adata, symbols=SYMBOLS)
    table = part.populations
    assert (table["population"] == "heart").sum() == 3, "x has all, y lacks G1, z lacks G1 and G2"
    own = np.flatnonzero(table["population"] == "p0")
    assert len(own) == 1, "a patient is one population"
    assert part.is_measured[:, own[0]].tolist() == [True, False, True, True, True, True]


def test_nuclei_stand_beside_cells() -> None:
    adata = random_cells(2, holes=False)
    table = count_atlas(adata, symbols=SYMBOLS).populations
    own = table[table["population"] == "heart"].set_index("assay")["n_observations"]
    asked = adata.obs[adata.obs["population"] == "heart"]["assay"].value_counts()
    assert own.to_dict() == asked.to_dict() and set(own.index) == {"cells", "nuclei"}


def test_levels_are_the_pseudobulk_of_each_donor() -> None:
    """Two cells of 1 and 3 counts of A and depths 1,000 and 3,000: 4 / 4,000 is 1,000 CPM."""
    normal = {"lung": {"d": np.array([[1.0], [3.0]]), "e": np.array([[0.0], [0.0]])}}
    adata = observations("cells", {"p": np.array([[5.0]])}, normal, symbols=["A"])
    adata.obs["n_counts"] = [500.0, 1000.0, 3000.0, 700.0, 700.0]
    part = count_atlas(adata, symbols=["A"])
    found = {(part.populations["population"][p], part.donors[d]): level for p, d, (level,) in zip(
        part.level_population, part.level_donor, part.levels, strict=True)}  # fmt: skip
    assert found == pytest.approx(
        {("p", "p"): np.log2(10_001), ("lung", "d"): np.log2(1_001), ("lung", "e"): 0.0}, rel=1e-6
    )
    assert part.seen.tolist() == [[1.0, 5.0, 500.0]], "tumour cells that show A, their counts, their depths"
    lung = part.depth[np.flatnonzero(part.populations["population"] == "lung")[0]]
    assert lung.sum() == 4
    assert np.abs(np.log2(np.repeat(DEPTHS, lung)) - np.log2([700, 700, 1000, 3000])).max() <= 1 / 16


def test_an_atlas_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(InputError, match="kind 'summary' cannot be counted"):
        count_atlas(summary({"heart": [1.0]}, symbols=["A"]), symbols=["A"])
    adata = observations("cells", {"p": np.ones((1, 1))}, {}, symbols=["A"])
    part = count_atlas(adata, symbols=["A"], count=[1, 2])
    with pytest.raises(
        InputError, match=r"not counted at 3 counts; counted at 1, 2; count it again .*thresholds\.count, so"
    ):
        part.at(3)
    adata.uns["cartarget"]["unit"] = "FPKM"
    with pytest.raises(InputError, match="unit 'FPKM' has no threshold"):
        count_atlas(adata, symbols=["A"])


def panel_of(parts: list[Part]) -> Panel:
    return build_panel(parts, symbols=SYMBOLS, required=REQUIRED)


def counted_by_person(panel: Panel) -> pd.DataFrame:
    """Positive cells by population and donor, whatever the order of bits."""
    bits = np.flatnonzero(panel.packed.donor >= 0)
    frame = pd.DataFrame(unpack_bits(panel.packed.words, bits).T.astype(int), columns=list(panel.symbols))
    frame["population"] = panel.populations["population"].to_numpy()[owners(panel.packed)[bits]]
    frame["donor"] = np.array(panel.packed.donors)[panel.packed.donor[bits]]
    return frame.groupby(["population", "donor"]).agg(["sum", "size"])


def assert_same(one: Panel, other: Panel) -> None:
    pd.testing.assert_frame_equal(one.populations, other.populations, rtol=1e-12)
    np.testing.assert_array_equal(one.packed.is_measured, other.packed.is_measured)
    np.testing.assert_allclose(one.power, other.power, rtol=1e-12)
    np.testing.assert_allclose(one.fraction, other.fraction, rtol=1e-12)
    pd.testing.assert_frame_equal(counted_by_person(one), counted_by_person(other))
    names = [*SYMBOLS, "G0 & G3", "G3 | G4", "G5 & ~G1", "G0 & (G1 | G2)", "G3 & G4 & ~G5"]
    scores = [score_gates(panel, gates=Gates.parse(names, panel=panel)) for panel in (one, other)]
    assert scores[0]["safety_class"].tolist() == scores[1]["safety_class"].tolist()
    pd.testing.assert_frame_equal(*scores, rtol=1e-5)


def split(adata: anndata.AnnData, group: np.ndarray) -> list[Part]:
    return [count_atlas(adata[group == g].copy(), symbols=SYMBOLS) for g in np.unique(group)]


@given(seed=st.integers(0, 10**6), n=st.integers(1, 4), order=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_how_donors_are_dealt_into_parts_is_not_seen(seed: int, n: int, order: object) -> None:
    adata = random_cells(seed, depth=bool(seed % 2))
    rng = np.random.default_rng(seed)
    of_donor = {donor: int(rng.integers(n)) for donor in adata.obs["donor"].unique()}
    parts = split(adata, adata.obs["donor"].map(of_donor).to_numpy())
    order.shuffle(parts)  # type: ignore[attr-defined]
    assert_same(panel_of([count_atlas(adata, symbols=SYMBOLS)]), panel_of(parts))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_donor_whose_cells_lie_in_two_parts_is_one_donor(seed: int) -> None:
    """Parts by cell: the levels of a donor are pooled again, by counts."""
    adata = random_cells(seed, depth=True)
    parts = split(adata, np.random.default_rng(seed).integers(3, size=adata.n_obs))
    assert_same(panel_of([count_atlas(adata, symbols=SYMBOLS)]), panel_of(parts))
