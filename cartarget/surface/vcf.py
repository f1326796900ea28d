"""A VCF of germline variants, allele by allele: whose build it is, what it says of each person, how it is annotated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from cartarget.errors import InputError

CSQ, ANN = "CSQ", "ANN"
"""INFO keys: VEP writes CSQ, or what it is told to; SnpEff writes ANN. See
https://www.ensembl.org/info/docs/tools/vep and https://pcingola.github.io/SnpEff."""

_ANN_FIELDS = (
    *("Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE", "EXON", "HGVSc"),
    *("HGVSp", "cDNA_position", "CDS_position", "Protein_position", "DISTANCE", "ERRORS"),
)
"""The fields of ANN, fixed by its standard, under VEP's names."""

_SPELLINGS = {
    "GRCh38": re.compile(r"GRCh38|hg38|\bb38\b", re.IGNORECASE),
    "GRCh37": re.compile(r"GRCh37|hg19|\bb37\b|hs37d5", re.IGNORECASE),
    "CHM13": re.compile(r"CHM13|T2T|\bhs1\b", re.IGNORECASE),
}
_OTHER_SPECIES = re.compile(
    r"GRCm\d+|\bmm(?:9|10|39)\b|mus_musculus|Mus musculus|mRatBN|Rnor_|rattus|GRCz\d+|Mmul_|macaca|CanFam|Sscrofa",
    re.IGNORECASE,
)
_SAYS_BUILD = ("reference", "assembly", "vep", "snpeffcmd", "snpeffversion")
_FOREIGN_PROTEIN = re.compile(r"\bENS[A-Z]{3,4}P\d{11}")

LENGTHS: Mapping[str, tuple[int, int]] = {
    "1": (249250621, 248956422), "2": (243199373, 242193529), "3": (198022430, 198295559),
    "4": (191154276, 190214555), "5": (180915260, 181538259), "6": (171115067, 170805979),
    "7": (159138663, 159345973), "8": (146364022, 145138636), "9": (141213431, 138394717),
    "10": (135534747, 133797422), "11": (135006516, 135086622), "12": (133851895, 133275309),
    "13": (115169878, 114364328), "14": (107349540, 107043718), "15": (102531392, 101991189),
    "16": (90354753, 90338345), "17": (81195210, 83257441), "18": (78077248, 80373285),
    "19": (59128983, 58617616), "20": (63025520, 64444167), "21": (48129895, 46709983),
    "22": (51304566, 50818468), "X": (155270560, 156040895),
}  # fmt: skip
"""Bases of each human chromosome in GRCh37 and GRCh38."""


@dataclass(frozen=True)
class Annotation:
    """What VEP or SnpEff says of an allele in one transcript; texts as they stand, empty where nothing is said."""

    gene: str
    transcript: str
    hgvs: str
    consequence: str
    n_residues: int | None
    is_canonical: bool


@dataclass(frozen=True)
class Allele:
    """One alternative allele of a record.

    Attributes
    ----------
    chromosome, position, ref, alt
        As in the file, the chromosome without `chr`.
    copies, ref_copies
        Copies of it, and of the reference, that each sample of the file carries; None: not genotyped. Empty: the file
        has no samples.
    frequency
        INFO/AF of this allele; None: not given.
    annotations
        One a transcript.
    """

    chromosome: str
    position: int
    ref: str
    alt: str
    copies: tuple[int | None, ...] = ()
    ref_copies: tuple[int | None, ...] = ()
    frequency: float | None = None
    annotations: tuple[Annotation, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """`3-190305000-G-A`."""
        return f"{self.chromosome}-{self.position}-{self.ref}-{self.alt}"


def read_alleles(path: str | os.PathLike[str], *, build: str = "GRCh38", is_annotated: bool = True) -> Iterator[Allele]:
    """Every alternative allele of a VCF or BCF, a record of several as several.

    Parameters
    ----------
    path
        `.vcf`, `.vcf.gz` or `.bcf`.
    build
        The genome build that the file must be of. What its header says is held against it: lengths of contigs,
        `##reference`, `##assembly`, and what VEP or SnpEff ran on. A header that tells no build is let pass.
    is_annotated
        Whether INFO/CSQ (VEP, with `--hgvs --symbol`) or INFO/ANN (SnpEff) must be there.

    Yields
    ------
    Allele
        In the order of the file. Of a genotype that is called in part (`./1`), the copies that are called; `./0` is not
        genotyped.

    Raises
    ------
    InputError
        `pysam` is not installed; the file cannot be read; it is of another build or species, or was annotated on
        another build than it was called on; it is not annotated, or without HGVSp.

    Examples
    --------
    >>> next(read_alleles("absent.vcf"))
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.vcf: no such file...
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected a VCF (.vcf, .vcf.gz) or BCF")
    pysam = _pysam()
    with _quiet(pysam), _refusing(path):
        file = pysam.VariantFile(os.fspath(path))
    with file:
        lines = str(file.header).splitlines()
        _check_build(lines, expected=build, path=path)
        key, fields = _annotated_by(lines, path) if is_annotated else ("", ())
        records = iter(file)
        while True:
            with _quiet(pysam), _refusing(path):
                record = next(records, None)
                alleles = [] if record is None else list(_alleles(record, key, fields, path))
            if record is None:
                return
            yield from alleles


def _pysam() -> Any:
    try:
        return import_module("pysam")
    except ImportError:
        raise InputError(
            "reading a VCF needs the package pysam, which is not installed; pip install 'cartarget[variants]' or "
            "pip install pysam"
        ) from None


@contextmanager
def _quiet(pysam: Any) -> Iterator[None]:
    """What htslib would write to the screen is told by our own errors, or harmless."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except NotImplementedError:
        raise InputError(f"{path}: compressed by gzip, not by bgzip, as a VCF must be; unpack it (gunzip)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged, or no VCF ({error}); expected a .vcf, .vcf.gz or .bcf file") from error


def build_of(header: Sequence[str]) -> dict[str, str]:
    """What the lines of a header say of the build: build → the line's words; empty where none says anything.

    A contig that has a human name and the length of no human build known is told as `other`.

    Examples
    --------
    >>> list(build_of(["##contig=<ID=chr3,length=198022430>", '##VEP="v110" assembly="GRCh38.p14"']))
    ['GRCh37', 'GRCh38']
    """
    found: dict[str, str] = {}
    for line in header:
        if line.startswith("##contig"):
            found |= _of_contig(line)
        if line.startswith("##") and re.split(r"[=<]", line[2:], maxsplit=1)[0].casefold() in _SAYS_BUILD:
            found |= _of_text(line)
    return found


def _of_contig(line: str) -> dict[str, str]:
    said = dict(re.findall(r'(\w+)=("[^"]*"|[^,>]*)', line[len("##contig=<") :]))
    name = said.get("ID", "").removeprefix("chr")
    found = _of_text(" ".join(said.get(key, "") for key in ("assembly", "species")))
    length = said.get("length", "")
    if name not in LENGTHS or not length.isdigit():
        return found
    known = dict(zip(LENGTHS[name], ("GRCh37", "GRCh38"), strict=True))
    return found | {known.get(int(length), "other"): f"contig {said['ID']} of {int(length):,} bases"}


def _of_text(text: str) -> dict[str, str]:
    if other := _OTHER_SPECIES.search(text):
        return {"other": other[0]}
    return {name: found[0] for name, spelling in _SPELLINGS.items() if (found := spelling.search(text))}


def _check_build(header: Sequence[str], *, expected: str, path: str | os.PathLike[str]) -> None:
    found = build_of(header)
    if "other" in found:
        raise InputError(
            f"{path}: found {found['other']}, which is no human genome known here; expected human variants on "
            f"{expected}"
        )
    if len(found) > 1:
        said = ", ".join(f"{build} ({words})" for build, words in found.items())
        raise InputError(
            f"{path}: its header names several genome builds: {said}; expected variants called and annotated on one; "
            f"annotate them again on the build that they were called on"
        )
    for build, words in found.items():
        if build != expected:
            raise InputError(
                f"{path}: wrong genome build: found {build} ({words}), expected {expected}; lift it over to {expected} "
                f"and annotate it again, or say build={build!r} if all else is on {build} too"
            )


def _annotated_by(header: Sequence[str], path: str | os.PathLike[str]) -> tuple[str, tuple[str, ...]]:
    """INFO key of the annotation, and the names of its fields; VEP tells them, under whatever key it was let write."""
    told = {key: line for line in header for key in (CSQ, ANN) if line.startswith(f"##INFO=<ID={key},")}
    for key, line in told.items():
        match = re.search(r"VEP\. Format: ?([^\">]+)", line)
        if match is None and key == ANN:
            return ANN, _ANN_FIELDS
        fields = tuple(name.strip() for name in match[1].split("|")) if match else ()
        lacking = [name for name in ("Allele", "SYMBOL", "HGVSp") if name not in fields]
        if lacking:
            raise InputError(
                f"{path}: INFO/{key} has no field {lacking[0]}; annotate with VEP's --hgvs and --symbol "
                f"(fields found: {', '.join(fields) or 'none'})"
            )
        return key, fields
    raise InputError(
        f"{path}: not annotated: no INFO/{CSQ} (VEP with --hgvs --symbol) and no INFO/{ANN} (SnpEff) in its header; "
        "annotate it, so that each variant says what it does to the protein"
    )


def _alleles(record: Any, key: str, fields: Sequence[str], path: str | os.PathLike[str]) -> Iterator[Allele]:
    alts = record.alts or ()
    entries = _entries(record, key, fields)
    named = list(alts) if fields == _ANN_FIELDS else vep_alleles(record.ref, alts)
    is_typed = "GT" in record.header.formats
    genotypes = [sample.get("GT") if is_typed else None for sample in record.samples.values()]
    for number, alt in enumerate(alts, 1):
        mine = [each for each in entries if _is_of(each, number, named[number - 1], len(alts))]
        if foreign := next((m[0] for each in mine if (m := _FOREIGN_PROTEIN.search(each.get("HGVSp", "")))), None):
            raise InputError(f"{path}: annotated with {foreign}, a protein of another species; expected human (ENSP)")
        yield Allele(
            chromosome=record.chrom.removeprefix("chr"),
            position=int(record.pos),
            ref=record.ref,
            alt=alt,
            copies=tuple(_copies(genotype, number) for genotype in genotypes),
            ref_copies=tuple(_copies(genotype, 0) for genotype in genotypes),
            frequency=_frequency(record, number, len(alts)),
            annotations=tuple(_annotation(each) for each in mine),
        )


def _entries(record: Any, key: str, fields: Sequence[str]) -> list[dict[str, str]]:
    value = record.info.get(key) if key else None
    if value is None:
        return []
    text = value if isinstance(value, str) else ",".join(value)
    return [dict(zip(fields, map(str.strip, entry.split("|")), strict=False)) for entry in text.split(",")]


def _is_of(entry: Mapping[str, str], number: int, name: str, n_alts: int) -> bool:
    told = entry.get("ALLELE_NUM", "")
    if told.isdigit():
        return int(told) == number
    return n_alts == 1 or entry.get("Allele", "") == name


def vep_alleles(ref: str, alts: Sequence[str]) -> list[str]:
    """The names that VEP gives to alternative alleles: where lengths differ, without the first base that all share.

    Examples
    --------
    >>> vep_alleles("G", ["A", "C"]), vep_alleles("GA", ["G", "GAT"])
    (['A', 'C'], ['-', 'AT'])
    """
    bases = [alt for alt in alts if not alt.startswith(("<", "*"))]
    if all(len(alt) == len(ref) for alt in bases) or any(alt[:1] != ref[:1] for alt in bases):
        return list(alts)
    return [alt if alt.startswith(("<", "*")) else alt[1:] or "-" for alt in alts]


def _annotation(entry: Mapping[str, str]) -> Annotation:
    told = re.search(r"/(\d+)$", entry.get("Protein_position", ""))
    return Annotation(
        gene=entry.get("SYMBOL", ""),
        transcript=entry.get("Feature", ""),
        hgvs=entry.get("HGVSp", ""),
        consequence=entry.get("Consequence", ""),
        n_residues=int(told[1]) if told else None,
        is_canonical=entry.get("CANONICAL") == "YES" or bool(entry.get("MANE_SELECT") or entry.get("MANE")),
    )


def _copies(genotype: Sequence[int | None] | None, number: int) -> int | None:
    if not genotype:
        return None
    carried = sum(allele == number for allele in genotype)
    return None if carried == 0 and None in genotype else carried


def _frequency(record: Any, number: int, n_alts: int) -> float | None:
    value = record.info.get("AF") if "AF" in record.header.info else None
    each = value if isinstance(value, tuple) else (value,)
    if len(each) != n_alts or each[number - 1] is None:
        return None
    return float(f"{float(each[number - 1]):.6g}")
