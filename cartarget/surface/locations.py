"""Where in the cell a protein is: the words of UniProt, the Human Protein Atlas and GO, in one short list of places."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SURFACE = "plasma membrane"
"""The one place that speaks for a target; every other place of `PLACES` speaks against it."""

_WORDS = (
    ("mitochondrion", r"mitochondri"),
    ("nucleus", r"\bnucle|chromosom|centromere|kinetochore|telomere|perinuclear space"),
    ("endoplasmic reticulum", r"endoplasmic|sarcoplasmic|microsome|rough er\b"),
    ("Golgi apparatus", r"golgi"),
    (
        "vesicle",
        r"vesicle|vacuol|endosom|lysosom|melanosom|peroxisom|secretory granule|acrosom|phagosom|autophag|lipid droplet"
        r"|multivesicular|azurophil|zymogen|granule membrane",
    ),
    (
        SURFACE,
        r"cell membrane|plasma membrane|cell surface|cell junction|adherens|desmosome|tight junction|gap junction"
        r"|hemidesmosome|sarcolemma|\bmicrovill|membrane raft|caveola|external side"
        r"|(?:cilium|filopodium|lamellipodium|ruffle|presynaptic|postsynaptic|synaptic) membrane",
    ),
    ("secreted", r"secreted|extracellular|blood microparticle|\binterphotoreceptor"),
    (
        "cytoplasm",
        r"cytoplasm|cytosol|cytoskelet|centrosom|centriol|microtubul|actin|intermediate filament|midbody|spindle"
        r"|cytokinetic|focal adhesion|perinuclear region|basal bod|aggresome|stress granule|p-bod|ribosom|flagell"
        r"|cilium|axonem|cell cortex",
    ),
)
PLACES = tuple(place for place, _ in _WORDS)
"""The places that words are put into, the most telling first."""

_PATTERNS = [(place, re.compile(pattern, re.I)) for place, pattern in _WORDS]

INNER = re.compile(r"cytoplasmic side|lipid-anchor(?!, GPI)", re.I)
"""Topology words of UniProt for a protein that hangs on the membrane's inner face."""

RELIABILITY = {"269": 1.0, "314": 0.5, "305": 0.5, "303": 0.5, "304": 0.5, "250": 0.5, "255": 0.25, "256": 0.25}
"""Evidence code of UniProt (last digits of ECO:0000...) → weight: experiment 1, by a curator or by similarity 0.5, by
rule or prediction 0.25. Source: https://www.uniprot.org/help/evidences."""
UNCODED = 0.5
"""Weight of a location without an evidence code, as curators entered it before codes existed."""


@dataclass(frozen=True)
class Location:
    """One subcellular location of a protein, as UniProt states it.

    Attributes
    ----------
    words
        The location as written (`Cell membrane`).
    topology
        How the protein sits there (`Single-pass type I membrane protein`, `Lipid-anchor, GPI-anchor`), or empty.
    evidence
        Evidence codes (`ECO:0000269`), each once.
    isoform
        The isoform or chain that the statement is about; empty: all.
    """

    words: str
    topology: str = ""
    evidence: tuple[str, ...] = ()
    isoform: str = ""

    @property
    def place(self) -> str:
        """One of `PLACES`, or empty for words that name none of them (`Membrane`)."""
        return place_of(self.words)

    @property
    def is_outer(self) -> bool:
        """At the plasma membrane and not on its inner face."""
        return self.place == SURFACE and not INNER.search(self.topology)

    @property
    def weight(self) -> float:
        """Reliability in [0, 1], of the best evidence code (`RELIABILITY`)."""
        return max((RELIABILITY.get(code[-3:], UNCODED) for code in self.evidence), default=UNCODED)


def place_of(words: str) -> str:
    """The place that a location's words name; empty if none.

    Examples
    --------
    >>> place_of("Basolateral cell membrane"), place_of("Nucleoli fibrillar center"), place_of("Membrane")
    ('plasma membrane', 'nucleus', '')
    """
    return next((place for place, pattern in _PATTERNS if pattern.search(words)), "")


_BRACES = re.compile(r"\s*\{([^{}]*)\}")
_ISOFORM = re.compile(r"^\[([^\]]+)\]:\s*")


