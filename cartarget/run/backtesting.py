"""Would a run have foreseen what products did to patients? Its exposure of the organ, its class, and others' scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cartarget.files import as_plain_text, whole
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.run.asking import OpenRun
from cartarget.safety.backtest import evaluate, held_out_accuracy, interval_by_group
from cartarget.safety.caps import propose_caps, strata
from cartarget.safety.outcomes import read_outcomes
from cartarget.safety.rivals import RIVALS, rival_scores
from cartarget.selection.screen import expose, score_gates

CLASS_RANK = {"within caps": 0.0, "origin only": 1.0, "unknown": 2.0, "over cap": 3.0}
EVIDENCE = {"cells": "cells", "samples": "bulk samples", "summary": "tissue RNA", "protein": "stains"}


@dataclass(frozen=True)
class Backtest:
    """A run against outcomes.

    Attributes
    ----------
    about
        Which run it is, and whether its data are made up.
    rows
        Outcomes, those not reported left out, with one column a score; NaN: the run did not measure antigen or organ.
    scores
        Each score on each set of rows, as `evaluate` gives it, with `rows` and `held_out`.
    caps
        As `propose_caps` gives them.
    targets
        Percentile of each clinical target of the indication among the candidates, by the run and by others' scores.
    """

    about: str
    rows: pd.DataFrame
    scores: pd.DataFrame
    caps: pd.DataFrame
    targets: pd.DataFrame


def backtest_run(opened: OpenRun, *, n_resamples: int = 1000) -> Backtest:
    """Hold a run against what products did to patients.

    Parameters
    ----------
    opened
        A run whose antigens have been screened.
    n_resamples
        Samples of antigens for the intervals.

    Returns
    -------
    `Backtest`. A row whose antigen is no candidate of the run, or whose organ it did not measure, is missing and
    counted; it is never taken as a low exposure.
    """
    outcomes = read_outcomes(tiers=opened.run.tiers)
    rows = outcomes[outcomes["outcome"] != "not reported"]
    scores = predictions(opened, rows)
    told = []
    for name, mask in strata(rows).items():
        own = rows[mask]
        harmed = own["outcome"] == "harmed"
        table = evaluate(scores[mask], harmed, own["antigen"], n_resamples=n_resamples)
        table["held_out"] = [_held_out(scores.loc[mask, score], harmed, own["antigen"]) for score in table["score"]]
        told.append(table.assign(rows=name))
    return Backtest(
        about=_about(opened),
        rows=rows.join(scores),
        scores=pd.concat(told, ignore_index=True),
        caps=propose_caps(scores["exposure, worst place"], rows, n_resamples=n_resamples),
        targets=target_percentiles(opened),
    )


def _about(opened: OpenRun) -> str:
    text = f"Run {opened.config.name}, {opened.run.indication.name}."
    if any(adata.uns["cartarget"]["is_simulated"] for adata in opened.run.atlases.values()):
        text += " **Its data are simulated, beside real outcomes: no figure here is foresight.**"
    return text


def _held_out(score: pd.Series, harmed: pd.Series, antigen: pd.Series) -> float:
    seen = score.notna()
    if not seen.any():
        return float("nan")
    return held_out_accuracy(score[seen].to_numpy(), harmed[seen].to_numpy(), antigen[seen].tolist())


def predictions(opened: OpenRun, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows × scores; higher means that more harm is expected.

    `exposure, ...` are fractions of the organ hit: the worst of its populations (posterior median), a summary or stain
    at the level counting 1 and below it 0; the mean of its places in place of the worst; what power adds left out; its
    upper bound; one kind of evidence alone. `people over the cap` is their highest share in the organ. `class`,
    `liability`, `closed window` and others' scores speak of the antigen, not of the organ.
    """
    panel = opened.run.panel
    known = [a for a in dict.fromkeys(rows["antigen"]) if all(s in panel.index for s in Gate.parse(a).antigens)]
    by_organ = _organs(expose(panel, gates=Gates.parse(known, panel=panel)) if known else pd.DataFrame())
    key = pd.MultiIndex.from_frame(rows[["antigen", "organ"]])
    found = by_organ.reindex(key).set_axis(rows.index, axis=0)
    table = score_gates(panel, gates=known).set_index("gate") if known else pd.DataFrame()
    rivals = -rival_scores(panel)
    for name, column in (("class", "safety_class"), ("liability", "liability"), ("closed window", "window")):
        values = table[column] if known else pd.Series(dtype=float)
        values = values.map(CLASS_RANK) if name == "class" else -values if name == "closed window" else values
        found[name] = rows["antigen"].map(dict(zip(known, values, strict=True))).astype(float)
    for name, text in RIVALS.items():
        found[f"others: {text}"] = rows["antigen"].map(rivals[name]).astype(float)
    return found


