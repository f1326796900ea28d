"""The second step of a run: each atlas of observations is counted into the evidence store, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

from cartarget.config import AtlasConfig, Config
from cartarget.files import resource, whole
from cartarget.run.inputs import counted_atlases, part_path, place_of, run_symbols, work_path
from cartarget.run.resume import question

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.evidence.part import Part

COUNTED = ("indication", "origin", "sex", "thresholds")
"""Keys by which an atlas is counted."""


def count_step(config: Config) -> None:
    """Count every atlas of observations; one whose own inputs are as they were is left as it is."""
    for atlas in tqdm(counted_atlases(config), desc="counting", unit="atlas", disable=None, leave=False):
        count_one(config, atlas)


def count_for(config: Config, adata: AnnData, *, symbols: Sequence[str]) -> Part:
    """Count a harmonised atlas at every threshold that a run's sweep or the reader of its report asks for."""
    from cartarget.evidence.part import count_atlas
    from cartarget.selection.sweep import half_once_twice

    limits = config.thresholds
    bulk, count = half_once_twice("samples", limits.bulk), half_once_twice("cells", limits.count)
    return count_atlas(adata, symbols=symbols, bulk=bulk, count=count)


def count_one(config: Config, atlas: AtlasConfig) -> None:
    """Count one atlas into the evidence store."""
    from cartarget.atlas.harmonise import harmonise
    from cartarget.atlas.store import read_stored
    from cartarget.evidence.store import write_part

    inputs = [work_path(config, atlas), config.run_dir / "work" / "genes.parquet", resource(config.tiers)]
    asked = question(config, keys=COUNTED, inputs=inputs)
    folder, note = part_path(config, atlas), config.run_dir / "log" / f"count.{atlas.name}.json"
    if note.exists() and (folder / "part.json").exists() and note.read_text(encoding="utf-8") == asked:
        return
    note.unlink(missing_ok=True)
    _, origin, tiers = place_of(config)
    adata = harmonise(read_stored(work_path(config, atlas)), tiers=tiers, origin=origin)
    write_part(count_for(config, adata, symbols=run_symbols(config)[3]), folder)
    with whole(note) as temporary:
        temporary.write_text(asked, encoding="utf-8")
