"""Contradictions planted between atlases are listed, with both numbers; agreement and silence are not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.evidence.conflicts import Source, cells_source, find_conflicts, kind_of, panel_sources
from cartarget.evidence.panel import build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.judge import judge
from tests.panels import ORIGIN, REQUIRED, observations, protein, random_panel, summary

SYMBOLS = ["A", "B", "C"]
COLUMNS = ["gate", "tissue", "kind", "source_a", "value_a", "source_b", "value_b", "sentence"]


SINGLES = Gates.singles(3)


def gates(*names: str) -> Gates:
    return Gates.parse(names, panel=SimpleNamespace(index={symbol: row for row, symbol in enumerate(SYMBOLS)}))


def bulk(heart: list[float], *, tumor: list[float] | None = None, donors: int = 12, **more) -> object:
    """Every donor of the heart at the same CPM; every patient too."""
    adata = observations(
        "samples",
        {f"p{i}": np.array([tumor or [50.0] * 3]) for i in range(10)},
        {"heart": {f"d{i}": np.array([heart]) for i in range(donors)}},
        symbols=SYMBOLS,
    )
    return build_panel(adata, symbols=SYMBOLS, required=REQUIRED, origin=ORIGIN, **more)


def sources(panel, which: Gates, **more) -> list[Source]:
    judged = judge(panel, which)
    return panel_sources(panel, gates=which, fraction=judged.naive, is_counted=judged.complete, **more)


def cells(values: list[list[float]], *, tissue: str = "heart") -> object:
    """A joined atlas: the same cells forty times, in tumour and tissue."""
    block = np.repeat(np.array(values), 40, axis=0)
    adata = observations("cells", {"q": block}, {tissue: {"e": block}}, symbols=SYMBOLS)
    adata.uns["cartarget"]["atlas"] = "joined"
    return adata


def test_rna_against_protein_and_atlas_against_atlas():
    """A: RNA everywhere, no stain. B: at the level in bulk only. C: agreed to be absent."""
    panel = bulk(
        [40.0, 40.0, 0.0],
        summaries=[summary({"heart": [30.0, 1.0, 1.0]}, symbols=SYMBOLS)],
        proteins=[protein({"heart": [0.0, 1.0, 0.0]}, symbols=SYMBOLS)],
    )
    found = find_conflicts(sources(panel, SINGLES), gates=SYMBOLS)
    assert list(found) == COLUMNS
    assert found[["gate", "kind", "source_a", "source_b"]].values.tolist() == [
        ["A", "RNA vs protein", "primary", "protein"],
        ["A", "RNA vs protein", "summary", "protein"],
        ["B", "atlas vs atlas", "primary", "summary"],
    ]
    assert found["value_a"].tolist() == [1.0, 30.0, 1.0]
    assert found["value_b"].tolist() == [0.0, 0.0, 1.0]
    assert found["sentence"].iloc[0] == (
        "A in heart, RNA vs protein: primary shows it (100 % of donors), protein shows it absent (not detected)"
    )


def test_a_knifes_edge_is_no_conflict():
    panel = bulk([40.0] * 3, summaries=[summary({"heart": [9.0, 5.0, 4.9]}, symbols=SYMBOLS)])
    assert find_conflicts(sources(panel, SINGLES), gates=SYMBOLS)["gate"].tolist() == ["C"]


def test_bulk_against_single_cell_in_tissue_and_tumour():
    """Bulk: A and B in all, C in none. Cells: never A, B in a quarter, C in all."""
    panel = bulk([40.0, 40.0, 0.0], tumor=[50.0, 50.0, 0.0])
    joined = cells_source(cells([[0, 1, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]]), symbols=SYMBOLS, gates=SINGLES)
    found = find_conflicts([*sources(panel, SINGLES), joined], gates=SYMBOLS)
    assert found["kind"].unique().tolist() == ["bulk vs single cell"]
    assert found[["gate", "tissue", "source_a"]].values.tolist() == [
        ["A", "heart", "primary"],
        ["A", "tumor", "primary"],
        ["C", "heart", "joined"],
        ["C", "tumor", "joined"],
    ]
    assert "100 % of patients" in found["sentence"].iloc[1]
    assert "0 % of malignant cells" in found["sentence"].iloc[1]


def test_a_bound_contradicts_nobody_in_normal_tissue():
    """A and B in each heart sample, never in one cell: bulk only bounds the AND. In the tumour it claims coverage."""
    panel = bulk([40.0, 40.0, 0.0], tumor=[50.0, 50.0, 50.0])
    which = gates("A & B", "A & ~B")
    joined = cells_source(cells([[1, 0, 0], [0, 1, 0]]), symbols=SYMBOLS, gates=which)
    found = find_conflicts([*sources(panel, which), joined], gates=["A & B", "A & ~B"])
    assert found[["gate", "tissue"]].values.tolist() == [["A & B", "tumor"], ["A & ~B", "tumor"]]


def test_a_blocker_that_was_not_measured_shows_no_absence():
    """The heart's samples have A and were not asked for B: they cannot say that `A & ~B` is absent there."""
    adata = observations(
        "samples",
        {f"p{i}": np.array([[50.0, 0.0, 0.0]]) for i in range(10)},
        {"heart": {f"d{i}": np.array([[40.0, 0.0, 0.0]]) for i in range(12)}},
        symbols=SYMBOLS,
        unmeasured={"heart": ["B"]},
    )
    panel = build_panel(adata, symbols=SYMBOLS, required=REQUIRED, origin=ORIGIN)
    which = gates("A & ~B")
    joined = cells_source(cells([[1, 0, 0]]), symbols=SYMBOLS, gates=which)
    assert find_conflicts([*sources(panel, which), joined], gates=["A & ~B"]).empty


