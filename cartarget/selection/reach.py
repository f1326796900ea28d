"""Which gates reach which patients, of one tumour or several, and why some patients are reached by none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cartarget.contracts import CLASSES

Flags = NDArray[np.bool_]

UNSCORED = len(CLASSES)
"""Class of a gate in a tumour whose run cannot score it: an antigen of it is no candidate there."""


@dataclass(frozen=True, eq=False)
class Reach:
    """What gates do to patients of one tumour or several.

    Attributes
    ----------
    gates
        Gates, those that are preferred among equals first.
    tumors
        Names of the tumours (runs).
    tumor
        Tumour of each patient.
    covers
        Whether the gate covers the share of the patient's tumour that is asked for, patients × gates.
    classes
        Row of `CLASSES` of each gate in each tumour, or `UNSCORED`; tumours × gates.
    """

    gates: tuple[str, ...]
    tumors: tuple[str, ...]
    tumor: NDArray[np.int64]
    covers: Flags
    classes: NDArray[np.int8]

    def within(self, allowed: Collection[int]) -> Reach:
        """The same, a patient covered only by gates of the classes allowed; gates that then serve nobody left out."""
        serves = self.covers & np.isin(self.classes, list(allowed))[self.tumor]
        keep = np.flatnonzero(serves.any(axis=0))
        gates = tuple(self.gates[at] for at in keep)
        return replace(self, gates=gates, covers=serves[:, keep], classes=self.classes[:, keep])

    def of(self, patients: Flags) -> Reach:
        """The same for some of the patients."""
        return replace(self, tumor=self.tumor[patients], covers=self.covers[patients])

    def served(self, gates: Collection[str]) -> Flags:
        """Patients whom one of these gates covers."""
        held = set(gates)
        return np.asarray(self.covers[:, [gate in held for gate in self.gates]].any(axis=1))


def by_tumor(reach: Reach, served: Flags) -> str:
    """Patients served by tumour, in words.

    Examples
    --------
    >>> reach = Reach((), ("read", "ucs"), np.array([0, 0, 1]), np.zeros((3, 0), bool), np.zeros((2, 0), np.int8))
    >>> by_tumor(reach, np.array([True, False, True]))
    'read 1 of 2, ucs 1 of 1'
    """
    counts = [(served[reach.tumor == row].sum(), (reach.tumor == row).sum()) for row in range(len(reach.tumors))]
    return ", ".join(f"{name} {hits} of {n}" for name, (hits, n) in zip(reach.tumors, counts, strict=True))


def what_binds(reach: Reach, *, allowed: Collection[int]) -> dict[str, int]:
    """Why patients are served by no gate of the classes allowed: each by the best class that would serve him.

    Returns
    -------
    Reason → patients, such as `{"gates that are unknown only": 3, "no gate": 1}`; those without a patient
    are left out.

    Examples
    --------
    >>> covers = np.array([[1, 0], [0, 1], [0, 0]], dtype=bool)
    >>> reach = Reach(("A", "B"), ("read",), np.zeros(3, int), covers, np.array([[0, 3]], np.int8))
    >>> what_binds(reach, allowed=[0, 1])
    {'gates that are over cap only': 1, 'no gate': 1}
    """
    scored = np.where(reach.covers, reach.classes[reach.tumor], UNSCORED)
    best = scored.min(axis=1, initial=UNSCORED)
    best[np.isin(scored, list(allowed)).any(axis=1)] = -1
    found = {f"gates that are {name} only": int((best == row).sum()) for row, name in enumerate(CLASSES)}
    found["no gate"] = int((best == UNSCORED).sum())
    return {reason: n for reason, n in found.items() if n}


def classes_by_tumor(reach: Reach, gate: int) -> str:
    """Class of a gate by tumour, in words."""
    named = [*CLASSES, "not scored"]
    return ", ".join(f"{name}: {named[row]}" for name, row in zip(reach.tumors, reach.classes[:, gate], strict=True))
