"""How much each patient counts in a mean over patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PATIENT_CORRELATION = 0.3
"""Correlation of a patient's cells by which patients are weighed: the thousandth cell of a patient says little."""


def weigh_patients(n_observations: ArrayLike, *, n_donors: ArrayLike = 1) -> NDArray[np.float64]:
    """Weight of each tumour in a mean over patients: of m cells m / (1 + 0.3 (m − 1)), in all 1.

    Parameters
    ----------
    n_observations
        Cells of each patient, or samples of each tumour population.
    n_donors
        Patients behind each; a bulk population holds many.

    Examples
    --------
    >>> weigh_patients([1, 1000]).round(2).tolist()
    [0.23, 0.77]
    """
    people = np.asarray(n_donors, dtype=np.float64)
    each = np.asarray(n_observations, dtype=np.float64) / people
    own = people * each / (1 + (each - 1) * PATIENT_CORRELATION)
    return np.asarray(own / own.sum())
