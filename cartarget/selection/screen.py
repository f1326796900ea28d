"""The screen: every antigen alone, then every gate of two, scored, ranked and written out place by place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import NOT, OF_TWO, Gates
from cartarget.logic.gate import Gate
from cartarget.logic.thresholds import name_of
from cartarget.safety.beside import harm_notes, protein_columns, thin_required
from cartarget.safety.exposure_table import exposure_rows
from cartarget.safety.judge import judge
from cartarget.safety.known import UNSAFE
from cartarget.safety.scan import Scan, scan_pairs
from cartarget.safety.scores import final_class, is_closed, score
from cartarget.safety.window import gate_levels, windows
from cartarget.selection.gains import gains
from cartarget.selection.ranking import AT_OTHER_THRESHOLDS, rank

Table = TypeVar("Table", pd.DataFrame, pd.Series)

REDUNDANT_SHARE = 0.1
"""Share of the table of gates that shows the best redundant ones."""

PART = 10_000
"""Gates whose levels are in memory at a time."""

_HARDWARE = {
    "A": ("single CAR", "tumour that loses the antigen escapes; kills whatever carries it"),
    "A | B": ("tandem or dual CAR, or two products", "kills what either antigen marks: the exposures add up"),
    "A & B": (
        "synNotch or split-signal CAR",
        "tumour that loses either antigen escapes; a primed cell may kill bystanders",
    ),
    "A & ~B": ("CAR with an inhibitory CAR", "normal cells that lose or lack the blocker are killed"),
}


def score_gates(panel: Panel, *, gates: Gates | str | Gate | Sequence[str | Gate], floor: float = 0.5) -> pd.DataFrame:
    """Score gates of any shape and size, unranked.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates, as text, as `Gate`, or as `Gates.parse(["CDH17 & CDH3"], panel=panel)` gives them.
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
    >>> score_gates(panel, gates=["CEACAM5 & MSLN"])["safety_class"].tolist()
    ['within caps']
    """
    _require_panel(panel)
    if not isinstance(gates, Gates):
        gates = Gates.parse(gates, panel=panel)
    frame = score(panel, gates, judge(panel, gates), gate_levels(panel, gates), floor=floor)
    frame = frame.assign(**protein_columns(panel, gates), tissues_thin=thin_required(panel, gates))
    frame["harm_unmeasured"] = harm_notes(panel, gates)
    frame.insert(0, "gate", gates.names(panel.symbols))
    frame["n_antigens"] = gates.size
    return frame


def _require_panel(given: object) -> None:
    if not isinstance(given, Panel):
        raise InputError(
            f"expected a Panel, found {type(given).__name__}; make one with cartarget.build_panel(atlas, "
            "symbols=[...], required=tiers.required), or screen atlases in one call: "
            'cartarget.screen(atlas, origin="colon")'
        )


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
    [['MSLN', 1, 'over cap'], ['CEACAM5', 2, 'over cap']]
    """
    _require_panel(panel)
    frame = score_gates(panel, gates=Gates.singles(len(panel.symbols)), floor=floor)
    frame = frame.drop(columns=["n_antigens", "liability_naive"])
    frame["gate"] = list(panel.symbols)
    frame = frame.rename(columns={"gate": "symbol"})
    frame["control"] = control_column(frame["symbol"], controls)
    if surface is not None:
        frame = frame.merge(
            surface.drop(columns=["is_candidate", "is_whole", "aliases"], errors="ignore"), on="symbol", how="left"
        )
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
    half: Panel | None = None,
    twice: Panel | None = None,
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
    half, twice
        Evidence on the same antigens at half and at twice the threshold, where it can be moved: the worst class of the
        three comes first, and the search is done at half the threshold too, where fewer gates are within caps.
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
    _require_panel(panel)
    scan, chosen = _scanned(panel, candidates, floor=floor, top=top, progress=progress)
    if half is not None:
        chosen = _distinct(Gates.join([chosen, _scanned(half, candidates, floor=floor, top=top, progress=progress)[1]]))
    gates = Gates.join([Gates.singles(len(panel.symbols)), chosen])
    frame = _in_parts(gates, lambda part: score_gates(panel, gates=part, floor=floor))
    frame = with_moved(frame, gates, half=half, twice=twice)
    frame["row"] = np.arange(len(frame))
    frame["control"] = control_column(frame["gate"], controls).where(frame["n_antigens"] == 1, "")
    members = np.where((gates.size == 2)[:, None], gates.rows[:, :2], -1)
    is_blocked = np.array([shape == OF_TWO[NOT] for shape in gates.shapes], dtype=bool)[gates.kind]
    members[is_blocked, 1] = -1
    frame = frame.join(gains(frame, members=members)).assign(**hardware(gates))
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


def with_moved(table: pd.DataFrame, gates: Gates, *, half: Panel | None, twice: Panel | None) -> pd.DataFrame:
    """Add the class of each gate on the evidence at half and at twice the threshold, where there is any."""
    given = zip(AT_OTHER_THRESHOLDS, (half, twice), strict=True)
    panels = {name: other for name, other in given if other is not None}
    return table.assign(**{name: _in_parts(gates, partial(classes_of, other)).array for name, other in panels.items()})


