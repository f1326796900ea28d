"""Windows against numpy, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from cartarget.logic.batch import Gates
from cartarget.safety.window import gate_levels, windows
from tests.panels import random_panel


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(6))
def test_levels_and_windows_equal_plain_numpy(kind, seed):
    panel = random_panel(seed, kind=kind)
    n = len(panel.symbols)
    rng = np.random.default_rng(seed)
    a, b, op = rng.integers(0, n, 40), rng.integers(0, n, 40), rng.integers(0, 3, 40)
    levels = gate_levels(panel, Gates.of_two(a, b, op))
    found = windows(panel, levels)
    table = panel.populations
    for row in range(40):
        x, y = panel.levels[:, a[row]], panel.levels[:, b[row]]
        twin = [np.maximum(x, y), np.minimum(x, y), x][op[row]]
        tumor = np.quantile(twin[panel.is_tumor[panel.level_population]], 0.25)
        assert levels.tumor[row] == pytest.approx(tumor, abs=1e-5)
        heights = {}
        for p in np.flatnonzero(~panel.is_tumor):
            heights[p] = np.quantile(twin[panel.level_population == p], 0.9)
            np.testing.assert_allclose(levels.population[row, p], heights[p], atol=1e-5)
        vital = [heights[p] for p in heights if table["tier"][p] == "vital" and not table["is_origin"][p]]
        for unit in np.flatnonzero((panel.units["evidence"] == "summary") & (panel.units["tier"] == "vital")):
            if not panel.units["is_origin"][unit]:
                u, v = np.log2(panel.value[a[row], unit] + 1), np.log2(panel.value[b[row], unit] + 1)
                vital.append([np.maximum(u, v), np.minimum(u, v), u][op[row]])
        known = [value for value in vital if not np.isnan(value)]
        if known:
            assert found.vital[row] == pytest.approx(tumor - max(known), abs=1e-4)
        else:
            assert np.isnan(found.vital[row])
