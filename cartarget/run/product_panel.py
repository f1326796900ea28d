"""From the results of one run or several to a panel of products: which, how few, at what cost, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.config import Config
from cartarget.contracts import write_table
from cartarget.errors import InputError
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate, quote
from cartarget.safety.known import ORIGIN_ONLY, SAFE, UNKNOWN
from cartarget.selection.panel import (
    ProductPanel,
    cheapest_panel,
    fullest_panel,
    held_out,
    panel_curve,
    price_sensitivity,
    product_rows,
    smallest_panel,
)
from cartarget.selection.prices import Prices
from cartarget.selection.reach import UNSCORED, Reach, by_tumor, what_binds

if TYPE_CHECKING:
    from cartarget.run.asking import OpenRun

KNOWN, UNSURE = "not over cap", "unknown too"
SCOPES = {KNOWN: (SAFE, ORIGIN_ONLY), UNSURE: (SAFE, ORIGIN_ONLY, UNKNOWN)}
"""Classes that a product may have: known not to be over a cap; and, said apart, those of which it is not known."""

CURVE, FEWEST, CHEAPEST = "most patients", "fewest products", "least cost"
"""What panels are chosen for."""

FOLD_SECONDS = 10.0
"""Time to choose a panel without one fold; what is found by then is a panel like any other, and is held to account."""

PART = 10_000
"""Gates judged at a time."""


@dataclass(frozen=True)
class Asked:
    """What is asked: the share of a tumour that a gate must cover, the share of patients, prices, patients in all.

    Raises
    ------
    InputError
        A share is not in (0, 1], or fewer than one patient is to be treated.
    """

    covers: float
    share: float
    prices: Prices | None = None
    patients: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("covers", self.covers), ("share", self.share)):
            if not 0 < value <= 1:
                raise InputError(f"{name}: found {value:g}; expected a share above 0 and up to 1, such as 0.8")
        if self.patients is not None and self.patients < 1:
            raise InputError(f"patients: found {self.patients}; expected 1 or more")


@dataclass(frozen=True)
class Panelled:
    """The tables `panel`, `panel_products` and `panel_prices` (empty without prices), and notes in words."""

    panel: pd.DataFrame
    products: pd.DataFrame
    prices: pd.DataFrame
    notes: tuple[str, ...]


def panel_folder(configs: Sequence[Config]) -> Path:
    """Where the tables go: `panel` in the run's folder, or in a folder named after all runs, joined by `+`.

    Raises
    ------
    InputError
        Two runs have the same name.

    Examples
    --------
    >>> panel_folder([Config(name="read"), Config(name="ucs")]).as_posix()
    'results/read+ucs/panel'
    """
    names = [config.name for config in configs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two of the runs are named {twice[0]!r}; give each CONFIG its own name")
    return Path(configs[0].results) / "+".join(names) / "panel"


def panel_into(folder: Path, *, configs: Sequence[Config], asked: Asked) -> Panelled:
    """Choose panels as `choose_panels` does, and write the tables, .parquet and .tsv, into a folder.

    Raises
    ------
    InputError
        As of `gather` and `choose_panels`.
    """
    from cartarget.run.asking import open_run

    runs = [open_run(config) for config in configs]
    reach, fold = gather(runs, covers=asked.covers, fold_of=_folds(configs[0]))
    found = choose_panels(reach, fold=fold, asked=asked)
    found = replace(found, notes=(*found.notes, *_of_bulk(runs)))
    write_table("panel", found.panel, folder / "panel")
    write_table("panel_products", found.products, folder / "panel_products")
    if asked.prices is not None:
        write_table("panel_prices", found.prices, folder / "panel_prices")
    else:
        for kind in (".parquet", ".tsv"):
            (folder / "panel_prices").with_suffix(kind).unlink(missing_ok=True)
    return found


def _of_bulk(runs: Sequence[OpenRun]) -> list[str]:
    bulk = [opened.config.name for opened in runs if opened.run.panel.kind == "samples"]
    told = "bulk: a patient counts as served if his sample shows the gate; how many of his cells do is not known"
    return [f"{', '.join(bulk)}: {told}"] if bulk else []


def _folds(config: Config) -> Callable[[pd.DataFrame], NDArray[np.int64] | None]:
    """Deals patients into the run's number of folds, fewer if they are fewer; None: nobody can be held out."""
    from cartarget.selection.crossfit import deal_people

    def dealt(given: pd.DataFrame) -> NDArray[np.int64] | None:
        folds = min(config.trust.folds, given["donor"].nunique())
        return deal_people(given, folds=folds, seed=config.seed)[given["donor"].to_numpy()] if folds > 1 else None

    return dealt


