"""Sample sheets: one row makes an atlas; what is wrong is told with line and nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.config import AtlasConfig, load_config, parse_config, read_sheet
from cartarget.errors import ConfigError, InputError
from cartarget.sheet import ASSAYS, COLUMNS

ROOT = Path(__file__).resolve().parents[1]


def sheet(folder: Path, *rows: str) -> Path:
    path = folder / "atlases.tsv"
    path.write_text("\n".join(row.replace(", ", "\t") for row in rows) + "\n")
    return path


def test_one_row_makes_an_atlas(tmp_path: Path) -> None:
    (atlas,) = read_sheet(
        sheet(
            tmp_path,
            "# mine",
            "name, path, role, assay, malignant, malignant_values, normal_values, donor, cell_type, tissue_column, "
            "exclude_values",
            "mine, cells.h5ad, counted, single_cell, label, tumor|cancer, no|T cell, patient, type, organ, doublet",
        )
    )
    assert (atlas.name, atlas.reader, atlas.path, atlas.role) == ("mine", "h5ad", "cells.h5ad", "counted")
    labels = atlas.labels
    assert (labels.malignant, labels.malignant_values) == ("label", ["tumor", "cancer"])
    assert labels.normal_values == ["no", "T cell"]
    assert (labels.donor, labels.cell_type, labels.tissue) == ("patient", "type", "organ")
    assert labels.exclude_values == ["doublet"]


def test_empty_fields_have_the_default(tmp_path: Path) -> None:
    (atlas,) = read_sheet(sheet(tmp_path, "name, path, unit, donor", "mine, x.gct.gz, , "))
    assert atlas.reader == "gct" and atlas.unit is None and atlas.labels.donor is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["nam, path", "a, b.h5ad"], "line 1: unknown column 'nam'; did you mean 'name'"),
        (["name, path, malignnt", "a, b.h5ad, x"], "unknown column 'malignnt'; did you mean 'malignant'"),
        (["name", "a"], "column 'path' is missing"),
        (["name, path, unit, unit", "a, b.h5ad, CPM, TPM"], "line 1: column 'unit' stands twice"),
        (["name, path", "a, b.txt"], r"line 2: what reads 'b.txt' cannot be told"),
        (["name, path", ", b.h5ad"], "line 2: name is empty"),
        (["name, path", "a, b.h5ad, more"], "line 2: found 3 fields, expected 2"),
        (["name, path, assay", "a, b.h5ad, bulk"], "assay 'bulk' is not what reader 'h5ad' reads; readers of it: rsem"),
        (["name, path, assay", "a, b.h5ad, blk"], "assay is one of bulk, single_cell"),
    ],
)
def test_a_broken_sheet_is_named(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_sheet(sheet(tmp_path, *rows))
    assert "atlases.tsv" in str(error.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["name, path, role", "a, b.h5ad, primry"], "line 2: role: found 'primry'"),
        (["name, path, reader", "a, b, h5da"], "line 2: reader: found 'h5da'"),
        (["name, path", "a b, x.h5ad"], "line 2: name: found 'a b'"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_sheet(sheet(tmp_path, *rows))


def test_rows_stand_beside_the_atlases_of_a_configuration(tmp_path: Path) -> None:
    path = str(sheet(tmp_path, "name, path, role", "mine, cells.h5ad, shown"))
    own = [{"name": "simulated", "reader": "simulated"}]
    config = parse_config({"atlases": own, "sheet": path})
    assert [atlas.name for atlas in config.atlases] == ["simulated", "mine"]
    assert parse_config(config.model_dump()) == config, "a configuration that is read again is the same"
    with pytest.raises(ConfigError, match="none has role 'counted'"):
        parse_config({"sheet": path})
    primary = str(sheet(tmp_path, "name, path", "mine, cells.h5ad"))
    assert [atlas.name for atlas in parse_config({"sheet": primary}).atlases] == ["mine"]
    twice = str(sheet(tmp_path, "name, path", "simulated, cells.h5ad"))
    with pytest.raises(ConfigError, match="the name 'simulated' is used twice"):
        parse_config({"atlases": own, "sheet": twice})
    with pytest.raises(InputError, match=r"absent\.tsv: cannot be read"):
        parse_config({"sheet": "absent.tsv"})


def test_a_sheet_can_be_given_in_place_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: x\nsheet: absent.tsv\n")
    primary = sheet(tmp_path, "name, path", "mine, cells.h5ad")
    assert [atlas.name for atlas in load_config(tmp_path / "run.yaml", sheet=primary).atlases] == ["mine"]


def test_the_empty_sheet_of_the_project_is_right() -> None:
    assert read_sheet(ROOT / "config" / "atlases.tsv") == []


def test_a_sheet_can_say_all_that_a_configuration_can() -> None:
    fields = set(AtlasConfig.model_fields) - {"labels", "census"}
    assert fields <= set(COLUMNS)
    readers = {reader for names in ASSAYS.values() for reader in names} | {"simulated"}
    from cartarget.atlas.registry import READERS

    assert set(READERS) == readers
