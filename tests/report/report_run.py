"""A made-up run to render: seeded, small, with every oddity that a real one may have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cartarget.contracts import columns, read_table, write_table
from cartarget.logic.gate import quote
from cartarget.selection.shortlist import shortlist, with_cohort

HOSTILE = "</script><img src=x onerror=alert(1)>"
NAMES = [
    "CEACAM5",
    "EPCAM",
    "GUCY2C",
    "CDH17",
    "MSLN",
    "FOLH1",
    "CLDN18",
    "CEACAM6",
    "LGR5",
    "TACSTD2",
    "ERBB2",
    "EGFR",
    "MET",
    "CD276",
    "GPA33",
    "NOX1",
    "LY6G6D",
    "CLDN6",
    "STEAP1",
    "ROR1",
    "AXL",
    "CD70",
    "PSCA",
    "MUC1",
    "PROM1",
    "EPHA2",
    "DLL3",
    "GPC3",
    "CA9",
    "TNFRSF10B",
]
TISSUES = [
    ("brain", "vital", True),
    ("heart", "vital", True),
    ("lung", "vital", True),
    ("liver", "vital", True),
    ("kidney", "vital", True),
    ("colon", "vital", True),
    ("small intestine", "vital", True),
    ("stomach", "vital", True),
    ("pancreas", "vital", True),
    ("bone marrow", "vital", True),
    ("spinal cord", "vital", False),
    ("bile duct", "vital", False),
    ("skin", "important", False),
    ("esophagus", "important", False),
    ("spleen", "important", False),
    ("skeletal muscle", "important", False),
    ("bladder", "important", False),
    ("salivary gland", "important", False),
    ("prostate", "tolerable", False),
    ("thyroid", "tolerable", False),
    ("rectum", "tolerable", False),
    ("testis", "tolerable", False),
    ("ovary", "tolerable", False),
    ("placenta", "ignored", False),
]
ORIGIN = {"colon", "rectum"}
BULK = {
    "lung": 78,
    "liver": 62,
    "kidney": 90,
    "colon": 41,
    "rectum": 10,
    "stomach": 33,
    "bladder": 19,
    "esophagus": 12,
    "prostate": 50,
    "thyroid": 59,
    "salivary gland": 6,
}
UNMEASURED = {"spinal cord", "bile duct"}
STAINED = {
    "brain": ["neuronal cells", "glial cells"],
    "heart": ["cardiomyocytes"],
    "lung": ["alveolar cells", "macrophages"],
    "colon": ["glandular cells", "endothelial cells"],
    "rectum": ["glandular cells"],
    "skin": ["keratinocytes"],
    "kidney": ["cells in glomeruli", "cells in tubules"],
    "liver": ["hepatocytes"],
    "stomach": ["glandular cells"],
}


def make_run(
    folder: Path, *, n_antigens: int = 60, n_gates: int = 80, seed: int = 0, hostile: bool = True, **summary: Any
) -> Path:
    """Write the tables and `summary.json` of a run into `folder`; returns it."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    names = list(NAMES[:n_antigens]) + [f"GENE{i}" for i in range(n_antigens - len(NAMES))]
    if hostile and n_antigens > 3:
        names[3] = HOSTILE
    exposure = pd.concat([_exposure(name, rng) for name in names], ignore_index=True)
    exposure = exposure.assign(assay=exposure["evidence"], decided_by=exposure["evidence"])
    antigens = _antigens(names, exposure, rng)
    gates = _gates(names, n_gates, rng)
    listed = [exposure] + [_gate_exposure(gate, exposure) for gate in gates["gate"]]
    folder.mkdir(parents=True, exist_ok=True)
    write_table("antigens", antigens, folder / "antigens")
    write_table("gates", gates, folder / "gates")
    write_shortlist(folder)
    write_table("exposure", pd.concat(listed, ignore_index=True), folder / "exposure")
    (folder / "summary.json").write_text(json.dumps(_summary(names, rng) | summary), encoding="utf-8")
    return folder


def _exposure(name: str, rng: np.random.Generator) -> pd.DataFrame:
    rows = [_tumor(name, rng)]
    low = rng.random() < 0.5
    for tissue, tier, _ in TISSUES:
        if tissue in UNMEASURED:
            continue
        share = float(np.clip(rng.beta(0.3, 4 if low else 1.0), 0, 1))
        base = {
            "gate": name,
            "population": tissue,
            "side": "normal",
            "tissue": tissue,
            "cell_type": "",
            "tier": tier,
            "is_origin": tissue in ORIGIN,
        }
        if tissue in BULK:
            rows.append(base | _sampled(BULK[tissue], share, rng))
        level = float(np.round(rng.lognormal(np.log(0.2 + 30 * share), 0.7), 1))
        hit = level >= 14
        rows.append(
            base
            | {
                "evidence": "summary",
                "atlas": "hpa",
                "fraction_lower": 0.0,
                "fraction_upper": float(hit),
                "level": level,
                "unit": "CPM",
                "is_measured": True,
                "is_thin": False,
            }
        )
        rows += [base | _stain(tissue, cell, share, rng) for cell in STAINED.get(tissue, [])]
    return pd.DataFrame(rows)


