"""A small run with counted evidence: simulated cells, screened by the package, ready to be argued over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from report_run import NAMES, _summary, write_shortlist

from cartarget.atlas.harmonise import harmonise
from cartarget.atlas.readers.simulate import simulate_atlas
from cartarget.config import Config
from cartarget.contracts import read_table, write_table
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.report.argue import counted_evidence, write_evidence
from cartarget.safety.tiers import read_tiers
from cartarget.selection.hardware import score_hardware
from cartarget.selection.screen import expose, screen_antigens, screen_gates
from cartarget.selection.sweep import firm_first

TIERS = "config/tissue_tiers.tsv"
ORIGIN = ["colon", "rectum"]
THRESHOLDS = [1.0, 2.0, 3.0]


def counted_panels() -> list[Panel]:
    """The same small atlas, counted at one, two and three."""
    tiers = read_tiers(TIERS)
    adata = simulate_atlas(n_patients=4, n_donors=5, n_background=20, cells_per_tumor=60, cells_per_population=12)
    adata = harmonise(adata, tiers=tiers, origin=ORIGIN)
    symbols = list(adata.var_names)
    return [
        build_panel(
            adata, symbols=symbols, required=tiers.required, stand_in=tiers.stand_in, origin=ORIGIN, count=int(count)
        )
        for count in THRESHOLDS
    ]


def make_counted_run(folder: Path, panels: list[Panel]) -> Path:
    """Write the tables, the summary and the evidence of a run into `folder`; returns it."""
    panel = panels[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "work").mkdir()
    sweep = {"2 counts": panels[1]}
    antigens = firm_first(screen_antigens(panel), sweep=sweep, twice="2 counts", name="symbol")
    found = screen_gates(panel, candidates=panel.symbols, top=400, twice=panels[1], progress=False)
    table = firm_first(found.table, sweep=sweep, twice="2 counts")
    write_table("antigens", antigens, folder / "antigens")
    write_table("gates", table, folder / "gates")
    write_shortlist(folder)
    ideas = read_table("shortlist", folder / "shortlist.parquet")["gate"].tolist()
    write_table("hardware", score_hardware(panel, gates=ideas), folder / "hardware")
    both = Gates.join([Gates.singles(len(panel.symbols)), found.gates.pairs])
    write_table("exposure", expose(panel, gates=both), folder / "exposure")
    texts = dict.fromkeys(("release", "licence", "citation"), "")
    atlas = {"name": "cells", "role": "counted", "kind": "cells", "unit": "counts", "notes": [], **texts}
    atlas |= {"n_observations": 1, "n_donors": 1}
    summary = _summary(NAMES[:3], np.random.default_rng(0)) | {
        "name": "counted",
        "primary": "single_cell",
        "config": Config(name="counted").model_dump(mode="json"),
        "atlases": [atlas],
        "patients": {},
    }
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    tiers = Path(TIERS).read_text(encoding="utf-8")
    gates = table["gate"].tolist()
    evidence = counted_evidence(panels, thresholds=THRESHOLDS, base=1.0, unit="counts", tiers=tiers, gates=gates)
    write_evidence(evidence, folder / "work" / "argue.npz")
    return folder
