"""Would it have foreseen the clinic? Scores of antigens and organs against harm and its absence in patients.

    .venv/bin/python benchmarks/backtest.py [DATA_FOLDER]

Prints the tables of docs/foresight.md: for each row of resources/outcomes.tsv what each kind of evidence says of the
organ, and what scores in use elsewhere say of the antigen. Intervals draw whole antigens. Missing is counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import known_harm
import numpy as np
import pandas as pd

import cartarget
from cartarget.config import load_config
from cartarget.logic.gate import Gate
from cartarget.safety.backtest import (
    antigen_scores,
    calibration,
    evaluate,
    gate_levels,
    held_out_accuracy,
    interval_by_group,
    place_scores,
)
from cartarget.safety.caps import ON_TARGET, T_CELLS
from cartarget.safety.outcomes import read_efficacy, read_outcomes
from cartarget.safety.tiers import Tiers

ROOT = Path(__file__).resolve().parents[1]
MASS = Path("protein_mass_spectrometry")
MASS_FILES = {
    "mass spectrometry, HPM": ("hpm_pandey_gene_expression_tissues_v2.txt.gz", "Gene ID", 1e6),
    "mass spectrometry, Kuster": ("kuster_EnsembleGenePPM_V3.txt.gz", "GENE", 1.0),
}
"""File, column of the Ensembl gene, factor to parts per million."""
SHORT = {
    "summary, HPA-consensus": "RNA, HPA",
    "summary, GTEx": "RNA, GTEx",
    "summary, FANTOM5": "RNA, FANTOM5",
    "bulk samples": "RNA, bulk samples",
    "cell types, cell-landscape": "cell types",
    "antibody stains": "stains",
}
MATCHED = {"colorectal cancer": ("read", "rectum"), "renal cell carcinoma": ("kich", "kidney")}
"""Indications whose tumours stand beside their normal tissue in the shared bulk set: key, normal tissue."""
BINS = (1, 10, 50, 200)
"""Edges of the calibration, nTPM of HPA consensus RNA."""


def mass_spectrometry(data: Path, tiers: Tiers, symbols: list[str]) -> dict[str, pd.DataFrame]:
    """Adult tissues × symbols, parts per million; 0 is not detected, absent genes are not measured."""
    genes = pd.read_csv(data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz", sep="\t", dtype=str)
    genes = genes[genes["gene_symbol"].isin(symbols) & genes["ensembl_gene"].notna()]
    symbol = genes.drop_duplicates("ensembl_gene").set_index("ensembl_gene")["gene_symbol"]
    tables = {}
    for name, (file, column, factor) in MASS_FILES.items():
        table = pd.read_csv(data / MASS / file, sep="\t", index_col=column)
        table = table[table.index.isin(symbol.index)].apply(pd.to_numeric, errors="coerce").fillna(0) * factor
        table = table.groupby(table.index.map(symbol)).max().T
        adult = table[~table.index.str.startswith("Fetal")]
        places = [tiers.find(tissue.removeprefix("Adult_").replace("_", " ")) for tissue in adult.index]
        tissues = [place.tissue if place and place.tier != "ignored" else None for place in places]
        tables[name] = adult.groupby(pd.array(tissues, dtype="string")).max()
    return tables


def fold_changes(data: Path, tiers: Tiers, symbols: list[str]) -> pd.DataFrame:
    """Indications × symbols: log2 fold change of the mean tumour over the mean matched normal sample, CPM + 1."""
    example = load_config(ROOT / "config" / "examples" / "rectal.yaml")
    rows = {}
    for indication, (key, tissue) in MATCHED.items():
        config = example.model_copy(update={"data_dir": data.as_posix(), "indication": key})
        genes = cartarget.read_gene_table(data / str(config.genes.table))
        adata = cartarget.read_atlas(config.atlases[0], config=config, genes=genes, keep=symbols)
        adata = cartarget.harmonise(adata, tiers=tiers, origin=[])
        table = adata.to_df()
        is_tumor = (adata.obs["side"] == "tumor").to_numpy()
        is_matched = ((adata.obs["side"] == "normal") & (adata.obs["tissue"] == tissue)).to_numpy()
        rows[indication] = np.log2((table[is_tumor].mean() + 1) / (table[is_matched].mean() + 1))
    return pd.DataFrame(rows).T


def predictions(rows: pd.DataFrame, seen: dict[str, pd.DataFrame], folds: pd.DataFrame) -> pd.DataFrame:
    """Rows × scores, higher means more harm is expected."""
    antigens = rows["antigen"].tolist()
    columns: dict[str, pd.Series] = {}
    for name, table in seen.items():
        place = place_scores(gate_levels(table, antigens), rows)
        columns[f"level of the organ: {name}"] = place["level"]
        if name in ("RNA, HPA", "stains"):
            columns[f"share of the highest organ: {name}"] = place["share"]
            columns[f"place among the organs: {name}"] = place["place"]
    whole = antigen_scores(gate_levels(seen["RNA, HPA"], antigens), antigens)
    for key, name in (("pooled", "pooled normal mean"), ("highest", "highest tissue"), ("unspecific", "1 - tau")):
        columns[f"antigen: {name}"] = rows["antigen"].map(whole[key])
    changes = gate_levels(folds, antigens)
    told = [
        -changes.at[indication, antigen] if indication in changes.index else np.nan
        for antigen, indication in rows[["antigen", "indication"]].itertuples(index=False, name=None)
    ]
    columns["antigen: low fold change to matched normal"] = pd.Series(told, index=rows.index, dtype=float)
    return pd.DataFrame(columns)


def strata(rows: pd.DataFrame, efficacy: pd.DataFrame, level: pd.Series) -> Iterator[tuple[str, pd.Series]]:
    """Names of the sets of rows on which the scores are judged, each with its mask."""
    spared = rows["outcome"] == "tolerated"
    on_target = rows["certainty"].isin(ON_TARGET)
    active = set(efficacy.loc[efficacy["rate"] > 0, ["antigen", "product"]].itertuples(index=False, name=None))
    is_active = [pair in active for pair in rows[["antigen", "product"]].itertuples(index=False, name=None)]
    yield "all rows", pd.Series(True, index=rows.index)
    yield "harm put down to the antigen", spared | on_target
    yield "harm put down to the antigen, 1 nTPM and more in the organ", (spared | on_target) & (level >= 1)
    yield "harm put down to the antigen, absence stated", on_target | (rows["certainty"] == "stated")
    yield (
        "severe or fatal harm put down to the antigen",
        spared | (on_target & rows["severity"].isin(["severe", "fatal"])),
    )
    yield "T cells and engagers", rows["modality"].isin(T_CELLS)
    yield "antibody-drug conjugates", rows["modality"] == "antibody-drug conjugate"
    yield "antibodies and radioligands", rows["modality"].isin(["antibody", "radioligand"])
    yield "products that shrank tumours", pd.Series(is_active, index=rows.index)


def number(value: float, lower: float, upper: float) -> str:
    """A figure with its interval; a dash where it cannot be told."""
    if not np.isfinite(value):
        return "–"
    ends = f" ({lower:.2f}–{upper:.2f})" if np.isfinite(lower) and np.isfinite(upper) else " (–)"
    return f"{value:.2f}{ends}"


def score_table(rows: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """ROC AUC and average precision of each score, as lines of a Markdown table."""
    harmed = rows["outcome"] == "harmed"
    table = evaluate(scores, harmed, rows["antigen"])
    lines = [
        "| score | rows (harmed) | missing | ROC AUC | average precision | base | held out |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        told = scores[row["score"]].notna()
        out = held_out_accuracy(scores.loc[told, row["score"]], harmed[told], rows.loc[told, "antigen"].tolist())
        auc = number(row["auc"], row["auc_lower"], row["auc_upper"])
        precision = number(row["precision"], row["precision_lower"], row["precision_upper"])
        counts = f"{row['n_rows']} ({row['n_harmed']}) | {row['n_missing']}"
        lines.append(f"| {row['score']} | {counts} | {auc} | {precision} | {row['base']:.2f} | {out:.2f} |")
    return lines


def stratum_table(rows: pd.DataFrame, scores: pd.DataFrame, efficacy: pd.DataFrame) -> list[str]:
    """ROC AUC of a few scores on each set of rows."""
    told = ["level of the organ: RNA, HPA", "place among the organs: RNA, HPA", "level of the organ: stains"]
    told += ["antigen: pooled normal mean", "antigen: 1 - tau"]
    lines = ["| rows | harmed, spared, antigens | " + " | ".join(told) + " |", "|---" * (len(told) + 2) + "|"]
    for name, mask in strata(rows, efficacy, np.exp2(scores[told[0]]) - 1):
        own = rows[mask]
        counts = own["outcome"].value_counts()
        table = evaluate(scores.loc[mask, told], own["outcome"] == "harmed", own["antigen"]).to_dict("records")
        cells = [number(row["auc"], row["auc_lower"], row["auc_upper"]) for row in table]
        n = f"{counts.get('harmed', 0)}, {counts.get('tolerated', 0)}, {own['antigen'].nunique()}"
        lines.append(f"| {name} | {n} | " + " | ".join(cells) + " |")
    return lines


def place_table(rows: pd.DataFrame, seen: dict[str, pd.DataFrame]) -> list[str]:
    """Mean place of harmed and of spared organs among the organs of their antigen; 0.5 is no information."""
    sets = {
        "harmed by the antigen": rows["certainty"].isin(ON_TARGET),
        "harmed, cause unsaid or contested": rows["certainty"].isin(["unsaid", "contested"]),
        "spared": rows["outcome"] == "tolerated",
    }
    lines = ["| evidence | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for name, table in seen.items():
        cells = []
        for mask in sets.values():
            pairs = rows[mask].drop_duplicates(["antigen", "organ"])
            place = place_scores(gate_levels(table, pairs["antigen"].tolist()), pairs)["place"].dropna()
            ends = interval_by_group(
                lambda score, _: float(score.mean()), place, place.notna(), pairs.loc[place.index, "antigen"].tolist()
            )
            cells.append(f"{number(float(place.mean()), *ends[:2])} of {len(place)}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def calibration_table(rows: pd.DataFrame, scores: pd.DataFrame) -> list[str]:
    """Share of harmed rows by level of HPA consensus RNA and kind of product."""
    level = scores["level of the organ: RNA, HPA"]
    kinds = {
        "all": rows["modality"].notna(),
        "T cells and engagers": rows["modality"].isin(T_CELLS),
        "conjugates": rows["modality"] == "antibody-drug conjugate",
        "antibodies and radioligands": rows["modality"].isin(["antibody", "radioligand"]),
    }
    edges = [float(np.log2(1 + edge)) for edge in BINS]
    tables = {
        name: calibration(
            level[mask & level.notna()], rows.loc[mask & level.notna(), "outcome"] == "harmed", edges=edges
        )
        for name, mask in kinds.items()
    }
    names = [f"below {BINS[0]}", *(f"{low} to {high}" for low, high in pairwise(BINS))]
    names.append(f"{BINS[-1]} and more")
    lines = ["| nTPM in the organ | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for at, name in enumerate(names):
        cells = []
        for table in tables.values():
            row = table.iloc[at]
            share = number(row["harmed"], row["lower"], row["upper"])
            cells.append(f"{share}, {row['n_harmed']:.0f} of {row['n_rows']:.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def report(data: Path) -> str:
    """All tables, as Markdown."""
    tiers = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    outcomes = read_outcomes(ROOT / "resources" / "outcomes.tsv", tiers=tiers)
    efficacy = read_efficacy(ROOT / "resources" / "efficacy.tsv")
    rows = outcomes[outcomes["outcome"] != "not reported"]
    symbols = sorted({symbol for antigen in rows["antigen"] for symbol in Gate.parse(antigen).antigens})
    seen = {SHORT[name]: table for name, table in known_harm.evidence(data, tiers, symbols).items()}
    seen |= mass_spectrometry(data, tiers, symbols)
    scores = predictions(rows, seen, fold_changes(data, tiers, symbols))
    sections = {
        "Every score on all rows": score_table(rows, scores),
        "By what is asked": stratum_table(rows, scores, efficacy),
        "Place of the organ among the organs of its antigen": place_table(rows, seen),
        "Harm by level": calibration_table(rows, scores),
    }
    return "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in sections.items()) + "\n"


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else (ROOT / "../shared/data").resolve()
    if not data.is_dir():
        print(f"{data}: absent; give the folder that the examples read")
        return
    print(report(data), end="")


if __name__ == "__main__":
    main()