def _tumor(name: str, rng: np.random.Generator) -> dict[str, Any]:
    n, share = 87, float(rng.beta(1, 1))
    hits = int(rng.binomial(n, share))
    return {
        "gate": name,
        "population": "rectum adenocarcinoma",
        "side": "tumor",
        "tissue": "rectum",
        "cell_type": "",
        "tier": "",
        "is_origin": False,
        "evidence": "samples",
        "atlas": "rnaseqdb",
        "n_observations": n,
        "n_donors": n,
        "n_positive": hits,
        "fraction": hits / n,
        "fraction_lower": max(hits / n - 0.1, 0),
        "fraction_upper": min(hits / n + 0.1, 1),
        "level": float(np.round(10 ** (share * 2.4), 2)),
        "unit": "CPM",
        "is_measured": True,
        "is_thin": False,
    }


def _sampled(n: int, share: float, rng: np.random.Generator) -> dict[str, Any]:
    hits = int(rng.binomial(n, share))
    median = (hits + 0.5) / (n + 1)
    spread = 1.64 * np.sqrt(median * (1 - median) / n)
    return {
        "evidence": "samples",
        "atlas": "rnaseqdb",
        "n_observations": n,
        "n_donors": n,
        "n_positive": hits,
        "fraction": median,
        "fraction_lower": max(median - spread, 0.0),
        "fraction_upper": min(median + spread, 1.0),
        "level": float(np.round(10 ** (share * 2.2), 2)),
        "unit": "CPM",
        "is_measured": True,
        "is_thin": n < 20,
    }


def _stain(tissue: str, cell: str, share: float, rng: np.random.Generator) -> dict[str, Any]:
    measured = bool(rng.random() < 0.7)
    level = float(min(3, int(share * 4 + rng.random()))) if measured else np.nan
    upper = 1.0 if not measured or level >= 2 else 0.0
    return {
        "population": f"{tissue} · {cell}",
        "cell_type": cell,
        "evidence": "protein",
        "atlas": "hpa-ihc",
        "fraction_lower": 0.0,
        "fraction_upper": upper,
        "level": level,
        "unit": "stain",
        "is_measured": measured,
        "is_thin": False,
    }


