"""Antigens with a threshold of their own: `CEACAM5>=200` is CEACAM5 at 200 and above, an antigen beside CEACAM5."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from cartarget.errors import GateError

AT_LEAST = ">="
SIGNS = (AT_LEAST, "≥")
"""How a threshold may be written."""

_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?")


def read_number(text: str) -> float | None:
    """The threshold that a text says; None if it is no number above 0.

    Examples
    --------
    >>> [read_number(text) for text in ("200", "2e2", "0.5", "0", "-1", "1_000", "many")]
    [200.0, 200.0, 0.5, None, None, None, None]
    """
    number = float(text) if _NUMBER.fullmatch(text) else 0.0
    return number if 0 < number < np.inf else None


def with_threshold(name: str, threshold: float | None) -> str:
    """The antigen that is `name` at a threshold of its own; `name` alone without one.

    Raises
    ------
    GateError
        The threshold is no number above 0.

    Examples
    --------
    >>> with_threshold("CEACAM5", 200), with_threshold("CEACAM5", 0.5), with_threshold("CEACAM5", None)
    ('CEACAM5>=200', 'CEACAM5>=0.5', 'CEACAM5')
    """
    if threshold is None:
        return name
    if not 0 < threshold < np.inf:
        raise GateError(f"antigen {name!r} at threshold {threshold}: expected a number above 0")
    return f"{name}{AT_LEAST}{np.format_float_positional(threshold, trim='-')}"


def split_threshold(antigen: str) -> tuple[str, float | None]:
    """The name of an antigen, and its own threshold; None: the threshold of the run.

    Examples
    --------
    >>> split_threshold("CEACAM5>=200"), split_threshold("HLA-A")
    (('CEACAM5', 200.0), ('HLA-A', None))
    """
    name, sign, number = antigen.rpartition(AT_LEAST)
    threshold = read_number(number) if sign and name else None
    return (antigen, None) if threshold is None else (name, threshold)


def name_of(antigen: str) -> str:
    """The name of an antigen, without a threshold.

    Examples
    --------
    >>> name_of("CEACAM5>=200"), name_of("CEACAM5")
    ('CEACAM5', 'CEACAM5')
    """
    return split_threshold(antigen)[0]


def refuse_several(antigens: Iterable[str]) -> None:
    """Refuse antigens of which one stands at two thresholds: a receptor has one affinity.

    Raises
    ------
    GateError
        A name stands at two thresholds, the run's own counted as one.

    Examples
    --------
    >>> refuse_several(["CEACAM5>=200", "CEACAM5"])
    Traceback (most recent call last):
    cartarget.errors.GateError: CEACAM5 stands at two thresholds (CEACAM5>=200 and CEACAM5); give it one
    """
    met: dict[str, str] = {}
    for antigen in antigens:
        name = name_of(antigen)
        if met.setdefault(name, antigen) != antigen:
            raise GateError(f"{name} stands at two thresholds ({met[name]} and {antigen}); give it one")