_SCORES = (
    *("exposure, worst place", "exposure, mean of places", "exposure, without power", "exposure, upper bound"),
    *(f"exposure, {name} alone" for name in EVIDENCE.values()), "people over the cap",
)  # fmt: skip


def _organs(exposure: pd.DataFrame) -> pd.DataFrame:
    """Scores of each gate in each tissue, from rows of the exposure table."""
    if exposure.empty:
        empty = pd.MultiIndex.from_arrays([[], []], names=["antigen", "organ"])
        return pd.DataFrame(columns=list(_SCORES), index=empty, dtype=float)
    own = exposure[(exposure["side"] == "normal") & exposure["is_measured"].astype(bool)].copy()
    is_counted = own["evidence"].isin(["cells", "samples"])
    own["value"] = own["fraction"].astype(float).where(is_counted, own["fraction_upper"].astype(float))
    power = own["power"].astype(float).fillna(1.0)
    values = {
        "exposure, worst place": own["value"],
        "exposure, mean of places": own["value"],
        "exposure, without power": own["value"] * power,
        "exposure, upper bound": own["fraction_upper"].astype(float),
        **{f"exposure, {name} alone": own["value"].where(own["evidence"] == kind) for kind, name in EVIDENCE.items()},
        "people over the cap": (own["people_over_cap"].astype("Float64") / own["n_donors"].astype("Float64")).astype(
            float
        ),
    }
    keys = [own["gate"].astype(str), own["tissue"].astype(str)]
    parts = {name: one.groupby(keys) for name, one in values.items()}
    found = {name: part.mean() if name.endswith("mean of places") else part.max() for name, part in parts.items()}
    return pd.DataFrame(found)[list(_SCORES)].rename_axis(["antigen", "organ"])


def target_percentiles(opened: OpenRun) -> pd.DataFrame:
    """Percentile of each clinical target of the indication among the candidates of a run, in [0, 1]; 1 is the best.

    Returns
    -------
    One row a target that is a candidate, then one for the median of all with its 95 % interval (targets drawn again):
    `symbol`, `score`, `percentile`, `lower`, `upper`, `n`. By the run: its rank, those not ranked last; an antigen that
    a score does not know is left out of that score.
    """
    table = opened.antigens.set_index("symbol")
    candidates = [symbol for symbol in opened.run.candidates if symbol in table.index]
    rank = -table.loc[candidates, "rank"].astype("Float64").astype(float).fillna(np.inf)
    scores = rival_scores(opened.run.panel).loc[candidates].rename(columns=RIVALS)
    scores.insert(0, "rank of this run", rank)
    targets = [s for s in candidates if table.at[s, "control"] == "clinical"]
    out = []
    for name in scores:
        values = scores[name].dropna()
        own = {s: _percentile(values, s) for s in targets if s in values.index}
        out += [{"symbol": s, "score": name, "percentile": value, "n": len(values)} for s, value in own.items()]
        told = list(own.values())
        lower, upper, _ = (
            interval_by_group(lambda x, _: float(np.median(x)), told, [True] * len(told), list(own), n_resamples=500)
            if told
            else (np.nan, np.nan, 0)
        )
        middle = float(np.median(told)) if told else np.nan
        out.append(
            {"symbol": "median", "score": name, "percentile": middle, "lower": lower, "upper": upper, "n": len(told)}
        )
    return pd.DataFrame(out, columns=["symbol", "score", "percentile", "lower", "upper", "n"])