def gather(
    runs: Sequence[OpenRun], *, covers: float, fold_of: Callable[[pd.DataFrame], NDArray[np.int64] | None]
) -> tuple[Reach, NDArray[np.int64] | None]:
    """Which gates cover enough of which patients of the runs, and the fold of each patient.

    The gates are those that any of the runs lists: its antigens, and its gates that gain on their members. A run judges
    those that only another one lists too, if all antigens are candidates of its own. Nothing is judged there (and
    serves nobody) if it senses an antigen whose signal is that of another cell type (`contaminant`).

    Parameters
    ----------
    runs
        Runs whose gates have been searched.
    covers
        Share of a tumour that a gate must hit to serve the patient, in (0, 1].
    fold_of
        Gives the fold of each patient from `donor` (a number), `side` and `tissue`, or None.

    Raises
    ------
    InputError
        A run has no patient.
    """
    names = [opened.config.name for opened in runs]
    listed = list(dict.fromkeys(gate for opened in runs for gate in listed_gates(opened)))
    parts = [_one_run(opened, listed, covers) for opened in runs]
    tumor = np.repeat(np.arange(len(runs)), [len(people) for people, _, _ in parts])
    people = np.concatenate([people for people, _, _ in parts])
    reach = Reach(
        gates=tuple(listed),
        tumors=tuple(names),
        tumor=tumor,
        covers=np.vstack([hit for _, hit, _ in parts]),
        classes=np.stack([classes for _, _, classes in parts]),
    )
    number = np.unique(people, return_inverse=True)[1].ravel()
    tissue = np.array(names, dtype=object)[tumor]
    return reach, fold_of(pd.DataFrame({"donor": number, "side": "tumor", "tissue": tissue}))


def listed_gates(opened: OpenRun) -> list[str]:
    """The gates of a run that may be products: safer ones first, of these smaller ones, of these the better ranked."""
    from cartarget.selection.ranking import NEGATIVE, place_of

    antigens = opened.antigens.assign(gate=opened.antigens["symbol"].map(quote), n_antigens=1)
    gates = opened.gates[~opened.gates["is_redundant"].fillna(False).astype(bool)]
    columns = ["gate", "n_antigens", "control", "safety_class"]
    told = pd.concat([table[columns].astype(object) for table in (antigens, gates)], ignore_index=True)
    told = told[~told["control"].fillna("").isin(NEGATIVE)].assign(place=lambda rows: place_of(rows["safety_class"]))
    told = told.sort_values(["place", "n_antigens"], kind="stable")
    return told["gate"].astype(str).drop_duplicates().tolist()


def _one_run(
    opened: OpenRun, listed: Sequence[str], covers: float
) -> tuple[NDArray[np.str_], NDArray[np.bool_], NDArray[np.int8]]:
    """Names of the patients; whether each gate covers enough, patients × gates; the class of each gate."""
    from cartarget.evidence.shares import patient_shares
    from cartarget.safety.judge import judge
    from cartarget.safety.scores import final_class

    panel, antigens = opened.run.panel, opened.antigens
    foreign = set(antigens.loc[antigens["contaminant"].fillna("").ne(""), "symbol"])
    held = set(opened.run.candidates)
    values = [Gate.parse(gate) for gate in listed]
    own = [at for at, gate in enumerate(values) if held.issuperset(gate.antigens) and not foreign & _sensed(gate)]
    gates = Gates.parse([values[at] for at in own], panel=panel)
    people, share = patient_shares(panel, gates=gates)
    if not len(people):
        raise InputError(f"run {opened.config.name}: none of its tumours has a patient, so nobody can be served")
    hit = np.zeros((len(people), len(listed)), dtype=bool)
    hit[:, own] = (share >= covers - 1e-9).T
    classes = np.full(len(listed), UNSCORED, dtype=np.int8)
    starts = range(0, len(gates), PART)
    parts = [gates.take(np.arange(low, min(low + PART, len(gates)))) for low in starts]
    judged = [final_class(panel, part, judge(panel, part)) for part in parts]
    classes[own] = np.concatenate([*judged, np.zeros(0, dtype=np.int64)])
    return np.array([panel.packed.donors[row] for row in people], dtype=str), hit, classes


def _sensed(gate: Gate) -> set[str]:
    return {one.symbol for one in gate.literals if not one.is_negated}


def choose_panels(reach: Reach, *, fold: NDArray[np.int64] | None, asked: Asked) -> Panelled:
    """Choose panels from gates known not to be over a cap and, said apart, with the unknown ones too.

    Parameters
    ----------
    reach
        Patients, gates and classes (`gather`).
    fold
        Fold of each patient; None: nobody is held out.
    asked
        What is asked. With prices also the cheapest panel and how it moves with them, of gates not over cap.

    Raises
    ------
    InputError
        A gate has no price.
    """
    known, wider = (reach.within(allowed) for allowed in SCOPES.values())
    parts = [_of_scope(KNOWN, known, reach=reach, fold=fold, asked=asked)]
    if wider.covers.sum() > known.covers.sum():
        parts.append(_of_scope(UNSURE, wider, reach=reach, fold=fold, asked=replace(asked, prices=None)))
    prices = pd.DataFrame()
    if asked.prices is not None:
        prices = price_sensitivity(known, share=asked.share, prices=asked.prices, patients=asked.patients)
    untested = [] if fold is not None else ["nobody was held out: fewer than two patients, or trust.folds is 0"]
    return Panelled(
        panel=pd.concat([rows for rows, _, _ in parts], ignore_index=True),
        products=pd.concat([products for _, products, _ in parts], ignore_index=True),
        prices=prices,
        notes=(*(note for _, _, notes in parts for note in notes), *untested),
    )


