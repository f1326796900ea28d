"""Barcodes: tumour, normal, metastasis; whose; and which sample stands for a patient."""

from __future__ import annotations

import pandas as pd
import pytest

from cartarget.atlas.barcodes import left_out, one_per_donor, read_barcodes


@pytest.mark.parametrize(
    ("sample", "study", "donor", "what", "side"),
    [
        ("TCGA-AF-2689-01", "TCGA", "TCGA-AF-2689", "primary tumor", "tumor"),
        ("TCGA-AF-2689-11A-01R-1660-07", "TCGA", "TCGA-AF-2689", "normal tissue", "normal"),
        ("TCGA-AF-2689-05A", "TCGA", "TCGA-AF-2689", "new primary", "tumor"),
        ("TCGA-AF-2689-02A", "TCGA", "TCGA-AF-2689", "recurrence", ""),
        ("TCGA-EB-A299-06A", "TCGA", "TCGA-EB-A299", "metastasis", ""),
        ("TCGA-AB-2803-03A", "TCGA", "TCGA-AB-2803", "blood cancer", ""),
        ("TCGA-AF-2689-10A", "TCGA", "TCGA-AF-2689", "blood", ""),
        ("TCGA-07-0227-20A", "TCGA", "TCGA-07-0227", "control", ""),
        ("TARGET-10-PANSYA-09A", "TARGET", "TARGET-10-PANSYA", "blood cancer", ""),
        ("GTEX-S4Q7-0003-SM-3NM8M", "GTEX", "GTEX-S4Q7", "normal tissue", "normal"),
        ("K-562-SM-26GMQ", "GTEX", "K-562-SM-26GMQ", "cell line", ""),
        ("patient 7", "", "patient 7", "", ""),
    ],
)
def test_a_barcode_says(sample: str, study: str, donor: str, what: str, side: str) -> None:
    row = read_barcodes([sample]).loc[sample]
    assert (row["study"], row["donor"], row["what"], row["side"]) == (study, donor, what, side)


def test_the_best_sample_stands_for_a_patient() -> None:
    samples = [
        "TCGA-AA-0001-05A-01R-0001-07",  # a new primary gives way to the first
        "TCGA-AA-0001-01B-01R-0001-07",  # vial B
        "TCGA-AA-0001-01A-01T-0002-07",  # total RNA after analyte R
        "TCGA-AA-0001-01A-01R-0001-07",  # the older plate
        "TCGA-AA-0001-01A-01R-A005-07",  # the one
        "TCGA-AA-0001-11A-01R-0001-07",  # its normal tissue stays beside it
    ]
    kept = one_per_donor(read_barcodes(samples))
    assert kept.index[kept].tolist() == samples[-2:]
    shuffled = one_per_donor(read_barcodes(samples[::-1]))
    assert set(shuffled.index[shuffled]) == set(samples[-2:]), "whatever the order in the file"


def test_a_donor_keeps_one_sample_of_each_tissue() -> None:
    table = read_barcodes(["GTEX-AAAA-1", "GTEX-AAAA-2", "GTEX-AAAA-3"]).assign(tissue=["lung", "lung", "liver"])
    assert one_per_donor(table).tolist() == [True, False, True]


def test_nothing_left_out_says_nothing() -> None:
    assert left_out(pd.Series(["", ""])) == []
