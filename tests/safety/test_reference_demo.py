"""Every number of a gate on the simulated atlas against a second implementation, straight from docs/method.md."""

from __future__ import annotations

import numpy as np
import pytest

import cartarget
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.gate import Gate
from cartarget.selection.screen import score_gates
from tests.safety.reference_judge import Reference
from tests.safety.reference_leaks import leaks_of
from tests.safety.reference_numbers import coverage_numbers, liability_numbers, people_numbers
from tests.safety.reference_window import window_of

SYMBOLS = ["CEACAM5", "MSLN", "EPCAM", "PTPRC", "ERBB2", "MUC16", "CDH17", "EGFR"]


@pytest.fixture(scope="module")
def world() -> tuple[Panel, Reference]:
    """The demo's atlas with fewer people and cells; one patient and some places are thin."""
    tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    atlas = cartarget.simulate_atlas(
        n_patients=6, n_donors=6, n_background=4, cells_per_tumor=60, cells_per_population=9
    )
    tumor = atlas.obs["side"].astype(str).eq("tumor")
    first = (tumor & atlas.obs["donor"].eq(atlas.obs.loc[tumor, "donor"].iloc[0])).to_numpy()
    kept = ~first | (np.cumsum(first) <= 20)
    adata = cartarget.harmonise(atlas[kept].copy(), tiers=tiers, origin=["colon"])
    symbols = [symbol for symbol in SYMBOLS if symbol in adata.var_names]
    more = {"symbols": symbols, "required": tiers.required, "origin": ["colon"]}
    panel = build_panel(adata, **more)
    reference = Reference([adata], **more).with_power(panel)
    reference.window, reference.leaks = window_of(panel, reference), leaks_of(panel)
    return panel, reference


def asked(symbols: tuple[str, ...]) -> list[str]:
    pairs = [f"{a} {op} {b}" for i, a in enumerate(symbols[:5]) for b in symbols[i + 1 : 5] for op in ("&", "|", "& ~")]
    larger = [f"{a} & ({b} | {c})" for a, b, c in zip(symbols, symbols[1:], symbols[2:], strict=False)]
    return [*symbols, *pairs, *larger, f"{symbols[0]} & {symbols[1]} & ~{symbols[2]}"]


def test_every_number_of_the_demo_is_that_of_the_reference(world: tuple[Panel, Reference]) -> None:
    panel, reference = world
    gates = [Gate.parse(text) for text in asked(panel.symbols)]
    spread = dict(enumerate(panel.populations["spread"]))
    table = score_gates(panel, gates=gates)
    for gate, row in zip(gates, table.to_dict("records"), strict=True):
        verdict = reference.judge(gate)
        expected = coverage_numbers(reference, gate) | liability_numbers(reference, gate, spread)
        expected |= people_numbers(reference, gate)
        expected["selectivity"] = expected["coverage_p10"] - expected["liability"]
        assert row["safety_class"] == verdict.safety_class, gate
        for name, value in expected.items():
            if name.endswith("_upper") and name.startswith("liability") and row["tissues_unmeasured"]:
                continue  # 1 where a required place is undecided
            loose = 1e-5 if "upper" in name or "lower" in name else 1e-9
            assert row[name] == pytest.approx(value, abs=loose, nan_ok=True), (str(gate), name)


def test_the_demo_shows_what_the_reference_is_asked(world: tuple[Panel, Reference]) -> None:
    panel, _ = world
    table = score_gates(panel, gates=asked(panel.symbols))
    assert table["safety_class"].nunique() >= 2
    assert (table["n_patients_thin"] >= 1).all() and (table["people_over_cap"] > 0).any()
    assert panel.populations["spread"].max() > 1
    assert (table["tissues_unmeasured"] == "").any(), "bounds are compared"
