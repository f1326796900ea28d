from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.evidence.packed import Packed
from cartarget.search.grid import GATES, pair_grid
from cartarget.search.objectives import selectivity
from cartarget.search.search import search_gates
from tests.search.reference import instance, packed


@pytest.mark.parametrize("seed", range(12))
def test_grid_says_what_the_search_says(seed: int) -> None:
    """Also where antigens are unmeasured and where blockers earn no credit."""
    random = np.random.default_rng(seed)
    positive, labels = instance(seed, n=6)
    data = packed(positive, labels)
    data = Packed(
        data.symbols, data.words, data.segments, data.populations, random.random(data.is_measured.shape) < 0.9
    )
    populations = pd.DataFrame(
        {
            "population": ["n0", "n1", "n2"],
            "weight": random.choice([1.0, 0.5], 3),
            "is_origin": random.random(3) < 0.2,
            "evidence": random.choice(["cells", "samples"], 3),
        }
    )
    grid = pair_grid(data, populations=populations, n_threads=2)
    table = search_gates(
        data, objective=selectivity(), templates=["A & B", "A | B"], populations=populations, top=1000, progress=False
    ).table.set_index("gate")
    for i in range(6):
        for j in range(i + 1, 6):
            a, b = grid.symbols[i], grid.symbols[j]
            for place, shape in enumerate(GATES):
                name = shape.replace("A", "%").replace("B", b).replace("%", a)
                row = table.loc[name]
                assert grid.coverage[place, i, j] == pytest.approx(row["coverage"], abs=1e-6), name
                assert grid.exposure[place, i, j] == pytest.approx(row["exposure"], abs=1e-6), name