def _scanned(panel: Panel, candidates: Sequence[str], *, floor: float, top: int, progress: bool) -> tuple[Scan, Gates]:
    """Every gate of two over the candidates scanned, and those that can reach the table."""
    scan = _apart(scan_pairs(panel.take(candidates), floor=floor, keep_redundant=top, progress=progress), candidates)
    rows = np.array([panel.index[symbol] for symbol in candidates], dtype=np.int64)
    pairs = Gates.of_two(rows[scan.a], rows[scan.b], scan.op)
    return scan, pairs.take(_reachable(panel, pairs, scan, top))


def _apart(scan: Scan, candidates: Sequence[str]) -> Scan:
    """The scan without gates that hold an antigen at two thresholds."""
    name, several = pd.factorize(pd.Index(list(map(name_of, candidates))))
    if len(several) == len(name):
        return scan
    kept = name[scan.a] != name[scan.b]
    same = int((np.bincount(name) * (np.bincount(name) - 1) // 2).sum())
    arrays = {key: getattr(scan, key)[kept] for key in _OF_GATES}
    return replace(scan, **arrays, n_gates=scan.n_gates - 4 * same)


_OF_GATES = ("a", "b", "op", "safety_class", "selectivity", "is_redundant")


def _distinct(gates: Gates) -> Gates:
    """Each gate once, the first of equal ones."""
    _, first = np.unique(np.column_stack([gates.kind, gates.rows]), axis=0, return_index=True)
    return gates.take(np.sort(first))


def _in_parts(gates: Gates, table: Callable[[Gates], Table]) -> Table:
    """A table of gates, with those of one part in memory at a time."""
    starts = range(0, len(gates), PART)
    parts = [table(gates.take(np.arange(low, min(low + PART, len(gates))))) for low in starts]
    return pd.concat(parts, ignore_index=True)


def classes_of(panel: Panel, gates: Gates) -> pd.Series:
    """The safety class of each gate."""
    return pd.Series(np.array(CLASSES, dtype=object)[final_class(panel, gates, judge(panel, gates))])


def _reachable(panel: Panel, pairs: Gates, scan: Scan, top: int) -> NDArray[np.int64]:
    """Rows of the scan that can reach the table: by class and selectivity, among those over cap by window.

    A gate whose window is below 0 is over cap whatever the scan says of it; so the best are asked for their windows,
    best first, until there are enough.
    """
    found = [np.flatnonzero(scan.is_redundant)]
    ranked = np.flatnonzero(~scan.is_redundant)
    is_better = scan.safety_class[ranked] < UNSAFE
    better = ranked[is_better]
    better = better[np.lexsort((-scan.selectivity[better], scan.safety_class[better]))]
    kept, closed = 0, []
    for low in range(0, len(better), PART):
        if kept >= 2 * top:
            edge = better[low - 1]
            same = scan.safety_class[better] == scan.safety_class[edge]
            tied = same & (scan.selectivity[better] >= scan.selectivity[edge] - 1e-3)
            return np.unique(np.concatenate([*found, better[tied]]))
        part = better[low : low + PART]
        shut = is_closed(panel, pairs.take(part))
        kept += int((~shut).sum())
        found.append(part[~shut])
        closed.append(part[shut])
    if kept >= 2 * top:
        return np.unique(np.concatenate(found))
    unsafe = np.concatenate([ranked[~is_better], *closed])
    if len(unsafe) > top:
        window = np.concatenate([_window(panel, pairs.take(unsafe[i : i + PART])) for i in range(0, len(unsafe), PART)])
        window = np.where(np.isnan(window), -np.inf, window)
        edge_value = np.partition(window, len(window) - top)[len(window) - top]
        unsafe = unsafe[window >= edge_value - 1e-6]
    return np.unique(np.concatenate([*found, unsafe]))


def _window(panel: Panel, gates: Gates) -> NDArray[np.float64]:
    return windows(panel, gate_levels(panel, gates)).vital


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


def hardware(gates: Gates) -> dict[str, list[str]]:
    """What each gate takes to build (`hardware`), and what it looks like when it fails (`failure`)."""
    of_shape = [_hardware(shape) for shape in gates.shapes]
    return {name: [of_shape[kind][i] for kind in gates.kind] for i, name in enumerate(("hardware", "failure"))}


def _hardware(shape: Gate) -> tuple[str, str]:
    if str(shape) in _HARDWARE:
        return _HARDWARE[str(shape)]
    plain = [one for one in shape.literals if not one.is_negated]
    parts = [
        (_has(shape, "&"), "synNotch or split-signal CAR", "tumour that loses an antigen it must have escapes"),
        (_has(shape, "|"), "tandem CAR or two products", "exposures add up"),
        (len(plain) < shape.n_literals, "inhibitory CAR", "normal cells that lose or lack a blocker are killed"),
    ]
    return " + ".join(p[1] for p in parts if p[0]), "; ".join(p[2] for p in parts if p[0])


def _has(gate: Gate, operator: str) -> bool:
    """Whether two sensed antigens are joined by an operator somewhere."""
    sensing = sum(any(not one.is_negated for one in part.literals) for part in gate.parts)
    return (sensing > 1 and gate.operator == operator) or any(_has(part, operator) for part in gate.parts)


def expose(panel: Panel, *, gates: Gates) -> pd.DataFrame:
    """Exposure of gates place by place, in the columns of the `exposure` table.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.

    Returns
    -------
    One row a gate and place; see `cartarget.safety.exposure_table.exposure_rows`.
    """
    return exposure_rows(panel, gates, judge(panel, gates), gate_levels(panel, gates))
