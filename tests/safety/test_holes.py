"""What is called safe with holes stays within the caps whatever fills them, in any number of atlases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import anndata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence_makers import REQUIRED, Block, atlas, cells, levels, normal, tumor
from tests.safety.doors import NONE, SYMBOLS, TUMOR, named, panel, verdict

TYPES = ("heart: cardiomyocyte", "heart: fibroblast", "lung: alveolar")
ASKED = (*REQUIRED, *TYPES)
CELLS = (*TYPES, "colon", "skin", "spinal cord")
ORGANS = ("heart", "lung", "colon", "skin", "spinal cord")
GATES = ("A", "B", "A & B", "A | B", "A & ~B", "A & B & C", "A | (B & C)", "C & (A | ~B)", "(A & B) | (C & ~A)")


@dataclass(frozen=True)
class Source:
    """One atlas: the truth of its places, and the genes that each place lacks."""

    kind: str
    name: str
    values: dict[str, np.ndarray]
    hidden: dict[str, list[str]]

    def made(self) -> anndata.AnnData:
        """The atlas; a source of kind `summary` is a table of levels."""
        if self.kind == "summary":
            table = {
                place: [np.nan if s in self.hidden[place] else 50 * v for s, v in zip(SYMBOLS, truth, strict=True)]
                for place, truth in self.values.items()
            }
            return levels(table, symbols=SYMBOLS, required=ASKED)
        n, donors = (12, 8) if self.kind == "cells" else (1, 25)
        blocks = [
            block
            for place, truth in self.values.items()
            for block in normal([place], cells(20 * truth, n), donors=donors, dataset=f"{self.name} {place}")
        ]
        lacks = {f"{self.name} {place}": genes for place, genes in self.hidden.items()}
        return atlas(
            blocks, symbols=SYMBOLS, kind=self.kind, name=self.name, unmeasured=lacks, required=ASKED
        )  # fmt: skip


def draw(seed: int, share: float) -> list[Source]:
    """Sources that agree: an organ shows what any of its cells bears."""
    rng = np.random.default_rng(seed)
    truth = {place: (rng.random(3) < 0.25).astype(float) for place in CELLS}
    for organ in ORGANS:
        inside = [value for place, value in truth.items() if place.partition(": ")[0] == organ]
        truth[organ] = np.max(inside, axis=0)
    sources = []
    for number, kind in enumerate(rng.choice(["cells", "cells", "samples", "summary"], rng.integers(1, 5))):
        places = [place for place in (CELLS if kind == "cells" else ORGANS) if rng.random() < 0.85]
        if places:
            hidden = {place: [s for s in SYMBOLS if rng.random() < share] for place in places}
            sources.append(Source(str(kind), f"n{number}", {place: truth[place] for place in places}, hidden))
    return sources


def judged(sources: list[Source], stand_in: list[str], gate: str) -> dict[str, object]:
    made = [(source.kind, source.made()) for source in sources]
    return verdict(
        panel(
            TUMOR, *(one for kind, one in made if kind != "summary"), required=ASKED, stand_in=stand_in,
            summaries=[one for kind, one in made if kind == "summary"],
        ), gate,
    )  # fmt: skip


@given(
    seed=st.integers(0, 10**6), gate=st.sampled_from(GATES), share=st.sampled_from([0.15, 0.35]), organ=st.booleans()
)
@settings(max_examples=60)
def test_what_is_safe_with_holes_is_safe_whatever_fills_them(seed: int, gate: str, share: float, organ: bool) -> None:
    sources = draw(seed, share)
    stand_in = [*TYPES] if organ else []
    told = judged(sources, stand_in, gate)
    if told["safety_class"] != "within caps":
        return
    full = [replace(source, hidden={place: [] for place in source.hidden}) for source in sources]
    real = judged(full, stand_in, gate)
    assert not (named(real["tissues_broken"]) | named(real["tissues_unresolved"])) & {*REQUIRED, *ASKED}


def test_the_property_is_not_empty() -> None:
    called = sum(
        judged(draw(seed, 0.15), [*TYPES], gate)["safety_class"] == "within caps"
        for seed in range(12)
        for gate in ("A", "A & B", "A & ~B", "A & B & C")
    )
    assert called >= 5


@pytest.mark.parametrize("filled", [0.0, 20.0])
def test_one_hole_by_hand(filled: float) -> None:
    """A on every heart cell, B not measured there: `A & B` is within caps only if B is absent."""
    place = ["heart: cardiomyocyte", "heart: fibroblast"]
    hole = atlas(normal(place, cells([20, 0, 0]), dataset="no B"), symbols=SYMBOLS, unmeasured={"no B": ["B"]})
    rest = atlas(normal(["lung: alveolar", "colon"], cells(NONE)), symbols=SYMBOLS, name="rest")
    assert verdict(panel(TUMOR, hole, rest, required=ASKED), "A & B")["safety_class"] == "unknown"
    told = atlas(normal(place, cells([20, filled, 0])), symbols=SYMBOLS)
    expected = "over cap" if filled else "within caps"
    assert verdict(panel(TUMOR, told, rest, required=ASKED), "A & B")["safety_class"] == expected
    ill = atlas([*tumor(cells([1, 1, 1])), Block("heart", "d", cells([1, 1, 1], 40))], symbols=SYMBOLS, name="mixed")
    assert verdict(panel(ill, told, rest, required=ASKED), "A & B")["safety_class"] == "over cap"
