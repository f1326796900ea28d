"""Branch and bound over templates: best bound first, in threads, to be stopped at any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import spread, threads
from cartarget.logic.shapes import without
from cartarget.search.climb import climb, random_starts
from cartarget.search.clock import Clock
from cartarget.search.heap import LENGTH, Heap, new_heap
from cartarget.search.last_two import Task, Units, run
from cartarget.search.leaf import OpenLeaves, Plan, Problem, score_leaf, truth
from cartarget.search.literals import Pool
from cartarget.search.objectives import Terms
from cartarget.search.scoring import score
from cartarget.search.template import END, Template

TASKS = 16
"""Tasks of a batch, whatever the number of threads: so counts do not depend on it."""
CLIMBS = 8
"""Tasks of the climb that finds a first good answer."""
STARTS = 32
"""Random starts of it."""
GROWN = 8
"""Gates of each smaller template that a climb also starts from."""
SHARE = 0.1
"""Share of the time that is left in which each smaller template is searched for them."""


@dataclass
class Found:
    """What a search of one template knows: its best gates, and how far everything else is bounded."""

    scores: NDArray[np.float64]
    exposures: NDArray[np.float64]
    leaves: NDArray[np.int64]
    names: NDArray[np.int64]
    bound: float = np.inf
    is_done: bool = False
    n_tested: int = 0
    n_nodes: int = 0
    seconds: float = 0.0
    last: tuple[float, tuple[int, ...]] | None = None
    slacks: dict[int, float] = field(default_factory=dict)

    @staticmethod
    def nothing(k: int) -> Found:
        """Before a search for gates of `k` literals."""
        empty = np.empty(0)
        return Found(empty, empty, np.empty((0, k), dtype=np.int64), np.empty((0, LENGTH), dtype=np.int64))

    def theta(self, top: int) -> float:
        """Score that a gate must reach to be among the `top` best."""
        return float(self.scores[top - 1]) if len(self.scores) >= top else -np.inf

    def copy(self) -> Found:
        """A copy to go on from."""
        return replace(self, slacks=dict(self.slacks))

    def merge(self, heaps: list[Heap], top: int) -> None:
        """Take in what tasks found, in the order of results."""
        held = [(heap, int(heap.state[0])) for heap in heaps]
        scores = np.concatenate([self.scores, *(heap.scores[:n] for heap, n in held)])
        exposures = np.concatenate([self.exposures, *(heap.exposures[:n] for heap, n in held)])
        leaves = np.concatenate([self.leaves, *(heap.leaves[:n] for heap, n in held)])
        names = np.concatenate([self.names, *(heap.names[:n] for heap, n in held)])
        _, first = np.unique(names, axis=0, return_index=True)  # in the order of names
        best = first[np.lexsort((exposures[first], -scores[first]))][:top]
        self.scores, self.exposures, self.leaves, self.names = scores[best], exposures[best], leaves[best], names[best]

    def cut(self, floor: float) -> None:
        """Drop what scores no more than `floor`."""
        keep = self.scores > floor
        self.scores, self.exposures = self.scores[keep], self.exposures[keep]
        self.leaves, self.names = self.leaves[keep], self.names[keep]


def plan_of(template: Template, *, not_only: bool) -> Plan:
    """A template as compiled code reads it."""
    k = template.n_literals
    position = {leaf: i for i, leaf in enumerate(template.order)}
    ordered = np.zeros((k, k), dtype=np.bool_)
    for i, j in template.ordered:
        ordered[i, j] = True
    signs = [3 if template.is_signed else 1 + template.signs[leaf] for leaf in template.order]
    pair = np.ones(3, dtype=np.uint8)
    if not template.is_signed:
        pair[:] = 0
        pair[sum(template.signs[leaf] for leaf in template.order[-2:])] = 1
    prints, n_prints = _prints(template)
    return Plan(
        program=np.array(template.program, dtype=np.int64),
        last=template.last if k > 1 else -1,
        signs=np.array(signs, dtype=np.uint8),
        pair_signs=pair,
        ordered=ordered,
        places=np.array([position[leaf] for leaf in range(k)], dtype=np.int64),
        prints=prints,
        n_prints=n_prints,
        not_only=not_only,
    )


def _prints(template: Template) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The texts of a template, signs (a bit a leaf) × texts × codes, and how many texts each signs have."""
    k = template.n_literals
    texts = [template.prints(bool(bits >> leaf & 1) for leaf in range(k)) for bits in range(1 << k)]
    n_prints = np.array([len(rows) for rows in texts], dtype=np.int64)
    prints = np.full((len(texts), n_prints.max(), LENGTH), END, dtype=np.int64)
    for bits, rows in enumerate(texts):
        for row, codes in enumerate(rows):
            prints[bits, row, : len(codes)] = codes
    return prints, n_prints


