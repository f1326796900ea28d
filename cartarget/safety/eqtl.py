"""What carriers of an expression-raising genotype add to an antigen's exposure in vital tissue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cartarget.atlas.barcodes import as_tissues
from cartarget.errors import InputError
from cartarget.evidence.eqtl import leading, raised_fraction
from cartarget.evidence.intervals import posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.safety.tiers import Tiers

UNKNOWN = "unknown"
OVER, WITH_ONE, WITH_TWO, WITHIN = (
    "over the cap without it",
    "over the cap with one copy",
    "over the cap with two copies",
    "within the cap with two copies",
)
FLAGS = (OVER, WITH_ONE, WITH_TWO, WITHIN, UNKNOWN)

COLUMNS = (
    *("gene", "variant", "raising_allele", "slope", "tissue", "eqtl_tissue", "population", "n_donors", "cap"),
    *("exposure", "exposure_one", "exposure_two"),
    *("exposure_upper", "exposure_one_upper", "exposure_two_upper", "flag"),
    *("n_samples", "n_genotyped", "n_one", "n_two", "source"),
)
"""Columns of `eqtl_table`."""


def eqtl_table(panel: Panel, *, eqtls: pd.DataFrame, tiers: Tiers, copies: pd.DataFrame | None = None) -> pd.DataFrame:
    """Exposure of an antigen alone in vital tissue: of people, of carriers of one copy, of two.

    From bulk samples of normal tissue alone: the slope of an eQTL says how expression of a whole tissue moves, not what
    share of its cells passes a threshold.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    eqtls
        As `cartarget.evidence.eqtl.read_eqtl` gives them; one variant per gene and tissue is taken (`leading`).
    tiers
        The tier table.
    copies
        `cartarget.evidence.eqtl.read_copies`. None: nobody is genotyped.

    Returns
    -------
    DataFrame
        One row per gene of the panel, tissue of the eQTL that is vital, and population of its samples:

        - `exposure`: posterior median of the share of people over the threshold; `exposure_one`, `exposure_two`: of
          carriers of one or two copies of the raising allele (`raised_fraction`); `…_upper`: the same from the
          one-sided 95 % upper bound. Missing, and the flag `unknown`, where no samples of the tissue measured the
          antigen.
        - `flag`: one of `FLAGS`, by the medians; never a verdict.
        - `n_samples` people of `copies`, `n_genotyped`, `n_one` and `n_two` carriers among them; missing, *unknown*,
          where nobody was genotyped at the variant.
        - `source`: the file of the eQTL.

    Raises
    ------
    InputError
        A tissue of the eQTLs is unknown to the tier table (the nearest names are given).

    Examples
    --------
    >>> import cartarget
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4,
    ...                             n_background=0), tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["MSLN"], required=["lung"], origin=["colon"])
    >>> eqtls = pd.DataFrame([{"gene": "MSLN", "variant": "16-1-C-T", "tissue": "Lung", "slope": 0.4,
    ...                        "raising_allele": "T", "p_value": 1e-9, "source": "Lung.v8.egenes.txt.gz"}])
    >>> eqtl_table(panel, eqtls=eqtls, tiers=tiers)[["tissue", "flag"]].values.tolist()
    [['lung', 'unknown']]
    """
    mine = leading(eqtls[eqtls["gene"].isin(list(panel.symbols))])
    tissues = _vital(mine["tissue"], tiers)
    rows = [
        {
            **{name: one[name] for name in ("gene", "variant", "raising_allele", "slope", "source")},
            "eqtl_tissue": one["tissue"],
            "tissue": tissues[one["tissue"]],
            **exposed,
            **_carriers(copies, (one["variant"], one["raising_allele"])),
        }
        for one in mine.to_dict("records")
        if one["tissue"] in tissues
        for exposed in _exposed(panel, one["gene"], tissues[one["tissue"]], float(one["slope"]))
    ]
    counts = ("n_donors", "n_samples", "n_genotyped", "n_one", "n_two")
    plain = ("slope", "cap", *(name for name in COLUMNS if name.startswith("exposure")))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({**dict.fromkeys(counts, "Int64"), **dict.fromkeys(plain, "float64")})


def _vital(given: pd.Series, tiers: Tiers) -> dict[str, str]:
    """Vital tissues: what the eQTLs call them → the tier table's name. Cultured cells are left out."""
    names = pd.Series(sorted(set(given)), dtype=object)
    found = {}
    for name, called in zip(names, as_tissues(names), strict=True):
        if not called:
            continue
        place = tiers.find(str(called))
        if place is None:
            near = ", ".join(map(repr, tiers.nearest(str(called)))) or "none"
            raise InputError(f"eqtls: {tiers.path} does not know the tissue {name!r}; nearest: {near}")
        if place.tier == "vital":
            found[str(name)] = place.tissue
    return found


def _exposed(panel: Panel, gene: str, tissue: str, slope: float) -> list[dict[str, Any]]:
    """A row for each population of samples of the tissue that measured the gene, or one that is unknown."""
    row, table = panel.index[gene], panel.populations
    own = panel.is_sample & (table["tissue"].astype(str) == tissue).to_numpy() & panel.packed.is_measured[row]
    places = np.flatnonzero(own)
    if not len(places):
        return [{"population": tissue, "n_donors": 0, "flag": UNKNOWN}]
    return [_of_population(panel, row, int(place), slope) for place in places]


def _of_population(panel: Panel, row: int, place: int, slope: float) -> dict[str, Any]:
    one, cap = panel.populations.iloc[place], float(panel.cap[place])
    fraction, n = panel.fraction[row, place], one["n_effective"]
    usual, most = (posterior_quantile(fraction, n, q=q) for q in (0.5, 0.95))
    median = [float(raised_fraction(usual, slope=slope, copies=c)) for c in (0, 1, 2)]
    upper = [float(raised_fraction(most, slope=slope, copies=c)) for c in (0, 1, 2)]
    names = ("exposure", "exposure_one", "exposure_two")
    is_over = [value > cap for value in median]
    return {
        "population": str(one["population"]),
        "n_donors": int(one["n_donors"]),
        "cap": cap,
        **dict(zip(names, median, strict=True)),
        **{f"{name}_upper": value for name, value in zip(names, upper, strict=True)},
        "flag": FLAGS[is_over.index(True)] if any(is_over) else WITHIN,
    }


def _carriers(copies: pd.DataFrame | None, key: tuple[str, str]) -> dict[str, int | None]:
    if copies is None or key not in copies.index:
        return {"n_samples": 0 if copies is None else copies.shape[1], "n_genotyped": 0}
    told = copies.loc[key].dropna()
    counted = {"n_samples": copies.shape[1], "n_genotyped": len(told)}
    return counted | ({"n_one": int((told == 1).sum()), "n_two": int((told >= 2).sum())} if len(told) else {})
