"""How much of a gate is luck: random gates of the same shape whose members are expressed alike in the tumour."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from cartarget.errors import InputError
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.safety.judge import judge
from cartarget.safety.scores import score
from cartarget.safety.window import gate_levels
from cartarget.selection.screen import score_gates

BINS = 10
"""Bins of tumour level, of equal numbers of antigens; fewer where there are under five antigens a bin."""

MEASURES = ("selectivity", "window")
CHUNK = 4096


def random_pair_null(
    panel: Panel,
    *,
    gates: Gates,
    candidates: Sequence[str],
    seed: int = 0,
    n: int = 200,
    progress: bool = True,
) -> pd.DataFrame:
    r"""Place each gate among random gates of the same shape and the same expression in the tumour.

    Antigens are binned by their median log2 level over the tumour's donors. A gate `A & B` is compared with `n`
    random gates `A' & B'`, A' from the bin of A and B' from that of B; `A | B`, `A & ~B` and single antigens likewise.
    All are scored by the same rules as the gate. What matching removes is "expressed in every tumour"; what
    remains to be beaten is the body's expression of equally expressed antigens.

    .. math:: \text{percentile} = \frac{\#\{\text{null} < x\} + \tfrac12 \#\{\text{null} = x\}}{n}, \qquad
              p = \frac{1 + \#\{\text{null} \ge x\}}{1 + n}

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates to place, as rows of the panel.
    candidates
        Antigens from which random gates are drawn.
    seed
        Each stratum (shape, bin, bin) draws from a stream of its own: a gate's null does not depend on the others.
    n
        Random gates a stratum.
    progress
        Show a progress bar.

    Returns
    -------
    One row a gate, in the order given: `gate`, `null_stratum`, `n_null`; `null_selectivity` and
    `null_window`, medians of the null; `selectivity_percentile` and `window_percentile` in [0, 1], higher
    is better; `selectivity_p`, the chance that one random gate does as well, not corrected for choosing the
    gate among many. A missing window ranks below every other; a gate whose own window is missing has a missing
    percentile of it.

    Raises
    ------
    InputError
        Fewer than two candidates.

    References
    ----------
    Phipson & Smyth, Stat Appl Genet Mol Biol 2010, doi:10.2202/1544-6115.1585 (why one is added).

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=3, n_donors=3, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> names = list(atlas.var_names[atlas.var["role"] == "surface"])
    >>> panel = cartarget.build_panel(atlas, symbols=names, required=tiers.required, origin=["colon"])
    >>> planted = Gates.parse(["CEACAM5 & MSLN"], panel=panel)
    >>> null = random_pair_null(panel, gates=planted, candidates=names, n=50, progress=False)
    >>> bool(null["selectivity_percentile"].iloc[0] > 0.5)
    True
    """
    members = np.array([panel.index[symbol] for symbol in candidates], dtype=np.int64)
    if len(members) < 2:
        raise InputError(f"a null of random pairs needs at least two candidates; found {len(members)}")
    bins = level_bins(panel, members=members)
    key = np.column_stack([gates.kind, np.where(gates.rows >= 0, bins[gates.rows], -1)])
    strata, stratum = np.unique(key, axis=0, return_inverse=True)
    pools = [members[bins[members] == number] for number in range(int(bins.max()) + 1)]
    drawn = [gates.take(np.arange(0)), *(_draw(gates.shapes[row[0]], row[1:], pools, seed=seed, n=n) for row in strata)]
    random = Gates.join(drawn)
    null = _measures(panel, random, progress=progress).reshape(len(strata), n, len(MEASURES))
    mine = _measures(panel, gates, progress=False)
    frame = pd.DataFrame({"gate": gates.names(panel.symbols)})
    frame["null_stratum"] = [_label(gates.shapes[strata[i, 0]], strata[i, 1:]) for i in np.ravel(stratum)]
    frame["n_null"] = n
    for column, name in enumerate(MEASURES):
        values = np.sort(null[:, :, column], axis=1)
        frame[f"null_{name}"] = _finite(np.median(values, axis=1))[np.ravel(stratum)]
        below, least = _place(values, np.ravel(stratum), mine[:, column])
        missing = ~np.isfinite(mine[:, column])
        frame[f"{name}_percentile"] = np.where(missing, np.nan, (below + least) / (2 * n))
        if name == "selectivity":
            frame["selectivity_p"] = (1 + n - below) / (1 + n)
    return frame


def random_pairs(
    panel: Panel, *, candidates: Sequence[str], seed: int = 0, n: int = 1000, floor: float = 0.5
) -> pd.DataFrame:
    """Score random gates of two candidates, each shape as likely as in the search: the control that must not lead.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    candidates
        Antigens that may stand in a gate.
    seed, n
        Seed, and how many.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    As :func:`cartarget.selection.screen.score_gates`.
    """
    members = np.array([panel.index[symbol] for symbol in candidates], dtype=np.int64)
    if len(members) < 2:
        raise InputError(f"random pairs need at least two candidates; found {len(members)}")
    (stream,) = np.random.SeedSequence(seed).spawn(1)
    rng = np.random.default_rng(stream)
    a = rng.integers(len(members), size=n)
    b = (a + rng.integers(1, len(members), size=n)) % len(members)
    op = np.minimum(rng.integers(4, size=n), 2)
    return score_gates(panel, gates=Gates.of_two(members[a], members[b], op), floor=floor)


def level_bins(panel: Panel, *, members: NDArray[np.int64], bins: int = BINS) -> NDArray[np.int64]:
    """Bin of each antigen of the panel by its median level over the tumour's donors; bins hold equally many members.

    Antigens that are not members fall into the bin in whose range they lie.
    """
    rows = panel.is_tumor[panel.level_population]
    level = np.nan_to_num(np.median(panel.levels[rows], axis=0), nan=0.0)
    mean = panel.fraction[:, panel.is_tumor] @ panel.patient_weight
    score_of = level + 1e-6 * mean
    n = int(np.clip(len(members) // 5, 1, bins))
    edges = np.quantile(score_of[members], np.linspace(0, 1, n + 1)[1:-1])
    found = np.searchsorted(edges, score_of, side="right")
    sizes = np.bincount(found[members], minlength=n)
    merged = np.cumsum(np.concatenate([[0], (np.cumsum(sizes)[:-1] >= 2) & (sizes[1:] >= 2)]))
    return np.asarray(merged[found], dtype=np.int64)


def _draw(shape: Gate, bins: NDArray[np.int64], pools: Sequence[NDArray[np.int64]], *, seed: int, n: int) -> Gates:
    """`n` random gates of one stratum: a shape, and the bin of each of its antigens. No antigen stands twice."""
    letters = len(shape.antigens)
    stream = np.random.SeedSequence([seed, zlib.crc32(str(shape).encode()), *(int(b) for b in bins[:letters])])
    rng = np.random.default_rng(stream)
    rows = np.empty((n, letters), dtype=np.int64)
    for column in range(letters):
        pool = pools[int(bins[column])]
        drawn = rng.integers(len(pool), size=n)
        for step in range(len(pool)):
            rows[:, column] = pool[drawn]
            twice = (rows[:, :column] == rows[:, column : column + 1]).any(axis=1)
            if not twice.any() or step == len(pool) - 1:
                break
            drawn = np.where(twice, (drawn + 1) % len(pool), drawn)
    return Gates((shape,), np.zeros(n, dtype=np.int64), rows)


def _measures(panel: Panel, gates: Gates, *, progress: bool) -> NDArray[np.float64]:
    """Selectivity and window of gates; a missing window is −inf."""
    parts = [np.empty((0, len(MEASURES)))]
    starts = range(0, len(gates), CHUNK)
    for start in tqdm(starts, desc="random pairs", disable=None if progress else True, leave=False):
        part = gates.take(np.arange(start, min(start + CHUNK, len(gates))))
        values = score(panel, part, judge(panel, part), gate_levels(panel, part))[list(MEASURES)].to_numpy(
            dtype=np.float64
        )
        parts.append(np.where(np.isnan(values), -np.inf, values))
    return np.vstack(parts)


def _place(
    values: NDArray[np.float64], stratum: NDArray[np.int64], mine: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of the sorted null of its stratum lie below each gate, and how many do not lie above it."""
    below, least = np.empty(len(mine), np.int64), np.empty(len(mine), np.int64)
    for number in range(len(values)):
        rows = np.flatnonzero(stratum == number)
        below[rows] = np.searchsorted(values[number], mine[rows] - 1e-9, side="left")
        least[rows] = np.searchsorted(values[number], mine[rows] + 1e-9, side="right")
    return below, least


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _label(shape: Gate, bins: NDArray[np.int64]) -> str:
    text = str(shape)
    for symbol, number in zip(shape.antigens, bins, strict=False):
        text = text.replace(symbol, f"{symbol}{number + 1}")
    return text