class Search:
    """All templates over one pool and one objective; remembers what smaller templates can reach."""

    def __init__(
        self, pool: Pool, t: Terms, *, is_additive: bool, floor: float, not_only: bool, clock: Clock,
        n_threads: int | None, bar: Any,
    ) -> None:  # fmt: skip
        self.pool, self.t, self.not_only, self.clock = pool, t, not_only, clock
        self.is_additive, self.floor, self.n_threads, self.bar = is_additive, floor, threads(n_threads), bar
        self.reach: dict[str, float] = {}
        self.good: dict[str, NDArray[np.int64]] = {}
        everything = np.where(np.arange(len(t.size)) < t.n_tumor, t.size, 0).astype(np.int64)
        self.ceiling = float(score(everything, t, t.bound_address)[0])

    def template(
        self, template: Template, *, top: int, known: Found | None = None, floor: float | None = None
    ) -> Found:
        """The `top` best gates of a template that score above `floor`; None: the floor of the search."""
        floor = self.floor if floor is None else floor
        started = time.monotonic()
        k = template.n_literals
        found = known if known is not None else Found.nothing(k)
        if template.is_not_only and not self.not_only:
            found.bound, found.is_done = floor, True
        if found.is_done:
            return found
        problem = self._problem(template)
        found.bound = min(found.bound, self.ceiling)
        if k == 1:
            self._singles(problem, found, top, floor)
        else:
            self._seed(template, problem, found, top, floor)
            self._branch(template, problem, found, top, floor)
        found.seconds += time.monotonic() - started
        if len(found.leaves) >= GROWN:
            self.good[template.name] = found.leaves[:GROWN].copy()
        if found.is_done and floor == self.floor:
            self.reach[template.name] = found.bound
        return found

    def _problem(self, template: Template) -> Problem:
        return Problem(plan_of(template, not_only=self.not_only), self.pool, self.t)

    def _singles(self, problem: Problem, found: Found, top: int, floor: float) -> None:
        n = len(self.pool.rows)
        scores, exposures = np.empty(n), np.empty(n)
        chosen, none = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
        score_leaf(problem, chosen, 0, OpenLeaves(none, none, 0.0), scores, exposures)
        heap = new_heap(n, 1)
        sign = int(problem.plan.signs[0])
        usable = [i for i in range(n) if sign & (1 + (i & 1)) and (self.not_only or not i & 1) and scores[i] > floor]
        for row, literal in enumerate(usable):
            heap.scores[row], heap.exposures[row] = scores[literal], exposures[literal]
            heap.leaves[row, 0], heap.names[row, 0] = literal, self.pool.text[literal]
        heap.state[0] = len(usable)
        found.merge([heap], top)
        found.n_tested, found.is_done = n, True
        found.bound = float(found.scores[0]) if len(found.scores) else floor

    def _seed(self, template: Template, problem: Problem, found: Found, top: int, floor: float) -> None:
        """First good gates by climbing, so that pruning starts high: from anywhere, then from smaller gates."""
        if found.last is None:
            self._climb(problem, found, random_starts(problem.plan, self.pool, n=STARTS, seed=0), top, floor)
            self._climb(problem, found, self._grown(template), top, floor)

    def _climb(self, problem: Problem, found: Found, starts: NDArray[np.int64], top: int, floor: float) -> None:
        """Climb from each of the starts, and take in what is found on the way."""
        if self.clock.is_over or not len(starts):
            return
        heaps = [new_heap(top, len(problem.plan.signs)) for _ in range(CLIMBS)]

        def task(i: int) -> None:
            own = np.ascontiguousarray(starts[i::CLIMBS])
            climb(problem, own, floor, heaps[i], self.clock.stop)

        self._in_threads(task, CLIMBS)
        found.merge(heaps, top)
        found.cut(floor)

    def _grown(self, template: Template) -> NDArray[np.int64]:
        """Good gates of the templates that lack one leaf, with that leaf open: literal per position."""
        k = template.n_literals
        rows: list[NDArray[np.int64]] = []
        for gone in range(k) if k > 3 else ():
            smaller = without(template.gate, {gone})
            if smaller is None or self.clock.is_over:
                continue
            part = Template.of(smaller, negate=template.is_signed)
            if part.is_not_only and not self.not_only:
                continue
            letters = [template.gate.antigens.index(symbol) for symbol in smaller.antigens]
            positions = [template.order.index(leaf) for leaf in letters]
            leaves = self._good(part)
            row = np.full((len(leaves), k), -1, dtype=np.int64)
            row[:, positions] = leaves
            rows.append(row)
        return np.unique(np.concatenate(rows), axis=0) if rows else np.empty((0, k), dtype=np.int64)

    def _good(self, template: Template) -> NDArray[np.int64]:
        """A few good gates of a smaller template, remembered: the best, if they are found in a share of the time."""
        if template.name not in self.good:
            with self.clock.share(SHARE):
                found = self.template(template, top=GROWN)
            if len(found.leaves) < GROWN:  # gates that break a cap, which one more literal may mend
                problem = self._problem(template)
                starts = random_starts(problem.plan, self.pool, n=STARTS, seed=0)
                self._climb(problem, found, starts, GROWN, -np.inf)
            self.good[template.name] = found.leaves
        return self.good[template.name]

    def _in_threads(self, task: Callable[[int], None], n: int) -> None:
        """Run tasks in threads; when the time is over or somebody interrupts, ask them to stop."""
        with ThreadPoolExecutor(self.n_threads) as pool:
            waiting = {pool.submit(task, i) for i in range(n)}
            while waiting:
                done, waiting = wait(waiting, timeout=0.05, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if self.clock.is_over:
                    self.clock.stop[0] = 1

    def _open(self, template: Template, found: Found, depth: int) -> OpenLeaves:
        """What open leaves count as in the tumour once `depth` + 1 leaves stand, and what open branches may add.

        If the score is additive, a gate F(g | h) hits at most what F(g) and F(h) hit together, and F(h) is a gate of a
        smaller template that keeps every cap as well. So an open branch h of an OR adds at most the best of that one.
        """
        tumor, normal = np.ones(template.n_literals, dtype=np.bool_), np.zeros(template.n_literals, dtype=np.bool_)
        is_read = depth < template.n_literals - 2  # the last two leaves are searched without
        split = template.open_branch(depth) if is_read and self.is_additive else None
        if split is None:
            return OpenLeaves(tumor, normal, 0.0)
        positions, smaller = split
        tumor[list(positions)] = False
        if depth not in found.slacks:
            found.slacks[depth] = self._reach(smaller)
        return OpenLeaves(tumor, normal, found.slacks[depth])

    def _reach(self, smaller: Template) -> float:
        """The most that a feasible gate of a smaller template scores."""
        if smaller.name not in self.reach:
            outcome = self.template(smaller, top=1)
            self.reach[smaller.name] = outcome.bound
        return min(1.0, max(0.0, self.reach[smaller.name])) + 1e-9

    def _branch(self, template: Template, problem: Problem, found: Found, top: int, floor: float) -> None:
        depth = min(2, template.n_literals - 2)
        if found.last is None:
            found.slacks.clear()  # a search that was stopped may know only loose ones
        units = self._units(template, problem, found, max(found.theta(top), floor), depth)
        if units is None:
            return
        leaves, bounds = units
        open_leaves = self._open(template, found, depth)
        at, size = 0, 8
        if found.last is not None:
            done = [
                (-b, tuple(map(int, u))) <= (-found.last[0], found.last[1]) for b, u in zip(bounds, leaves, strict=True)
            ]
            at = int(np.sum(done))
        progress = self.bar(total=len(leaves), desc=template.name, initial=at)
        while True:
            theta = max(found.theta(top), floor)
            found.bound = float(bounds[at]) if at < len(leaves) else -np.inf
            if at >= len(leaves) or bounds[at] < theta - 1e-9:
                found.is_done = True
                break
            if self.clock.is_over:
                break
            batch = Units(leaves[at : at + size], bounds[at : at + size])
            heaps = self._batch(problem, found, batch, theta, open_leaves, top)
            found.merge(heaps, top)
            found.cut(floor)
            if self.clock.stop[0]:
                break
            at = min(at + size, len(leaves))
            found.last = (float(bounds[at - 1]), tuple(map(int, leaves[at - 1])))
            size = min(2 * size, 1 << 16)
            progress.update(at - progress.n)
            progress.set_postfix(best=f"{found.scores[0]:.4f}" if len(found.scores) else "none", refresh=False)
        progress.close()
        best = float(found.scores[0]) if len(found.scores) else floor
        found.bound = best if found.is_done else max(best, found.bound)

    def _batch(
        self, problem: Problem, found: Found, units: Units, theta: float, open_leaves: OpenLeaves, top: int
    ) -> list[Heap]:
        """Search some units in threads, and count what was done; what each task found."""
        heaps = [new_heap(top, len(problem.plan.signs)) for _ in range(TASKS)]
        tallies = np.zeros((TASKS, 2), dtype=np.int64)
        is_split = units.leaves.shape[1] == 0  # no leaf is given: the one unit is split among the tasks

        def task(i: int) -> None:
            chunk = slice(None) if is_split else slice(i, None, TASKS)
            own = Units(np.ascontiguousarray(units.leaves[chunk]), np.ascontiguousarray(units.bounds[chunk]))
            part, n_parts = (i, TASKS) if is_split else (0, 1)
            run(problem, own, theta, open_leaves, Task(heaps[i], tallies[i], self.clock.stop, part, n_parts))

        self._in_threads(task, TASKS if is_split else min(TASKS, len(units.leaves)))
        found.n_tested += int(tallies[:, 0].sum())
        found.n_nodes += int(tallies[:, 1].sum())
        return heaps

    def _units(self, template: Template, problem: Problem, found: Found, theta: float, depth: int) -> Units | None:
        """Literals of the first positions whose bound reaches `theta`, best bound first; None if the time was over."""
        units = Units(np.empty((1, 0), dtype=np.int64), np.array([self.ceiling]))
        for position in range(depth):
            open_leaves = self._open(template, found, position)
            rows, values = [], []

            extend = partial(self._extend, problem, units=units, open_leaves=open_leaves, theta=theta)
            for chunk in spread(extend, len(units.leaves), chunk=8, n_threads=self.n_threads):
                if self.clock.is_over:
                    return None
                for row, value in chunk:
                    rows.append(row)
                    values.append(value)
            leaves = np.concatenate(rows) if rows else np.empty((0, position + 1), dtype=np.int64)
            bounds = np.concatenate(values) if values else np.empty(0)
            order = np.lexsort((*leaves.T[::-1], -bounds))
            units = Units(leaves[order], bounds[order])
        return units

    def _extend(self, problem: Problem, first: int, last: int, *, units: Units, **more: Any) -> list[Units]:
        return [self._extend_one(problem, units.leaves[i], units.bounds[i], **more) for i in range(first, last)]

    def _extend_one(
        self, problem: Problem, unit: NDArray[np.int64], bound: float, *, open_leaves: OpenLeaves, theta: float
    ) -> Units:
        """A unit with each literal that may come next."""
        plan, position = problem.plan, len(unit)
        k, n = len(plan.signs), len(self.pool.rows)
        chosen = np.full(k, -1, dtype=np.int64)
        chosen[:position] = unit
        scores, exposures = np.empty(n), np.empty(n)
        score_leaf(problem, chosen, position, open_leaves, scores, exposures)
        scores = np.minimum(scores, bound)
        ids = np.arange(n)
        may = (scores >= theta - 1e-9) & ((int(plan.signs[position]) >> (ids & 1)) & 1 == 1)
        for i, literal in enumerate(unit):
            may &= ids >> 1 != literal >> 1
            if plan.ordered[i, position]:
                may &= self.pool.order > self.pool.order[literal]
        if not plan.not_only:
            for sign in range(2):
                chosen[position] = sign
                if truth(plan, chosen, False):
                    may &= ids & 1 != sign
        keep = ids[may]
        return Units(np.column_stack([np.tile(unit, (len(keep), 1)), keep]).astype(np.int64), scores[keep])
