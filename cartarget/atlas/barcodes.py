"""What a sample's barcode says: tumour, normal, metastasis or cell line; whose; and which one stands for a patient.

TCGA and TARGET barcodes carry a sample type (GDC code tables): 01 primary tumour, 02 recurrence, 05 new primary,
06 and 07 metastasis, 10 and 12–14 blood, cheek, lymphocytes and marrow as germline, 11 normal tissue beside the tumour,
20 control, 50 cell line, 60 and 61 xenograft. GTEx ids name donor and site. One sample stands for a patient and side:
the primary tumour before another, then the first vial, RNA before other analytes, the highest plate, and the barcode.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cartarget.errors import InputError
from cartarget.files import resource

TISSUES = Path("resources") / "public_tissues.tsv"

_TCGA = re.compile(
    r"(?P<donor>(?:TCGA|TARGET)-\w+-\w+)-(?P<code>\d\d)(?P<vial>[A-Z])?(?:-(?P<portion>\d\d)(?P<analyte>[A-Z])?"
    r"(?:-(?P<plate>\w+))?)?"
)
_GTEX = re.compile(r"(?P<donor>GTEX-\w+)-")
_CODES = {
    "01": "primary tumor", "02": "recurrence", "03": "blood cancer", "04": "blood cancer", "05": "new primary",
    "06": "metastasis", "07": "metastasis", "08": "tumor", "09": "blood cancer", "10": "blood", "11": "normal tissue",
    "12": "germline", "13": "germline", "14": "germline", "20": "control", "40": "blood cancer", "50": "cell line",
    "60": "xenograft", "61": "xenograft",
}  # fmt: skip
_TUMORS = ("primary tumor", "new primary")


def read_barcodes(samples: Sequence[str]) -> pd.DataFrame:
    """What each barcode says.

    Parameters
    ----------
    samples
        TCGA, TARGET or GTEx sample ids, short or whole; others say nothing.

    Returns
    -------
    DataFrame
        Indexed by sample: `study` (`TCGA`, `TARGET`, `GTEX`, empty), `donor` (the sample itself where nothing is said),
        `what` (`primary tumor`, `normal tissue`, `metastasis`, `cell line` … or empty), `side` (`tumor`, `normal`, or
        empty for what is neither: metastases, recurrences, blood, cell lines), `order` (by it the first of a
        donor's samples stands for the donor).

    Examples
    --------
    >>> read_barcodes(["TCGA-AF-2689-11A", "TCGA-AF-2689-06A", "GTEX-S4Q7-0003-SM-3NM8M"])["side"].tolist()
    ['normal', '', 'normal']
    """
    return pd.DataFrame([_read(sample) for sample in samples], index=pd.Index(list(samples), dtype=object))


def _read(sample: str) -> dict[str, str]:
    if found := _TCGA.match(sample):
        what = _CODES.get(found["code"], "")
        side = "tumor" if what in _TUMORS else "normal" if what == "normal tissue" else ""
        plate = "".join(chr(255 - ord(letter)) for letter in (found["plate"] or "").rjust(4))
        analyte = "0" if found["analyte"] in (None, "R") else "1"
        order = f"{found['code']}{found['vial'] or 'A'}{analyte}{plate}{sample}"
        return {"study": sample.split("-")[0], "donor": found["donor"], "what": what, "side": side, "order": order}
    if found := _GTEX.match(sample):
        what = "normal tissue"
        return {"study": "GTEX", "donor": found["donor"], "what": what, "side": "normal", "order": sample}
    what = "cell line" if sample.startswith("K-562") else ""
    return {"study": "GTEX" if what else "", "donor": sample, "what": what, "side": "", "order": sample}


def one_per_donor(table: pd.DataFrame) -> pd.Series:
    """Which samples stand for their donor, side and tissue: the first by `order`.

    Parameters
    ----------
    table
        Indexed by sample, with `donor`, `side`, `order` and, where a donor gives several tissues, `tissue`.

    Examples
    --------
    >>> samples = ["TCGA-AF-2689-01B", "TCGA-AF-2689-01A", "TCGA-AF-2689-11A"]
    >>> one_per_donor(read_barcodes(samples)).tolist()
    [False, True, True]
    """
    keys = [key for key in ("donor", "side", "tissue") if key in table]
    first = table.sort_values("order", kind="stable").groupby(keys, sort=False).head(1).index
    return pd.Series(table.index.isin(first), index=table.index)


def tissue_names() -> dict[str, str]:
    """Names that public bulk atlases give to tissues (as `name_key` makes them) → the tissue; empty: leave out.

    Examples
    --------
    >>> tissue_names()[name_key("Heart - Left Ventricle")]
    'left ventricle'
    """
    path = resource(TISSUES)
    if not path.is_file():
        raise InputError(f"{TISSUES}: no such file; install cartarget again")
    with open(path, encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {name_key(row["given"]): row["tissue"] for row in rows}


def as_tissues(given: pd.Series) -> pd.Series:
    """What an atlas calls tissues → tissues; names that no row knows stay as they are.

    Examples
    --------
    >>> as_tissues(pd.Series(["Heart - Left Ventricle", "Cells - Cultured fibroblasts", "Moon"])).tolist()
    ['left ventricle', '', 'Moon']
    """
    names = tissue_names()
    return given.map(lambda name: names.get(name_key(name), name)).astype(object)


def name_key(name: str) -> str:
    """A name without case, spaces and punctuation.

    Examples
    --------
    >>> name_key("Skin_Sun_Exposed_Lower_leg") == name_key("Skin - Sun Exposed (Lower leg)")
    True
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def left_out(reasons: pd.Series) -> list[str]:
    """One sentence that counts what was left out and why; none if nothing was.

    Examples
    --------
    >>> left_out(pd.Series(["metastasis", "", "metastasis"]))
    ['2 of 3 samples are left out: 2 metastasis']
    """
    counts = reasons[reasons != ""].value_counts().sort_index()
    if counts.empty:
        return []
    parts = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return [f"{counts.sum():,} of {len(reasons):,} samples are left out: {parts}"]
