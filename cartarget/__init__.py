"""Find CAR T target antigens, alone or joined by logic, for solid tumours.

The names below are the public interface; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "CartargetError": "cartarget.errors",
    "Config": "cartarget.config",
    "ConfigError": "cartarget.errors",
    "Gate": "cartarget.logic.gate",
    "GateError": "cartarget.errors",
    "Gates": "cartarget.logic.batch",
    "InputError": "cartarget.errors",
    "Objective": "cartarget.search.objectives",
    "Packed": "cartarget.evidence.packed",
    "Panel": "cartarget.evidence.panel",
    "SearchResult": "cartarget.search.result",
    "affinity_search": "cartarget.run.affinity_search",
    "batch_report": "cartarget.atlas.batch",
    "build_panel": "cartarget.evidence.panel",
    "candidates": "cartarget.surface.candidates",
    "columns": "cartarget.dictionary",
    "count_atlas": "cartarget.evidence.part",
    "count_positive": "cartarget.evidence.packed",
    "coverage_range": "cartarget.evidence.purity",
    "from_anndata": "cartarget.atlas.notebook",
    "harmonise": "cartarget.atlas.harmonise",
    "is_positive": "cartarget.evidence.positivity",
    "load_config": "cartarget.config",
    "open_run": "cartarget.run.asking",
    "pack": "cartarget.evidence.packed",
    "pack_atlas": "cartarget.evidence.positivity",
    "pack_stream": "cartarget.evidence.stream",
    "pair_grid": "cartarget.search.grid",
    "parse_config": "cartarget.config",
    "pseudobulk": "cartarget.atlas.pseudobulk",
    "read_atlas": "cartarget.atlas",
    "read_gene_table": "cartarget.genes",
    "read_sources": "cartarget.surface.candidates",
    "read_tiers": "cartarget.safety.tiers",
    "read_votes": "cartarget.surface.votes",
    "render_report": "cartarget.report.render",
    "score_gates": "cartarget.selection.screen",
    "screen": "cartarget.run.notebook",
    "screen_antigens": "cartarget.selection.screen",
    "screen_gates": "cartarget.selection.screen",
    "screen_larger": "cartarget.selection.larger",
    "search_gates": "cartarget.search.search",
    "simulate_atlas": "cartarget.atlas.readers.simulate",
    "tmm_factors": "cartarget.atlas.batch",
    "to_scale": "cartarget.atlas.scale",
    "tumor_level": "cartarget.atlas.purity",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cartarget' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
