"""Not seen is not absent: power by hand, and thinned cells brought back to their truth."""

from __future__ import annotations

import math

import anndata
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import DEPTHS, count_atlas
from cartarget.evidence.power import carried_rates, power, power_at
from tests.evidence.atlases import SYMBOLS, random_cells
from tests.panels import REQUIRED, observations


@pytest.mark.parametrize(
    ("rate", "depth", "count", "chance"),
    [
        (1e-3, 1000, 1, 1 - math.exp(-1)),
        (1e-3, 1000, 2, 1 - 2 * math.exp(-1)),
        (2e-3, 1000, 3, 1 - 5 * math.exp(-2)),
        (0.0, 1000, 1, 0.0),
        (1e-3, 0, 1, 0.0),
        (math.nan, 1000, 1, 1.0),
    ],
)
def test_power_by_hand(rate: float, depth: float, count: int, chance: float) -> None:
    assert power_at(rate, depth=depth, count=count) == pytest.approx(chance)


@given(st.floats(1e-7, 1e-2), st.floats(1, 1e5), st.integers(1, 4))
def test_deeper_cells_and_lower_thresholds_show_more(rate: float, depth: float, count: int) -> None:
    here = power_at(rate, depth=depth, count=count)
    assert 0 <= here <= power_at(rate, depth=2 * depth, count=count) <= 1
    assert power_at(rate, depth=depth, count=count + 1) <= here


def test_the_power_of_a_population_is_the_mean_over_its_cells() -> None:
    depth = np.zeros((3, len(DEPTHS)), dtype=np.int64)
    depth[0, 80], depth[0, 96] = 3, 1  # three cells of 1,024 counts and one of 4,096
    depth[1, 80] = 5
    found = power(np.array([1e-3]), depth=depth)
    one, four = 1 - math.exp(-1.024), 1 - math.exp(-4.096)
    assert found[0] == pytest.approx([(3 * one + four) / 4, one, 1.0]), "no depths, no word against it"


def tumour(values: list[float], depth: float, atlas: str = "one") -> anndata.AnnData:
    adata = observations("cells", {"p": np.array(values)[:, None]}, {}, symbols=["A"])
    adata.obs["n_counts"] = depth
    adata.uns["cartarget"]["atlas"] = atlas
    return adata


def test_the_rate_of_cells_by_hand() -> None:
    """Counts 0, 1, 3 at depth 2,000: mean (4 + 0.5) / 2 of those that show it; λ solves λ / (1 − e^−λ) = 2.25."""
    (rate,) = carried_rates([count_atlas(tumour([0, 1, 3], 2000.0), symbols=["A"])], symbols=["A"])
    carried = rate * 2000
    assert carried / (1 - math.exp(-carried)) == pytest.approx(2.25, rel=1e-6)


def test_the_rate_of_samples_by_hand() -> None:
    """Median of the tumours at 10 CPM or more: of 4, 12, 20 and 60 CPM it is 20, which is 2 in 100,000."""
    values = {f"p{i}": np.array([[v]]) for i, v in enumerate((4.0, 12.0, 20.0, 60.0))}
    part = count_atlas(observations("samples", values, {}, symbols=["A"]), symbols=["A"])
    assert carried_rates([part], symbols=["A", "B"]) == pytest.approx([2e-5, math.nan], nan_ok=True)


def test_cells_are_asked_before_samples_and_the_lowest_rate_counts() -> None:
    bulk = count_atlas(observations("samples", {"p": np.array([[1.0]])}, {}, symbols=["A"]), symbols=["A"], bulk=[1.0])
    weak, strong = (
        count_atlas(tumour(values, 2000.0, name), symbols=["A"])
        for values, name in (([1, 2], "weak"), ([9, 8], "strong"))
    )
    alone = carried_rates([weak], symbols=["A"])
    assert carried_rates([bulk, strong, weak], symbols=["A"], bulk=1.0) == pytest.approx(alone)
    assert carried_rates([strong], symbols=["A"]) > alone
    nobody = count_atlas(tumour([0, 0], 2000.0), symbols=["A"])
    assert carried_rates([nobody, bulk], symbols=["A"], bulk=1.0) == pytest.approx([1e-6], rel=1e-3)


def test_power_is_one_where_depth_or_rate_is_not_known() -> None:
    unknown = build_panel(random_cells(0), symbols=SYMBOLS, required=REQUIRED)
    assert (unknown.power == 1).all(), "no depths"
    adata = random_cells(0, depth=True)
    adata.X[(adata.obs["side"] == "tumor").to_numpy(), 0] = 0
    panel = build_panel(adata, symbols=SYMBOLS, required=REQUIRED)
    assert (panel.power[0] == 1).all(), "the tumour does not show it, so nobody knows its rate"
    normal = panel.is_normal
    assert (panel.power[:, ~normal] == 1).all(), "in a tumour nothing is corrected"
    assert (panel.power[1:, normal] < 1).any()


def thinned(seed: int, *, thin: float, carried: float, mean: float = 12.0) -> Panel:
    """Twenty lung donors of 60 cells; a share carries A, of which a deep cell shows `mean` counts of 10,000."""
    rng = np.random.default_rng(seed)

    def draw(n: int, share: float, part: float) -> np.ndarray:
        return rng.binomial(rng.poisson(mean, (n, 1)), part) * (rng.random((n, 1)) < share)

    tumor = {f"p{i}": draw(200, 0.8, 1.0) for i in range(3)}
    lung = {f"d{i}": draw(60, carried, thin) for i in range(20)}
    adata = observations("cells", tumor, {"lung": lung}, symbols=["A"])
    adata.obs["n_counts"] = np.where(adata.obs["side"] == "tumor", 10_000.0, 10_000.0 * thin)
    return build_panel(adata, symbols=["A"], required=REQUIRED)


@pytest.mark.parametrize("carried", [0.02, 0.3, 0.7])
def test_cells_thinned_to_a_tenth_are_corrected_without_bias(carried: float) -> None:
    """At a tenth a carrier shows 1.2 counts on average: 70 % are seen. The corrected fraction is the truth again."""
    plain, corrected = [], []
    for seed in range(30):
        panel = thinned(seed, thin=0.1, carried=carried)
        plain.append(panel.fraction[0, -1])
        corrected.append(panel.corrected[0, -1])
        assert panel.power[0, -1] == pytest.approx(1 - math.exp(-1.2), abs=0.03)
    error = np.std(corrected, ddof=1) / math.sqrt(len(corrected))
    assert abs(np.mean(corrected) - carried) < 3 * error
    assert carried - np.mean(plain) > 3 * error, "uncorrected it is low, or this test shows nothing"


def test_below_a_fifth_an_antigen_is_not_measured() -> None:
    """Depth 100: a carrier shows 0.12 counts on average, and 11 % of them are seen; at 300 it is 30 %."""
    few, some = thinned(0, thin=0.01, carried=0.5), thinned(0, thin=0.03, carried=0.5)
    assert few.power[0, -1] < 0.2 and not few.packed.is_measured[0, -1]
    assert few.corrected[0, -1] == few.fraction[0, -1] > 0, "what was seen counts, and is not multiplied"
    assert some.power[0, -1] > 0.2 and some.packed.is_measured[0, -1]
    assert few.packed.is_measured[0, :-1].all(), "the tumour's own depth says what it shows"


def test_a_corrected_fraction_is_at_most_one() -> None:
    panel = thinned(1, thin=0.02, carried=1.0, mean=30.0)
    assert (panel.corrected <= 1).all() and (panel.corrected >= panel.fraction - 1e-12).all()
