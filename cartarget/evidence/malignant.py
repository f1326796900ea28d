"""The tumours of a panel patient by patient: malignant cells as bits, and bulk samples as mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.atlas.labels import MICROENVIRONMENT
from cartarget.atlas.purity import tumor_level
from cartarget.errors import InputError
from cartarget.evidence.derived import fold
from cartarget.evidence.intervals import by_population
from cartarget.evidence.join import owners
from cartarget.evidence.names import numbered
from cartarget.evidence.packed import WORD, Packed, unpack_bits
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates


@dataclass(frozen=True, eq=False)
class Malignant:
    """The malignant cells of a panel, counted ones alone, whichever tumours order the ranking.

    Attributes
    ----------
    patients
        Names, as the panel's populations call them.
    words
        `uint64`, antigens × words of these cells.
    owner
        Patient of each word; words of one patient stand together.
    valid
        `uint64`, one a word: the bits that are cells.
    n_cells
        Cells per patient.
    is_measured
        Antigens × patients.
    lesion, lesions
        Row of `lesions` (names) of each bit, −1 where it is not told; None where no atlas tells lesions.
    """

    patients: tuple[str, ...]
    words: NDArray[np.uint64]
    owner: NDArray[np.int64]
    valid: NDArray[np.uint64]
    n_cells: NDArray[np.int64]
    is_measured: NDArray[np.bool_]
    lesion: NDArray[np.int32] | None = None
    lesions: tuple[str, ...] = ()

    def hit(self, gates: Gates) -> NDArray[np.uint64]:
        """Cells that each gate hits, gates × words; a blocker is believed, as in coverage."""
        return np.asarray(gates.evaluate(self.words, ~self.words) & self.valid)

    def count(self, bits: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Bits per patient, rows × words become rows × patients."""
        ones = np.bitwise_count(bits).astype(np.float64)
        return by_population(ones, self.owner, len(self.patients)).astype(np.int64)

    def is_known(self, gates: Gates) -> NDArray[np.bool_]:
        """Whether there are cells and every antigen of the gate was measured in them, gates × patients."""
        held = np.vstack([self.is_measured, np.ones((1, len(self.patients)), dtype=bool)])  # row −1: no antigen
        return np.asarray(held[gates.rows].all(axis=1) & (self.n_cells > 0))


def malignant_cells(panel: Panel) -> Malignant:
    """The malignant cells of a panel.

    Returns
    -------
    `Malignant`. A person with cells from around the tumour but not one malignant cell is a patient of none: named
    `no malignant cells 1` and so on, and unknown to every gate.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> cells = malignant_cells(panel)
    >>> cells.patients
    ('patient 1', 'patient 2')
    >>> hit = cells.count(cells.hit(Gates.singles(2))) / cells.n_cells
    >>> bool(np.allclose(hit, panel.fraction[:, panel.is_tumor]))
    True
    """
    table, segments = panel.populations, panel.packed.segments
    own = np.flatnonzero(((table["side"] == "tumor") & (table["kind"] == "cells")).to_numpy())
    place = np.full(len(table), -1, dtype=np.int64)
    place[own] = np.arange(len(own))
    patient = place[segments["population"].to_numpy(dtype=np.int64)]
    size = (segments["stop"] - segments["start"]).to_numpy(dtype=np.int64)
    of_word = np.repeat(patient, size)
    columns = np.flatnonzero(of_word >= 0)
    without = numbered(_without_cells(panel), what="no malignant cells").values()
    measured = np.zeros((len(panel.symbols), len(without)), dtype=bool)
    counted = np.r_[table["n_observations"].to_numpy(dtype=np.int64)[own], np.zeros(len(without), dtype=np.int64)]
    return Malignant(
        patients=(*table["population"].astype(str).to_numpy()[own].tolist(), *without),
        words=panel.packed.words[:, columns],
        owner=of_word[columns],
        valid=_valid(segments)[columns],
        n_cells=counted,
        is_measured=np.hstack([panel.packed.is_measured[:, own], measured]),
        lesion=None if panel.packed.lesion is None else panel.packed.lesion.reshape(-1, WORD)[columns].ravel(),
        lesions=panel.packed.lesions,
    )


def _valid(segments: pd.DataFrame) -> NDArray[np.uint64]:
    """The bits of each word that are observations."""
    size = (segments["stop"] - segments["start"]).to_numpy(dtype=np.int64)
    inside = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    held = np.clip(np.repeat(segments["n_observations"].to_numpy(dtype=np.int64), size) - WORD * inside, 0, WORD)
    every = np.uint64(2**WORD - 1)
    return np.where(held > 0, every >> (WORD - np.maximum(held, 1)).astype(np.uint64), np.uint64(0))


def _without_cells(panel: Panel) -> list[str]:
    """Donors of cells around a tumour who gave no malignant cell and no tumour sample."""
    packed, table = panel.packed, panel.populations
    if packed.donor is None:
        return []
    around = (
        (table["side"] == "normal") & (table["tissue"] == MICROENVIRONMENT) & (table["kind"] == "cells")
    ).to_numpy()
    tumor = (table["side"] == "tumor").to_numpy()
    return [packed.donors[row] for row in sorted(_people(packed, around) - _people(packed, tumor))]


def _people(packed: Packed, chosen: NDArray[np.bool_]) -> set[int]:
    """Rows of the donors of the chosen populations."""
    assert packed.donor is not None
    return set(packed.donor[chosen[owners(packed)] & (packed.donor >= 0)].tolist())


