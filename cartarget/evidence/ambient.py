"""RNA from elsewhere: transcripts that leak into all cells of a sample, and doublets that fake an AND."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from cartarget.errors import InputError
from cartarget.evidence.incell import cell_shares
from cartarget.evidence.intervals import by_population, observation_weights
from cartarget.evidence.packed import count_positive
from cartarget.evidence.positivity import pack_atlas
from cartarget.logic.batch import Gates

MICROENVIRONMENT = "tumor microenvironment"

TOP = 0.5
"""Share of its cells that a population must show a transcript on for it to be one of its top transcripts."""

LEAK = 0.02
"""Share of cells of a population that should lack a transcript, from which it counts as leaked."""

LACKS = 0.2
"""A population below this share of the top population's fraction is taken to lack the transcript itself."""

MIN_CELLS = 30
"""Cells below which a population cannot show a leak."""

MIN_SCRUBLET = 50
"""Cells of a donor below which doublets cannot be called."""


def ambient_scores(adata: AnnData, *, count: int = 1) -> pd.DataFrame:
    r"""How far the top transcripts of one population of a tissue show in the others, which should lack them.

    RNA leaks within a sample, so populations are compared within a tissue; malignant cells and the tumour's
    microenvironment are one tissue. The top population shows the gene on at least half of its cells; those that show
    it at less than a fifth of that rate are taken to lack it. The score is
    :math:`\mathrm{median}_{\text{lacking}}(f) / f_{\text{top}}`; genes are flagged where every other population of the
    tissue lacks the gene itself and yet at least 2 % of the cells of each show it.

    Parameters
    ----------
    adata
        Harmonised atlas of cells.
    count
        Counts that make a cell positive.

    Returns
    -------
    One row a gene and tissue in which some population of thirty cells has it at the top and two others lack it:
    `symbol`, `tissue`, `top_population`, `top_fraction`, `background_fraction` (median over those that lack it),
    `ambient_score` (lower is better), `n_background`, `is_ambient`. Sorted by score, worst first.

    Raises
    ------
    InputError
        The atlas does not hold cells.

    References
    ----------
    Young & Behjati, GigaScience 2020, doi:10.1093/gigascience/giaa151 (contamination from genes that a cell type
    lacks).

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=1, n_donors=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> scores = ambient_scores(cartarget.harmonise(atlas, tiers=tiers, origin=["colon"]))
    >>> scores.set_index(["symbol", "tissue"]).loc[("ASGR1", "liver"), "top_population"]
    'liver: hepatocyte'
    """
    about = adata.uns["cartarget"]
    if about["kind"] != "cells":
        raise InputError(f"atlas {about['atlas']}: kind {about['kind']!r} holds no cells into which RNA could leak")
    packed = pack_atlas(adata, count=count)
    weight, _ = observation_weights(packed)
    table = packed.populations
    owner = packed.segments["population"].to_numpy()
    fraction = by_population(count_positive(packed) * weight, owner, len(table))
    fraction[~packed.is_measured] = np.nan
    is_tumor = (table["side"] == "tumor").to_numpy() | (table["tissue"].astype(str) == MICROENVIRONMENT).to_numpy()
    tissue = np.where(is_tumor, "tumor", table["tissue"].astype(str))
    enough = (table["n_observations"] >= MIN_CELLS).to_numpy()
    names = table["population"].astype(str).to_numpy(dtype=object)
    parts = [
        _leaks(fraction[:, here], packed.symbols, name, names[here])
        for name in sorted(set(tissue))
        if len(here := np.flatnonzero((tissue == name) & enough)) > 2
    ]
    empty = _leaks(np.zeros((0, 1)), (), "", names[:0])
    frame = pd.concat(parts, ignore_index=True) if parts else empty
    return frame.sort_values(["ambient_score", "symbol"], ascending=[False, True], ignore_index=True)


def _leaks(
    fraction: NDArray[np.float64], symbols: Sequence[str], tissue: str, names: NDArray[np.object_]
) -> pd.DataFrame:
    """Rows of one tissue: genes × its populations."""
    known = np.nan_to_num(fraction, nan=-1.0)
    top = known.argmax(axis=1)
    highest = known.max(axis=1, initial=-1.0)
    lacks = (known >= 0) & (known < LACKS * highest[:, None])
    n = lacks.sum(axis=1)
    chosen = np.flatnonzero((highest >= TOP) & (n >= 2))
    background = np.nanmedian(np.where(lacks[chosen], fraction[chosen], np.nan), axis=1)
    least = np.where(lacks[chosen], fraction[chosen], np.inf).min(axis=1, initial=np.inf)
    return pd.DataFrame(
        {
            "symbol": np.array(symbols, dtype=object)[chosen],
            "tissue": tissue,
            "top_population": names[top[chosen]] if len(names) else np.zeros(0, dtype=object),
            "top_fraction": highest[chosen],
            "background_fraction": background,
            "ambient_score": background / highest[chosen],
            "n_background": n[chosen],
            "is_ambient": (least >= LEAK) & (n[chosen] == (known[chosen] >= 0).sum(axis=1) - 1),
        }
    )


