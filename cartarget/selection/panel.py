"""Which products, and how few, serve most patients: the smallest panel, the cheapest, and what the next patients get.

A patient is served by a panel if one of its gates covers the share of his tumour that is asked for, and its safety
class in his tumour's run is one that is allowed. (The evidence panel of `cartarget.evidence.panel` is another thing.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.logic.gate import Gate
from cartarget.selection.cover import SECONDS, Cover, cheapest_cover, fullest_cover
from cartarget.selection.prices import Amount, Price, Prices
from cartarget.selection.reach import Reach, by_tumor, classes_by_tumor

MOST = 10
"""Products of the longest panel of the curve."""

FACTORS = (0.5, 2.0)
"""By which each price is multiplied, one at a time."""


@dataclass(frozen=True)
class ProductPanel:
    """A panel of products.

    Attributes
    ----------
    products
        Its gates.
    kinds
        `autologous` or `off-the-shelf`, one a product; none where no price was asked.
    n_patients, n_asked, n_served
        Patients in all, those whom the panel was to serve, and those whom it serves.
    n_best
        Patients whom no panel of as many products can better.
    cost
        Of having the products and treating the share asked for; None where no price was asked.
    status, gap
        Of the search: `optimal`, or `time limit` with the relative gap that is left.
    """

    products: tuple[str, ...]
    n_patients: int
    n_asked: int
    n_served: int
    n_best: int
    status: str
    gap: float
    kinds: tuple[str, ...] = ()
    cost: float | None = None

    @property
    def is_reached(self) -> bool:
        """Whether as many are served as were asked for."""
        return self.n_served >= self.n_asked


def smallest_panel(reach: Reach, *, share: float, seconds: float = SECONDS) -> ProductPanel:
    """Choose the fewest gates that serve a share of the patients; of panels as small, one that serves most.

    Parameters
    ----------
    reach
        Patients and gates that may serve them (`Reach.within`).
    share
        Share of the patients to serve, in (0, 1]; rounded up to whole patients.
    seconds
        Time for each of the two searches.

    Returns
    -------
    `ProductPanel`. If all gates together do not serve the share, the fewest gates that serve all who can be served, and
    `is_reached` is False.

    Raises
    ------
    InputError
        The share is not in (0, 1].

    Examples
    --------
    Four patients, three gates: A serves two of them, B two, one of whom A serves too, C the fourth. Three in four need
    A and B:

    >>> covers = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    >>> reach = Reach(("A", "B", "C"), ("read",), np.zeros(4, int), covers, np.zeros((1, 3), np.int8))
    >>> found = smallest_panel(reach, share=0.75)
    >>> found.products, found.n_served, found.n_asked, found.gap
    (('A', 'B'), 3, 3, 0.0)
    """
    asked = needed(share, len(reach.tumor))
    need = min(asked, int(reach.covers.any(axis=1).sum()))
    few = cheapest_cover(reach.covers, need=need, seconds=seconds)
    if not len(few.chosen):
        return _panel(reach, few, asked=asked, best=0)
    full = fullest_panel(reach, most=len(few.chosen), seconds=seconds)
    return replace(full, n_asked=asked, status=few.status, gap=few.gap)


def panel_curve(reach: Reach, *, most: int = MOST, seconds: float = SECONDS) -> list[ProductPanel]:
    """The panel of one, two, three … products that serves most patients, until all who can be served are.

    Examples
    --------
    >>> covers = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    >>> reach = Reach(("A", "B", "C"), ("read",), np.zeros(4, int), covers, np.zeros((1, 3), np.int8))
    >>> [(len(panel.products), panel.n_served) for panel in panel_curve(reach)]
    [(1, 2), (2, 3), (3, 4)]
    """
    reachable = int(reach.covers.any(axis=1).sum())
    found: list[ProductPanel] = []
    while len(found) < most and (found[-1].n_served if found else 0) < reachable:
        found.append(fullest_panel(reach, most=len(found) + 1, seconds=seconds))
    return found


def fullest_panel(reach: Reach, *, most: int, seconds: float = SECONDS) -> ProductPanel:
    """The panel of at most so many products that serves most patients."""
    full = fullest_cover(reach.covers, most=most, seconds=seconds)
    return _panel(reach, full, asked=0, best=full.bound)


def cheapest_panel(
    reach: Reach, *, share: float, prices: Prices, patients: int | None = None, seconds: float = SECONDS
) -> ProductPanel:
    """Choose the products that serve a share of the patients at the least cost.

    Each patient of the share is treated once, with the cheapest product of the panel that serves him; each product of
    the panel costs its fixed amount once, for all tumours together. Those beyond the share are not paid for.

    Parameters
    ----------
    reach, share, seconds
        As for :func:`smallest_panel`.
    prices
        What each gate costs, in each kind in which it can be had.
    patients
        How many patients there are, of whom the cohort is taken to be a sample: share × patients are treated. None:
        those of the cohort, in whole patients.

    Raises
    ------
    InputError
        A gate has no price, the share is not in (0, 1], or fewer than one patient is to be treated.

    Examples
    --------
    B's fixed cost is 5; A and C cost 1 and 2. Every treatment costs 1. Three of four: A serves two, C the third.

    >>> covers = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    >>> reach = Reach(("A", "B", "C"), ("read",), np.zeros(4, int), covers, np.zeros((1, 3), np.int8))
    >>> rows = [Price(gate, "autologous", fixed, 1.0, 2) for gate, fixed in (("A", 1.0), ("B", 5.0), ("C", 2.0))]
    >>> found = cheapest_panel(reach, share=0.75, prices=Prices("mine.tsv", tuple(rows)))
    >>> found.products, found.cost
    (('A', 'C'), 6.0)
    """
    n = len(reach.tumor)
    if patients is not None and patients < 1:
        raise InputError(f"patients: found {patients}; expected 1 or more")
    asked = needed(share, n)
    need = min(_treated(n, share=share, patients=patients), int(reach.covers.any(axis=1).sum()))
    offers = [(at, price) for at, gate in enumerate(reach.gates) for price in prices.of(gate)]
    column = np.array([at for at, _ in offers], dtype=np.int64)
    scale = (n if patients is None else patients) / n
    cover = cheapest_cover(
        reach.covers[:, column],
        need=need,
        fixed=np.array([price.fixed for _, price in offers]),
        each=np.array([price.per_patient * scale for _, price in offers]),
        seconds=seconds,
    )
    kinds = tuple(offers[at][1].kind for at in cover.chosen)
    own = replace(cover, chosen=column[cover.chosen])
    return replace(_panel(reach, own, asked=asked, best=0), kinds=kinds, cost=cover.value)


def price_sensitivity(
    reach: Reach, *, share: float, prices: Prices, patients: int | None = None, seconds: float = SECONDS
) -> pd.DataFrame:
    """The cheapest panel as prices stand, and with each amount of each line halved and doubled, one at a time.

    Parameters
    ----------
    reach, share, prices, patients, seconds
        As for :func:`cheapest_panel`; `seconds` is for each search.

    Returns
    -------
    The first row has the prices as given. `product`, `kind`, `amount` (`fixed` or `per_patient`), `factor` (what was
    multiplied, and by what), `products`, `n_products`, `n_asked`, `n_served`, `cost`, `cost_per_patient` (over those
    treated; missing where nobody is), `status`, `gap`, `is_changed` (other products, or of another kind). Lines that no
    gate uses and amounts of 0 are not moved.
    """
    used = {price.line: price for gate in reach.gates for price in prices.of(gate)}
    base = cheapest_panel(reach, share=share, prices=prices, patients=patients, seconds=seconds)
    n = len(reach.tumor)
    scale = (n if patients is None else patients) / max(n, 1)
    treated = min(_treated(n, share=share, patients=patients), base.n_served) * scale
    rows = [_priced(base, base, treated, ("", "", "", np.nan))]
    for row, amount, factor in _moves(used.values()):
        other = prices.times(row.line, amount, factor)
        found = cheapest_panel(reach, share=share, prices=other, patients=patients, seconds=seconds)
        rows.append(_priced(found, base, treated, (row.product, row.kind, amount, factor)))
    return pd.DataFrame(rows)


def _moves(used: Iterable[Price]) -> list[tuple[Price, Amount, float]]:
    amounts: tuple[Amount, ...] = ("fixed", "per_patient")
    every = ((row, amount, factor) for row in used for amount in amounts for factor in FACTORS)
    return [(row, amount, factor) for row, amount, factor in every if getattr(row, amount) > 0]


def held_out(reach: Reach, *, fold: NDArray[np.int64], choose: Callable[[Reach], ProductPanel | None]) -> pd.Series:
    r"""Choose a panel on all folds of patients but one, and count whom it serves in the one left out, in turn.

    .. math::
        \text{share} = \frac{1}{n} \sum_f \sum_{p \in f} [\text{panel chosen without } f \text{ serves } p]

    Nobody had a part in choosing the panel by which he is counted. The gates themselves, and their classes, are the
    run's, from everybody. The interval is Jeffreys' over :math:`n / (1 + K / (K - 1))` patients with :math:`K` folds:
    as folds share most of the patients who chose, their variance is raised as Nadeau and Bengio do (`crossfit`).

    Parameters
    ----------
    reach
        Patients and gates that may serve them.
    fold
        Fold of each patient (`crossfit.deal_people`).
    choose
        Gives the panel of some patients; None counts as a panel of no product.

    Returns
    -------
    `n_patients`, `n_served`, `share`, `lower`, `upper` (95 %); the share is missing where there is no patient, and the
    interval is [0, 1] if there is one fold.

    References
    ----------
    Nadeau & Bengio, Machine Learning 2003, doi:10.1023/A:1024068626366.
    """
    served = np.zeros(len(fold), dtype=bool)
    for number in np.unique(fold):
        own = fold == number
        panel = choose(reach.of(~own))
        served[own] = reach.served(panel.products if panel else ())[own]
    n, hits = len(fold), int(served.sum())
    share = hits / n if n else np.nan
    folds = len(np.unique(fold))
    effective = n / (1 + folds / (folds - 1)) if folds > 1 else 0.0
    lower, upper = fraction_interval(share, effective) if n else (np.nan, np.nan)
    return pd.Series({"n_patients": n, "n_served": hits, "share": share, "lower": float(lower), "upper": float(upper)})


def product_rows(panel: ProductPanel, reach: Reach) -> pd.DataFrame:
    """Each product of a panel: whom it serves, whom nobody else does, and what it shares with the others.

    Returns
    -------
    One row a product: `product`, `kind` (empty without prices), `n_served`, `n_only` (patients whom no other product of
    the panel serves), `patients` and `classes` (by tumour, in words), `antigens_shared` (those that another product of
    the panel holds too).

    Examples
    --------
    >>> covers = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    >>> reach = Reach(("A & B", "B & C"), ("read",), np.zeros(3, int), covers, np.zeros((1, 2), np.int8))
    >>> product_rows(smallest_panel(reach, share=1), reach)[["product", "n_served", "n_only", "antigens_shared"]].values
    array([['A & B', 2, 1, 'B'],
           ['B & C', 2, 1, 'B']], dtype=object)
    """
    place = {gate: at for at, gate in enumerate(reach.gates)}
    at = [place[gate] for gate in panel.products]
    own = reach.covers[:, at]
    antigens = [Gate.parse(gate).antigens for gate in panel.products]
    rows = []
    for number, gate in enumerate(panel.products):
        others = {symbol for other, held in enumerate(antigens) if other != number for symbol in held}
        rows.append({
            "product": gate,
            "kind": panel.kinds[number] if panel.kinds else "",
            "n_served": int(own[:, number].sum()),
            "n_only": int((own[:, number] & (own.sum(axis=1) == 1)).sum()),
            "patients": by_tumor(reach, own[:, number]),
            "classes": classes_by_tumor(reach, at[number]),
            "antigens_shared": ", ".join(symbol for symbol in antigens[number] if symbol in others),
        })  # fmt: skip
    names = ["product", "kind", "n_served", "n_only", "patients", "classes", "antigens_shared"]
    return pd.DataFrame(rows, columns=names)


def needed(share: float, n: int) -> int:
    """Whole patients that make a share of `n`.

    Examples
    --------
    >>> needed(0.8, 87), needed(0.75, 4)
    (70, 3)
    """
    if not 0 < share <= 1:
        raise InputError(f"share: found {share:g}; expected a share of the patients above 0 and up to 1, such as 0.8")
    return int(np.ceil(share * n - 1e-9))


def _treated(n: int, *, share: float, patients: int | None) -> float:
    """How many of a cohort of `n` are paid for: whole patients, or the share itself where it stands for others."""
    asked = needed(share, n)
    return asked if patients is None else min(share * n, asked)


def _panel(reach: Reach, cover: Cover, *, asked: int, best: float) -> ProductPanel:
    products = tuple(reach.gates[at] for at in cover.chosen)
    n_served = int(reach.served(products).sum())
    return ProductPanel(
        products=products,
        n_patients=len(reach.tumor),
        n_asked=asked,
        n_served=n_served,
        n_best=max(int(best), n_served),
        status=cover.status,
        gap=cover.gap,
    )


def _priced(
    found: ProductPanel, base: ProductPanel, treated: float, moved: tuple[str, str, str, float]
) -> dict[str, object]:
    cost = np.nan if found.cost is None else found.cost
    same = set(zip(found.products, found.kinds, strict=True)) == set(zip(base.products, base.kinds, strict=True))
    names = ("product", "kind", "amount", "factor")
    named = (f"{gate} ({kind})" for gate, kind in zip(found.products, found.kinds, strict=True))
    return dict(zip(names, moved, strict=True)) | {
        "products": "; ".join(named),
        "n_products": len(found.products),
        "n_asked": found.n_asked,
        "n_served": found.n_served,
        "cost": cost,
        "cost_per_patient": cost / treated if treated else np.nan,
        "status": found.status,
        "gap": found.gap,
        "is_changed": not same,
    }
