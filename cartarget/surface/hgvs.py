"""What a variant does to a protein, read from its HGVS name (`ENSP00000295522.3:p.Val24Met`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from Bio.Data.IUPACData import protein_letters_3to1_extended

SYNONYMOUS, MISSENSE, IN_FRAME = "synonymous", "missense", "in-frame"
STOP, FRAMESHIFT, START_LOST, STOP_LOST = "stop", "frameshift", "start lost", "stop lost"
UNREAD = "unknown"
KINDS = (SYNONYMOUS, MISSENSE, IN_FRAME, STOP, FRAMESHIFT, START_LOST, STOP_LOST, UNREAD)
"""What a change may be."""

SHORTENING = (STOP, FRAMESHIFT, START_LOST)
"""After which the protein may not be made, or not whole."""

END = "*"
"""The stop codon, as a residue."""

_LETTER = {**protein_letters_3to1_extended, "Ter": END, "X": END}  # X: a stop, in names of before 2013; unknown is Xaa
_THREE = rf"(?:{'|'.join(_LETTER)}|\*)"
_ONE = r"(?:[A-Z]|\*)"


def _patterns(aa: str) -> tuple[re.Pattern[str], ...]:
    place = rf"(?P<ref>{aa})(?P<first>\d+)(?:_(?P<ref2>{aa})(?P<last>\d+))?"
    return (
        re.compile(rf"{place}(?P<fs>(?:{aa})?fs.*)"),
        re.compile(rf"{place}(?P<ext>ext.*|(?:{aa})ext.*)"),
        re.compile(rf"{place}(?P<frame>delins|del|ins|dup)(?P<put>(?:{aa})*|\d*)"),
        re.compile(rf"{place}(?P<alt>{aa}|=|\?)"),
    )


_PATTERNS = (*_patterns(_THREE), *_patterns(_ONE))


@dataclass(frozen=True)
class Change:
    """A change of a protein.

    Attributes
    ----------
    name
        `p.Val24Met`.
    kind
        One of `KINDS`.
    first, last
        Residues of the reference that it touches, one-based; 0 where it cannot be read. An insertion touches the two
        residues beside it; a stop or a frameshift, its first.
    residues
        Position → residue that the reference must have there, in one letter.
    """

    name: str
    kind: str
    first: int = 0
    last: int = 0
    residues: tuple[tuple[int, str], ...] = ()

    def fits(self, sequence: str) -> bool:
        """Whether a sequence has the reference's residues where the change says; what is unread fits nothing.

        Examples
        --------
        >>> change = parse_change("p.Ala2Val")
        >>> change.fits("MANAG"), change.fits("MVNAG"), change.fits("M")
        (True, False, False)
        """
        ended = sequence + END
        return bool(self.residues) and all(
            at <= len(ended) and ended[at - 1] in (residue, "X") for at, residue in self.residues
        )


def parse_change(text: str) -> Change:
    """Read an HGVS name of a protein's change.

    Parameters
    ----------
    text
        With or without the protein's name before it, in three letters or one; `%3D` is `=`, `X` a stop.

    Returns
    -------
    Change
        Of kind `unknown` where the name says nothing that can be placed (`p.?`, an empty text).

    Examples
    --------
    >>> change = parse_change("ENSP00000295522.3:p.Val24Met")
    >>> change.kind, change.first, change.residues
    ('missense', 24, ((24, 'V'),))
    >>> [parse_change(name).kind for name in ("p.Arg31Ter", "p.R31*", "p.Lys65AsnfsTer5", "p.Leu9=", "p.Met1?")]
    ['stop', 'stop', 'frameshift', 'synonymous', 'start lost']
    >>> [parse_change(name).kind for name in ("p.R31X", "p.Met1_Ala2del", "p.Lys108_Ter110del")]
    ['stop', 'start lost', 'stop lost']
    >>> parse_change("p.Ser54_Ser58del").last, parse_change("p.?").kind
    (58, 'unknown')
    """
    name = "p." + text.rpartition("p.")[2] if "p." in text else text
    name = name.replace("%3D", "=")
    bare = name.removeprefix("p.").strip("()")
    if bare in ("0", "0?"):
        return Change(name, START_LOST, 1, 1, ((1, "M"),))
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(bare):
            change = _change(name, match.groupdict())
            return change if 1 <= change.first <= change.last else Change(name, UNREAD)
    return Change(name, UNREAD)


def _change(name: str, said: dict[str, str | None]) -> Change:
    first = int(said["first"] or 0)
    last = int(said["last"] or first)
    residues = [(first, _letter(said["ref"]))] + ([(last, _letter(said["ref2"]))] if said["ref2"] else [])
    kind = _kind(said, residues[0])
    return Change(name, kind, first, first if kind in SHORTENING else last, tuple(residues))


def _letter(text: str | None) -> str:
    return _LETTER.get(text or "", text or "")


def _kind(said: dict[str, str | None], place: tuple[int, str]) -> str:
    position, ref = place
    if said.get("fs"):
        return FRAMESHIFT
    if said.get("ext"):
        return START_LOST if position == 1 else STOP_LOST
    if said.get("frame"):
        return _kind_in_frame(said["frame"] or "", said["put"] or "", place, _letter(said["ref2"]))
    alt = _letter(said["alt"])
    if position == 1 and alt not in ("=", ref):
        return START_LOST
    if ref == END:
        return SYNONYMOUS if alt in ("=", END) else STOP_LOST
    if alt == "?":
        return UNREAD
    return SYNONYMOUS if alt in ("=", ref) else STOP if alt == END else MISSENSE


def _kind_in_frame(frame: str, put: str, place: tuple[int, str], ref2: str) -> str:
    """Kind of a deletion, insertion or duplication: it may take the start or the stop, or put a stop."""
    position, ref = place
    is_taken = frame in ("del", "delins")
    if is_taken and position == 1 and re.match(r"Met|M(?![a-z])", put) is None:
        return START_LOST
    is_stop_put = any(stop in put.replace("Xaa", "") for stop in ("Ter", END, "X"))
    if is_taken and (ref == END or (ref2 == END and not is_stop_put)):
        return STOP_LOST
    return STOP if is_stop_put else IN_FRAME
