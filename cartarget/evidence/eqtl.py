"""Genotypes that raise expression: GTEx's table of eQTLs, who carries them, and what they add to an exposure."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cartarget.atlas.formats.tables import opened
from cartarget.errors import InputError
from cartarget.genes import resolve
from cartarget.surface.vcf import read_alleles

if TYPE_CHECKING:
    from cartarget.genes import GeneTable

COLUMNS = ("gene", "variant", "build", "tissue", "slope", "raising_allele", "p_value", "source")
"""Columns of `read_eqtl`."""

_SYMBOL = ("gene_name", "gene_symbol", "Gene Symbol", "geneSymbol", "symbol", "gene")
_ID = ("gene_id", "gencodeId", "Gencode Id", "phenotype_id")
_VARIANT = ("variant_id", "variantId", "Variant Id", "variant")
_TISSUE = ("tissue", "Tissue", "tissueSiteDetailId")
_SLOPE = ("slope", "nes", "NES")
_P = ("pval_nominal", "pValue", "P-Value", "p_value")

_NAME = re.compile(
    r"(?:chr)?(?P<chromosome>\w+?)_(?P<position>\d+)_(?P<ref>[ACGTN]+)_(?P<alt>[ACGTN]+)_b(?P<build>37|38)"
)
_FILE = re.compile(r"(?P<tissue>.+?)\.v\d+\.\w+", re.IGNORECASE)

LARGEST_Q = 0.05
"""In GTEx's tables of eGenes, a gene of a larger q-value is none."""


def read_eqtl(
    path: str | os.PathLike[str],
    *,
    genes: GeneTable | None = None,
    keep: Collection[str] | None = None,
    tissue: str | None = None,
) -> pd.DataFrame:
    """Read a table of eQTLs as GTEx gives them out.

    Parameters
    ----------
    path
        `*.signif_variant_gene_pairs.txt.gz`, `*.egenes.txt.gz`, `*.signif_pairs.parquet` (v7 to v10), or what the
        portal exports: columns for the gene (`gene_name`, `Gene Symbol`, `gene_id` …), the variant (`variant_id`:
        `chr1_13550_G_A_b38`), the `slope` (`NES`), and the tissue, which is else taken from the file's name
        (`Heart_Left_Ventricle.v8.egenes.txt.gz`). Where `qval` is given, rows above 0.05 are left out.
    genes
        Gene table. None: names are taken as given.
    keep
        Symbols to keep. None: all.
    tissue
        The tissue, where neither the table nor its name tells it.

    Returns
    -------
    DataFrame
        `gene`; `variant` (`1-13550-G-A`); `build`; `tissue` as given; `slope`: change of the expression, in standard
        deviations over people, with each copy of the alternative allele; `raising_allele`: the allele that raises it
        (the reference's where the slope is negative); `p_value` (missing if not given); `source`, the file's name.
        Genes whose symbol is not known are left out.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or a variant or slope cannot be read (with its line).

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "Lung.v8.egenes.txt"
    >>> _ = file.write_text("gene_name\\tvariant_id\\tslope\\nMSLN\\tchr16_760000_C_T_b38\\t-0.4\\n")
    >>> read_eqtl(file)[["gene", "variant", "tissue", "raising_allele"]].values.tolist()
    [['MSLN', '16-760000-C-T', 'Lung', 'C']]
    """
    table = _table(path)
    symbol, ident = _first(table, _SYMBOL), _first(table, _ID)
    if symbol is None and ident is None:
        raise _lacks(path, "the gene", (*_SYMBOL, *_ID), table)
    variant, slope, p_value = _first(table, _VARIANT), _first(table, _SLOPE), _first(table, _P)
    for name, found, spellings in (("the variant", variant, _VARIANT), ("the slope", slope, _SLOPE)):
        if found is None:
            raise _lacks(path, name, spellings, table)
    names = table[symbol or ident].astype(str)
    known = resolve(names, table=genes, ids=table[ident].astype(str) if symbol and ident else None)["symbol"]
    told = pd.DataFrame(
        {
            "gene": known.to_numpy(),
            "variant": table[variant].astype(str).str.strip(),
            "tissue": _tissue(table, path, tissue),
            "slope": pd.to_numeric(table[slope], errors="coerce"),
            "p_value": pd.to_numeric(table[p_value], errors="coerce") if p_value else np.nan,
        },
        index=table.index,
    )
    is_kept = told["gene"].notna() & (told["gene"].isin(list(keep)) if keep is not None else True)
    if "qval" in table:
        is_kept &= ~(pd.to_numeric(table["qval"], errors="coerce") > LARGEST_Q)
    told = told[is_kept]
    _check(told, path)
    return _named(told).assign(source=Path(path).name)[list(COLUMNS)].reset_index(drop=True)


def _table(path: str | os.PathLike[str]) -> pd.DataFrame:
    try:
        if str(path).endswith(".parquet"):
            table = pd.read_parquet(path)
        else:
            with opened(path) as handle:
                text = handle.read()
            comma = b"," in text.split(b"\n", 1)[0] and b"\t" not in text.split(b"\n", 1)[0]
            table = pd.read_csv(io.BytesIO(text), sep="," if comma else "\t", dtype=str, keep_default_na=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a table of eQTLs as GTEx does") from error
    return table.set_axis(range(2, len(table) + 2), axis=0)


def _first(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in table), None)


def _lacks(path: str | os.PathLike[str], what: str, names: tuple[str, ...], table: pd.DataFrame) -> InputError:
    found = ", ".join(map(str, table.columns)) or "none"
    return InputError(f"{path}: no column tells {what}; expected one of {', '.join(names)}; found {found}")


