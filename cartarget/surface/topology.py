"""Which part sticks out: topology strings as sequence features."""

from __future__ import annotations

import re
from collections.abc import Sequence

from Bio.SeqFeature import SeqFeature, SimpleLocation

from cartarget.errors import InputError

REGIONS = {
    "SP": "signal peptide",
    "NC": "outside",
    "TM": "transmembrane",
    "CY": "cytoplasmic",
    "IM": "in the membrane",
}
"""Regions of a SURFY topology string. Source: Bausch-Fluck et al. 2018, doi:10.1073/pnas.1808790115."""

_PIECE = re.compile(r"^([A-Za-z]+):(\d+)-(\d+)$")


def parse_topology(text: str) -> list[SeqFeature]:
    """Read a topology string (`SP:1-20;NC:21-300;TM:301-323;CY:324-400`) into sequence features.

    Positions are residues, one-based and inclusive in the string, zero-based and half-open in the
    features, as Biopython has them. The feature's `type` is one of the values of `REGIONS`; a code that is
    not among them keeps its own name.

    Parameters
    ----------
    text
        Pieces `CODE:first-last`, separated by semicolons. Empty: no features (topology is unknown).

    Raises
    ------
    InputError
        A piece has another form, ends before it begins, or overlaps the one before it.

    Examples
    --------
    >>> [(part.type, len(part)) for part in parse_topology("SP:1-20;NC:21-300;TM:301-323;CY:324-400")]
    [('signal peptide', 20), ('outside', 280), ('transmembrane', 23), ('cytoplasmic', 77)]
    """
    features: list[SeqFeature] = []
    end = 0
    for piece in filter(None, (part.strip() for part in text.split(";"))):
        match = _PIECE.match(piece)
        if match is None:
            raise InputError(f"topology {text!r}: cannot read {piece!r}; expected CODE:first-last, such as TM:301-323")
        code, first, last = match[1].upper(), int(match[2]), int(match[3])
        if last < first or first <= end:
            raise InputError(f"topology {text!r}: {piece!r} must begin after residue {end} and end after it begins")
        end = last
        features.append(SeqFeature(SimpleLocation(first - 1, last), type=REGIONS.get(code, code)))
    return features


def count_outside(features: Sequence[SeqFeature]) -> int | None:
    """Number of residues outside the cell (signal peptide not counted); None if the topology is unknown.

    Higher means more to bind; a loop of a few residues is hard to reach for a binder.

    Examples
    --------
    >>> count_outside(parse_topology("SP:1-20;NC:21-300;TM:301-323;CY:324-400"))
    280
    >>> count_outside([]) is None
    True
    """
    return sum(len(part) for part in features if part.type == "outside") if features else None


def longest_outside(features: Sequence[SeqFeature]) -> int | None:
    """Length of the longest stretch outside the cell; None if the topology is unknown.

    Examples
    --------
    >>> longest_outside(parse_topology("NC:1-37;TM:38-60;CY:61-71;TM:72-93;NC:94-98"))
    37
    """
    return max((len(part) for part in features if part.type == "outside"), default=0) if features else None
