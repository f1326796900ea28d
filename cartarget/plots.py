"""The report's figures on matplotlib Axes, so that a paper's figure and the report agree.

Each function draws a run's tables (`cartarget.contracts.read_table`) on Axes that you give, and returns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from cartarget.contracts import CLASSES
from cartarget.errors import InputError

TUMOR = "#2467a6"
"""Colour of the tumour."""
HARM = "#b0451c"
"""Colour of exposure."""
_LOOKS: dict[str, dict[str, Any]] = {
    "within caps": {"color": "#14655a", "marker": "o", "s": 26},
    "origin only": {"color": "#4c5a9e", "marker": "D", "s": 24},
    "unknown": {"facecolors": "none", "edgecolors": "#6d737b", "marker": "o", "s": 20, "linewidths": 0.9},
    "over cap": {"color": "#a03c14", "marker": "^", "s": 18, "alpha": 0.35, "linewidths": 0},
}
_EXPOSED = ["#ffffff", "#f7e3d8", "#e9a987", "#b0451c"]
_LINE, _SOFT = "#dedfda", "#565c64"
_TITLES = {"liability": "Liability (weighted exposure outside the origin)", "window": "Window (log2)"}


def _quiet(ax: Any, *, grid: str = "both") -> None:
    """The report's manner: no frame, a light grid behind the marks, small type."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_LINE)
    ax.grid(axis=grid, color=_LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(color=_LINE, labelcolor=_SOFT, labelsize="small")


def pareto(frame: pd.DataFrame, *, across: str = "liability") -> pd.DataFrame:
    """The rows that no other beats both in coverage and in `across`, from the best of `across` on.

    Parameters
    ----------
    frame
        Columns `coverage` and `across`; a row that lacks one of them, or is a control, does not compete.
    across
        `liability` (less is better) or `window` (more is better).

    Examples
    --------
    >>> frame = pd.DataFrame({"coverage": [0.9, 0.5, 0.4], "liability": [0.5, 0.1, 0.2]})
    >>> pareto(frame)["coverage"].tolist()
    [0.5, 0.9]
    """
    known = frame.dropna(subset=["coverage", across])
    if "control" in known:
        known = known[known["control"].fillna("").eq("")]
    ordered = known.sort_values([across, "coverage"], ascending=[across == "liability", False], kind="stable")
    best = ordered["coverage"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["coverage"] > best]


def plot_window(antigens: pd.DataFrame, *, ax: Any, across: str = "liability", label: Sequence[str] = ()) -> Any:
    """Coverage against liability or window; shape and colour are the safety class.

    A broken line joins the rows that no other beats in both (`pareto`); rings mark clinical targets.

    Parameters
    ----------
    antigens
        Table `antigens` or `gates`. Rows whose coverage or `across` is missing are not drawn.
    ax
        Axes to draw on.
    across
        `liability` (less is better) or `window` (more is better).
    label
        Names to write beside their points.

    Returns
    -------
    The Axes.

    Raises
    ------
    InputError
        `across` is another word, or a name to label is not in the table.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> antigens = pd.DataFrame({"symbol": ["X"], "coverage": [0.9], "liability": [0.1],
    ...                          "safety_class": ["within caps"]})
    >>> plot_window(antigens, ax=Figure().subplots(), label=["X"]).get_ylabel()
    'Coverage'
    """
    if across not in _TITLES:
        raise InputError(f"across: found {across!r}; expected one of {', '.join(_TITLES)}")
    name = "symbol" if "symbol" in antigens else "gate"
    shown = antigens.dropna(subset=["coverage", across])
    for kind in reversed(CLASSES):
        rows = shown[shown["safety_class"] == kind]
        ax.scatter(rows[across], rows["coverage"], label=f"{kind} ({len(rows)})" if len(rows) else None, **_LOOKS[kind])
    edge = pareto(shown, across=across)
    ax.step(edge[across], edge["coverage"], where="post", color="#1a1d21", linewidth=1, linestyle=(0, (3, 3)))
    if "control" in shown:
        ringed = shown[shown["control"].eq("clinical").fillna(False)]
        ax.plot(ringed[across], ringed["coverage"], "o", markersize=9, fillstyle="none", color="#1a1d21")
    places = shown.drop_duplicates(name).set_index(name)
    for word in label:
        if word not in places.index:
            raise InputError(f"label: {word!r} has no coverage and {across} in this table; leave it out")
        at = (float(places.at[word, across]), float(places.at[word, "coverage"]))
        ax.annotate(word, at, xytext=(6, 4), textcoords="offset points", fontsize="small")
    ax.set(xlabel=_TITLES[across], ylabel="Coverage", ylim=(-0.02, 1.06))
    ax.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, handletextpad=0.3)
    _quiet(ax)
    return ax