def _tissue(table: pd.DataFrame, path: str | os.PathLike[str], tissue: str | None) -> pd.Series:
    column = _first(table, _TISSUE)
    if column is not None:
        return table[column].astype(str).str.strip()
    named = _FILE.match(Path(path).name)
    if tissue is None and named is None:
        raise InputError(
            f"{path}: neither a column ({', '.join(_TISSUE)}) nor the file's name tells the tissue; give tissue='…'"
        )
    return pd.Series(tissue or (named["tissue"] if named else ""), index=table.index, dtype=object)


def _check(told: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    for line in told.index[~told["variant"].str.fullmatch(_NAME.pattern)][:1]:
        raise InputError(
            f"{path}, line {line}: found variant {told['variant'][line]!r}; expected the form chr1_13550_G_A_b38"
        )
    for line in told.index[~np.isfinite(told["slope"].to_numpy(dtype=float))][:1]:
        raise InputError(f"{path}, line {line}: the slope is no number; expected the change per alternative allele")


def _named(told: pd.DataFrame) -> pd.DataFrame:
    parts = told["variant"].str.extract(_NAME)
    variant = parts["chromosome"] + "-" + parts["position"] + "-" + parts["ref"] + "-" + parts["alt"]
    raising = parts["alt"].where(told["slope"] >= 0, parts["ref"])
    return told.assign(variant=variant, build="GRCh" + parts["build"], raising_allele=raising)


def leading(eqtls: pd.DataFrame) -> pd.DataFrame:
    """One variant per gene and tissue: the smallest p-value, then the largest slope, then the first name.

    Neighbouring variants are inherited together and tell the same effect: they are never added up.

    Examples
    --------
    >>> eqtls = pd.DataFrame({"gene": "A", "tissue": "Lung", "variant": ["1-1-A-C", "1-2-A-C"], "slope": [0.2, -0.5],
    ...                       "p_value": [1e-9, 1e-4]})
    >>> leading(eqtls)["variant"].tolist()
    ['1-1-A-C']
    """
    eqtls = eqtls.reset_index(drop=True)
    order = eqtls.assign(size=-eqtls["slope"].abs()).sort_values(["p_value", "size", "variant"], na_position="last")
    return eqtls.loc[order.drop_duplicates(["gene", "tissue"]).index].sort_index().reset_index(drop=True)


def raised_fraction(fraction: ArrayLike, *, slope: ArrayLike, copies: int) -> NDArray[np.float64]:
    r"""Share of people over a threshold among those with copies of the raising allele.

    GTEx's expression is a normal score over people; each copy moves it by the slope :math:`\beta`. Of people of whom
    a share :math:`p` is over a threshold, carriers of :math:`c` copies are over it with
    :math:`\Phi(\Phi^{-1}(p) + |\beta| c)`. The people measured are taken to carry none: where some do, that is too
    much rather than too little.

    Parameters
    ----------
    fraction
        Share of people over the threshold.
    slope
        Slope of the eQTL; its sign is not used.
    copies
        Copies of the raising allele, 0, 1 or 2.

    Returns
    -------
    Share in [0, 1]; NaN where either is NaN. At 0 or 1 it stays what it is: give an upper bound there.

    References
    ----------
    GTEx Consortium, Science 2020, doi:10.1126/science.aaz1776.

    Examples
    --------
    One in 40 people over the threshold is −1.96 standard deviations; two copies of +0.98 bring half of them over it:

    >>> raised_fraction(0.025, slope=0.98, copies=2).round(3)
    np.float64(0.5)
    """
    shifted = ndtri(np.asarray(fraction, dtype=np.float64)) + np.abs(np.asarray(slope, dtype=np.float64)) * copies
    return np.asarray(ndtr(shifted))


def read_copies(path: str | os.PathLike[str], *, eqtls: pd.DataFrame) -> pd.DataFrame:
    """Copies of each raising allele that the people of a VCF carry.

    Parameters
    ----------
    path
        VCF or BCF, annotated or not; of the build of the eQTLs.
    eqtls
        As `read_eqtl` gives them, of one build.

    Returns
    -------
    DataFrame
        Indexed by `variant` and `raising_allele`, each once; a column per person, `P01`, `P02` … in the order of the
        file, of whole numbers. Missing, *unknown*: not genotyped, or the variant is not listed (a VCF does not tell
        whether an absent position was read).

    Raises
    ------
    InputError
        As for `cartarget.surface.vcf.read_alleles`; the eQTLs are of several builds.

    Examples
    --------
    >>> read_copies("absent.vcf", eqtls=pd.DataFrame({"variant": [], "raising_allele": [], "build": []}))
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.vcf: no such file...
    """
    builds = sorted(set(eqtls["build"]))
    if len(builds) > 1:
        raise InputError(f"eqtls: of several builds, {', '.join(builds)}; give those of one release of GTEx")
    wanted = eqtls[["variant", "raising_allele"]].drop_duplicates()
    asked, found, n = set(wanted["variant"]), {}, 0
    for allele in read_alleles(path, build=builds[0] if builds else "GRCh38", is_annotated=False):
        n = max(n, len(allele.copies))
        if allele.name in asked:
            found[allele.name, allele.alt] = allele.copies
            found[allele.name, allele.ref] = allele.ref_copies
    keys = list(wanted.itertuples(index=False, name=None))
    rows = [list(found.get(key, ())) or [None] * n for key in keys]
    index = pd.MultiIndex.from_tuples(keys, names=["variant", "raising_allele"])
    people = [f"P{number + 1:02d}" for number in range(n)]
    return pd.DataFrame(rows, index=index, columns=people, dtype="Int64")
