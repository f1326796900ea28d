"""What a run starts from."""

from __future__ import annotations

import pytest

from cartarget.config import Config
from cartarget.errors import InputError
from cartarget.inputs import load_run, read_controls
from cartarget.steps import read_step
from tests.conftest import ROOT


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("resources", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_step_before_its_time_says_what_to_run(here):
    with pytest.raises(InputError, match=r"simulated\.h5ad: not there yet; run the read step first"):
        load_run(Config())


def test_controls_are_those_of_the_indication(here):
    mine = read_controls(Config(indication="read"))
    others = read_controls(Config(indication="kich"))
    assert "CEACAM5" in set(mine["symbol"]) - set(others["symbol"])
    assert set(mine["kind"]) == {"clinical", "housekeeping", "intracellular"}


def test_sex_and_origin_of_the_config_override_the_indication(here):
    config = Config(origin=["lung"], sex="female")
    read_step(config)
    run = load_run(config)
    assert run.panel.origin == ("lung",)
    table = run.panel.populations.set_index("tissue")
    assert (table.loc[["prostate"], "tier"] == "ignored").all()
    assert table.loc[["lung"], "is_origin"].all()
    assert not table.loc[["colon"], "is_origin"].any()


def test_without_tables_of_names_and_votes_one_line_says_so(here):
    config = Config()
    read_step(config)
    run = load_run(config)
    assert set(run.surface["surface_status"]) == {"unknown"}
    assert "ACTB" not in run.candidates, "controls are no candidates, even where surface evidence is unknown"
