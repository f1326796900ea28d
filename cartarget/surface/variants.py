"""Germline variants of an antigen: whether the outside part, or an epitope, is another one, or the antigen is lost.

The consequence is that of the annotation in the VCF (VEP or SnpEff); each is checked against UniProt's sequence.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from cartarget.errors import InputError
from cartarget.surface.hgvs import (
    FRAMESHIFT,
    SHORTENING,
    START_LOST,
    STOP,
    STOP_LOST,
    SYNONYMOUS,
    UNREAD,
    Change,
    parse_change,
)
from cartarget.surface.protein import Protein, Stretch, overlap
from cartarget.surface.vcf import Allele, Annotation, read_alleles

OUTSIDE, INSIDE, MEMBRANE, SIGNAL = "outside", "inside", "in the membrane", "signal peptide"
REFERENCE, IN_EPITOPE, UNCHANGED, UNKNOWN = "reference", "in epitope", "unchanged", "unknown"
DELETED, SPLICE = "deleted", "splice site"
LOST = {
    STOP: "the protein stops there",
    FRAMESHIFT: "another reading frame from there",
    START_LOST: "no start",
    DELETED: "the transcript is deleted",
}
LOSSES = {
    "transcript_ablation": DELETED,
    "stop_gained": STOP,
    "frameshift_variant": FRAMESHIFT,
    "start_lost": START_LOST,
    "splice_acceptor_variant": SPLICE,
    "splice_donor_variant": SPLICE,
}
"""Consequence in the annotation → what it says of the protein where HGVSp says nothing that can be placed."""

MEANINGS = {
    REFERENCE: "nobody who was genotyped carries it",
    UNCHANGED: "the protein is the reference's",
    IN_EPITOPE: "the epitope is another one: a binder may miss the antigen",
    OUTSIDE: "the outside part is another one: a binder may miss the antigen",
    INSIDE: "the outside part is the reference's",
    MEMBRANE: "within the membrane: the outside part is the reference's",
    SIGNAL: "the signal peptide is another one: less of the antigen may reach the surface",
    UNKNOWN: "unknown",
}
"""What a flag may mean for a sensed antigen; never a verdict."""

UNLISTED = "no variant of this gene is listed; the file does not say whether it was read and is as the reference"
BLOCKS = "as a blocker it may not protect: the normal cells of a carrier may be hit"

COLUMNS = (
    *("gene", "accession", "variant", "change", "consequence", "place", "in_epitope", "outside_lost", "n_outside"),
    *("flag", "meaning", "frequency", "n_samples", "n_genotyped", "n_carriers", "n_two_copies", "source"),
)
"""Columns of `variant_table`."""


def variant_table(
    path: str | os.PathLike[str],
    *,
    proteins: Iterable[Protein],
    build: str = "GRCh38",
    epitopes: Mapping[str, Sequence[Stretch]] | None = None,
    blockers: Collection[str] = (),
) -> pd.DataFrame:
    """What the variants of a VCF do to antigens, a flag each.

    Parameters
    ----------
    path
        VCF or BCF annotated by VEP (`--hgvs --symbol`) or SnpEff, of one person or many.
    proteins
        The antigens' UniProt records (`cartarget.surface.uniprot.read_uniprot`).
    build
        Genome build that the file must be of.
    epitopes
        Gene → stretches of UniProt positions that the binder touches. None, or a gene that is not there: not known.
    blockers
        Genes that stand as NOT in the gate: losing them harms normal tissue.

    Returns
    -------
    DataFrame
        One row per gene and alternative allele in its coding part or splice sites, in the order of `proteins` and the
        file; one with `flag` `unknown` for a gene of which the file lists none. A loss (`LOSSES`) without HGVSp is told
        by its consequence, at an unknown position. It goes before a milder change in another transcript if it is in a
        canonical one, or in one that is not shown to be another isoform.

        - `variant` (`3-190305000-G-A`), `change` (`p.Val24Met`), `consequence` (`surface.hgvs.KINDS`, `splice site`,
          `deleted`).
        - `place` of the residues: `outside` if one lies there, else `signal peptide`, `in the membrane`, `inside`,
          `lumen`, `unknown`. `in_epitope`: missing where no epitope is given.
        - `outside_lost` of `n_outside` residues of the outside part lie at or after a stop, frameshift or lost start.
        - `flag`: `reference` (genotyped, carried by nobody), `in epitope`, `outside`, `inside`, `in the membrane`,
          `signal peptide`, `stop`, `frameshift`, `start lost`, `deleted`, `unchanged`, `unknown`; `meaning`: in words.
        - `frequency`: INFO/AF as the file gives it; missing where it gives none.
        - `n_samples` of the file, `n_genotyped` here, `n_carriers`, of them `n_two_copies`; missing, *unknown*, where
          nobody was genotyped. No sample is named.
        - `source`: the annotation that was taken.

    Raises
    ------
    InputError
        As for `cartarget.surface.vcf.read_alleles`; `proteins` are no records; an epitope lies outside its protein; or
        the residues that the annotation names are not UniProt's, since it speaks of another isoform or was made on
        another build.

    Examples
    --------
    >>> variant_table("absent.vcf", proteins=[])
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.vcf: no such file...
    """
    of_gene = {gene: protein for protein in _records(proteins) for gene in protein.genes}
    touched = dict(epitopes or {})
    _check_epitopes(touched, of_gene)
    rows: list[dict[str, Any]] = []
    for allele in read_alleles(path, build=build):
        for gene in dict.fromkeys(each.gene for each in allele.annotations):
            if gene not in of_gene:
                continue
            mine = [each for each in allele.annotations if each.gene == gene]
            if row := _row(allele, mine, of_gene[gene], gene, touched.get(gene), path):
                rows.append(row | _meaning(row, is_blocker=gene in set(blockers)))
    rows += [_unlisted(gene, one) for gene, one in of_gene.items() if gene not in {row["gene"] for row in rows}]
    return _frame(rows, list(of_gene))


def _records(proteins: Iterable[Protein]) -> list[Protein]:
    records = list(proteins)
    for each in records:
        if not isinstance(each, Protein):
            raise InputError(
                f"proteins: found {each!r}, expected the antigens' UniProt records, as "
                "cartarget.surface.uniprot.read_uniprot gives them"
            )
    return records


def _frame(rows: list[dict[str, Any]], genes: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    order = frame["gene"].map({gene: number for number, gene in enumerate(genes)})
    frame = frame.assign(order=order).sort_values("order", kind="stable").drop(columns="order").reset_index(drop=True)
    counts = ("outside_lost", "n_outside", "n_samples", "n_genotyped", "n_carriers", "n_two_copies")
    return frame.astype({**dict.fromkeys(counts, "Int64"), "in_epitope": "boolean", "frequency": "float64"})


def _check_epitopes(epitopes: Mapping[str, Sequence[Stretch]], of_gene: Mapping[str, Protein]) -> None:
    for gene, stretches in epitopes.items():
        if gene not in of_gene:
            raise InputError(f"epitopes: no UniProt record of {gene!r} is given; records: {', '.join(of_gene)}")
        length = of_gene[gene].length
        for first, last in stretches:
            if not 1 <= first <= last <= length:
                raise InputError(
                    f"epitopes: {gene}: residues {first}-{last} are not within 1-{length} of UniProt "
                    f"{of_gene[gene].accession}; give first and last residue, one-based"
                )


def _row(
    allele: Allele,
    said: Sequence[Annotation],
    protein: Protein,
    gene: str,
    epitope: Sequence[Stretch] | None,
    path: str | os.PathLike[str],
) -> dict[str, Any] | None:
    """A row; None where no transcript says that the protein or its splicing is touched."""
    coding = [each for each in said if each.hgvs]
    if not coding and not any(map(loss_of, said)):
        return None
    base: dict[str, Any] = {
        "gene": gene,
        "accession": protein.accession,
        "variant": allele.name,
        "n_outside": protein.n_outside,
    }
    base |= _carried(allele) | {"frequency": allele.frequency}
    chosen = choose_annotation(coding, protein)
    if lost := choose_loss(said, chosen, protein):
        return base | _not_placed(loss_of(lost), lost)
    if chosen is not None:
        return base | _placed(chosen, protein, epitope)
    if coding and not any(parse_change(each.hgvs).residues for each in coding):
        return base | _not_placed(UNREAD, coding[0])
    if len(coding) < len(said) or not coding:
        return base | _elsewhere(coding or [each for each in said if loss_of(each)])
    raise InputError(_mismatch(allele, coding[0], protein, gene, path))


def _placed(chosen: Annotation, protein: Protein, epitope: Sequence[Stretch] | None) -> dict[str, Any]:
    change = parse_change(chosen.hgvs)
    place = place_of(change, protein)
    touches = None if epitope is None else overlap((change.first, change.last), list(epitope)) > 0
    is_short = change.kind in SHORTENING
    tail = (change.first, protein.length)
    return {
        "change": change.name,
        "consequence": change.kind,
        "place": place,
        "in_epitope": touches,
        "outside_lost": overlap(tail, protein.outside) if is_short and protein.has_topology else None,
        "flag": flag_of(change, place, in_epitope=touches),
        "source": f"annotation of {chosen.transcript or 'an unnamed transcript'}",
    }


def choose_annotation(said: Sequence[Annotation], protein: Protein) -> Annotation | None:
    """The annotation that speaks of UniProt's displayed sequence: its residues, and length where told, are the same.

    Of several, one that is marked canonical or MANE, then the first. None: none does.

    Examples
    --------
    >>> protein = Protein("P1", sequence="MANAG", length=5)
    >>> other = Annotation("G", "T1", "p.Val2Met", "missense_variant", None, True)
    >>> own = Annotation("G", "T2", "p.Ala2Thr", "missense_variant", 5, False)
    >>> choose_annotation([other, own], protein).transcript
    'T2'
    """
    fit = [
        each
        for each in said
        if parse_change(each.hgvs).fits(protein.sequence) and each.n_residues in (None, protein.length)
    ]
    return next((each for each in fit if each.is_canonical), fit[0] if fit else None)


def loss_of(said: Annotation) -> str:
    """The loss that an annotation tells by its consequence alone (`LOSSES`); empty: none, or HGVSp says more.

    A lost splice site is told whatever HGVSp says, unless that is a loss itself.

    Examples
    --------
    >>> [loss_of(Annotation("G", "T", hgvs, "stop_gained", None, True)) for hgvs in ("", "p.?", "p.Arg31Ter")]
    ['stop', 'stop', '']
    """
    told = set(said.consequence.split("&"))
    loss = next((kind for term, kind in LOSSES.items() if term in told), "")
    change = parse_change(said.hgvs)
    is_splice_lost = loss == SPLICE and change.kind not in SHORTENING
    return loss if is_splice_lost or not change.residues else ""


def choose_loss(said: Sequence[Annotation], chosen: Annotation | None, protein: Protein) -> Annotation | None:
    """The annotation whose loss (`loss_of`) goes before what `choose_annotation` chose; None: there is none.

    That of a canonical transcript does, and that of one not shown to be another isoform: its length is UniProt's or not
    told, and what was chosen is not canonical either. Nothing goes before a change that is a loss itself.

    Examples
    --------
    >>> protein = Protein("P1", sequence="MANAG", length=5)
    >>> mild = Annotation("G", "T2", "p.Ala2=", "synonymous_variant", 5, False)
    >>> splice = Annotation("G", "T1", "", "splice_donor_variant", None, True)
    >>> choose_loss([mild, splice], mild, protein).transcript
    'T1'
    """
    if chosen is not None and parse_change(chosen.hgvs).kind in SHORTENING:
        return None
    losing = [each for each in said if loss_of(each)]
    is_sure = chosen is not None and chosen.is_canonical
    open_ = [] if is_sure else [each for each in losing if each.n_residues in (None, protein.length)]
    return next((each for each in losing if each.is_canonical), open_[0] if open_ else None)


def _mismatch(allele: Allele, said: Annotation, protein: Protein, gene: str, path: str | os.PathLike[str]) -> str:
    has = ", ".join(
        f"{protein.sequence[at - 1]} at {at}" if at <= protein.length else f"no residue {at}"
        for at, _ in parse_change(said.hgvs).residues
    )
    length = f" of {said.n_residues} residues" if said.n_residues else ""
    return (
        f"{path}: {allele.name}: {said.transcript or 'a transcript'}{length} of {gene} says {said.hgvs}, but UniProt "
        f"{protein.accession} ({protein.length} residues) has {has or 'no such residue'}; the annotation speaks of "
        "another isoform, or was made on another genome build than the variants were called on: annotate again on that "
        "build, with the transcript of UniProt's displayed isoform among those annotated"
    )


def place_of(change: Change, protein: Protein) -> str:
    """Where the residues of a change lie; `outside` if one of them does.

    Examples
    --------
    >>> protein = Protein("P1", outside=((1, 10),), spans=((11, 30),), inside=((31, 40),), length=40)
    >>> [place_of(Change("", "in-frame", a, b), protein) for a, b in ((9, 12), (15, 15), (35, 36))]
    ['outside', 'in the membrane', 'inside']
    """
    here = (change.first, change.last)
    if not change.first or not protein.has_topology:
        return UNKNOWN
    if overlap(here, protein.outside):
        return OUTSIDE
    if protein.signal is not None and change.first <= protein.signal:
        return SIGNAL
    named = ((MEMBRANE, protein.spans), (INSIDE, protein.inside), ("lumen", protein.lumen))
    return next((name for name, stretches in named if overlap(here, stretches)), UNKNOWN)


def flag_of(change: Change, place: str, *, in_epitope: bool | None) -> str:
    """The flag of a change; see `variant_table`.

    Examples
    --------
    >>> flag_of(parse_change("p.Val24Met"), OUTSIDE, in_epitope=None)
    'outside'
    >>> flag_of(parse_change("p.Val24Met"), OUTSIDE, in_epitope=True)
    'in epitope'
    >>> flag_of(parse_change("p.Arg31Ter"), OUTSIDE, in_epitope=True)
    'stop'
    """
    if change.kind in SHORTENING:
        return change.kind
    if change.kind == SYNONYMOUS:
        return UNCHANGED
    if change.kind in (UNREAD, STOP_LOST):
        return UNKNOWN
    if in_epitope:
        return IN_EPITOPE
    return place if place in MEANINGS else UNKNOWN


def _carried(allele: Allele) -> dict[str, int | None]:
    told = [copies for copies in allele.copies if copies is not None]
    return {
        "n_samples": len(allele.copies),
        "n_genotyped": len(told),
        "n_carriers": sum(copies > 0 for copies in told) if told else None,
        "n_two_copies": sum(copies > 1 for copies in told) if told else None,
    }


def _not_placed(consequence: str, said: Annotation) -> dict[str, Any]:
    flag = consequence if consequence in LOST else UNKNOWN
    change = {"change": parse_change(said.hgvs).name} if said.hgvs else {}
    source = f"annotation of {said.transcript or 'an unnamed transcript'}"
    return {"consequence": consequence, "place": UNKNOWN, "flag": flag, "source": source} | change


def _elsewhere(said: Sequence[Annotation]) -> dict[str, Any]:
    source = f"annotation of {', '.join(each.transcript for each in said)}"
    return {"consequence": "in other isoforms", "place": UNKNOWN, "flag": UNKNOWN, "source": source}


def _meaning(row: Mapping[str, Any], *, is_blocker: bool) -> dict[str, str]:
    """Flag and meaning; who was genotyped and is no carrier has the reference, whatever the variant would do."""
    flag = row["flag"]
    if row["n_carriers"] == 0 and row["n_genotyped"] == row["n_samples"]:
        return {"flag": REFERENCE, "meaning": MEANINGS[REFERENCE]}
    if flag in LOST:
        lost = row.get("outside_lost")
        is_placed = parse_change(row.get("change") or "").first > 0
        of = "" if lost is None else f", {lost} of {row['n_outside']} residues outside lie at or after it"
        of = of if is_placed else " (where is not told)"
        text = f"{LOST[flag]}{of}: the antigen may be lost"
    elif flag == UNKNOWN:
        text = f"{row['consequence']}: what is left of the antigen is unknown"
    else:
        text = MEANINGS[flag]
    may_be_missed = flag in LOST or flag in (IN_EPITOPE, OUTSIDE, SIGNAL, UNKNOWN)
    return {"flag": flag, "meaning": f"{text}; {BLOCKS}" if is_blocker and may_be_missed else text}


def _unlisted(gene: str, protein: Protein) -> dict[str, Any]:
    return {
        "gene": gene,
        "accession": protein.accession,
        "n_outside": protein.n_outside,
        "flag": UNKNOWN,
        "meaning": UNLISTED,
    }