def test_samples_without_the_antigen_that_is_sensed_show_absence_whatever_the_blocker():
    """A in no heart sample: neither `A & ~B` nor `A & (B | ~C)` can be there, though cells claim so."""
    panel = bulk([0.0, 40.0, 0.0])
    which = gates("A & ~B", "A & (B | ~C)")
    joined = cells_source(cells([[1, 0, 0]]), symbols=SYMBOLS, gates=which)
    found = find_conflicts([*sources(panel, which), joined], gates=["A & ~B", "A & (B | ~C)"])
    here = found[found["tissue"] == "heart"]
    assert here["gate"].tolist() == ["A & ~B", "A & (B | ~C)"]
    assert here["value_b"].tolist() == [0.0, 0.0]


def test_an_and_is_absent_where_one_member_is():
    """Cells with both, though the stain of B finds nothing."""
    adata = cells([[1, 1, 0]])
    adata.uns["cartarget"] = {"kind": "cells", "unit": "counts", "atlas": "primary"}
    panel = build_panel(
        adata,
        symbols=SYMBOLS,
        required=REQUIRED,
        origin=ORIGIN,
        proteins=[protein({"heart": [3.0, 0.0, 0.0]}, symbols=SYMBOLS)],
    )
    found = find_conflicts(sources(panel, gates("A & B")), gates=["A & B"])
    assert found[["tissue", "kind", "source_a", "source_b"]].values.tolist() == [
        ["heart", "RNA vs protein", "primary", "protein"]
    ]


def test_what_is_not_measured_or_too_thin_is_silent():
    thin = bulk([40.0] * 3, donors=4, proteins=[protein({"heart": [0.0] * 3}, symbols=SYMBOLS)])
    assert find_conflicts(sources(thin, SINGLES), gates=SYMBOLS).empty
    ungraded = bulk([40.0] * 3, proteins=[protein({"heart": [np.nan] * 3}, symbols=SYMBOLS)])
    assert find_conflicts(sources(ungraded, SINGLES), gates=SYMBOLS).empty
    other = cells([[0, 0, 0]], tissue="lung")[:, ["A"]].copy()
    joined = cells_source(other, symbols=SYMBOLS, gates=SINGLES)
    assert np.isnan(joined.value[1:]).all(), "genes that the atlas lacks"
    found = find_conflicts([*sources(bulk([40.0] * 3), SINGLES), joined], gates=SYMBOLS)
    assert found[["gate", "tissue"]].values.tolist() == [["A", "tumor"]], "no tissue in common but the tumour"


@pytest.mark.parametrize("kind", ["samples", "cells"])
def test_the_list_is_that_of_a_plain_loop(kind):
    panel = random_panel(3, kind=kind)
    n = len(panel.symbols)
    pairs = np.array([(i, j, op) for i in range(n) for j in range(i) for op in range(3)])
    which = Gates.join([Gates.singles(n), Gates.of_two(*pairs.T)])
    names = [f"gate {i}" for i in range(len(which))]
    every = sources(panel, which)
    found = find_conflicts(every, gates=names)
    slow = set()
    for i, one in enumerate(every):
        for other in every[i + 1 :]:
            for tissue in set(one.tissues) & set(other.tissues):
                u, v = one.verdict[:, one.tissues.index(tissue)], other.verdict[:, other.tissues.index(tissue)]
                for row in range(len(names)):
                    if {int(u[row]), int(v[row])} == {1, -1}:
                        first, second = (one, other) if u[row] == 1 else (other, one)
                        slow.add((names[row], tissue, first.name, second.name))
    assert len(found) == len(slow) > 0
    assert set(found[["gate", "tissue", "source_a", "source_b"]].itertuples(index=False, name=None)) == slow


@given(st.permutations(["samples", "cells", "summary", "protein"]))
def test_the_kind_does_not_depend_on_the_order(order):
    one, other = order[:2]
    assert kind_of(one, other) == kind_of(other, one)
    assert ("protein" in (one, other)) == (kind_of(one, other) == "RNA vs protein")


def test_one_source_alone_contradicts_nobody():
    assert list(find_conflicts(sources(bulk([40.0] * 3), SINGLES), gates=SYMBOLS)) == COLUMNS
    assert isinstance(find_conflicts([], gates=[]), pd.DataFrame)