def plot_exposure(exposure: pd.DataFrame, *, gates: Sequence[str], ax: Any, evidence: str = "samples") -> Any:
    """Heat map of exposure, normal populations by gates; what is not measured is hatched, never zero.

    Lines part the tiers.

    Parameters
    ----------
    exposure
        Table `exposure`.
    gates
        Antigens or gates, in the order of the columns.
    ax
        Axes to draw on.
    evidence
        Kind of evidence; the colour is `fraction`, or `fraction_upper` where only bounds are known.

    Returns
    -------
    The Axes; rows stand vital first, then important, tolerable and ignored.

    Raises
    ------
    InputError
        A gate has no row of that evidence in the table.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> row = {"gate": "X", "population": "lung", "tier": "vital", "side": "normal", "evidence": "samples"}
    >>> exposure = pd.DataFrame([row | {"fraction": 0.2, "fraction_upper": 0.4, "is_measured": True}])
    >>> [label.get_text() for label in plot_exposure(exposure, gates=["X"], ax=Figure().subplots()).get_yticklabels()]
    ['lung']
    """
    rows = exposure[(exposure["side"] == "normal") & (exposure["evidence"] == evidence)]
    absent = [gate for gate in gates if not rows["gate"].eq(gate).any()]
    if absent:
        raise InputError(f"gates: {absent[0]!r} has no exposure of evidence {evidence!r} in this table")
    rows = rows[rows["gate"].isin(gates)]
    value = rows["fraction"].fillna(rows["fraction_upper"]).where(rows["is_measured"].astype(bool))
    tidy = rows[["gate", "population", "tier"]].astype(str).assign(value=value.astype(float))
    order = tidy.drop_duplicates("population").sort_values(["tier", "population"], key=_tier_order)["population"]
    grid = tidy.pivot_table(index="population", columns="gate", values="value", aggfunc="max", dropna=False)
    grid = grid.reindex(index=order, columns=list(gates))
    ax.set_facecolor("#f4f4f0")
    ax.patch.set(hatch="////", edgecolor="#a9aca6")
    shades = LinearSegmentedColormap.from_list("exposure", _EXPOSED)
    ax.imshow(np.ma.masked_invalid(grid.to_numpy()), cmap=shades, vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(gates)), list(gates))
    height = ax.get_position().height * ax.figure.get_figheight() * 72 / max(len(order), 1)
    ax.set_yticks(range(len(order)), order.to_list(), fontsize=float(np.clip(0.85 * height, 3, 9)))
    ax.tick_params(length=0, labelcolor=_SOFT)
    ax.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False, labelcolor="#1a1d21")
    ax.spines[:].set_color(_LINE)
    ax.vlines(np.arange(len(gates) - 1) + 0.5, -0.5, len(order) - 0.5, color=_LINE, linewidth=0.8)
    tiers = tidy.drop_duplicates("population").set_index("population").loc[order, "tier"].to_numpy()
    ax.hlines(np.flatnonzero(tiers[1:] != tiers[:-1]) + 0.5, -0.5, len(gates) - 0.5, color=_SOFT, linewidth=0.8)
    return ax


