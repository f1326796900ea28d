"""Set cover with a proof: which columns serve the rows asked for at the least cost, solved by HiGHS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from cartarget.errors import InputError

OPTIMAL, LATE = "optimal", "time limit"
SECONDS = 60.0
"""Time that one question may take; what is left open then is stated as a gap."""

PART = 1000
"""Columns compared with all others at a time."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cover:
    """Columns chosen, and how sure it is that none are better.

    Attributes
    ----------
    chosen
        Columns, ascending.
    value
        Their cost, or the rows that they serve.
    bound
        What no choice can better.
    status
        `optimal`, or `time limit`.
    """

    chosen: NDArray[np.int64]
    value: float
    bound: float
    status: str

    @property
    def gap(self) -> float:
        """Distance of the value from the bound, as a share of the larger; 0 is a proof."""
        largest = max(abs(self.value), abs(self.bound))
        return abs(self.value - self.bound) / largest if largest > 0 else 0.0


@dataclass(frozen=True)
class Problem:
    """A cover made small: equal rows counted together, columns that another one betters left out.

    `keep` are the columns that stay, as numbers of the whole; `price` is the class of each of them in `prices`.
    """

    serves: Flags
    weight: Floats
    keep: NDArray[np.int64]
    fixed: Floats
    price: NDArray[np.int64]
    prices: Floats

    @property
    def reachable(self) -> float:
        """Rows that all columns together serve."""
        return float(self.weight[self.serves.any(axis=1)].sum())


def cheapest_cover(
    serves: Flags, *, need: float, fixed: Floats | None = None, each: Floats | None = None, seconds: float = SECONDS
) -> Cover:
    r"""Choose columns that serve at least `need` rows at the least cost.

    With :math:`x_j` whether column :math:`j` is chosen, :math:`f_j` what it costs, :math:`c` the classes of columns
    with the same price :math:`a_c` for a row served, and :math:`z_{pc}` the rows of kind :math:`p` (there are
    :math:`w_p`) served at that price,

    .. math::
        \min \sum_j f_j x_j + \sum_{p,c} a_c z_{pc} \quad \text{subject to} \quad
        z_{pc} \le w_p \sum_{j \in c,\, j \ni p} x_j, \quad \sum_c z_{pc} \le w_p, \quad \sum_{p,c} z_{pc} \ge n

    Rows beyond :math:`n` need not be served, and then cost nothing. Rows served by the same columns are one kind, and a
    column that serves no row which a cheaper or equal one does not serve is left out: neither changes the optimum.

    Parameters
    ----------
    serves
        Rows × columns.
    need
        Rows to serve; of 12.8 the thirteenth is served, and costs 0.8.
    fixed
        Cost of each column, 0 or more. None: 1, so that the number of columns is least.
    each
        Cost of each row that a column serves, one a column, 0 or more. None: nothing.
    seconds
        Time to search; then the best that was found is given, with its bound.

    Raises
    ------
    InputError
        All columns together serve fewer rows; the message says how many.

    References
    ----------
    Huangfu & Hall, Mathematical Programming Computation 2018, doi:10.1007/s12532-017-0130-5 (HiGHS).

    Examples
    --------
    >>> serves = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    >>> cheapest_cover(serves, need=3).chosen.tolist()
    [0, 1]
    >>> found = cheapest_cover(serves, need=3, fixed=np.array([1.0, 5.0, 2.0]), each=np.ones(3))
    >>> found.chosen.tolist(), found.value, found.gap
    ([0, 2], 6.0, 0.0)
    """
    problem = simplify(serves, fixed=fixed, each=each)
    if problem.reachable < need:
        raise InputError(f"{need:g} rows are to be served; all columns together serve {problem.reachable:g}")
    if need <= 0:
        return Cover(np.zeros(0, np.int64), 0.0, 0.0, OPTIMAL)
    first = _greedy(problem, need=need)
    start = _cost(problem, first, need)
    floor = _least_cost(problem, need)
    if start <= floor:
        return _cover(problem, first, start, start, OPTIMAL)
    cost = np.r_[problem.fixed, np.tile(problem.prices, len(problem.weight))]
    enough = LinearConstraint(_row(problem, columns=0.0, rows=1.0), need, np.inf)
    x, bound, status = _solve(problem, cost, enough, seconds)
    best = min((x, first), key=lambda chosen: _cost(problem, chosen, need)) if x is not None else first
    value = _cost(problem, best, need)
    return _cover(problem, best, value, value if status == OPTIMAL else min(max(bound, floor), value), status)