def ambient_notes(scores: pd.DataFrame) -> pd.Series:
    """One warning a leaking antigen: the text of the column `ambient_note`, by symbol.

    Parameters
    ----------
    scores
        From :func:`ambient_scores`.

    Examples
    --------
    >>> scores = pd.DataFrame({"symbol": ["ALB"], "tissue": "liver", "top_population": "liver: hepatocyte",
    ...                        "top_fraction": 1.0, "background_fraction": 0.3, "is_ambient": True})
    >>> ambient_notes(scores)["ALB"]
    'liver: leaks from liver: hepatocyte (100 % of its cells) into all others (30 %)'
    """
    found = scores[scores["is_ambient"].astype(bool)]
    text = [
        f"{row.tissue}: leaks from {row.top_population} ({row.top_fraction:.0%} of its cells) into all others "
        f"({row.background_fraction:.0%})".replace("%", " %")
        for row in found.itertuples()
    ]
    notes = pd.Series(text, index=found["symbol"].to_numpy(dtype=object), dtype=object)
    return notes.groupby(level=0).agg("; ".join).rename("ambient_note")


def is_doublet(adata: AnnData) -> NDArray[np.bool_]:
    """Which cells were called doublets, from `obs["is_doublet"]`.

    Raises
    ------
    InputError
        There are no calls, or one is missing.
    """
    name = adata.uns["cartarget"]["atlas"]
    if "is_doublet" not in adata.obs:
        raise InputError(
            f"atlas {name}: obs has no column is_doublet; give doublet calls, or make them (call_doublets)"
        )
    calls = adata.obs["is_doublet"]
    if calls.isna().any():
        raise InputError(
            f"atlas {name}: is_doublet is missing for cell {calls.index[calls.isna()][0]!r}; give yes or no"
        )
    if calls.dtype == object or isinstance(calls.dtype, (pd.StringDtype, pd.CategoricalDtype)):
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        read = calls.astype(str).str.lower().map(words)
        if read.isna().any():
            raise InputError(f"atlas {name}: is_doublet is {calls[read.isna()].iloc[0]!r}; expected True or False")
        calls = read
    return calls.to_numpy(dtype=bool)


def without_doublets(adata: AnnData) -> AnnData:
    """The atlas without the cells that were called doublets.

    Parameters
    ----------
    adata
        Atlas of cells with `obs["is_doublet"]`.

    Returns
    -------
    A copy; a sentence in its notes says how many cells were left out.

    Raises
    ------
    InputError
        There are no calls.

    Examples
    --------
    >>> adata = AnnData(np.ones((2, 1), dtype="float32"), obs=pd.DataFrame({"is_doublet": [True, False]}, ["a", "b"]))
    >>> adata.uns["cartarget"] = {"atlas": "x", "notes": []}
    >>> without_doublets(adata).uns["cartarget"]["notes"]
    ['1 of 2 cells are called doublets and left out']
    """
    calls = is_doublet(adata)
    kept = adata[~calls].copy()
    about = dict(adata.uns["cartarget"])
    note = f"{int(calls.sum())} of {len(calls)} cells are called doublets and left out"
    kept.uns["cartarget"] = about | {"notes": [*about.get("notes", []), note]}
    return kept


def doublet_fractions(
    adata: AnnData,
    *,
    symbols: Sequence[str],
    names: Sequence[str],
    gates: Gates,
    count: int = 1,
) -> pd.DataFrame:
    """Fraction of each population that a gate hits, with and without the cells called doublets.

    Parameters
    ----------
    adata
        Harmonised atlas of cells with `obs["is_doublet"]`.
    symbols
        Antigens to which `gates` refers.
    names
        Gates as text.
    gates
        The gates.
    count
        Counts that make a cell positive.

    Returns
    -------
    One row a gate and population: `gate`, `population`, `n_observations`, `n_doublets`, `fraction`,
    `fraction_without_doublets` (plain shares of cells; missing where no single cell is left). Gates with an antigen
    that the atlas lacks have no rows.

    Raises
    ------
    InputError
        There are no calls.

    Examples
    --------
    >>> adata = AnnData(np.array([[1, 1], [1, 0], [0, 1], [0, 1]], dtype="float32"))
    >>> adata.var_names, adata.obs["population"], adata.obs["is_doublet"] = ["A", "B"], "lung", [True] + [False] * 3
    >>> adata.uns["cartarget"] = {"atlas": "x", "unit": "counts"}
    >>> frame = doublet_fractions(adata, symbols=["A", "B"], names=["A & B"],
    ...                           gates=Gates.of_two(np.array([0]), np.array([1]), np.array([1])))
    >>> frame[["fraction", "fraction_without_doublets"]].values.tolist()
    [[0.25, 0.0]]
    """
    calls = is_doublet(adata)
    population = pd.Categorical(adata.obs["population"].astype(str))
    groups = len(population.categories)
    codes = population.codes.astype(np.int64)
    n, n_single = (np.bincount(codes[kept], minlength=groups) for kept in (slice(None), ~calls))
    shares = [
        cell_shares(adata, symbols=symbols, gates=gates, group=group, n_groups=groups, count=count)
        for group in (codes, np.where(calls, -1, codes))
    ]
    held = np.flatnonzero(~np.isnan(shares[0]).all(axis=1))
    return pd.DataFrame(
        {
            "gate": np.repeat(np.array(names, dtype=object)[held], groups),
            "population": np.tile(population.categories.to_numpy(dtype=object), len(held)),
            "n_observations": np.tile(n, len(held)),
            "n_doublets": np.tile(n - n_single, len(held)),
            "fraction": shares[0][held].ravel(),
            "fraction_without_doublets": shares[1][held].ravel(),
        }
    )


