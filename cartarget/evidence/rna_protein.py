"""How well RNA foretells protein: per gene and cancer from matched tumours of CPTAC, per gene from normal tissues.

The numbers come with the package `oncoref` (Apache-2.0), which is optional: `pip install --no-deps oncoref`. Two of its
tables are read, and nothing of it is run. Without it they are unknown, and the page says so.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from cartarget.errors import InputError

INSTALLED = "oncoref"
FILES = ("rna-protein-calibrations.csv.gz", "canonical-gene-space.csv.gz", "rna-protein-hpa-priors.csv.gz")
"""Matched tumours, symbols of genes, and normal tissues."""
NEAR = {"read": "COAD", "crc": "COAD"}
"""Indications without a cohort of their own → the cancer whose cohort is nearest; the note names it."""

_TUMORS = {
    "cancer_code": "code", "canonical_gene_id": "ensembl", "cptac_cohort": "cohort", "n_matched_samples": "n",
    "n_protein_observed": "n_rna_protein", "protein_detection_rate": "protein_detection_rate",
    "quantitative_model_status": "status", "pearson_r": "rna_protein_r",
}  # fmt: skip
_NORMALS = {"gene_symbol": "symbol", "rna_ihc_spearman_rho": "rna_stain_rho", "n_matched_tissues": "n_tissues"}
COLUMNS = ("rna_protein_r", "n_rna_protein", "protein_detection_rate", "rna_stain_rho", "rna_protein_note")


def installed_calibrations() -> Path | None:
    """The folder of the tables of the package `oncoref`; None: it is not installed."""
    spec = find_spec(INSTALLED)
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    return folder if folder is not None and all((folder / name).is_file() for name in FILES) else None


def calibration_paths() -> list[Path]:
    """The tables that are read where the package is installed; none where it is not."""
    folder = installed_calibrations()
    return [] if folder is None else [folder / name for name in FILES]


def rna_protein(folder: str | os.PathLike[str] | None, *, symbols: list[str], indication: str) -> pd.DataFrame:
    """How well the RNA of each antigen foretells its protein.

    Parameters
    ----------
    folder
        `installed_calibrations`. None: not installed, and all is unknown.
    symbols
        Antigens.
    indication
        Key of the indication: its cohort is that of the same TCGA code, or of `NEAR`.

    Returns
    -------
    DataFrame
        One row a symbol, in the order given: `rna_protein_r` (Pearson's r of log2 RNA and log2 protein over the
        `n_rna_protein` tumours in which both were measured; missing where the source fitted none),
        `protein_detection_rate` (share of the matched tumours in which mass spectrometry found the protein),
        `rna_stain_rho` (Spearman's rho of RNA and stain over normal tissues, of any cancer), `rna_protein_note` (in
        words, or why it is unknown). Not found is not absent: mass spectrometry misses what is rare.

    Raises
    ------
    InputError
        A table cannot be read, or lacks a column.

    Examples
    --------
    >>> rna_protein(None, symbols=["EPCAM"], indication="read")["rna_protein_note"].item()
    'unknown: the package oncoref, which holds it, is not installed'
    """
    index = pd.Index(symbols, name="symbol")
    if folder is None:
        empty = pd.DataFrame(float("nan"), index=index, columns=list(COLUMNS[:-1]))
        return empty.assign(rna_protein_note=f"unknown: the package {INSTALLED}, which holds it, is not installed")
    tumors, normals = _tumors(Path(folder), indication), _normals(Path(folder))
    found = tumors.reindex(index).join(normals.reindex(index))
    code = NEAR.get(indication, indication.upper())
    notes = [_note(row, code=code if len(tumors) else "") for _, row in found.iterrows()]
    return found.assign(rna_protein_note=notes)[list(COLUMNS)]


def _tumors(folder: Path, indication: str) -> pd.DataFrame:
    """Numbers of the cohort of an indication by symbol; of several ids of a symbol the one found in most tumours."""
    table = _read(folder / FILES[0], _TUMORS)
    table = table[table["code"] == NEAR.get(indication, indication.upper())]
    genes = _read(folder / FILES[1], {"ensembl_gene_id": "ensembl", "symbol": "symbol"})
    table = table.merge(genes, on="ensembl").sort_values("n_rna_protein", ascending=False, kind="stable")
    table["rna_protein_r"] = table["rna_protein_r"].where(table["status"] == "fit")
    return table.drop_duplicates("symbol").set_index("symbol").drop(columns=["code", "ensembl", "status"])


def _normals(folder: Path) -> pd.DataFrame:
    return _read(folder / FILES[2], _NORMALS).drop_duplicates("symbol").set_index("symbol")


def _read(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, usecols=list(columns))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); install {INSTALLED} again (`pip install --no-deps {INSTALLED}`), or "
            "remove it"
        ) from None
    return frame.rename(columns=columns)


def _note(row: pd.Series, *, code: str) -> str:
    """The numbers of one antigen in words."""
    parts = []
    if pd.notna(row["n_rna_protein"]):
        r = "no fit" if pd.isna(row["rna_protein_r"]) else f"r {row['rna_protein_r']:.2f}"
        parts += [
            f"{r} over {row['n_rna_protein']:.0f} tumours of {row['cohort']} (CPTAC)",
            f"protein found in {row['protein_detection_rate']:.0%} of {row['n']:.0f}",
        ]
    else:
        parts.append(
            f"unknown: not measured in {code} (CPTAC)" if code else "unknown: CPTAC has no cohort of this cancer"
        )
    if pd.notna(row["rna_stain_rho"]):
        parts.append(f"rho {row['rna_stain_rho']:.2f} with stains over {row['n_tissues']:.0f} normal tissues")
    return "; ".join(parts)
