"""The dictionary of columns: what each column of each table is called, means, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "category", "flag", "count", "fraction", "number"]


@dataclass(frozen=True)
class Column:
    """One column: its name, its kind and what it means to a reader.

    `better` is `higher`, `lower` or empty where neither is better.
    """

    name: str
    kind: Kind
    title: str
    meaning: str
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    formula: str = ""
    nullable: bool = True


def _column(name: str, kind: Kind, title: str, meaning: str, **more: object) -> Column:
    return Column(name, kind, title, meaning, **more)  # type: ignore[arg-type]


CLASSES = ("safe", "origin-only", "unknown", "unsafe")
"""Safety classes in the order in which they rank."""

_SCORES: tuple[Column, ...] = (
    _column(
        "rank",
        "count",
        "Rank",
        "Place in the run; empty for redundant gates and controls",
        better="lower",
        formula="eligible, class, selectivity, window, fewer antigens, name",
    ),
    _column(
        "safety_class",
        "text",
        "Safety",
        "safe: every required tissue measured and every cap kept; origin-only: only the "
        "organ of origin breaks its cap; unknown: a required tissue is unmeasured or unresolved; "
        "unsafe: a cap is broken",
        nullable=False,
    ),
    _column("is_eligible", "flag", "Eligible", "Coverage reaches the floor of the run", nullable=False),
    _column(
        "coverage",
        "fraction",
        "Coverage",
        "Bulk: fraction of patients hit. Single cell: mean over patients of the fraction of malignant cells hit",
        unit="fraction",
        better="higher",
    ),
    _column(
        "coverage_lower",
        "fraction",
        "Coverage, lower",
        "Lower end of the 95 % interval of coverage, patients as units",
        unit="fraction",
        better="higher",
    ),
    _column(
        "coverage_upper",
        "fraction",
        "Coverage, upper",
        "Upper end of the 95 % interval of coverage, patients as units",
        unit="fraction",
        better="higher",
    ),
    _column(
        "coverage_median",
        "fraction",
        "Coverage, median",
        "Median over patients (single cell)",
        unit="fraction",
        better="higher",
    ),
    _column(
        "coverage_p10",
        "fraction",
        "Coverage, worst tenth",
        "Tenth percentile over patients (single cell)",
        unit="fraction",
        better="higher",
    ),
    _column("n_patients", "count", "Patients", "Tumour patients that were measured", nullable=False),
    _column(
        "liability",
        "fraction",
        "Liability",
        "Worst of weight × exposure over the populations that may decide, outside the origin; posterior median",
        unit="weighted fraction",
        better="lower",
        formula="max(weight × median exposure)",
    ),
    _column(
        "liability_upper",
        "fraction",
        "Liability, upper",
        "One-sided 95 % upper bound of the liability",
        unit="weighted fraction",
        better="lower",
    ),
    _column("liability_population", "text", "Where", "The normal population that causes the liability"),
    _column(
        "liability_upper_population", "text", "Upper bound from", "The normal population that sets the upper bound"
    ),
    _column(
        "liability_origin",
        "fraction",
        "Liability in origin",
        "The same within the tissues from which the tumour arises",
        unit="weighted fraction",
        better="lower",
    ),
    _column(
        "liability_origin_upper",
        "fraction",
        "Liability in origin, upper",
        "One-sided 95 % upper bound within the origin",
        unit="weighted fraction",
        better="lower",
    ),
    _column("liability_origin_population", "text", "Where in origin", "The population of origin that causes it"),
    _column(
        "selectivity",
        "number",
        "Selectivity",
        "Coverage minus liability; coverage is the tenth percentile over patients in "
        "single cell, the fraction of patients in bulk",
        better="higher",
        formula="coverage − liability",
    ),
    _column(
        "selectivity_origin",
        "number",
        "Selectivity with origin",
        "Selectivity if the origin counts like any other tissue",
        better="higher",
        formula="coverage − max(liability, liability_origin)",
    ),
    _column(
        "window",
        "number",
        "Window",
        "Lower quartile of the tumour minus the 90th percentile of the worst vital tissue outside the origin",
        unit="log2",
        better="higher",
        formula="Q25(tumour) − max over vital tissues Q90",
    ),
    _column("window_population", "text", "Window against", "The vital tissue that sets the window"),
    _column(
        "window_important",
        "number",
        "Window, important",
        "The same against the worst important tissue",
        unit="log2",
        better="higher",
    ),
    _column(
        "window_tolerable",
        "number",
        "Window, tolerable",
        "The same against the worst tolerable tissue",
        unit="log2",
        better="higher",
    ),
    _column(
        "window_origin",
        "number",
        "Window, origin",
        "The same against the worst tissue of origin",
        unit="log2",
        better="higher",
    ),
    _column(
        "is_safety_known", "flag", "Safety known", "Every required tissue is measured and resolved", nullable=False
    ),
    _column("tissues_broken", "text", "Caps broken in", "Tissues whose cap is broken"),
    _column(
        "tissues_unresolved", "text", "Unresolved in", "Tissues where the evidence cannot decide: the experiment to do"
    ),
    _column(
        "tissues_unmeasured", "text", "Not measured in", "Required tissues without a measurement that could decide"
    ),
    _column(
        "cell_types_unmeasured",
        "text",
        "Rare cell types not measured",
        "Vital tissues and cell types, not required, that no input of this run measures",
    ),
    _column(
        "is_protein_known",
        "flag",
        "Protein checked",
        "Every member has a graded antibody stain in every required tissue",
        nullable=False,
    ),
    _column("protein_veto", "text", "Protein veto in", "Tissues where reliable membrane staining breaks the cap"),
    _column(
        "protein_flag", "text", "Protein flag in", "Tissues stained at medium or more by an antibody too weak to veto"
    ),
    _column(
        "cells_malignant",
        "fraction",
        "Malignant cells hit",
        "Joined single-cell data: fraction of malignant cells hit",
        unit="fraction",
        better="higher",
    ),
    _column(
        "cells_normal",
        "fraction",
        "Normal epithelial cells hit",
        "Joined single-cell data: fraction of normal cells of the tumour's lineage hit",
        unit="fraction",
        better="lower",
    ),
    _column("cells_note", "text", "Joined cells", "What the joined single-cell data can say, or 'genes not in panel'"),
    _column(
        "control",
        "text",
        "Control",
        "Empty for candidates; else the kind of control: clinical, housekeeping, intracellular",
    ),
)

ANTIGENS: tuple[Column, ...] = (
    _column("symbol", "text", "Antigen", "HGNC symbol", nullable=False),
    *_SCORES,
    _column(
        "n_votes", "count", "Surface votes", "How many of five sources place it on the cell surface", better="higher"
    ),
    _column("surface_sources", "text", "Surface sources", "Which sources vote for the cell surface"),
    _column("surface_status", "text", "Surface evidence", "voted, rescued, or unknown", nullable=False),
)

GATES: tuple[Column, ...] = (
    _column("gate", "text", "Gate", "Boolean rule that a cell must meet to be hit", nullable=False),
    *_SCORES,
    _column(
        "n_antigens", "count", "Antigens", "How many antigens the product must sense", better="lower", nullable=False
    ),
    _column("best_member", "text", "Best member", "The best-ranked sub-gate"),
    _column("gain_coverage", "number", "Gain in coverage", "Coverage minus that of the best member", better="higher"),
    _column(
        "gain_liability",
        "number",
        "Gain in liability",
        "Liability of the best member minus that of the gate",
        better="higher",
    ),
    _column(
        "gain_window", "number", "Gain in window", "Window minus that of the best member", unit="log2", better="higher"
    ),
    _column(
        "gain_selectivity",
        "number",
        "Gain in selectivity",
        "Selectivity minus the best of its members",
        better="higher",
    ),
    _column(
        "is_redundant",
        "flag",
        "Redundant",
        "It gains on some sub-gate neither a class nor 0.05 in selectivity",
        nullable=False,
    ),
    _column(
        "liability_naive",
        "fraction",
        "Liability, naive",
        "Bulk: liability if a blocker were believed inside the sample; never ranked",
        unit="weighted fraction",
        better="lower",
    ),
    _column("hardware", "text", "Hardware", "What the gate takes to build"),
    _column("failure", "text", "Failure", "What it looks like when the gate fails"),
)

EXPOSURE: tuple[Column, ...] = (
    _column("gate", "category", "Gate", "Antigen or gate", nullable=False),
    _column(
        "population", "category", "Population", "Tumour, or normal tissue or cell type, under one name", nullable=False
    ),
    _column("side", "category", "Side", "tumor or normal", nullable=False),
    _column("tissue", "category", "Tissue", "Harmonised tissue"),
    _column("cell_type", "category", "Cell type", "Harmonised cell type, empty for a whole tissue"),
    _column("tier", "category", "Tier", "vital, important, tolerable, ignored; empty for tumour"),
    _column("is_origin", "flag", "Origin", "A tissue from which the tumour arises", nullable=False),
    _column("evidence", "category", "Evidence", "cells, samples, summary, protein", nullable=False),
    _column("atlas", "category", "Atlas", "Atlas as named in the config", nullable=False),
    _column("n_observations", "count", "Observations", "Cells or samples"),
    _column("n_donors", "count", "Donors", "Donors or patients"),
    _column("n_positive", "count", "Positive", "Observations that the gate hits"),
    _column(
        "fraction",
        "fraction",
        "Fraction",
        "Fraction hit: posterior median (normal), plain fraction (tumour); empty where only bounds are known",
        unit="fraction",
    ),
    _column("fraction_lower", "fraction", "Lower", "Lower bound of the fraction", unit="fraction", nullable=False),
    _column(
        "fraction_upper",
        "fraction",
        "Upper",
        "Upper bound of the fraction; unmeasured is 1",
        unit="fraction",
        nullable=False,
    ),
    _column(
        "fraction_naive",
        "fraction",
        "Naive",
        "Bulk: fraction if a blocker were believed inside the sample; never ranked",
        unit="fraction",
    ),
    _column(
        "level",
        "number",
        "Level",
        "Logic twin of the level: tumour Q25, normal Q90, the summary's number, or the stain "
        "(0 not detected to 3 high)",
    ),
    _column("unit", "category", "Unit", "Unit of the level"),
    _column("is_measured", "flag", "Measured", "Measured here; if not, the fraction lies in [0, 1]", nullable=False),
    _column("is_thin", "flag", "Thin", "Too few donors or cells to decide a rank by its width", nullable=False),
)

TABLES: dict[str, tuple[Column, ...]] = {"antigens": ANTIGENS, "gates": GATES, "exposure": EXPOSURE}


def columns(table: str) -> dict[str, Column]:
    """The columns of a table by name, in order.

    Examples
    --------
    >>> columns("antigens")["coverage"].better
    'higher'
    """
    return {column.name: column for column in TABLES[table]}
