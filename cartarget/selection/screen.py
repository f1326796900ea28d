"""The screen: every antigen alone, then every gate of two, scored, ranked and written out place by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import ANY, BOTH, NOT, Gates
from cartarget.safety.exposure_table import exposure_rows
from cartarget.safety.judge import judge
from cartarget.safety.scan import GAIN, scan_pairs
from cartarget.safety.scores import protein_columns, score, thin_required
from cartarget.safety.window import gate_levels, windows
from cartarget.selection.ranking import rank

REDUNDANT_SHARE = 0.1
"""Share of the table of gates that shows the best redundant ones."""

PART = 10_000
"""Gates whose levels are in memory at a time."""

_HARDWARE = {
    ANY: ("tandem or dual CAR, or two products", "kills what either antigen marks: the exposures add up"),
    BOTH: (
        "synNotch or split-signal CAR",
        "tumour that loses either antigen escapes; a primed cell may kill bystanders",
    ),
    NOT: ("CAR with an inhibitory CAR", "normal cells that lose or lack the blocker are killed"),
    None: ("single CAR", "tumour that loses the antigen escapes; kills whatever carries it"),
}


def score_gates(panel: Panel, *, gates: Gates, floor: float = 0.5) -> pd.DataFrame:
    """Score gates of one or two antigens, unranked.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates, as from `Gates.parse(["CDH17 & CDH3"], panel=panel)`.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    One row a gate, in the order given: `gate`, `n_antigens`, and the score columns of `cartarget.contracts`.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=3, n_donors=5, n_background=0, cells_per_tumor=60)
    >>> adata = harmonise(small, tiers=tiers, origin=["colon", "rectum"])
    >>> panel = build_panel(adata, symbols=["CEACAM5", "MSLN", "MUC16"], required=tiers.required,
    ...                     origin=["colon", "rectum"])
    >>> score_gates(panel, gates=Gates.parse(["CEACAM5 & MSLN"], panel=panel))["safety_class"].tolist()
    ['safe']
    """
    judged = judge(panel, a=gates.a, b=gates.b, op=gates.op)
    levels = gate_levels(panel, a=gates.a, b=gates.b, op=gates.op)
    frame = score(panel, judged, windows(panel, levels), floor=floor)
    frame = frame.join(protein_columns(panel, a=gates.a, b=gates.b, op=gates.op))
    frame["tissues_thin"] = thin_required(panel, a=gates.a, b=gates.b, op=gates.op)
    frame.insert(0, "gate", gates.names(panel.symbols))
    frame["n_antigens"] = np.where(gates.a == gates.b, 1, 2)
    return frame


def screen_antigens(
    panel: Panel, *, floor: float = 0.5, surface: pd.DataFrame | None = None, controls: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Score and rank every antigen of a panel alone.

    Parameters
    ----------
    panel
        Evidence on the antigens (`cartarget.build_panel`).
    floor
        Coverage that makes an antigen eligible.
    surface
        Surface evidence per `symbol` (`cartarget.candidates`); its columns are joined.
    controls
        `symbol` and `kind`: `housekeeping` and `intracellular` genes are scored but not ranked; `clinical`
        targets compete and are marked.

    Returns
    -------
    The `antigens` table, best first. An antigen that a required tissue does not measure is `unknown`, never safe.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=tiers.required, origin=["colon"])
    >>> screen_antigens(panel)[["symbol", "rank", "safety_class"]].values.tolist()
    [['MSLN', 1, 'unsafe'], ['CEACAM5', 2, 'unsafe']]
    """
    frame = score_gates(panel, gates=Gates.singles(len(panel.symbols)), floor=floor)
    frame = frame.drop(columns=["n_antigens", "liability_naive"])
    frame["gate"] = list(panel.symbols)
    frame = frame.rename(columns={"gate": "symbol"})
    frame["control"] = control_column(frame["symbol"], controls)
    if surface is not None:
        frame = frame.merge(surface.drop(columns=["is_candidate", "aliases"], errors="ignore"), on="symbol", how="left")
    frame["surface_status"] = frame["surface_status"].fillna("unknown") if "surface_status" in frame else "unknown"
    return rank(frame, name="symbol")