def _percentile(values: pd.Series, symbol: str) -> float:
    """Share of the other antigens that score lower, ties counting half."""
    others, own = values.drop(symbol).to_numpy(), values[symbol]
    return float(np.mean((others < own) + (others == own) / 2)) if len(others) else float("nan")


def write_backtest(found: Backtest, folder: Path) -> Path:
    """Write the rows as `backtest.tsv` and the tables as `backtest.md` into the folder of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / "backtest.tsv") as temporary:
        as_plain_text(found.rows).to_csv(temporary, sep="\t", index=False, lineterminator="\n")
    with whole(folder / "backtest.md") as temporary:
        temporary.write_text(told(found), encoding="utf-8")
    return folder / "backtest.md"


def told(found: Backtest) -> str:
    """The tables as Markdown."""
    words = (
        "ROC AUC: 0.5 is chance, 1 means that every harmed organ stands above every spared one. *Base* is the share of "
        "harmed rows, the average precision of chance. *Held out* is the accuracy of a threshold that was chosen on "
        "other antigens. Intervals are 95 %, by antigen."
    )
    parts = ["# A run against what products did to patients", found.about, words]
    for name, table in found.scores.groupby("rows", sort=False):
        lines = [
            "| score | rows (harmed) | missing | ROC AUC | average precision | base | held out |",
            "|---" * 7 + "|",
        ]
        lines += [_score_line(row) for row in table.to_dict("records")]
        parts.append(f"## Outcomes: {name}\n\n" + "\n".join(lines))
    lines = ["| kind of product | harmed, spared, missing | cap proposed | held out | |", "|---" * 5 + "|"]
    for row in found.caps.to_dict("records"):
        cap = _number(row["cap"], row["cap_lower"], row["cap_upper"]) if row["is_supported"] else "none"
        held = _number(row["held_out"], row["held_out_lower"], row["held_out_upper"])
        verdict = "supported by antigens held out" if row["is_supported"] else "not supported: the cap stays"
        n = ", ".join(str(row[name]) for name in ("n_harmed", "n_spared", "n_missing"))
        lines.append(f"| {row['kind']} | {n} | {cap} | {held} | {verdict} |")
    parts.append("## Caps by kind of product\n\n" + "\n".join(lines))
    lines = ["| score | clinical targets | median percentile among candidates |", "|---|---|---|"]
    for row in found.targets[found.targets["symbol"] == "median"].to_dict("records"):
        lines.append(f"| {row['score']} | {row['n']} | {_number(row['percentile'], row['lower'], row['upper'])} |")
    parts.append("## Clinical targets of the indication\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _score_line(row: dict[str, object]) -> str:
    auc, precision = (
        _number(*(row[f"{name}{end}"] for end in ("", "_lower", "_upper"))) for name in ("auc", "precision")
    )
    counts = f"{row['n_rows']} ({row['n_harmed']}) | {row['n_missing']}"
    return f"| {row['score']} | {counts} | {auc} | {precision} | {_number(row['base'])} | {_number(row['held_out'])} |"


def _number(value: object, lower: object = float("nan"), upper: object = float("nan")) -> str:
    """A figure with its interval; a dash where it cannot be told."""
    middle, low, high = (float(str(one)) for one in (value, lower, upper))
    if not np.isfinite(middle):
        return "–"
    return f"{middle:.2f} ({low:.2f}–{high:.2f})" if np.isfinite(low) and np.isfinite(high) else f"{middle:.2f}"
