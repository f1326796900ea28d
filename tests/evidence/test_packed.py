"""Packed positivity against plain counting, over random inputs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cartarget.errors import InputError
from cartarget.evidence.packed import WORD, Packed, count_positive, pack, pack_bits

Labelled = tuple[np.ndarray, list[str], list[str], list[str]]


@st.composite
def labelled(draw: st.DrawFn, *, max_observations: int = 200) -> Labelled:
    """A positivity matrix with population, donor and side of each observation."""
    n_observations = draw(st.integers(1, max_observations))
    n_antigens = draw(st.integers(1, 4))
    positive = draw(hnp.arrays(bool, (n_observations, n_antigens)))
    population = draw(
        st.lists(st.sampled_from(["p1", "p2", "gut", "liver"]), min_size=n_observations, max_size=n_observations)
    )
    donor = draw(st.lists(st.sampled_from(["d1", "d2", "d10"]), min_size=n_observations, max_size=n_observations))
    side = ["tumor" if name.startswith("p") else "normal" for name in population]
    return positive, population, donor, side


def packed_of(case: Labelled) -> Packed:
    positive, population, donor, side = case
    symbols = [f"G{index}" for index in range(positive.shape[1])]
    return pack(positive, symbols=symbols, population=population, donor=donor, side=side)


@given(hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(0, 200))))
def test_bits_unpack_to_what_was_packed(positive: np.ndarray) -> None:
    words = pack_bits(positive)
    assert words.dtype == np.uint64
    assert words.shape == (len(positive), -(-positive.shape[1] // WORD))
    for row, line in zip(words, positive, strict=True):
        bits = [(int(word) >> bit) & 1 for word in row for bit in range(WORD)]
        assert bits[: len(line)] == line.astype(int).tolist()
        assert not any(bits[len(line) :]), "bits beyond the observations are 0"


@given(labelled())
def test_counts_per_population_are_plain_counts(case: Labelled) -> None:
    positive, population, _, _ = case
    packed = packed_of(case)
    counts = count_positive(packed)
    for index, name in enumerate(packed.populations["population"]):
        columns = (packed.segments["population"] == index).to_numpy()
        expected = positive[np.array(population) == name].sum(axis=0)
        np.testing.assert_array_equal(counts[:, columns].sum(axis=1), expected)


@given(labelled())
def test_counts_per_donor_with_several_observations_are_plain_counts(case: Labelled) -> None:
    positive, population, donor, _ = case
    packed = packed_of(case)
    counts = count_positive(packed)
    segments = packed.segments.assign(name=packed.populations["population"].to_numpy()[packed.segments["population"]])
    for name in set(population):
        groups = [
            np.flatnonzero((np.array(population) == name) & (np.array(donor) == one)) for one in sorted(set(donor))
        ]
        expected = [tuple(positive[rows].sum(axis=0)) for rows in groups if len(rows) > 1]
        single = [rows for rows in groups if len(rows) == 1]
        if single:
            expected.append(tuple(positive[np.concatenate(single)].sum(axis=0)))
        found = counts[:, (segments["name"] == name).to_numpy()].T
        assert Counter(map(tuple, found.tolist())) == Counter(expected)


@given(labelled())
def test_segments_tile_the_words(case: Labelled) -> None:
    packed = packed_of(case)
    segments = packed.segments
    assert segments["start"].tolist() == [0, *segments["stop"].tolist()[:-1]]
    assert segments["stop"].iloc[-1] == packed.words.shape[1]
    widths = -(-segments["n_observations"] // WORD)
    assert ((segments["stop"] - segments["start"]) == widths).all(), "each segment starts at a word"
    assert ((segments["n_donors"] == 1) | (segments["n_donors"] == segments["n_observations"])).all()
    assert packed.n_observations == len(case[0])
    totals = segments.groupby("population")[["n_observations", "n_donors"]].sum()
    expected = packed.populations[["n_observations", "n_donors"]]
    np.testing.assert_array_equal(totals.to_numpy(), expected.to_numpy())


@given(labelled(max_observations=60), st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(case: Labelled, random: np.random.Generator) -> None:
    positive, *labels = case
    order = list(range(len(positive)))
    random.shuffle(order)
    other = packed_of((positive[order], *([column[i] for i in order] for column in labels)))  # type: ignore[arg-type]
    first = packed_of(case)
    pd.testing.assert_frame_equal(first.populations, other.populations)
    pd.testing.assert_frame_equal(first.segments, other.segments)
    np.testing.assert_array_equal(count_positive(first), count_positive(other))


@given(labelled())
def test_tumour_populations_come_first(case: Labelled) -> None:
    populations = packed_of(case).populations
    assert populations["side"].tolist() == sorted(populations["side"], reverse=True)
    for _, names in populations.groupby("side")["population"]:
        assert names.tolist() == sorted(names)


def test_absent_entries_of_the_measured_table_count_as_measured() -> None:
    measured = pd.DataFrame({"liver": [False, True]}, index=["A", "C"])
    packed = pack(
        [[1, 1], [1, 1]], symbols=["A", "B"], population=["p", "liver"], donor=["p", "d"], side=["tumor", "normal"],
        is_measured=measured,
    )  # fmt: skip
    assert packed.is_measured.tolist() == [[True, False], [True, True]]


def test_no_observation_is_no_word() -> None:
    packed = pack(np.zeros((0, 2)), symbols=["A", "B"], population=[], donor=[], side=[])
    assert packed.words.shape == (2, 0)
    assert count_positive(packed).shape == (2, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": ["A"]}, r"positivity is \(2, 2\), but there are 2 labelled observations and 1 symbols"),
        ({"side": ["tumor", "healthy"]}, "side 'healthy' is unknown"),
        ({"population": ["p", "p"]}, "population 'p' is on both sides"),
    ],
)
def test_wrong_labels_are_named(change: dict[str, list[str]], message: str) -> None:
    right = {"symbols": ["A", "B"], "population": ["p", "n"], "donor": ["d", "d"], "side": ["tumor", "normal"]}
    with pytest.raises(InputError, match=message):
        pack([[1, 0], [0, 1]], **(right | change))  # type: ignore[arg-type]