def control_column(names: pd.Series, controls: pd.DataFrame | None) -> pd.Series:
    """Kind of control per name, empty for none; a gene that is several things is named by the first row."""
    if controls is None:
        return pd.Series("", index=names.index)
    kind = controls.drop_duplicates("symbol").set_index("symbol")["kind"]
    return names.map(kind).fillna("")


@dataclass(frozen=True)
class Screened:
    """What `screen_gates` found: the ranked table, and the gates behind its rows."""

    table: pd.DataFrame
    gates: Gates
    n_gates: int
    n_eligible: int


def screen_gates(
    panel: Panel,
    *,
    candidates: Sequence[str],
    floor: float = 0.5,
    top: int = 10_000,
    controls: pd.DataFrame | None = None,
    progress: bool = True,
) -> Screened:
    """Score `A`, `A | B`, `A & B` and `A & ~B` over all candidates, and rank those that gain on their members.

    Parameters
    ----------
    panel
        Evidence on candidates and controls.
    candidates
        Antigens that may stand in a gate; none is set aside beforehand.
    floor
        Coverage that makes a gate eligible.
    top
        Rows of the table beside the controls; a tenth of them shows the best redundant gates.
    controls
        As for :func:`screen_antigens`.
    progress
        Show a progress bar.

    Returns
    -------
    `Screened`; its table has the columns of `gates`, best first.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=tiers.required, origin=["colon"])
    >>> found = screen_gates(panel, candidates=panel.symbols, progress=False)
    >>> found.table["gate"].iloc[0]
    'CEACAM5 & MSLN'
    """
    kept = panel.take(candidates)
    scan = scan_pairs(kept, floor=floor, keep_redundant=top, progress=progress)
    rows = np.array([panel.index[symbol] for symbol in candidates], dtype=np.int64)
    pairs = Gates(rows[scan.a], rows[scan.b], scan.op)
    chosen = _shortlist(panel, pairs, scan.safety_class, scan.selectivity, scan.is_redundant, floor, top)
    gates = Gates.join([Gates.singles(len(panel.symbols)), pairs.take(chosen)])
    frame = score_gates(panel, gates=gates, floor=floor)
    frame["row"] = np.arange(len(frame))
    frame["control"] = control_column(frame["gate"], controls).where(frame["n_antigens"] == 1, "")
    frame = _gains(frame, gates)
    ranked = rank(frame)
    keep, last = _cut(ranked, top)
    table = ranked[keep].reset_index(drop=True)
    table["rank"] = table["rank"].where(table["rank"] <= last)
    return Screened(
        table=table.drop(columns="row"),
        gates=gates.take(table["row"].to_numpy()),
        n_gates=scan.n_gates + len(candidates),
        n_eligible=scan.n_eligible + int(frame.loc[: len(panel.symbols) - 1, "is_eligible"].sum()),
    )


def _shortlist(
    panel: Panel,
    pairs: Gates,
    safety_class: NDArray[np.int64],
    selectivity: NDArray[np.float64],
    is_redundant: NDArray[np.bool_],
    floor: float,
    top: int,
) -> NDArray[np.int64]:
    """Rows of the scan that can reach the table: by class and selectivity, within unsafe by window."""
    found = [np.flatnonzero(is_redundant)]
    ranked = np.flatnonzero(~is_redundant)
    better = ranked[safety_class[ranked] < len(CLASSES) - 1]
    if len(better) > 2 * top:
        order = np.lexsort((-selectivity[better], safety_class[better]))
        edge = better[order[2 * top - 1]]
        tied = (safety_class[better] < safety_class[edge]) | (
            (safety_class[better] == safety_class[edge]) & (selectivity[better] >= selectivity[edge] - 1e-3)
        )
        return np.sort(np.concatenate([*found, better[tied]]))
    found.append(better)
    unsafe = ranked[safety_class[ranked] == len(CLASSES) - 1]
    if len(unsafe) > top:
        parts = [pairs.take(unsafe[low : low + PART]) for low in range(0, len(unsafe), PART)]
        window = np.concatenate([windows(panel, gate_levels(panel, a=g.a, b=g.b, op=g.op)).vital for g in parts])
        window = np.where(np.isnan(window), -np.inf, window)
        edge_value = np.partition(window, len(window) - top)[len(window) - top]
        unsafe = unsafe[window >= edge_value - 1e-6]
    return np.sort(np.concatenate([*found, unsafe]))


