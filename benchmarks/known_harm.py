"""Would expression have warned? Known harm on target, by the place of the organ among its antigen's tissues.

    .venv/bin/python benchmarks/known_harm.py [DATA_FOLDER]

For each event of resources/toxicity.tsv and each kind of evidence: the rank of the organ by level (1 is highest; ties
share their mid-rank) of how many tissues, or why it cannot be seen; then how many events are in the first 1, 3, 5, 10.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import cartarget
from cartarget.config import AtlasConfig, Config, load_config
from cartarget.safety.tiers import Tiers
from cartarget.safety.toxicity import rank_organs, read_toxicity, recall, tissue_levels

ROOT = Path(__file__).resolve().parents[1]
NORMAL = Path("normal_tissue_rna")
SUMMARIES = [
    AtlasConfig(name=name, reader="summary_table", path=(NORMAL / file).as_posix(), role="normal", unit=unit)
    for name, file, unit in (
        ("HPA-consensus", "hpa21_consensus_ntpm_by_tissue.tsv.gz", "nTPM"),
        ("GTEx", "hpa21_gtex_tpm_by_tissue.tsv.gz", "TPM"),
        ("FANTOM5", "hpa21_fantom_ntpm_by_tissue.tsv.gz", "nTPM"),
    )
]
CELLS = AtlasConfig(
    name="cell-landscape",
    reader="summary_table",
    path="normal_single_cell/human_cell_landscape_ref_5467genes_x_1393celltypes.tsv.gz",
    role="normal",
    unit="counts",
)
OF_THE_RUN = {"rnaseqdb": "bulk samples", "hpa_ihc": "antibody stains"}
"""Atlases of config/examples/rectal.yaml, and what they are evidence of."""


def evidence(data: Path, tiers: Tiers, symbols: list[str]) -> dict[str, pd.DataFrame]:
    """Levels by kind of evidence."""
    example = load_config(ROOT / "config" / "examples" / "rectal.yaml")
    config = example.model_copy(update={"data_dir": data.as_posix()})
    genes = cartarget.read_gene_table(data / str(config.genes.table))
    atlases = [(OF_THE_RUN[atlas.name], atlas) for atlas in config.atlases if atlas.name in OF_THE_RUN]
    atlases += [(f"summary, {atlas.name}", atlas) for atlas in SUMMARIES]
    atlases.append((f"cell types, {CELLS.name}", CELLS))
    return {name: _read(atlas, config=config, genes=genes, keep=symbols, tiers=tiers) for name, atlas in atlases}


def _read(atlas: AtlasConfig, *, config: Config, genes: object, keep: list[str], tiers: Tiers) -> pd.DataFrame:
    adata = cartarget.read_atlas(atlas, config=config, genes=genes, keep=keep)
    return tissue_levels(cartarget.harmonise(adata, tiers=tiers, origin=[]))


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else (ROOT / "../shared/data").resolve()
    if not data.is_dir():
        print(f"{data}: absent; give the folder that the examples read")
        return
    tiers = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    events = read_toxicity(ROOT / "resources" / "toxicity.tsv", tiers=tiers)
    seen = evidence(data, tiers, sorted(set(events["symbol"])))
    ranks = {name: rank_organs(table, events=events) for name, table in seen.items()}
    told = events.drop_duplicates(["symbol", "organ"]).set_index(["symbol", "organ"])
    for symbol, organ in told.index:
        print(f"{symbol} – {organ} ({told.at[(symbol, organ), 'severity']}, {told.at[(symbol, organ), 'certainty']})")
        for name, table in ranks.items():
            row = table[(table["symbol"] == symbol) & (table["organ"] == organ)].iloc[0]
            place = row["reason"] if np.isnan(row["rank"]) else f"{row['rank']:g} of {row['n_tissues']}"
            print(f"    {name:28} {place}")
    print("\nevents whose organ is among the first of its antigen's tissues")
    for name, table in ranks.items():
        counts = recall(table)
        found = "  ".join(f"@{k}: {n:2}" for k, n in zip(counts["at"], counts["n_found"], strict=True))
        print(f"  {name:28} sees {counts['n_visible'].iloc[0]:2} of {len(table)}   {found}")


if __name__ == "__main__":
    main()