def parse_locations(text: str) -> tuple[Location, ...]:
    """Read the text of a UniProt comment `SUBCELLULAR LOCATION`.

    Parameters
    ----------
    text
        The comment, with or without its heading. Notes are left out.

    Returns
    -------
    tuple
        The locations in order; empty for an empty text.

    Examples
    --------
    >>> found = parse_locations("Cell membrane {ECO:0000269|PubMed:1}; Single-pass type I membrane protein. Secreted.")
    >>> [(each.words, each.topology, each.evidence) for each in found]
    [('Cell membrane', 'Single-pass type I membrane protein', ('ECO:0000269',)), ('Secreted', '', ())]
    """
    text = text.removeprefix("SUBCELLULAR LOCATION:").strip()
    isoform = ""
    if named := _ISOFORM.match(text):
        isoform, text = named[1], text[named.end() :]
    text = re.split(r"\bNote=", text)[0]
    found = []
    for statement in re.split(r"\.(?:\s+|$)", text):
        evidence = re.findall(r"ECO:\d{7}", statement)
        parts = [part.strip(" .") for part in _BRACES.sub("", statement).split(";")]
        if parts and parts[0]:
            topology = "; ".join(filter(None, parts[1:]))
            found.append(Location(parts[0], topology, tuple(dict.fromkeys(evidence)), isoform))
    return tuple(found)


@dataclass(frozen=True)
class Stance:
    """What one source says about the place of a protein.

    Attributes
    ----------
    surface, elsewhere
        Weight in [0, 1] with which the source places the protein at the plasma membrane, and elsewhere.
    where
        The places other than the plasma membrane.
    """

    surface: float = 0.0
    elsewhere: float = 0.0
    where: tuple[str, ...] = ()


UNKNOWN = Stance()


def stance_of_locations(locations: Iterable[Location]) -> Stance:
    """What UniProt says: the weight of the best statement for the outer plasma membrane, and for any other place.

    The inner face of the membrane counts as elsewhere, named `inner leaflet`. An isoform that leaves the cell does
    not take the others off the membrane: both weights stand.

    Examples
    --------
    >>> stance_of_locations(parse_locations("Cell membrane; Lipid-anchor; Cytoplasmic side. Golgi apparatus."))
    Stance(surface=0.0, elsewhere=0.5, where=('inner leaflet', 'Golgi apparatus'))
    """
    surface, elsewhere, where = 0.0, 0.0, []
    for each in locations:
        if each.is_outer:
            surface = max(surface, each.weight)
        elif place := "inner leaflet" if each.place == SURFACE else each.place:
            elsewhere = max(elsewhere, each.weight)
            where.append(place)
    return Stance(surface, elsewhere, tuple(dict.fromkeys(where)))


HPA_RELIABILITY = {"Enhanced": 1.0, "Supported": 1.0, "Approved": 0.5, "Uncertain": 0.0}
"""Reliability of a location in the Human Protein Atlas → weight. Source: Thul et al. 2017,
doi:10.1126/science.aal3321."""


def stance_of_hpa(*, main: str, additional: str, reliability: str) -> Stance:
    """What the Human Protein Atlas says, from its main and additional locations (separated by semicolons).

    An additional location weighs half. "Predicted to be secreted" is no observation and is not read: it stands at
    ERBB3, NECTIN4 and MET.

    Examples
    --------
    >>> stance_of_hpa(main="Centrosome;Nucleoplasm", additional="Cytosol", reliability="Approved")
    Stance(surface=0.0, elsewhere=0.5, where=('cytoplasm', 'nucleus'))
    >>> stance_of_hpa(main="Vesicles", additional="Plasma membrane", reliability="Supported")
    Stance(surface=0.5, elsewhere=1.0, where=('vesicle',))
    """
    weight = HPA_RELIABILITY.get(reliability.strip(), 0.0)
    surface, elsewhere, where = 0.0, 0.0, []
    for text, share in ((main, 1.0), (additional, 0.5)):
        for words in filter(None, (part.strip() for part in text.split(";"))):
            place = place_of(words)
            if place == SURFACE:
                surface = max(surface, weight * share)
            elif place:
                elsewhere = max(elsewhere, weight * share)
                where.append(place)
    return Stance(surface, elsewhere, tuple(dict.fromkeys(where)) if elsewhere else ())


_BY_MACHINE = ("IEA", "ND", "IBA", "ISS", "ISA", "ISO")


def stance_of_go(terms: Iterable[tuple[str, str]]) -> Stance:
    """What GO says, from pairs of a cellular component's name and its evidence code.

    Annotations by machine, by ancestry or by similarity (`IEA`, `ND`, `IBA`, `ISS`, `ISA`, `ISO`) weigh nothing: they
    are the other sources again. Terms such as `membrane` or `protein-containing complex` name no place.

    Examples
    --------
    >>> stance_of_go([("plasma membrane", "IDA"), ("nucleus", "IEA"), ("extracellular exosome", "HDA")])
    Stance(surface=1.0, elsewhere=0.0, where=())
    """
    surface, elsewhere, where = 0.0, 0.0, []
    for name, code in terms:
        place = place_of(name)
        if code.split(":")[0] in _BY_MACHINE or "exosome" in name or not place:
            continue
        if place == SURFACE and "cytoplasmic side" not in name:
            surface = 1.0
        else:
            elsewhere = 1.0
            where.append("inner leaflet" if place == SURFACE else place)
    return Stance(surface, elsewhere, tuple(dict.fromkeys(where)))