def _gains(frame: pd.DataFrame, gates: Gates) -> pd.DataFrame:
    """What each gate adds to its best member, and whether it adds anything; singles are never redundant."""
    place = frame["safety_class"].map({label: i for i, label in enumerate(CLASSES)}).to_numpy(dtype=np.int64)
    selectivity = frame["selectivity"].to_numpy(dtype=np.float64)
    a, b = gates.a, np.where(gates.op == NOT, gates.a, gates.b)

    def gains(member: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (place < place[member]) | (selectivity >= selectivity[member] + GAIN - 1e-9)

    second = (place[b] < place[a]) | ((place[b] == place[a]) & (selectivity[b] > selectivity[a]))
    best = np.where(second, b, a)
    pair = gates.a != gates.b
    names = frame["gate"].to_numpy(dtype=object)
    hardware = [_HARDWARE[int(op) if two else None] for op, two in zip(gates.op, pair, strict=True)]

    def gain(column: str, sign: float = 1.0) -> NDArray[np.float64]:
        values = frame[column].to_numpy(dtype=np.float64)
        return np.where(pair, sign * (values - values[best]), np.nan)

    return frame.assign(
        is_redundant=pair & ~(gains(a) & gains(b)),
        best_member=pd.Series(names[best], index=frame.index).where(pair),
        gain_coverage=gain("coverage"),
        gain_liability=gain("liability", -1.0),
        gain_window=gain("window"),
        gain_selectivity=np.where(pair, selectivity - np.maximum(selectivity[a], selectivity[b]), np.nan),
        hardware=[text[0] for text in hardware],
        failure=[text[1] for text in hardware],
    )


def _cut(ranked: pd.DataFrame, top: int) -> tuple[NDArray[np.bool_], int]:
    """Which rows the table keeps, and the last rank that it shows.

    Ranked gates; a tenth for redundant ones, or what room is left; all controls, without a rank where they lie
    beyond the last, since not every gate there was scored.
    """
    numbered = ranked["rank"].notna().to_numpy()
    redundant = ranked["is_redundant"].to_numpy(dtype=bool) & ranked["is_eligible"].to_numpy(dtype=bool)
    room = min(int(redundant.sum()), max(int(top * REDUNDANT_SHARE), top - int(numbered.sum())))
    keep_ranked = numbered & (np.cumsum(numbered) <= top - room)
    keep_redundant = redundant & (np.cumsum(redundant) <= room)
    return keep_ranked | keep_redundant | (ranked["control"] != "").to_numpy(), int(keep_ranked.sum())


def expose(panel: Panel, *, gates: Gates, atlas: str) -> pd.DataFrame:
    """Exposure of gates place by place, in the columns of the `exposure` table.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.
    atlas
        Name of the primary atlas.

    Returns
    -------
    One row a gate and place; see `cartarget.safety.rows.exposure_rows`.
    """
    unit = "CPM" if panel.kind == "samples" else "CP10k"
    return exposure_rows(
        panel,
        judge(panel, a=gates.a, b=gates.b, op=gates.op),
        gate_levels(panel, a=gates.a, b=gates.b, op=gates.op),
        names=gates.names(panel.symbols),
        a=gates.a,
        b=gates.b,
        op=gates.op,
        atlas=atlas,
        unit=unit,
    )