def _antigens(names: list[str], exposure: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    tumor = exposure[exposure["side"] == "tumor"].set_index("gate")
    sampled = exposure[(exposure["evidence"] == "samples") & (exposure["side"] == "normal")]
    rows = [
        _scores(tumor.loc[name], sampled[sampled["gate"] == name], rng)
        | {
            "symbol": name,
            "n_votes": int(rng.integers(2, 6)),
            "surface_status": "surface",
            "surface_score": float(rng.integers(0, 6)),
            "surface_reason": "UniProt or GO, SURFY; 120 residues outside in one stretch (SURFY)",
            "surface_sources": "UniProt; GO; HPA",
        }
        for name in names
    ]
    frame = pd.DataFrame(rows).sort_values("selectivity", ascending=False, kind="stable").reset_index(drop=True)
    frame["rank"] = np.arange(1, len(frame) + 1)
    frame["control"] = np.where(frame["symbol"].isin(["CEACAM5", "GUCY2C", "ERBB2", "CLDN18"]), "clinical", None)
    frame.loc[frame["control"].notna(), "rank"] = None
    return frame


def _scores(tumor: pd.Series, normal: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    weight = normal["tier"].map({"vital": 1, "important": 0.5, "tolerable": 0.1}).to_numpy(dtype=float)
    harm = normal["fraction"].to_numpy(dtype=float) * weight
    worst = int(np.argmax(harm))
    broken = normal.loc[
        (normal["tier"] == "vital").to_numpy() & (normal["fraction"].to_numpy(dtype=float) > 0.05), "tissue"
    ].tolist()
    kind = "unsafe" if broken else str(rng.choice(["safe", "origin-only", "unknown"]))
    return {
        "safety_class": kind,
        "is_eligible": bool(tumor["fraction"] >= 0.5),
        "coverage": tumor["fraction"],
        "coverage_lower": tumor["fraction_lower"],
        "coverage_upper": tumor["fraction_upper"],
        "n_patients": 87,
        "liability": harm[worst],
        "liability_upper": min(1.0, harm[worst] + 0.06),
        "liability_population": normal["population"].iloc[worst],
        "liability_origin": float(rng.random()),
        "liability_origin_population": "colon",
        "selectivity": tumor["fraction"] - harm[worst],
        "window": float(rng.normal(0, 3)),
        "window_population": "kidney",
        "is_safety_known": kind != "unknown",
        "tissues_broken": "; ".join(broken),
        "tissues_unresolved": "pancreas" if kind == "unknown" else "",
        "tissues_unmeasured": "bone marrow" if kind == "unknown" else "",
        "cell_types_unmeasured": "spinal cord; bile duct",
        "is_protein_known": bool(rng.random() < 0.5),
        "protein_flag": "stomach" if rng.random() < 0.2 else "",
        "cells_malignant": float(rng.random()),
        "cells_normal": float(rng.random()),
        "cells_note": "2,850 cells, no patients",
    }


def _gates(names: list[str], n: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for number in range(n):
        first, second = (quote(names[i]) for i in rng.choice(len(names), 2, replace=False))
        sign = rng.choice(["&", "|", "& ~"])
        coverage, liability = float(rng.beta(4, 2)), float(rng.beta(0.6, 2))
        kind = str(rng.choice(["safe", "origin-only", "unknown", "unsafe"]))
        redundant = number % 7 == 6
        rows.append(
            {
                "gate": f"{first} {sign}{'' if sign == '& ~' else ' '}{second}",
                "rank": None if redundant else number + 1,
                "safety_class": kind,
                "is_eligible": coverage >= 0.5,
                "coverage": coverage,
                "coverage_lower": max(coverage - 0.1, 0),
                "coverage_upper": min(coverage + 0.1, 1),
                "n_patients": 87,
                "liability": liability,
                "liability_upper": min(1, liability + 0.1),
                "liability_population": "kidney",
                "liability_origin": float(rng.random()),
                "selectivity": coverage - liability,
                "window": float(rng.normal(1, 2)),
                "window_population": "lung",
                "is_safety_known": kind != "unknown",
                "tissues_broken": "kidney" if kind == "unsafe" else "",
                "tissues_unresolved": "pancreas" if kind == "unknown" else "",
                "is_protein_known": False,
                "n_antigens": 2,
                "best_member": first,
                "gain_coverage": float(rng.normal(0, 0.2)),
                "gain_liability": float(rng.beta(1, 2)),
                "gain_window": float(rng.normal(1, 1)),
                "gain_selectivity": float(rng.random() * 0.5),
                "is_redundant": redundant,
                "hardware": "synNotch or split signal",
                "failure": "One antigen lost: the tumour escapes",
            }
        )
    frame = pd.DataFrame(rows, columns=[name for name in columns("gates") if not rows or name in rows[0]])
    return frame.drop_duplicates("gate").reset_index(drop=True)


def _gate_exposure(gate: str, exposure: pd.DataFrame) -> pd.DataFrame:
    rows = exposure[exposure["gate"] == exposure["gate"].iloc[hash_of(gate) % len(exposure)]].copy()
    rows["gate"] = gate
    return rows[rows["evidence"] != "protein"]


def hash_of(text: str) -> int:
    """A stable number from a text."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(text))


def _summary(names: list[str], rng: np.random.Generator) -> dict[str, Any]:
    return {
        "name": "made-up",
        "title": "Rectal adenocarcinoma",
        "indication": "read",
        "is_simulated": False,
        "primary": "bulk",
        "origin": sorted(ORIGIN),
        "thresholds": {"bulk": 10.0, "count": 1, "protein": "Medium", "coverage_floor": 0.5},
        "question": "Which surface antigens reach rectal adenocarcinoma and spare the body, and how sure are we?",
        "funnel": [
            {"step": "Genes in the tumour's files", "n": 20242, "lost": 0, "reason": ""},
            {"step": "Named without ambiguity", "n": 19870, "lost": 372, "reason": "ambiguous or withdrawn symbol"},
            {
                "step": "Surface evidence",
                "n": 2712,
                "lost": 17158,
                "reason": "not on the plasma membrane, or not known to be",
            },
            {"step": "Measured on the tumour", "n": 2695, "lost": 17, "reason": "no value in any patient"},
            {"step": "Reaches the tumour", "n": 640, "lost": 2055, "reason": "coverage below 0.5 of patients"},
            {"step": "Spares the body, or may", "n": 41, "lost": 599, "reason": "a cap is broken outside the origin"},
        ],
        "funnel_genes": {
            "ACTB": "no surface vote",
            "CEA": "ambiguous name: CEACAM5, CEACAM3, PSG2",
            HOSTILE + "2": "secreted: no membrane span or anchor is known",
        },
        "tissues": [_tissue(*tissue) for tissue in TISSUES],
        "atlases": [
            {
                "name": "rnaseqdb",
                "kind": "samples",
                "unit": "CPM",
                "release": "2018",
                "licence": "open",
                "citation": "Wang et al. 2018",
                "n_observations": 812,
                "n_donors": 790,
                "notes": ["Six of the ten rectal normals come from patients among the 87 tumours."],
            },
            {
                "name": "hpa",
                "kind": "summary",
                "unit": "nTPM",
                "release": "v21",
                "licence": "CC BY-SA 4.0",
                "citation": "Uhlén et al. 2015",
                "n_observations": 54,
                "n_donors": None,
                "notes": ["Mapped to CPM by a per-gene median ratio over shared tissues."],
            },
        ],
        "controls": [
            {
                "kind": "clinical",
                "name": "GUCY2C",
                "expected": "in the upper tenth",
                "rank": 12,
                "n_ranked": 2695,
                "passed": True,
                "note": "",
            },
            {
                "kind": "housekeeping",
                "name": "ACTB",
                "expected": "never leads",
                "rank": 2301,
                "n_ranked": 2695,
                "passed": True,
                "note": "",
            },
            {
                "kind": "random pairs",
                "name": "500 pairs of the same expression",
                "expected": "below the best gate",
                "rank": None,
                "n_ranked": None,
                "passed": False,
                "note": "3 of 500 pairs beat the tenth gate",
            },
        ],
        "methods": ["A sample is positive at or above CPM 10.", "Exposure is a beta-binomial interval over donors."],
        "limits": [
            "Bulk tissue cannot tell which cell expresses an antigen.",
            "Cross-reactivity and shed antigen are not seen.",
        ],
        "patients": {name: sorted(np.round(rng.lognormal(3, 1.2, 87), 2).tolist()) for name in names},
        "versions": {"cartarget": "0.1.0", "numpy": "2.1"},
        "inputs": [{"path": "bulk/read.txt.gz", "sha256": "ab" * 32}],
        "command": "cartarget run config/examples/rectal.yaml",
        "config": {"name": "made-up", "seed": 0},
    }


def _tissue(tissue: str, tier: str, required: bool) -> dict[str, Any]:
    measured: list[dict[str, Any]] = []
    if tissue not in UNMEASURED:
        measured.append({"atlas": "hpa", "evidence": "summary", "n_donors": None, "n_observations": 1})
        if tissue in BULK:
            measured.insert(
                0,
                {"atlas": "rnaseqdb", "evidence": "samples", "n_donors": BULK[tissue], "n_observations": BULK[tissue]},
            )
        if tissue in STAINED:
            measured.append(
                {"atlas": "hpa-ihc", "evidence": "protein", "n_donors": None, "n_observations": len(STAINED[tissue])}
            )
    return {
        "tissue": tissue,
        "tier": tier,
        "required": required,
        "is_origin": tissue in ORIGIN,
        "measured_by": measured,
    }


def write_shortlist(folder: Path) -> None:
    """The shortlist of a run's tables, without a second cohort."""
    antigens, gates = (read_table(name, folder / f"{name}.parquet") for name in ("antigens", "gates"))
    ideas = shortlist(gates, antigens=antigens)
    write_table("shortlist", with_cohort(ideas, pd.DataFrame({"gate": []})), folder / "shortlist")


def make_unknown_run(folder: Path) -> Path:
    """A run in which nothing is known: one antigen, no coverage, no measured tissue, an empty summary."""
    folder.mkdir(parents=True, exist_ok=True)
    bare = {
        "safety_class": "unknown",
        "is_eligible": False,
        "n_patients": 0,
        "is_safety_known": False,
        "is_protein_known": False,
    }
    antigens = pd.DataFrame([{"symbol": "MYSTERY", "surface_status": "unknown"} | bare])
    place = {"population": "brain", "side": "normal", "is_origin": False, "evidence": "samples", "atlas": "none"}
    nothing = {"fraction_lower": 0.0, "fraction_upper": 1.0, "is_measured": False, "is_thin": False}
    write_table("antigens", antigens, folder / "antigens")
    write_table("gates", pd.DataFrame(columns=list(columns("gates"))), folder / "gates")
    write_shortlist(folder)
    write_table(
        "exposure",
        pd.DataFrame(
            [{"gate": "MYSTERY", "assay": place["evidence"], "decided_by": place["evidence"]} | place | nothing]
        ),
        folder / "exposure",
    )
    (folder / "summary.json").write_text("{}", encoding="utf-8")
    return folder
