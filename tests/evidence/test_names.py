"""No identifier of a person is a name in a table."""

from __future__ import annotations

import numpy as np

from cartarget.evidence.names import number_patients, patient_names
from cartarget.evidence.panel import build_panel
from cartarget.evidence.part import count_atlas
from tests.panels import REQUIRED, observations

LUNG = {"lung": {"MRN-9": np.ones((1, 1))}}


def test_an_atlas_and_the_panel_call_a_patient_alike() -> None:
    """MRN-2 stands in the second atlas alone, so MRN-5 of the first is patient 2 in both; MRN-7 was not counted."""
    one = observations("cells", {"MRN-5": np.ones((2, 1))}, LUNG, symbols=["A"])
    two = observations("cells", {"MRN-2": np.ones((2, 1))}, {}, symbols=["A"])
    shown = observations("cells", {"MRN-7": np.ones((2, 1)), "MRN-5": np.ones((1, 1))}, LUNG, symbols=["A"])
    shown.uns["cartarget"] = {**shown.uns["cartarget"], "atlas": "shown"}
    parts = [count_atlas(adata, symbols=["A"]) for adata in (one, two)]
    panel = build_panel(parts, symbols=["A"], required=REQUIRED)
    assert panel.populations["population"].tolist() == ["patient 1", "patient 2", "lung"]
    names = patient_names(parts)
    for adata in (one, two, shown):
        number_patients(adata, names=names)
    assert one.obs["population"].tolist() == ["patient 2", "patient 2", "lung"]
    assert two.obs["population"].tolist() == ["patient 1", "patient 1"]
    assert shown.obs["population"].tolist() == ["shown: patient 1"] * 2 + ["patient 2", "lung"]
    assert one.obs["donor"].tolist() == ["MRN-5", "MRN-5", "MRN-9"], "people are still told apart"


def test_samples_are_left_as_they_are() -> None:
    adata = observations("samples", {"MRN-5": np.ones((1, 1))}, {}, symbols=["A"])
    number_patients(adata, names={})
    assert adata.obs["population"].tolist() == ["tumor"]
