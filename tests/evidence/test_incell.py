"""Gates inside cells: the share that is hit is that of a plain loop, and what is not measured is not zero."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cartarget.errors import InputError
from cartarget.evidence.incell import cell_shares
from cartarget.evidence.panel import build_panel
from cartarget.evidence.part import measured_in_tumor
from cartarget.logic.batch import Gates
from cartarget.selection.joined import NOT_IN_PANEL, join_cells
from tests.panels import REQUIRED, observations

SYMBOLS = ["A", "B", "C"]
OF_TWO = np.array([(a, b, op) for a in range(3) for b in range(3) for op in range(3)])
EVERY = Gates.of_two(*OF_TWO.T)


def test_shares_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    adata = observations("cells", {"p": rng.integers(0, 2, (50, 3))}, {}, symbols=SYMBOLS)
    group = rng.integers(-1, 3, 50)
    found = cell_shares(adata, symbols=SYMBOLS, gates=EVERY, group=group, n_groups=4)
    positive = adata.X >= 1
    rule = (np.logical_or, np.logical_and, lambda x, y: x & ~y)
    for row, (a, b, op) in enumerate(OF_TWO):
        hit = rule[op](positive[:, a], positive[:, b])
        assert found[row, :3] == pytest.approx([hit[group == number].mean() for number in range(3)], abs=1e-6)
    assert np.isnan(found[:, 3]).all(), "an empty group has no share"


def joined(*, unmeasured: dict[str, list[str]] | None = None) -> object:
    """Two patients of 90 and 10 malignant cells, all and none with A; of two normal types one has A, one not."""
    tumor = {"p": np.tile([1, 1, 1], (90, 1)), "q": np.zeros((10, 3))}
    normal = {"lung": {"d": np.tile([1, 1, 1], (40, 1))}, "skin": {"d": np.zeros((400, 3))}}
    adata = observations("cells", tumor, normal, symbols=SYMBOLS, unmeasured=unmeasured)
    adata.obs["cell_type"] = adata.obs["tissue"].map({"lung": "goblet cell", "skin": "enterocyte"}).fillna("")
    return adata


def test_patients_are_not_pooled_and_the_worst_normal_type_counts() -> None:
    row = join_cells(joined(), symbols=["A"], gates=Gates.singles(1), epithelium=["Goblet cell", "enterocyte"]).iloc[0]
    assert (row["cells_malignant"], row["cells_normal"]) == (0.5, 1.0)
    assert row["cells_note"] == "100 cells of 2 donors malignant, 440 cells of 1 donor normal epithelial"
    row = join_cells(joined(), symbols=["A"], gates=Gates.singles(1), epithelium=["none such"]).iloc[0]
    assert np.isnan(row["cells_normal"])


def test_a_gene_that_one_data_set_lacks_is_not_zero() -> None:
    gates = Gates.parse(["A", "A & ~B"], panel=SimpleNamespace(index={"A": 0, "B": 1, "C": 2}))
    table = join_cells(joined(unmeasured={"tumor": ["B"]}), symbols=SYMBOLS, gates=gates, epithelium=["goblet cell"])
    assert table["cells_malignant"].tolist()[0] == 0.5
    assert table.loc[1, ["cells_malignant", "cells_normal"]].isna().all()
    assert table.loc[1, "cells_note"] == NOT_IN_PANEL


def test_an_antigen_that_some_tumours_lack_is_no_candidate() -> None:
    adata = joined(unmeasured={"tumor": ["B"]})
    assert measured_in_tumor(adata).tolist() == [True, False, True]
    with pytest.raises(InputError, match="candidate 'B' is not measured in all of its tumours"):
        build_panel(adata, symbols=SYMBOLS, required=REQUIRED)
