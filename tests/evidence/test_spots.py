"""Spots as mixtures: which spots of B a T cell primed on A reaches; by hand, by loop, and in her2st."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.atlas.readers.spots import read_spots
from cartarget.errors import InputError
from cartarget.evidence.spots import colocation, reached

GRID = np.array([(x, y) for y in range(3) for x in range(3)], dtype=float)
"""Nine spots:  0 1 2 / 3 4 5 / 6 7 8."""


def shown(**spots: list[int]) -> pd.DataFrame:
    """Nine spots, and which of them show each gene."""
    return pd.DataFrame({gene: [float(i in own) for i in range(9)] for gene, own in spots.items()})


def test_reach_by_hand() -> None:
    """A in the corner 0; B in 1 (a step away), 4 (a diagonal away) and 8 (the far corner), and in 0 itself."""
    counts = shown(A=[0], B=[0, 1, 4, 8])
    for reach, n, near in ((0, 1, 1), (1, 2, 3), (1.5, 3, 4), (3, 4, 9)):
        found = colocation(counts, GRID, "A", "B", reach)
        assert (found.n_reached, found.share_reached, found.share_expected) == (n, n / 4, near / 9)
        assert (found.n_spots, found.n_a, found.n_b, found.n_mixed) == (9, 1, 4, 1), "the mixture does not move"


def test_the_order_of_two_antigens_matters() -> None:
    counts = shown(A=[0], B=[1, 8])
    assert colocation(counts, GRID, "A", "B", 1).share_reached == 0.5
    assert colocation(counts, GRID, "B", "A", 1).share_reached == 1.0


def test_what_was_not_measured_is_unknown_and_what_is_nowhere_reaches_nothing() -> None:
    counts = shown(A=[0], B=[])
    found = colocation(counts, GRID, "A", "X", 1)
    assert (found.n_b, found.n_mixed, found.n_reached, found.share_reached) == (None,) * 4
    assert found.n_a == 1 and found.share_expected == 3 / 9
    found = colocation(counts, GRID, "X", "A", 1)
    assert (found.n_a, found.n_reached, found.share_reached, found.share_expected) == (None,) * 4
    assert colocation(counts, GRID, "A", "B", 1).share_reached is None, "no B, no share"
    assert colocation(counts, GRID, "B", "A", 9).share_reached == 0.0, "nothing primes"


def test_the_threshold_decides_what_a_spot_shows() -> None:
    counts = 3 * shown(A=[0], B=[1])
    assert colocation(counts, GRID, "A", "B", 1, least=3).n_reached == 1
    assert colocation(counts, GRID, "A", "B", 1, least=4).n_a == 0


@given(seed=st.integers(0, 10**6), reach=st.floats(0, 5))
@settings(max_examples=30)
def test_the_nearest_spot_decides_as_in_a_loop(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 6, (25, 2))
    counts = pd.DataFrame({"A": rng.random(25) < 0.2, "B": rng.random(25) < 0.4}).astype(float)
    expected = [
        any(counts["A"][j] and np.hypot(*(places[i] - places[j])) <= reach for j in range(25)) for i in range(25)
    ]
    near = reached(counts, places, a="A", reach=reach)
    assert near is not None and near.tolist() == expected
    wider = reached(counts, places, a="A", reach=reach + 1)
    assert wider is not None and (wider >= near).all()


@pytest.mark.parametrize(
    ("places", "reach", "message"),
    [
        (GRID[:8], 1, r"found \(8, 2\) for 9 spots"),
        (np.where(GRID == 2, np.nan, GRID), 1, "two finite numbers"),
        (GRID, -1, "found -1; expected a distance of 0 or more"),
        (GRID, np.nan, "found nan"),
    ],
)
def test_wrong_places_and_reaches_are_refused(places: np.ndarray, reach: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        colocation(shown(A=[0], B=[1]), places, "A", "B", reach)


COUNTS = "\tERBB2\tCD4\n1x2\t3\t0\n2x2\t0\t1\n"
PLACES = "x\ty\tlabel\n0.98\t2.01\tinvasive cancer\n2.0\t2.0\tadipose tissue\n5\t5\t\n"


def written(folder: Path, *, counts: str = COUNTS, places: str = PLACES) -> tuple[Path, Path]:
    (folder / "counts.tsv").write_text(counts)
    (folder / "places.tsv").write_text(places)
    return folder / "counts.tsv", folder / "places.tsv"


def test_spots_are_read_in_the_order_of_their_counts(tmp_path: Path) -> None:
    spots = read_spots(*written(tmp_path))
    assert spots.counts.to_dict() == {"ERBB2": {"1x2": 3, "2x2": 0}, "CD4": {"1x2": 0, "2x2": 1}}
    assert spots.coordinates.tolist() == [[0.98, 2.01], [2, 2]]
    assert spots.label.tolist() == ["invasive cancer", "adipose tissue"] and spots.n_without_counts == 1
    bare = read_spots(*written(tmp_path, places="x\ty\n1\t2\n2\t2\n"))
    assert bare.label.tolist() == ["", ""]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": COUNTS.replace("1x2", "AAAC-1")}, r"counts.tsv, line 2: spot 'AAAC-1' is not named by its place"),
        ({"counts": COUNTS.replace("2x2", "1x2")}, "spot '1x2' stands twice"),
        ({"counts": COUNTS.replace("2x2", "9x9")}, r"places.tsv: spot '9x9' of .*counts.tsv has no place"),
        ({"places": PLACES.replace("x\ty", "a\ty")}, r"places.tsv, line 1: column 'x' is missing"),
        ({"places": PLACES.replace("0.98", "left")}, r"places.tsv, line 2: found x 'left', y '2.01'"),
        ({"places": PLACES.replace("5\t5", "2\t2.1")}, r"line 4: a second place rounds to spot '2x2'"),
        ({"places": PLACES.replace("5\t5", "nan\t5")}, r"line 4: found x 'nan'"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_spots(*written(tmp_path, **changes))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("section", "n", "n_without"), [("A1", 346, 2), ("B1", 295, 0), ("C1", 176, 1), ("D1", 306, 3)]
)
def test_sections_of_breast_cancer(shared_data: Path, section: str, n: int, n_without: int) -> None:
    folder = shared_data / "spatial_her2st"
    spots = read_spots(folder / f"{section}.counts.tsv.gz", folder / f"{section}_labeled_coordinates.tsv")
    assert (len(spots.counts), spots.n_without_counts) == (n, n_without)
    assert np.abs(spots.coordinates - spots.coordinates.round()).max() < 0.5
    is_cancer = (spots.label == "invasive cancer").to_numpy()
    assert spots.counts["ERBB2"][is_cancer].mean() > spots.counts["ERBB2"][~is_cancer].mean()
    found = [colocation(spots.counts, spots.coordinates, "ERBB2", "EPCAM", reach) for reach in (0, 1.5, 60)]
    assert found[0].n_reached == found[0].n_mixed, "at no distance only the mixture itself is reached"
    assert found[0].n_reached <= found[1].n_reached <= found[2].n_reached == found[2].n_b
    assert found[2].share_expected == 1
    far = np.linalg.norm(spots.coordinates[:, None] - spots.coordinates[None], axis=2)
    shows = (spots.counts[["ERBB2", "EPCAM"]] >= 1).to_numpy()
    assert found[1].n_reached == (shows[:, 1] & (far[:, shows[:, 0]] <= 1.5).any(axis=1)).sum()
    assert colocation(spots.counts, spots.coordinates, "ERBB2", "no such gene", 1).share_reached is None
