"""Random evidence of several atlases: cells, nuclei, samples, summaries and stains, with holes and thin places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anndata
import numpy as np

from tests.evidence_makers import PLACES, Block, atlas, levels, stains

REQUIRED = ("colon", "heart", "heart: cardiomyocyte", "lung")
ORIGIN = ("colon",)
SYMBOLS = ["A", "B", "C", "D", "E"]
HOMES = ("heart", "heart", "heart", "lung", "lung", "colon", "colon", "spinal cord", "skin", "breast")
_CARRIED = (0.2, 0.7, 2.0, 8.0, 20.0)
TYPES = {"heart": ("cardiomyocyte", "T cell"), "lung": ("alveolar", "T cell"), "colon": ("epithelium",)}


@dataclass
class Evidence:
    """The arguments of `build_panel`."""

    atlases: list[anndata.AnnData]
    more: dict[str, Any] = field(default_factory=dict)


def random_evidence(seed: int, *, depths: bool = False, holes: float = 0.15) -> Evidence:
    """Evidence drawn from a seed; places share their rates over atlases, so that atlases mostly agree.

    Parameters
    ----------
    seed
        Same seed, same evidence.
    depths
        Give cells the counts that power rests on.
    holes
        Chance that a data set or a unit lacks a gene.
    """
    rng = np.random.default_rng(seed)
    rates = {place: rng.choice([0.0, 0.02, 0.1, 0.9], len(SYMBOLS), p=[0.6, 0.15, 0.1, 0.15]) for place in _places()}
    atlases = [_tumor(rng, kind, depths) for kind in rng.choice(["cells", "samples"], rng.integers(1, 3), False)]
    for number in range(rng.integers(1, 4)):
        kind = str(rng.choice(["cells", "cells", "samples"]))
        assay = "nuclei" if kind == "cells" and rng.random() < 0.3 else kind
        atlases.append(_normal(rng, rates, f"normal{number}", kind, assay, depths, holes))
    if rng.random() < 0.3:  # one atlas with both sides
        atlases[0] = _both(atlases[0], _normal(rng, rates, "mixed", atlases[0].uns["cartarget"]["kind"], "", depths, 0))
    return Evidence(
        atlases,
        {
            "symbols": SYMBOLS,
            "required": REQUIRED,
            "origin": ORIGIN,
            "summaries": [_summary(rng, rates, holes, levels, 30.0)] if rng.random() < 0.6 else [],
            "proteins": [_summary(rng, rates, holes, stains, 3.0)] if rng.random() < 0.4 else [],
            "stand_in": ["heart: cardiomyocyte"] if rng.random() < 0.6 else [],
        },
    )


def _places() -> list[str]:
    return [p for t in PLACES for p in (t, *(f"{t}: {c}" for c in TYPES.get(t, ())))]


def _tumor(rng: np.random.Generator, kind: str, depths: bool) -> anndata.AnnData:
    rate = rng.choice([0.3, 0.7, 0.95], len(SYMBOLS))
    n = 1 if kind == "samples" else 40
    values = [(rng.random((n, len(SYMBOLS))) < rate) * 20.0 for _ in range(6)]
    depth = 5000.0 if depths and kind == "cells" else 0.0
    if depth:  # few counts where an antigen is carried, so that shallow normal cells have little power for some
        values = [(each > 0) * (1.0 + rng.poisson(_CARRIED, each.shape)) for each in values]
    return atlas(
        [Block("", f"p{i}", each, depth=depth) for i, each in enumerate(values)],
        symbols=SYMBOLS, kind=kind, name=f"tumor {kind}", required=REQUIRED,
    )  # fmt: skip


def _normal(
    rng: np.random.Generator, rates: dict[str, np.ndarray], name: str, kind: str, assay: str, depths: bool, holes: float
) -> anndata.AnnData:
    blocks, missing = [], {}
    for tissue in sorted(set(rng.choice(HOMES, rng.integers(2, 8)))):
        types = list(TYPES.get(tissue, ())) if kind == "cells" and rng.random() < 0.8 else []
        for place in [f"{tissue}: {cell}" for cell in types if rng.random() < 0.8] or [str(tissue)]:
            dataset = f"{name}.{rng.integers(2)}"
            missing.setdefault(dataset, [s for s in SYMBOLS if rng.random() < holes])
            donors = int(rng.choice([3, 7, 25], p=[0.2, 0.5, 0.3]))
            first = int(rng.choice([0, 100]))  # donors of two atlases may be the same people
            odd = int(rng.integers(donors)) if rng.random() < 0.15 else -1
            for i in range(donors):
                n = int(rng.integers(1, 15)) if kind == "cells" else int(rng.choice([1, 1, 1, 2]))
                rate = np.full(len(SYMBOLS), 0.9) if i == odd else rates[place]
                values = (rng.random((n, len(SYMBOLS))) < rate) * 20.0
                depth = float(rng.choice([600, 2000, 6000])) if depths and kind == "cells" else 0.0
                blocks.append(Block(place, f"d{first + i}", values, dataset, depth))
    return atlas(
        blocks, symbols=SYMBOLS, kind=kind, assay=assay, name=name, required=REQUIRED,
        unmeasured={d: genes for d, genes in missing.items() if any(b.dataset == d for b in blocks)},
    )  # fmt: skip


def _both(first: anndata.AnnData, second: anndata.AnnData) -> anndata.AnnData:
    """One atlas of two sides."""
    about, measured = dict(first.uns["cartarget"]), first.varm["is_measured"].join(second.varm["is_measured"])
    for each in (first, second):
        del each.varm["is_measured"]
    made = anndata.concat([first, second])
    made.varm["is_measured"] = measured
    made.uns["cartarget"] = about
    return made


def _summary(
    rng: np.random.Generator, rates: dict[str, np.ndarray], holes: float, make: Any, high: float
) -> anndata.AnnData:
    table = {}
    for tissue in PLACES:
        if tissue != "not stated" and rng.random() < 0.6:
            level = np.where(rng.random(len(SYMBOLS)) < 0.8, rates[tissue] > 0.5, rng.random(len(SYMBOLS)) < 0.2) * high
            table[tissue] = np.where(rng.random(len(SYMBOLS)) < holes, np.nan, level).tolist()
    if rng.random() < 0.3:
        table["heart: cardiomyocyte"] = ((rates["heart: cardiomyocyte"] > 0.5) * high).tolist()
    return make(table or {"skin": [0.0] * len(SYMBOLS)}, symbols=SYMBOLS, required=REQUIRED)  # type: ignore[no-any-return]