def fullest_cover(serves: Flags, *, most: int, seconds: float = SECONDS) -> Cover:
    """Choose at most `most` columns that together serve as many rows as possible.

    Examples
    --------
    >>> serves = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    >>> [fullest_cover(serves, most=k).value for k in (1, 2, 3)]
    [2.0, 3.0, 4.0]
    """
    problem = simplify(serves)
    first = _greedy(problem, most=most)
    start, ceiling = _served(problem, first), _most_served(problem, most)
    if start >= ceiling:
        return _cover(problem, first, start, start, OPTIMAL)
    cost = -np.r_[np.zeros(len(problem.keep)), np.ones(len(problem.weight))]
    few = LinearConstraint(_row(problem, columns=1.0, rows=0.0), -np.inf, most)
    x, bound, status = _solve(problem, cost, few, seconds)
    best = max((x, first), key=lambda chosen: _served(problem, chosen)) if x is not None else first
    value = _served(problem, best)
    limit = np.floor(min(-bound, ceiling) + 1e-6)
    return _cover(problem, best, value, value if status == OPTIMAL else max(limit, value), status)


def simplify(serves: Flags, *, fixed: Floats | None = None, each: Floats | None = None) -> Problem:
    """Count equal rows together and leave out columns that another one betters; of equal ones the first stays.

    Examples
    --------
    >>> problem = simplify(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0]], dtype=bool))
    >>> problem.keep.tolist(), problem.weight.tolist()
    ([1], [2.0, 1.0])
    """
    n = serves.shape[1]
    fixed = np.ones(n) if fixed is None else np.asarray(fixed, dtype=np.float64)
    each = np.zeros(n) if each is None else np.asarray(each, dtype=np.float64)
    rows, count = np.unique(serves[serves.any(axis=1)], axis=0, return_counts=True)
    keep = _undominated(rows, fixed, each)
    prices, price = np.unique(each[keep], return_inverse=True)
    order = np.argsort(-count, kind="stable")
    return Problem(
        rows[order][:, keep], count[order].astype(np.float64), keep, fixed[keep], np.ravel(price).astype(np.int64),
        prices,
    )  # fmt: skip


def _undominated(rows: Flags, fixed: Floats, each: Floats) -> NDArray[np.int64]:
    """Columns that no other one betters: it serves all that they serve, costs no more, and is better or comes first."""
    bits = np.packbits(rows, axis=0).T
    first: dict[tuple[bytes, float, float], int] = {}
    for column in np.flatnonzero(rows.any(axis=0)):
        first.setdefault((bits[column].tobytes(), fixed[column], each[column]), int(column))
    keep = np.array(list(first.values()), dtype=np.int64)
    own, f, a = rows[:, keep].astype(np.float32), fixed[keep], each[keep]
    size, at = own.sum(axis=0), np.arange(len(keep))
    lost = np.zeros(len(keep), dtype=bool)
    for low in range(0, len(keep), PART):
        part = at[low : low + PART]
        holds = own.T @ own[:, part] == size[part]
        holds &= (f[:, None] <= f[part]) & (a[:, None] <= a[part])
        better = (size[:, None] > size[part]) | (f[:, None] < f[part]) | (a[:, None] < a[part])
        lost[part] = (holds & better).any(axis=0)
    return keep[~lost]


