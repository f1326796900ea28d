"""Which share of each patient's tumour a gate hits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.join import owners
from cartarget.evidence.packed import WORD, unpack_bits
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates

CHUNK = 512
"""Gates whose bits are in memory at a time."""


def patient_shares(panel: Panel, *, gates: Gates) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Share of each patient's malignant cells that each gate hits, over the tumours that order the ranking.

    In bulk the share of his samples in which the gate is met: 0 or 1 with one sample a patient. How many of the cells
    in a sample carry the antigens is not known from bulk.

    Parameters
    ----------
    panel
        Evidence; it knows whose each observation is (`cartarget.build_panel`).
    gates
        The gates. Candidates are measured in all tumours of the ranking, so nothing is missing.

    Returns
    -------
    Patients, as rows of `panel.packed.donors`, and the share, gates × patients. A patient with fewer than 30 malignant
    cells tells too little and is left out, unless all have as few.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=150)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> patients, share = patient_shares(panel, gates=Gates.singles(2))
    >>> bool(np.allclose(share, panel.fraction[:, panel.is_tumor]))
    True
    """
    packed = panel.packed
    if packed.donor is None:
        raise ValueError("a panel knows whose each observation is; this one was not made by build_panel")
    asked = np.zeros(len(panel.populations), dtype=bool)
    asked[np.flatnonzero(panel.is_tumor)[panel.tells_low_end]] = True
    bits = np.flatnonzero(asked[owners(packed)] & (packed.donor >= 0))
    words, at = np.unique(bits // WORD, return_inverse=True)
    place = np.ravel(at) * WORD + bits % WORD
    patients, owner, n = np.unique(packed.donor[bits], return_inverse=True, return_counts=True)
    own = packed.words[:, words]
    share = np.zeros((len(gates), len(patients)))
    for low in range(0, len(gates), CHUNK):
        hit = gates.take(np.arange(low, min(low + CHUNK, len(gates)))).evaluate(own, ~own)
        for row, one in enumerate(unpack_bits(hit, place)):
            share[low + row] = np.bincount(np.ravel(owner)[one], minlength=len(patients))
    return patients.astype(np.int64), share / n
