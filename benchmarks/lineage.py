"""Whose signal is it? How known contaminants and known targets fall in four bulk cohorts, and at which cut they part.

    .venv/bin/python benchmarks/lineage.py [DATA_FOLDER]

For rectal carcinoma, carcinosarcoma, cholangiocarcinoma and chromophobe renal carcinoma: the lineages that tell, with
the median correlation of their markers; then each named gene with the share of tumours at 10 CPM, the lineage that it
follows best, and the flag. The last table gives, for cuts of the correlation, how many are flagged of the genes that
half of the tumours carry. Bulk alone is asked: no malignant cells, no surface evidence.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.evidence.lineage import FOLLOWS, lineage_correlations, read_markers, telling, whose_signal
from cartarget.evidence.positivity import dense

ROOT = Path(__file__).resolve().parents[1]
COHORTS = ("read", "ucs", "chol", "kich")
FLOOR, LEVEL = 0.5, np.log2(11)
CUTS = (0.4, 0.5, FOLLOWS, 0.7, 0.8)

CELLS = [
    "CD3E",
    "CD4",
    "CD48",
    "CD53",
    "CD19",
    "PTPRC",
    "ITGB2",
    "CD33",
    "CDH5",
    "CD34",
    "PDGFRB",
    "CD248",
    "SLC10A1",
    "ASGR1",
]
"""Genes of the normal cells themselves."""
NAMED = ["FGA", "APOH", "VTN", "FGG", "ALB", "TMEM156", "SLC4A1", "TRABD2A"]
"""Genes that led lists of candidates and were held to be the signal of other cells."""
TARGETS = [
    "EPCAM",
    "CEACAM5",
    "CDH17",
    "GPA33",
    "MET",
    "MSLN",
    "ERBB2",
    "CA9",
    "CLDN4",
    "TACSTD2",
    "MUC1",
    "MST1R",
    "GPC2",
    "CLDN6",
    "CDH3",
    "KIT",
    "EGFR",
]
STROMAL = ["FAP", "KDR", "LRRC15", "AXL", "GPNMB", "ICAM1", "CD276"]
"""Targets of the clinic that are on the stroma, on vessels or on myeloid cells too."""


def tumors(data: Path, indication: str) -> pd.DataFrame:
    """log2(CPM + 1) of a cohort, patients × genes."""
    atlas = AtlasConfig(name="bulk", reader="rsem_counts", path="bulk_counts_rnaseqdb")
    adata = read_atlas(atlas, config=Config(data_dir=data.as_posix(), indication=indication))
    own = adata[(adata.obs["side"] == "tumor").to_numpy()]
    return pd.DataFrame(np.log2(dense(own.X) + 1), index=own.obs["donor"].astype(str), columns=own.var_names)


def show(title: str, genes: list[str], levels: pd.DataFrame, found: pd.DataFrame) -> None:
    print(f"  {title}")
    for gene in genes:
        row, share = found.loc[gene], levels[gene].ge(LEVEL).mean()
        print(
            f"    {gene:8} {share:5.0%} of tumours  {row['lineage']:14} {row['lineage_r']:5.2f}  {row['contaminant']}"
        )


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else (ROOT / "../shared/data").resolve()
    if not data.is_dir():
        print(f"{data}: absent; give the folder that the examples read")
        return
    counts = []
    for cohort in COHORTS:
        levels, markers = tumors(data, cohort), read_markers(indication=cohort)
        tell = telling(levels, markers=markers)
        print(f"\n{cohort}: {len(levels)} tumours; " + ", ".join(f"{name} {r:.2f}" for name, r in tell.items()))
        print(f"  do not tell: {', '.join(name for name in markers if name not in tell)}")
        found = whose_signal(levels, symbols=CELLS + NAMED + TARGETS + STROMAL, markers=markers)
        for title, genes in (
            ("of normal cells", CELLS), ("named", NAMED), ("targets", TARGETS), ("targets, stromal too", STROMAL),
        ):  # fmt: skip
            show(title, genes, levels, found)
        for title, genes in (("normal cells", CELLS), ("targets", TARGETS), ("all genes", list(levels))):
            own = [gene for gene in genes if levels[gene].ge(LEVEL).mean() >= FLOOR]
            r = lineage_correlations(levels, symbols=own, markers={name: markers[name] for name in tell}).max(axis=1)
            counts.append(
                {"cohort": cohort, "genes": title, "carried": len(own)} | {f"r ≥ {c}": (r >= c).sum() for c in CUTS}
            )
    print(f"\nof the genes that {FLOOR:.0%} of the tumours carry, how many follow a lineage at each cut")
    print(pd.DataFrame(counts).to_string(index=False))


if __name__ == "__main__":
    main()