@dataclass(frozen=True)
class Mixtures:
    """What is known of bulk tumour samples as mixtures.

    Attributes
    ----------
    threshold
        CPM at or above which a cell carries an antigen, that of the run.
    purity
        Donor → share of malignant cells in the sample, in (0, 1]; of several samples the lowest. A donor who is not in
        it has an unknown purity.
    """

    threshold: float
    purity: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise InputError(f"threshold: found {self.threshold:g}; expected CPM above 0 (thresholds.bulk of the run)")


@dataclass(frozen=True, eq=False)
class Bulk:
    """The bulk tumours of a panel, patient by patient, against some gates.

    Attributes
    ----------
    patients
        `bulk patient 1` and so on, in the order of the donors.
    n_samples
        Samples per patient.
    n_shown
        Samples in which the gate is met, gates × patients. The antigens may lie on different cells.
    left_lower
        Share of the malignant cells that the gate leaves at least, gates × patients; of several samples the highest.
    is_known
        Whether every antigen of the gate was measured in all samples of the patient, gates × patients.
    """

    patients: tuple[str, ...]
    n_samples: NDArray[np.int64]
    n_shown: NDArray[np.int64]
    left_lower: NDArray[np.float64]
    is_known: NDArray[np.bool_]


def bulk_tumors(panel: Panel, gates: Gates, *, mixtures: Mixtures | None = None) -> Bulk:
    r"""What bulk samples can say of the malignant cells that gates leave: a lower bound, and no more.

    A sample is a mean over cells. If a share :math:`f` of the malignant cells carries an antigen at the threshold
    :math:`t` or above, their mean is at least :math:`f t`, and with purity :math:`p` the sample's level :math:`x` is at
    least :math:`p f t`: so :math:`f \le x / (p t)` (Markov's inequality). Of `A & B` at most the smaller share can be
    hit, of `A | B` at most the sum; a blocker is not asked. What is not hit is left. That a sample shows an antigen
    says nothing of how many cells carry it, as a few may carry it all, or cells that are not malignant.

    Parameters
    ----------
    panel
        Evidence; a run's panel, which knows whose each sample is.
    gates
        The gates.
    mixtures
        Threshold and purity. None, or a purity that is not known: the lower bound is 0, the share unknown.

    Returns
    -------
    `Bulk`; no patients where the panel holds no bulk tumour.

    Raises
    ------
    InputError
        A purity is not in (0, 1].

    Notes
    -----
    RNA content per cell is taken to be alike, as in `cartarget.atlas.purity`.

    Examples
    --------
    CPM 2 at purity 0.5 is 4 in the malignant cells at most: no more than 4 in 10 of them can stand at 10.

    >>> highest = 2.0 / 0.5
    >>> 1 - highest / Mixtures(threshold=10.0).threshold
    0.6
    """
    packed, table = panel.packed, panel.populations
    is_bulk = ((table["side"] == "tumor") & (table["kind"] == "samples")).to_numpy()
    if not is_bulk.any():
        none = np.zeros((len(gates), 0))
        return Bulk((), np.zeros(0, np.int64), none.astype(np.int64), none, none.astype(bool))
    if packed.donor is None:
        raise ValueError("a panel knows whose each observation is; this one was not made by build_panel")
    owner = owners(packed)
    bits = np.flatnonzero(is_bulk[owner] & (packed.donor >= 0))
    people, patient = np.unique(packed.donor[bits], return_inverse=True)
    hit = unpack_bits(np.asarray(gates.evaluate(packed.words, ~packed.words)), bits)
    shown = np.zeros((len(gates), len(people)), dtype=np.int64)
    np.add.at(shown.T, patient, hit.T.astype(np.int64))
    known = np.ones((len(gates), len(people)), dtype=bool)
    held = np.asarray(np.vstack([packed.is_measured, np.ones((1, len(table)), dtype=bool)])[gates.rows].all(axis=1))
    np.logical_and.at(known.T, patient, held.T[owner[bits]])
    donors = [packed.donors[row] for row in people]
    return Bulk(
        patients=tuple(numbered(donors, what="bulk patient")[name] for name in donors),
        n_samples=np.bincount(patient, minlength=len(people)),
        n_shown=shown,
        left_lower=np.zeros(shown.shape) if mixtures is None else _least_left(panel, gates, mixtures, is_bulk, people),
        is_known=known,
    )


def _least_left(
    panel: Panel, gates: Gates, mixtures: Mixtures, is_bulk: NDArray[np.bool_], people: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Lower bound of the share left, gates × people: the highest over a patient's samples."""
    rows = np.flatnonzero(is_bulk[panel.level_population])
    donor = panel.level_donor[rows]
    purity = np.array([mixtures.purity.get(panel.packed.donors[who], np.nan) for who in donor])
    _, highest = tumor_level(np.exp2(panel.levels[rows].astype(np.float64)) - 1, purity=purity, normal=np.inf)
    share = np.minimum(np.nan_to_num(highest / mixtures.threshold, nan=1.0, posinf=1.0), 1.0).T
    left = 1 - _at_most(panel, gates, share)
    out = np.zeros((len(gates), len(people)))
    np.maximum.at(out.T, np.searchsorted(people, donor), left.T)
    return out


def _at_most(panel: Panel, gates: Gates, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest share that a gate without its blockers can hit, given that of each antigen; gates × places."""

    def either(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.minimum(one + other, 1.0)

    values = gates.unblocked.gates(panel.symbols)
    found = [fold(gate, lambda name: share[panel.index[name]], both=np.minimum, either=either) for gate in values]
    return np.array(found).reshape(len(gates), share.shape[1])
