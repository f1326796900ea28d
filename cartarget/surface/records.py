"""From the facts of a UniProt record, in text or XML, to a `Protein`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cartarget.surface.locations import Location
from cartarget.surface.protein import (
    Isoform,
    Protein,
    Stretch,
    classify,
    derive_outside,
    describe_isoform,
    length_of,
    overlap,
)

_SHED = re.compile(r"\b(?:shed\w*|cleav\w+|proteolytic\w*|ectodomain)\b", re.I)
_IN_DOMAIN = 0.8


@dataclass(frozen=True)
class Feature:
    """A feature: its kind (`TRANSMEM`), first and last residue (None: not known), note, identifier and isoform."""

    kind: str
    first: int | None
    last: int | None
    words: str = ""
    identifier: str = ""
    isoform: str = ""


@dataclass(frozen=True)
class Facts:
    """What a record states, before any conclusion; `isoforms` holds identifier, name and sequence of each."""

    accessions: tuple[str, ...]
    entry: str
    is_reviewed: bool
    taxa: tuple[str, ...]
    genes: tuple[str, ...]
    synonyms: tuple[str, ...]
    sequence: str
    length: int
    features: tuple[Feature, ...]
    locations: tuple[Location, ...]
    notes: tuple[str, ...]
    isoforms: tuple[tuple[str, str, str], ...]
    go: tuple[tuple[str, str], ...] = ()


def build_protein(facts: Facts) -> Protein:
    """Draw the conclusions of a record: sides, class, what sticks out, which isoforms keep it.

    Features with an unknown end are left out, and so are those on another isoform's sequence. A propeptide at the
    carboxyl end is not counted outside, since it leaves with the GPI anchor.

    Examples
    --------
    >>> marks = (Feature("SIGNAL", 1, 34), Feature("LIPID", 685, 685, "GPI-anchor amidated alanine"))
    >>> at = (Location("Cell membrane", "Lipid-anchor, GPI-anchor"),)
    >>> facts = Facts(("P06731",), "CEAM5_HUMAN", True, ("9606",), ("CEACAM5",), (), "", 702, marks, at, (), ())
    >>> build_protein(facts).outside
    ((35, 685),)
    """
    known = [each for each in facts.features if not each.isoform]
    bare = _topology(facts, known)
    told = _isoforms(known, facts.isoforms)
    return replace(
        bare,
        domains=tuple(_domains(known, bare.outside)),
        glycosylation=tuple(_sites(known, "CARBOHYD", bare.outside)),
        n_disulfides=_count_disulfides(known, bare.outside),
        cleavage=tuple(_cleavage(known, facts.notes)),
        isoforms=tuple(describe_isoform(each, outside=bare.outside, spans=bare.spans, gpi=bare.gpi) for each in told),
    )


def _topology(facts: Facts, known: Sequence[Feature]) -> Protein:
    """The protein with its spans, sides, anchor and class."""
    sides = {name: _stretches(known, "TOPO_DOM", name) for name in ("Extracellular", "Cytoplasmic")}
    others = [each for each in known if each.kind == "TOPO_DOM" and not each.words.startswith(tuple(sides))]
    gpi, has_lipid = _lipids(known)
    bare = Protein(
        accession=facts.accessions[0],
        secondary=facts.accessions[1:],
        entry=facts.entry,
        genes=facts.genes,
        synonyms=facts.synonyms,
        length=facts.length,
        sequence=facts.sequence,
        signal=max((last for _, last in _stretches(known, "SIGNAL")), default=None),
        spans=_stretches(known, "TRANSMEM"),
        outside=sides["Extracellular"],
        inside=sides["Cytoplasmic"],
        lumen=tuple(stretch for each in others for stretch in _stretch(each)),
        gpi=gpi,
        has_lipid=has_lipid,
        locations=facts.locations,
        go=facts.go,
    )
    bare = replace(bare, membrane_class=classify(bare))
    if bare.outside or bare.inside or bare.lumen:
        return bare
    outside = derive_outside(bare)
    return replace(bare, outside=outside, is_derived=bool(outside))


def _lipids(features: Sequence[Feature]) -> tuple[int | None, bool]:
    """The residue of the GPI anchor, and whether there is another lipid."""
    lipids = [each for each in features if each.kind == "LIPID"]
    is_gpi = [each.words.startswith("GPI-anchor") for each in lipids]
    gpi = next((each.first for each, yes in zip(lipids, is_gpi, strict=True) if yes), None)
    return gpi, not all(is_gpi)


def _stretch(feature: Feature) -> tuple[Stretch, ...]:
    if feature.first is None or feature.last is None or feature.last < feature.first:
        return ()
    return ((feature.first, feature.last),)


def _stretches(features: Sequence[Feature], kind: str, words: str = "") -> tuple[Stretch, ...]:
    return tuple(
        stretch for each in features if each.kind == kind and each.words.startswith(words) for stretch in _stretch(each)
    )


def _domains(features: Sequence[Feature], outside: Sequence[Stretch]) -> Iterator[str]:
    for each in features:
        for stretch in _stretch(each) if each.kind == "DOMAIN" else ():
            if overlap(stretch, outside) >= _IN_DOMAIN * length_of(stretch):
                yield each.words


def _sites(features: Sequence[Feature], kind: str, outside: Sequence[Stretch]) -> Iterator[int]:
    for each in features:
        if each.kind == kind and each.first is not None and overlap((each.first, each.first), outside):
            yield each.first


def _count_disulfides(features: Sequence[Feature], outside: Sequence[Stretch]) -> int:
    ends = [(each.first, each.last) for each in features if each.kind == "DISULFID"]
    return sum(
        all(end is not None and overlap((end, end), outside) > 0 for end in pair) and pair[0] != pair[1]
        for pair in ends
    )


def _cleavage(features: Sequence[Feature], notes: Sequence[str]) -> Iterator[str]:
    for each in features:
        if each.kind == "SITE" and each.words.startswith("Cleavage"):
            yield f"{each.words} ({each.first})"
    for note in notes:
        bare = re.sub(r"\s*\{[^}]*\}\.?", "", note)
        for sentence in re.split(r"(?<=\.)\s+", bare):
            if _SHED.search(sentence):
                yield sentence.strip()


def _isoforms(features: Sequence[Feature], told: Sequence[tuple[str, str, str]]) -> Iterator[Isoform]:
    variants = {each.identifier: _stretch(each) for each in features if each.kind in ("VAR_SEQ", "VARSPLIC")}
    for identifier, name, sequence in told:
        if sequence == "Displayed":
            yield Isoform(identifier, name, is_displayed=True)
            continue
        keys = [key.strip() for key in sequence.split(",")]
        is_described = all(variants.get(key) for key in keys)
        changes = tuple(stretch for key in keys for stretch in variants.get(key, ())) if is_described else None
        yield Isoform(identifier, name, changes=changes)
