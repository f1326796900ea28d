"""What the evidence store of a run holds, for a reader who asks before trusting a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cartarget.config import Config
from cartarget.evidence.labels import mixed_labels
from cartarget.evidence.panel import Panel
from cartarget.evidence.part import DEPTHS, Part
from cartarget.run.inputs import load_run, part_path
from cartarget.safety.beside import nuclei_alone, unmeasured_places


def describe_evidence(config: Config) -> tuple[pd.DataFrame, tuple[str, ...], pd.Series, list[str]]:
    """Say what was counted, what nothing measures, and how widely the antigens were measured.

    Parameters
    ----------
    config
        A run whose count step has been done.

    Returns
    -------
    One row a counted atlas (see `part_row`); the required places that no input of the run measures; how many
    antigens were measured in 1, 2, … counted atlases; and what to mind, a text each: required places of which nuclei
    alone tell, and populations whose label holds several kinds of cells.

    Raises
    ------
    InputError
        The read or count step has not been done, or the store is damaged.
    """
    run = load_run(config)
    asked = {atlas.name: atlas for atlas in config.used_atlases}
    rows = [part_row(part, folder=part_path(config, asked[part.atlas])) for part in run.parts]
    held = pd.concat([pd.Series(1, index=np.array(p.symbols)[p.is_measured.any(axis=1)]) for p in run.parts])
    times = held.groupby(level=0).sum().reindex(run.panel.symbols, fill_value=0)
    return pd.DataFrame(rows), unmeasured_places(run.panel), times.value_counts().sort_index(), _to_mind(run.panel)


def _to_mind(panel: Panel) -> list[str]:
    nuclei, mixed = nuclei_alone(panel), mixed_labels(panel.packed)
    texts = [f"Required places of which nuclei alone tell: {', '.join(nuclei)}."] if nuclei else []
    table = mixed.round(3).to_string(index=False)
    return [*texts, f"Labels that hold several kinds of cells:\n{table}"] if len(mixed) else texts


def part_row(part: Part, *, folder: Path) -> dict[str, str]:
    """One counted atlas in words.

    Parameters
    ----------
    part
        The atlas.
    folder
        Where it lies.

    Returns
    -------
    `atlas`, `kind`, `assay`, `observations`, `donors`, `populations`, `antigens`, `thresholds`, `median_depth`
    (counts of a cell over all genes, to an eighth of a doubling; `-` where depths are not known, and for samples) and
    `size` on disk.
    """
    counts = part.depth.sum(axis=0)
    middle = DEPTHS[np.searchsorted(counts.cumsum(), counts.sum() / 2)] if counts.any() else None
    limits = "above 0" if part.unit == "log1p" else ", ".join(f"{limit:g}" for limit in part.thresholds)
    return {
        "atlas": part.atlas,
        "kind": part.kind,
        "assay": ", ".join(sorted(set(part.populations["assay"].astype(str)))),
        "observations": f"{part.populations['n_observations'].sum():,}",
        "donors": f"{len(part.donors):,}",
        "populations": f"{len(part.populations):,}",
        "antigens": f"{int(part.is_measured.any(axis=1).sum()):,}",
        "thresholds": f"{limits} {part.unit}",
        "median_depth": "-" if middle is None else f"{middle:,.0f}",
        "size": f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.2f} MB",
    }
