"""Antigens of a gate over tumours: do they rise together?"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cartarget.logic.batch import Gates
from cartarget.selection.joined import members_r

SYMBOLS = ["A", "B", "C", "D"]


def test_only_antigens_that_one_cell_must_have_are_compared() -> None:
    rng = np.random.default_rng(1)
    levels = pd.DataFrame(rng.normal(size=(30, 4)), columns=SYMBOLS)
    r = {pair: spearmanr(levels[pair[0]], levels[pair[1]]).statistic for pair in ("AB", "AC", "BC")}
    names = ["A & B", "A | B", "A & ~B", "A & (B | C)", "A & B & C", "A"]
    gates = Gates.parse(names, panel=SimpleNamespace(index={name: row for row, name in enumerate(SYMBOLS)}))
    found = members_r(levels, symbols=SYMBOLS, gates=gates)
    expected = [r["AB"], np.nan, np.nan, min(r["AB"], r["AC"]), min(r.values()), np.nan]
    assert found == pytest.approx(expected, nan_ok=True)


def test_an_antigen_without_levels_or_without_spread_tells_nothing() -> None:
    levels = pd.DataFrame({"A": [1.0, 2, 3], "B": [3.0, 2, 1], "C": [5.0, 5, 5]})
    gates = Gates.parse(
        ["A & C", "A & D", "A & B & D"], panel=SimpleNamespace(index={name: row for row, name in enumerate(SYMBOLS)})
    )
    assert members_r(levels, symbols=SYMBOLS, gates=gates) == pytest.approx([np.nan, np.nan, -1.0], nan_ok=True)
