"""What a run starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.run.counting import count_step
from cartarget.run.inputs import load_run, read_controls, resource_paths
from cartarget.run.reading import read_step
from cartarget.run.summary import _limits
from tests.conftest import ROOT


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("resources", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_step_before_its_time_says_what_to_run(here):
    with pytest.raises(InputError, match=r"evidence/simulated: no counted atlas; run the count step first"):
        load_run(Config())


def test_controls_are_those_of_the_indication(here):
    mine = read_controls(Config(indication="read"))
    others = read_controls(Config(indication="kich"))
    assert "CEACAM5" in set(mine["symbol"]) - set(others["symbol"])
    assert set(mine["kind"]) == {"clinical", "housekeeping", "intracellular"}


def test_sex_and_origin_of_the_config_override_the_indication(here):
    config = Config(origin=["lung"], sex="female")
    read_step(config)
    count_step(config)
    run = load_run(config)
    assert run.panel.origin == ("lung",)
    table = run.panel.populations.set_index("tissue")
    assert (table.loc[["prostate"], "tier"] == "ignored").all()
    assert table.loc[["lung"], "is_origin"].all()
    assert not table.loc[["colon"], "is_origin"].any()


def test_without_tables_of_names_and_votes_one_line_says_so(here):
    config = Config()
    read_step(config)
    count_step(config)
    run = load_run(config)
    is_derived = run.surface["derived"].notna()
    assert set(run.surface.loc[~is_derived, "surface_status"]) == {"unknown"}
    assert set(run.surface.loc[is_derived, "surface_status"]) == {"derived"}
    assert "ACTB" not in run.candidates, "controls are no candidates, even where surface evidence is unknown"
    limits = _limits(config, run, simulated=True)
    assert len([line for line in limits if line.startswith("Surface evidence is unknown")]) == 1
    assert len([line for line in limits if line.startswith("Gene symbols are taken as given")]) == 1


def test_beside_cells_a_summary_keeps_its_unit_and_the_report_says_what_that_hides(here):
    (here / "tissues_ntpm.tsv").write_text("gene\tlung\tliver\nMSLN\t9\t0\nCEACAM5\t11\t0\n")
    table = AtlasConfig(name="hpa", reader="summary_table", path="tissues_ntpm.tsv", role="normal")
    config = Config(atlases=[*Config().atlases, table])
    read_step(config)
    count_step(config)
    run = load_run(config)
    lung = run.panel.units["tissue"] == "lung"
    above = run.panel.is_above[:, lung.to_numpy()]
    assert [bool(above[run.panel.index[symbol], 0]) for symbol in ("MSLN", "CEACAM5")] == [False, True]
    assert any("nTPM" in line and "higher bar than 10 CPM" in line for line in _limits(config, run, simulated=True))


def test_every_table_that_is_looked_up_is_an_input(here):
    bulk = AtlasConfig(name="bulk", reader="rsem_counts", path="counts")
    names = {Path(path).name for path in resource_paths(Config(atlases=[bulk]))}
    assert names == {
        "tissue_tiers.tsv", "indications.tsv", "controls.tsv", "surface_rescue.tsv", "tcga_normals.tsv",
        "clinical_targets.tsv", "toxicity.tsv", "lineage_markers.tsv", "gene_notes.tsv", "surface-proteins.csv",
        "derived_antigens.tsv", "isoforms.tsv", "molecules_per_cell.tsv", "hardware.tsv",
    }  # fmt: skip
    xena = AtlasConfig(name="toil", reader="xena", path="matrix.gz")
    assert "public_tissues.tsv" in {Path(path).name for path in resource_paths(Config(atlases=[xena]))}
