"""One protein: which stretches lie outside the cell, how it is held there, and which isoforms keep the outside part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cartarget.surface.locations import SURFACE, Location, Stance, stance_of_go, stance_of_locations

Stretch = tuple[int, int]
"""First and last residue, one-based, both inside."""

CLASSES = ("type I", "type II", "type III", "type IV", "multi-pass", "GPI", "lipid anchor", "peripheral", "none")
"""How a protein is held by a membrane. Type I and III have the amino end outside (III without a signal peptide), type
II and IV the carboxyl end (IV: the span ends within 30 residues of it); `lipid anchor` is any lipid but GPI."""

LEAST_OUTSIDE = 30
"""Residues outside, in one stretch, that a binder needs (rule 22 of the method)."""

BREAK = "X"
"""Between stretches of a sequence that are not neighbours."""

_TAIL = 30


@dataclass(frozen=True)
class Isoform:
    """An isoform and what it keeps of the displayed sequence.

    Attributes
    ----------
    identifier, name
        `P04439-2` and `2`.
    is_displayed
        Whether the record's positions are those of this isoform.
    changes
        Stretches of the displayed sequence that the isoform lacks or replaces; None: not described.
    n_outside, longest_outside
        Residues outside that it keeps, and those of the stretch that keeps most; None: unknown.
    has_anchor
        Whether it keeps the spans or the GPI anchor; None: unknown.
    """

    identifier: str
    name: str = ""
    is_displayed: bool = False
    changes: tuple[Stretch, ...] | None = ()
    n_outside: int | None = None
    longest_outside: int | None = None
    has_anchor: bool | None = None

    @property
    def keeps_outside(self) -> bool | None:
        """Whether `LEAST_OUTSIDE` residues of one stretch stay outside and held by the membrane; None: unknown."""
        if self.longest_outside is None or self.has_anchor is None:
            return None
        return self.has_anchor and self.longest_outside >= LEAST_OUTSIDE


@dataclass(frozen=True)
class Protein:
    """What a UniProt record says about a protein and the membrane.

    Attributes
    ----------
    accession, secondary
        Primary accession, and those that point to it today (obsolete or merged ones).
    entry
        Entry name (`CLD1_HUMAN`).
    genes
        Primary symbols; several where several genes make the same protein.
    synonyms
        Other names of the genes.
    length
        Residues.
    sequence
        One-letter codes; U (selenocysteine) and X (unknown) are left as they are.
    signal
        Last residue of the signal peptide; None: none.
    spans
        Membrane spans.
    outside, inside, lumen
        Stretches outside the cell, in the cytoplasm, and in the lumen of an organelle.
    is_derived
        Whether `outside` was worked out from spans, signal peptide or anchor, since the record names no such stretch.
    gpi
        Residue that carries the GPI anchor; None: none.
    has_lipid
        Whether another lipid is attached.
    domains
        Names of folded domains that lie outside.
    glycosylation
        Glycosylated residues outside.
    n_disulfides
        Disulfide bonds with both ends outside.
    cleavage
        Notes on cleavage and shedding.
    locations, go
        Subcellular locations; pairs of a GO cellular component and its evidence code.
    isoforms
        Isoforms, the displayed one among them; empty where the record describes none.
    membrane_class
        One of `CLASSES`.
    """

    accession: str
    secondary: tuple[str, ...] = ()
    entry: str = ""
    genes: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    length: int = 0
    sequence: str = field(default="", repr=False)
    signal: int | None = None
    spans: tuple[Stretch, ...] = ()
    outside: tuple[Stretch, ...] = ()
    inside: tuple[Stretch, ...] = ()
    lumen: tuple[Stretch, ...] = ()
    is_derived: bool = False
    gpi: int | None = None
    has_lipid: bool = False
    domains: tuple[str, ...] = ()
    glycosylation: tuple[int, ...] = ()
    n_disulfides: int = 0
    cleavage: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()
    go: tuple[tuple[str, str], ...] = ()
    isoforms: tuple[Isoform, ...] = ()
    membrane_class: str = "none"

    @property
    def has_topology(self) -> bool:
        """Whether the record says, or implies, which part is where. A protein that nothing holds is known to be so."""
        return bool(self.outside or self.inside or self.lumen) or not self.spans

    @property
    def longest_outside(self) -> int | None:
        """Residues of the longest stretch outside; None: topology unknown."""
        return max(map(length_of, self.outside), default=0) if self.has_topology else None

    @property
    def n_outside(self) -> int | None:
        """Residues outside, all stretches together; None: topology unknown."""
        return sum(map(length_of, self.outside)) if self.has_topology else None

    @property
    def outside_part(self) -> str:
        """The sequence outside, stretches joined by `BREAK`; empty: none, or unknown."""
        return BREAK.join(filter(None, self.outside_sequences))

    @property
    def outside_sequences(self) -> tuple[str, ...]:
        """The sequences of the stretches outside, in order."""
        return tuple(self.sequence[first - 1 : last] for first, last in self.outside)

    @property
    def uniprot_stance(self) -> Stance:
        """What its subcellular locations say (`locations.stance_of_locations`)."""
        return stance_of_locations(self.locations)

    @property
    def go_stance(self) -> Stance:
        """What GO says (`locations.stance_of_go`)."""
        return stance_of_go(self.go)


def length_of(stretch: Stretch) -> int:
    """Residues of a stretch.

    Examples
    --------
    >>> length_of((21, 300))
    280
    """
    return stretch[1] - stretch[0] + 1


def overlap(one: Stretch, many: Sequence[Stretch]) -> int:
    """Residues that a stretch shares with others, which do not overlap each other.

    Examples
    --------
    >>> overlap((10, 20), [(1, 12), (19, 40)])
    5
    """
    return sum(max(0, min(one[1], last) - max(one[0], first) + 1) for first, last in many)


def classify(protein: Protein) -> str:
    """How the membrane holds a protein, one of `CLASSES`.

    What the record says in words (`Single-pass type II membrane protein`) is taken first; then the number of spans;
    then the side of the amino end, by the stretch named before the span, else by a signal peptide.

    Parameters
    ----------
    protein
        Spans, sides, signal peptide, lipids and locations.

    Examples
    --------
    >>> classify(Protein("P04626", length=1255, signal=22, spans=((653, 675),), inside=((676, 1255),)))
    'type I'
    >>> classify(Protein("Q04609", length=750, spans=((20, 43),), inside=((1, 19),)))
    'type II'
    """
    words = " ".join(each.topology for each in protein.locations)
    if protein.gpi is not None:
        return "GPI"
    if len(protein.spans) > 1:
        return "multi-pass"
    if protein.spans:
        return _single(protein, words)
    if "GPI-anchor" in words:
        return "GPI"
    if protein.has_lipid or "Lipid-anchor" in words:
        return "lipid anchor"
    return "peripheral" if "eripheral membrane protein" in words else "none"


def _single(protein: Protein, words: str) -> str:
    """The type of a protein with one span."""
    for name in ("type IV", "type III", "type II", "type I"):
        if f"Single-pass {name} " in f"{words} ":
            return name
    first, last = protein.spans[0]
    beyond = (*protein.outside, *protein.lumen)
    is_turned = any(each[1] < first for each in protein.inside) or any(each[0] > last for each in beyond)
    is_bare = not (protein.inside or beyond or protein.signal)
    if is_turned or is_bare:
        return "type IV" if protein.length - last <= _TAIL else "type II"
    return "type I" if protein.signal is not None else "type III"


def derive_outside(protein: Protein) -> tuple[Stretch, ...]:
    """The stretches outside where a record names none but its class implies them; empty where it does not.

    A GPI-anchored protein is outside from its signal peptide to its anchor; a protein with one span on the side that
    its type says; a peripheral one on the extracellular side as a whole. Only at the plasma membrane: the lumen of an
    organelle is not outside. Multi-pass proteins are not guessed.

    Examples
    --------
    >>> at = (Location("Cell membrane", "Lipid-anchor, GPI-anchor"),)
    >>> derive_outside(Protein("P06731", length=702, signal=34, gpi=685, locations=at, membrane_class="GPI"))
    ((35, 685),)
    """
    if not any(each.place == SURFACE for each in protein.locations):
        return ()
    start, form = (protein.signal or 0) + 1, protein.membrane_class
    if form == "GPI":
        return ((start, protein.gpi or protein.length),)
    if form == "peripheral":
        is_outer = any("Extracellular side" in each.topology for each in protein.locations)
        return ((start, protein.length),) if is_outer else ()
    if len(protein.spans) != 1:
        return ()
    first, last = protein.spans[0]
    stretch = (start, first - 1) if form in ("type I", "type III") else (last + 1, protein.length)
    return (stretch,) if stretch[1] >= stretch[0] else ()


def describe_isoform(
    isoform: Isoform, *, outside: Sequence[Stretch], spans: Sequence[Stretch], gpi: int | None
) -> Isoform:
    """The isoform with what it keeps of the outside part and of the anchor.

    Residues that it replaces count as lost: a binder of the displayed sequence may not find them. A span of which more
    than half is lost holds nothing.

    Examples
    --------
    >>> soluble = Isoform("P00533-2", changes=((628, 1210),))
    >>> describe_isoform(soluble, outside=[(25, 645)], spans=[(646, 668)], gpi=None).has_anchor
    False
    """
    if isoform.changes is None:
        return isoform
    changed = _merged(isoform.changes)
    kept = [length_of(each) - overlap(each, changed) for each in outside]
    anchors = [*spans, (gpi, gpi)] if gpi is not None else list(spans)
    held = [overlap(each, changed) * 2 <= length_of(each) for each in anchors]
    return replace(
        isoform,
        n_outside=sum(kept),
        longest_outside=max(kept, default=0),
        has_anchor=any(held) if anchors else None,
    )


def _merged(stretches: Sequence[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for first, last in sorted(stretches):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