def _tier_order(values: pd.Series) -> pd.Series:
    place = {"vital": 0, "important": 1, "tolerable": 2, "ignored": 3}
    return values.map(place).fillna(4) if values.name == "tier" else values


def plot_coverage(exposure: pd.DataFrame, *, gate: str, ax: Any) -> Any:
    """Fraction hit in each tumour population with its interval; single cell: one patient a line, highest first.

    Parameters
    ----------
    exposure
        Table `exposure`.
    gate
        Antigen or gate.
    ax
        Axes to draw on.

    Returns
    -------
    The Axes.

    Raises
    ------
    InputError
        The gate has no tumour row in the table.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> row = {"gate": "X", "population": "patient 1", "side": "tumor"}
    >>> exposure = pd.DataFrame([row | {"fraction": 0.8, "fraction_lower": 0.6, "fraction_upper": 0.9}])
    >>> plot_coverage(exposure, gate="X", ax=Figure().subplots()).get_xlabel()
    'Fraction hit by X'
    """
    rows = exposure[(exposure["gate"] == gate) & (exposure["side"] == "tumor")].sort_values("fraction", kind="stable")
    if rows.empty:
        raise InputError(f"gate: {gate!r} has no tumour row in this table")
    lines = np.arange(len(rows))
    ax.hlines(lines, rows["fraction_lower"], rows["fraction_upper"], color="#bcd3ea", linewidth=5)
    ax.plot(rows["fraction"], lines, "o", color=TUMOR, markersize=5)
    ax.set_yticks(lines, rows["population"].astype(str).to_list())
    ax.set(xlim=(0, 1.02), ylim=(-1, len(rows)), xlabel=f"Fraction hit by {gate}")
    _quiet(ax, grid="x")
    return ax


def plot_gate(gates: pd.DataFrame, *, antigens: pd.DataFrame, gate: str, members: Sequence[str], ax: Any) -> Any:
    """A gate beside its members: coverage and liability as paired bars, each with its number.

    Parameters
    ----------
    gates, antigens
        The tables of those names.
    gate
        A gate of the first table.
    members
        Antigens of the second.
    ax
        Axes to draw on. A missing value leaves a gap.

    Returns
    -------
    The Axes.

    Raises
    ------
    InputError
        The gate or a member is not in its table.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> antigens = pd.DataFrame({"symbol": ["X", "Y"], "coverage": [0.9, 0.8], "liability": [0.5, 0.4]})
    >>> gates = pd.DataFrame({"gate": ["X & Y"], "coverage": [0.7], "liability": [0.0]})
    >>> ax = plot_gate(gates, antigens=antigens, gate="X & Y", members=["X", "Y"], ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['X & Y', 'X', 'Y']
    """
    both = pd.concat([gates.rename(columns={"gate": "name"}), antigens.rename(columns={"symbol": "name"})])
    places = both[["name", "coverage", "liability"]].drop_duplicates("name").set_index("name")
    names = [gate, *members]
    absent = [name for name in names if name not in places.index]
    if absent:
        raise InputError(f"gate: {absent[0]!r} is in neither table")
    lines = np.arange(len(names))[::-1]
    for place, column, colour in ((0.17, "coverage", TUMOR), (-0.17, "liability", HARM)):
        values = places.loc[names, column].astype(float)
        bars = ax.barh(lines + place, values.to_numpy(), height=0.28, color=colour, label=column)
        ax.bar_label(bars, ["" if np.isnan(value) else f"{value:.2f}" for value in values], padding=3, fontsize="small")
    ax.set_yticks(lines, names)
    ax.set_xlim(0, 1.1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    _quiet(ax, grid="x")
    ax.tick_params(axis="y", length=0, labelcolor="#1a1d21")
    ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax
