"""Small VCFs by hand. Positions in the genome are made up; what is checked is the protein."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

CSQ_FIELDS = "Allele|Consequence|SYMBOL|Feature|HGVSp|Protein_position|CANONICAL|ALLELE_NUM"
GRCH38 = (
    "##reference=file:///ref/GRCh38.fa",
    "##contig=<ID=chr3,length=198295559>",
    "##contig=<ID=chr5,length=181538259>",
)
GRCH37 = ("##reference=file:///ref/hs37d5.fa", "##contig=<ID=3,length=198022430>", "##contig=<ID=5,length=180915260>")
FORMAT = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
AF = '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">'


def csq(gene: str, hgvs: str, *, allele: str = "A", consequence: str = "missense_variant", **more: str) -> str:
    """One entry of CSQ."""
    said = {"Allele": allele, "Consequence": consequence, "SYMBOL": gene, "Feature": "ENST1", "HGVSp": hgvs} | more
    return "|".join(said.get(name, "") for name in CSQ_FIELDS.split("|"))


def ann(gene: str, hgvs: str, *, allele: str = "A", length: str = "") -> str:
    """One entry of ANN."""
    first = [allele, "missense_variant", "MODERATE", gene, "ENSG1", "transcript", "ENST1.2", "protein_coding", "1/4"]
    return "|".join([*first, "c.1A>G", hgvs, "1/1", "1/1", length, "", ""])


def write_vcf(
    path: Path,
    records: Sequence[tuple[str, int, str, str, Mapping[str, str], Sequence[str]]],
    *,
    header: Sequence[str] = GRCH38,
    samples: Sequence[str] = ("NA1",),
    fields: str = CSQ_FIELDS,
) -> Path:
    """A VCF of records (chromosome, position, ref, alt, INFO, genotypes)."""
    lines = ["##fileformat=VCFv4.2", *header, AF]
    lines.append(
        f'##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: {fields}">'
    )
    lines += [FORMAT] if samples else []
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    lines.append("\t".join([*columns, *(["FORMAT", *samples] if samples else [])]))
    for chromosome, position, ref, alt, info, genotypes in records:
        said = ";".join(f"{key}={value}" for key, value in info.items()) or "."
        row = [chromosome, str(position), ".", ref, alt, ".", "PASS", said]
        lines.append("\t".join([*row, *(["GT", *genotypes] if samples else [])]))
    path.write_text("\n".join(lines) + "\n")
    return path