def _solve(
    problem: Problem, cost: Floats, asked: LinearConstraint, seconds: float
) -> tuple[NDArray[np.int64] | None, float, str]:
    """Columns chosen (None: none was found in time), the bound, and the status."""
    n, m, classes = len(problem.keep), len(problem.weight), len(problem.prices)
    links = LinearConstraint(_links(problem), -np.inf, 0.0)
    together = sparse.hstack([sparse.csr_array((m, n)), sparse.kron(sparse.eye_array(m), np.ones((1, classes)))])
    upper = np.r_[np.ones(n), np.repeat(problem.weight, classes)]
    for presolve in (True, False):  # presolve fails on a few problems that the search itself solves
        found = milp(
            cost,
            constraints=[links, LinearConstraint(together.tocsr(), -np.inf, problem.weight), asked],
            bounds=Bounds(0.0, upper),
            integrality=np.r_[np.ones(n), np.zeros(m * classes)],
            options={"time_limit": seconds, "mip_rel_gap": 0.0, "presolve": presolve},
        )
        if found.status in (0, 1):
            break
    else:
        raise RuntimeError(f"HiGHS: {found.message}")
    bound = -np.inf if found.mip_dual_bound is None else float(found.mip_dual_bound)
    chosen = None if found.x is None else np.flatnonzero(found.x[:n] > 0.5)
    return chosen, bound, OPTIMAL if found.status == 0 else LATE


def _links(problem: Problem) -> sparse.csr_array:
    """Rows of a kind are served at a price only if a column of that price which serves them is chosen."""
    m, classes = len(problem.weight), len(problem.prices)
    kind, column = np.nonzero(problem.serves)
    row = kind * classes + problem.price[column]
    size = (m * classes, len(problem.keep))
    open_ = sparse.coo_array((-problem.weight[kind], (row, column)), shape=size)
    return sparse.hstack([open_, sparse.eye_array(m * classes)]).tocsr()


def _row(problem: Problem, *, columns: float, rows: float) -> Floats:
    """One constraint: the same factor for every column, and for every row served."""
    return np.r_[np.full(len(problem.keep), columns), np.full(len(problem.weight) * len(problem.prices), rows)][None]


def _greedy(problem: Problem, *, need: float = np.inf, most: int | None = None) -> NDArray[np.int64]:
    """Column by column the one that serves most rows more for what it costs."""
    open_, chosen = problem.weight.copy(), list[int]()
    each = problem.prices[problem.price]
    while problem.weight.sum() - open_.sum() < need and (most is None or len(chosen) < most) and open_.any():
        gain = np.minimum(open_ @ problem.serves, need - (problem.weight.sum() - open_.sum()))
        cost = problem.fixed + each * gain
        worth = np.where(gain > 0, gain / np.maximum(cost, 1e-12), -1.0)
        best = int(worth.argmax())
        if gain[best] <= 0:
            break
        chosen.append(best)
        open_[problem.serves[:, best]] = 0.0
    return np.sort(np.array(chosen, dtype=np.int64))


def _served(problem: Problem, chosen: NDArray[np.int64]) -> float:
    return float(problem.weight[problem.serves[:, chosen].any(axis=1)].sum())


def _cost(problem: Problem, chosen: NDArray[np.int64], need: float) -> float:
    """Cost of serving `need` rows with the columns chosen, each row by the cheapest that serves it."""
    each = problem.prices[problem.price[chosen]]
    price = np.where(problem.serves[:, chosen], each, np.inf).min(axis=1, initial=np.inf)
    order = np.argsort(price, kind="stable")
    before = np.cumsum(problem.weight[order]) - problem.weight[order]
    taken = np.clip(need - before, 0.0, problem.weight[order])
    return float(problem.fixed[chosen].sum() + (np.where(taken > 0, price[order], 0.0) * taken).sum())


def _most_served(problem: Problem, most: int) -> float:
    """What `most` columns serve at most: all that can be, or what the largest serve if none overlap."""
    size = np.sort(problem.weight @ problem.serves)[::-1]
    return min(problem.reachable, float(size[:most].sum()))


def _least_cost(problem: Problem, need: float) -> float:
    """No fewer columns than the largest need if none overlap, at the least price."""
    total = np.cumsum(np.sort(problem.weight @ problem.serves)[::-1])
    fewest = int(np.searchsorted(total, need)) + 1
    return float(np.sort(problem.fixed)[:fewest].sum() + problem.prices.min() * need)


def _cover(problem: Problem, chosen: NDArray[np.int64], value: float, bound: float, status: str) -> Cover:
    return Cover(np.sort(problem.keep[chosen]), value, float(bound), OPTIMAL if value == bound else status)
