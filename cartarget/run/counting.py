"""The second step of a run: each atlas of observations is counted into the evidence store, once."""

from __future__ import annotations

from tqdm import tqdm

from cartarget.config import AtlasConfig, Config
from cartarget.files import resource, whole
from cartarget.run.inputs import counted_atlases, part_path, place_of, run_symbols, work_path
from cartarget.run.resume import question

COUNTED = ("indication", "origin", "sex", "thresholds")
"""Keys by which an atlas is counted."""


def count_step(config: Config) -> None:
    """Count every atlas of observations; one whose own inputs are as they were is left as it is."""
    for atlas in tqdm(counted_atlases(config), desc="counting", unit="atlas", disable=None, leave=False):
        count_one(config, atlas)


def count_one(config: Config, atlas: AtlasConfig) -> None:
    """Count one atlas into the evidence store, at every threshold that a sweep or a reader asks for later."""
    from cartarget.atlas.harmonise import harmonise
    from cartarget.atlas.store import read_stored
    from cartarget.evidence.part import count_atlas
    from cartarget.evidence.store import write_part
    from cartarget.selection.sweep import half_once_twice

    inputs = [work_path(config, atlas), config.run_dir / "work" / "genes.parquet", resource(config.tiers)]
    asked = question(config, keys=COUNTED, inputs=inputs)
    folder, note = part_path(config, atlas), config.run_dir / "log" / f"count.{atlas.name}.json"
    if note.exists() and (folder / "part.json").exists() and note.read_text(encoding="utf-8") == asked:
        return
    note.unlink(missing_ok=True)
    _, origin, tiers = place_of(config)
    adata = harmonise(read_stored(work_path(config, atlas)), tiers=tiers, origin=origin)
    limits = config.thresholds
    part = count_atlas(
        adata,
        symbols=run_symbols(config)[3],
        bulk=half_once_twice("samples", limits.bulk),
        count=half_once_twice("cells", limits.count),
    )
    write_part(part, folder)
    with whole(note) as temporary:
        temporary.write_text(asked, encoding="utf-8")
