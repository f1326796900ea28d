"""Molecules per cell: what the sources state, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.errors import InputError
from cartarget.safety.density import COLUMNS, density_words, read_densities

ROW = ["A", "a tumour", "tumor", "molecules", "500", "100", "900", "PMID:1", "title"]


def write(folder: Path, **changes: str) -> Path:
    row = dict(zip(COLUMNS, ROW, strict=True)) | changes
    path = folder / "density.tsv"
    path.write_text("\t".join(COLUMNS) + "\n" + "\t".join(row.values()) + "\n")
    return path


def test_the_words_hold_tumour_normal_and_lines() -> None:
    words = density_words(read_densities())
    assert words["EGFR"] == (
        "carcinoma of the cervix, 73 patients: 14,600 binding sites (160 to 283,000; PMID:9291423); "
        "epithelium of the cervix, 11 people (normal): 30,700 binding sites (19,900 to 44,000; PMID:9291423)"
    )
    assert "BT-474 (breast, IHC 3+): 499,795 molecules (doi:10.1155/2010/814176)" in words["ERBB2"]
    assert "MSLN" not in words, "no source, no number"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"typical": "many"}, "line 2: typical is 'many'; expected a number above zero"),
        ({"typical": ""}, "line 2: typical is empty"),
        ({"low": "0"}, "line 2: low is '0'"),
        ({"low": "600"}, "line 2: low, typical and high are out of order"),
        ({"high": "400"}, "line 2: low, typical and high are out of order"),
        ({"side": "both"}, "line 2: side is 'both'; expected tumor, normal, line"),
        ({"what": "copies"}, "line 2: what is 'copies'"),
        ({"source": "a page"}, "line 2: source is 'a page'"),
    ],
)
def test_bad_rows_are_refused(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_densities(write(tmp_path, **changes))


def test_one_end_alone_is_not_shown_as_a_range(tmp_path: Path) -> None:
    words = density_words(read_densities(write(tmp_path, high="")))
    assert words == {"A": "a tumour: 500 molecules (PMID:1)"}
