"""Small runs of three antigens for the doors through which harm was called safe."""

from __future__ import annotations

import anndata
import pandas as pd

from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.selection.screen import score_gates
from tests.evidence_makers import ORIGIN, REQUIRED, atlas, cells, normal, tumor

SYMBOLS = ["A", "B", "C"]
ALL = ("colon", "heart", "lung", "liver", "spinal cord", "skin")
NONE = [0.0, 0.0, 0.0]
HOT = [1000.0, 0.0, 0.0]
TUMOR = atlas(tumor(cells([1, 1, 1])), symbols=SYMBOLS, name="tumour")
DEEP = atlas(tumor(cells([10, 10, 10]), depth=5e3), symbols=SYMBOLS, name="tumour")
CLEAN = atlas(normal(ALL, cells(NONE)), symbols=SYMBOLS, name="clean")
CLEAN_BUT_HEART = atlas(normal([t for t in ALL if t != "heart"], cells(NONE)), symbols=SYMBOLS, name="clean")
CLEAN_BUT_SKIN = atlas(normal([t for t in ALL if t != "skin"], cells(NONE)), symbols=SYMBOLS, name="clean")
CLEAN_BUT_SPINE = atlas(
    normal([t for t in ALL if t != "spinal cord"], cells(NONE)), symbols=SYMBOLS, name="clean"
)  # fmt: skip
CLASSES = ("within caps", "origin only", "unknown", "over cap")


def panel(*atlases: anndata.AnnData, required=REQUIRED, **more) -> Panel:
    return build_panel([*atlases], symbols=SYMBOLS, required=required, origin=ORIGIN, **more)


def verdict(made: Panel, gate: str) -> pd.Series:
    return score_gates(made, gates=Gates.parse([gate], panel=made)).iloc[0]


def named(text: str) -> set[str]:
    return {name for name in str(text).split(", ") if name}


def is_told(row: pd.Series, place: str) -> bool:
    """Whether the row says that the place is harmed, may be, or is not known."""
    columns = ("tissues_broken", "tissues_unresolved", "tissues_unmeasured")
    return any(name.startswith(place) for column in columns for name in named(row[column]))