def call_doublets(adata: AnnData, *, seed: int, expected: float = 0.06) -> AnnData:
    """Call doublets donor by donor with Scrublet.

    Scores are those of `scanpy.pp.scrublet`; the threshold is that of Otsu between the two heaps of the scores of
    simulated doublets. Give all genes of the atlas, not only candidates.

    Parameters
    ----------
    adata
        Atlas of cells with counts.
    seed
        Each donor has a generator of his own, spawned from it.
    expected
        Share of doublets that is expected.

    Returns
    -------
    A copy with `obs["is_doublet"]` and `obs["doublet_score"]`. Donors with fewer than fifty cells are not called:
    their score is missing, and a note says so.

    Raises
    ------
    InputError
        The atlas holds no counts.

    References
    ----------
    Wolock, Lopez & Klein, Cell Systems 2019, doi:10.1016/j.cels.2018.11.005; Otsu, IEEE Trans. SMC 1979,
    doi:10.1109/TSMC.1979.4310076.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=1, n_donors=1, cells_per_population=2, n_background=40)
    >>> called = call_doublets(atlas, seed=0)
    >>> called.obs["is_doublet"].dtype.name, called.obs["is_doublet"].mean() < 0.5
    ('bool', np.True_)
    """
    about = adata.uns["cartarget"]
    if about["unit"] != "counts":
        raise InputError(f"atlas {about['atlas']}: unit {about['unit']!r}; doublets can only be called from counts")
    called = adata.copy()
    donor = pd.Categorical(adata.obs["donor"].astype(str))
    score, calls = np.full(adata.n_obs, np.nan), np.zeros(adata.n_obs, dtype=bool)
    small = []
    streams = np.random.SeedSequence(seed).spawn(len(donor.categories))
    for code, (name, stream) in enumerate(zip(donor.categories, streams, strict=True)):
        rows = np.flatnonzero(donor.codes == code)
        if len(rows) < MIN_SCRUBLET:
            small.append(str(name))
            continue
        score[rows], threshold = _scrublet(adata[rows], int(stream.generate_state(1)[0] >> 1), expected)
        calls[rows] = score[rows] > threshold
    called.obs["is_doublet"], called.obs["doublet_score"] = calls, score
    note = f"doublets called by Scrublet: {int(calls.sum())} of {adata.n_obs} cells"
    note += f"; not called, fewer than {MIN_SCRUBLET} cells: {', '.join(small)}" if small else ""
    called.uns["cartarget"] = dict(about) | {"notes": [*about.get("notes", []), note]}
    return called


def _scrublet(adata: AnnData, seed: int, expected: float) -> tuple[NDArray[np.float64], float]:
    import scanpy as sc

    values = sparse.csr_matrix(adata.X, dtype=np.float32)
    seen = np.asarray((values > 0).sum(0)).ravel() >= 3
    part = AnnData(values[:, seen])
    components = max(2, min(30, min(part.shape) - 1))
    sc.pp.scrublet(
        part, expected_doublet_rate=expected, n_prin_comps=components, threshold=-1.0, random_state=seed, verbose=False
    )
    return part.obs["doublet_score"].to_numpy(dtype=np.float64), otsu(part.uns["scrublet"]["doublet_scores_sim"])


def otsu(values: NDArray[np.floating]) -> float:
    """Threshold that parts values into two heaps with the smallest variance within.

    Examples
    --------
    >>> round(otsu(np.array([0.1, 0.12, 0.14, 0.8, 0.82])), 2)
    0.14
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = np.arange(1, len(ordered))
    low = np.cumsum(ordered)[:-1] / n
    high = (ordered.sum() - low * n) / (len(ordered) - n)
    return float(ordered[int(np.argmax(n * (len(ordered) - n) * (high - low) ** 2))])