def _of_scope(
    scope: str, own: Reach, *, reach: Reach, fold: NDArray[np.int64] | None, asked: Asked
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The panels of some classes of gates, their products, and why the share is not reached where it is not."""
    choices: list[tuple[str, Callable[..., ProductPanel]]] = [
        (CURVE, partial(fullest_panel, most=len(panel.products))) for panel in panel_curve(own)
    ]
    choices.append((FEWEST, partial(smallest_panel, share=asked.share)))
    if asked.prices is not None:
        cheap = partial(cheapest_panel, share=asked.share, prices=asked.prices, patients=asked.patients)
        choices.append((CHEAPEST, cheap))
    panels = [(question, choose, choose(own)) for question, choose in choices]
    rows = pd.DataFrame([_row(panel, own, question, choose, fold) for question, choose, panel in panels])
    products = [
        product_rows(panel, own).assign(question=question) for question, _, panel in panels if question != CURVE
    ]
    small = next(panel for question, _, panel in panels if question == FEWEST)
    notes = [] if small.is_reached else [_shortfall(small, reach, scope=scope, asked=asked)]
    return rows.assign(scope=scope), pd.concat(products, ignore_index=True).assign(scope=scope), notes


def _row(
    panel: ProductPanel,
    own: Reach,
    question: str,
    choose: Callable[..., ProductPanel],
    fold: NDArray[np.int64] | None,
) -> dict[str, object]:
    tested = (
        pd.Series(dtype=float)
        if fold is None
        else held_out(own, fold=fold, choose=partial(choose, seconds=FOLD_SECONDS))
    )
    is_curve = question == CURVE
    return {
        "question": question,
        "n_products": len(panel.products),
        "products": "; ".join(panel.products),
        "n_patients": panel.n_patients,
        "n_asked": pd.NA if is_curve else panel.n_asked,
        "n_served": panel.n_served,
        "n_best": panel.n_best if is_curve else pd.NA,
        "is_reached": pd.NA if is_curve else panel.is_reached,
        "share_served": panel.n_served / panel.n_patients,
        "share_heldout": tested.get("share", np.nan),
        "share_heldout_lower": tested.get("lower", np.nan),
        "share_heldout_upper": tested.get("upper", np.nan),
        "patients": by_tumor(own, own.served(panel.products)),
        "cost": np.nan if panel.cost is None else panel.cost,
        "status": panel.status,
        "gap": panel.gap,
    }


def _shortfall(panel: ProductPanel, reach: Reach, *, scope: str, asked: Asked) -> str:
    """How near the panel came, and what binds."""
    reasons = what_binds(reach, allowed=SCOPES[scope])
    told = ", ".join(f"{n} by {reason}" for reason, n in reasons.items())
    return (
        f"{scope}: no panel serves {asked.share:g} of the patients ({panel.n_asked} of {panel.n_patients}); all gates "
        f"together serve {panel.n_served} ({panel.n_served / panel.n_patients:.2f}). The others are covered for "
        f"{asked.covers:g} of their tumour: {told}"
    )


def tell(found: Panelled) -> list[str]:
    """The panels in lines, for a reader at a terminal; what stands in files stands there in full."""
    lines = []
    for scope, rows in found.panel.groupby("scope", sort=False):
        lines += ["", f"Gates {scope}; patients served by the panel, and share of the next patients:"]
        lines += [_line(row) for row in rows.to_dict("records")]
    if len(found.prices):
        lines += ["", "Cheapest panel as prices move:"]
        lines += [_price_line(row) for row in found.prices.to_dict("records")]
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _line(row: dict[Hashable, Any]) -> str:
    n = f"{row['n_products']:>2} product{'s' if row['n_products'] != 1 else ''}"
    question = "" if row["question"] == CURVE else f", {row['question']} for {row['n_asked']}"
    cost = "" if pd.isna(row["cost"]) else f", cost {row['cost']:,.6g}"
    tested = "unknown"
    if not pd.isna(row["share_heldout"]):
        tested = f"{row['share_heldout']:.2f} [{row['share_heldout_lower']:.2f}, {row['share_heldout_upper']:.2f}]"
    proof = "" if row["gap"] == 0 else f"; gap {row['gap']:.3f} at the time limit"
    served = f"{row['n_served']} of {row['n_patients']}"
    if row["is_reached"] is False:
        question, served = f"{question}, not reached", f"{served} with every gate"
    return f"  {n}{question}{cost}: {served}, next {tested}{proof}: {row['products'] or 'no gate serves a patient'}"


def _price_line(row: dict[Hashable, Any]) -> str:
    moved = f"{row['product']} {row['kind']}, {row['amount']} × {row['factor']:g}" if row["amount"] else "as given"
    other = " (another panel)" if row["is_changed"] else ""
    return f"  {moved}: cost {row['cost']:,.6g}{other}: {row['products']}"
