"""What outcomes in patients say of caps: sets of rows that are asked apart, and a cap a modality proposed from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cartarget.safety.backtest import balanced, best_threshold, held_out_calls, interval_by_group

T_CELLS = ("CAR T", "logic-gated CAR T", "TCR T", "T-cell engager")
KINDS = {
    "T cells and engagers": T_CELLS,
    "antibody-drug conjugates": ("antibody-drug conjugate",),
    "antibodies and radioligands": ("antibody", "radioligand"),
}
"""Kinds of product, and their modalities."""

ON_TARGET = ("shown", "likely", "suspected")
"""Certainties of harm that a source puts down to the antigen."""

LEAST_ROWS = 5
"""Harmed and spared rows of a kind below which no cap is proposed."""


def strata(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Sets of rows on which predictions are judged, each as a mask.

    Parameters
    ----------
    rows
        Outcomes as `read_outcomes` gives them, those not reported left out.

    Returns
    -------
    Names and masks: all; harm put down to the antigen; severe or fatal harm of these; each kind of product. What was
    spared is in each of the first three.

    Examples
    --------
    >>> rows = pd.DataFrame({"outcome": ["harmed", "tolerated"], "certainty": ["unsaid", "stated"], "severity": "",
    ...                      "modality": ["CAR T", "radioligand"]})
    >>> {name: mask.tolist() for name, mask in strata(rows).items()}["harm put down to the antigen"]
    [False, True]
    """
    spared, on_target = rows["outcome"] == "tolerated", rows["certainty"].isin(ON_TARGET)
    grave = rows["severity"].isin(["severe", "fatal"])
    return {
        "all rows": pd.Series(True, index=rows.index),
        "harm put down to the antigen": spared | on_target,
        "severe or fatal harm put down to the antigen": spared | (on_target & grave),
        **{name: rows["modality"].isin(modalities) for name, modalities in KINDS.items()},
    }


def propose_caps(
    exposure: pd.Series, rows: pd.DataFrame, *, kinds: Mapping[str, tuple[str, ...]] = KINDS, n_resamples: int = 500
) -> pd.DataFrame:
    """For each kind of product the exposure that best parts harmed from spared organs, and whether it foresees.

    The cap proposed is the threshold with the best mean of sensitivity and specificity; its interval draws whole
    antigens. `held_out` is the balanced accuracy of thresholds that were chosen without the antigen they judge. A cap
    `is_supported` only if the whole 95 % interval of `held_out` lies above 0.5; else the cap of the tier table stays.

    Parameters
    ----------
    exposure
        Fraction of the organ's worst place that is hit, one a row of `rows`; NaN: not measured.
    rows
        Outcomes.
    kinds
        Modalities of each kind of product.
    n_resamples
        Samples of antigens.

    Returns
    -------
    One row a kind: `kind`, `n_harmed`, `n_spared`, `n_missing`, `cap`, `cap_lower`, `cap_upper`, `held_out`,
    `held_out_lower`, `held_out_upper`, `is_supported`. Numbers are NaN with fewer than `LEAST_ROWS` harmed or spared
    rows that were measured.

    Examples
    --------
    >>> rows = pd.DataFrame({"antigen": list("abcdefghij"), "outcome": ["harmed"] * 5 + ["tolerated"] * 5,
    ...                      "modality": "CAR T"})
    >>> exposure = pd.Series([0.3, 0.4, 0.5, 0.6, 0.7, 0.0, 0.0, 0.01, 0.0, 0.02])
    >>> found = propose_caps(exposure, rows, kinds={"T cells": ("CAR T",)}).iloc[0]
    >>> round(float(found["cap"]), 2), float(found["held_out"]), bool(found["is_supported"])
    (0.16, 1.0, True)
    """
    out = []
    for kind, modalities in kinds.items():
        asked = rows["modality"].isin(modalities)
        own = rows[asked & exposure.notna()]
        harmed, value = (own["outcome"] == "harmed").to_numpy(), exposure[own.index].to_numpy(dtype=np.float64)
        groups = own["antigen"].tolist()
        n = (int(harmed.sum()), int((~harmed).sum()), int((asked & exposure.isna()).sum()))
        row: dict[str, object] = {"kind": kind, "n_harmed": n[0], "n_spared": n[1], "n_missing": n[2]}
        numbers = np.full(6, np.nan)
        if min(n[:2]) >= LEAST_ROWS:
            calls = held_out_calls(value, harmed, groups)
            drawn = interval_by_group(best_threshold, value, harmed, groups, n_resamples=n_resamples)
            held = interval_by_group(balanced, calls, harmed, groups, n_resamples=n_resamples)
            numbers[:] = best_threshold(value, harmed), *drawn[:2], balanced(calls, harmed), *held[:2]
        names = ("cap", "cap_lower", "cap_upper", "held_out", "held_out_lower", "held_out_upper")
        out.append(row | dict(zip(names, numbers, strict=True)) | {"is_supported": bool(numbers[4] > 0.5)})
    return pd.DataFrame(out)
