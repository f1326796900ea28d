"""Search for gates: data, objective and templates in; the best gates and their certificate out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from tqdm import tqdm

from cartarget.errors import InputError
from cartarget.evidence.packed import Packed
from cartarget.evidence.stream import pack_stream
from cartarget.logic.gate import Gate
from cartarget.search.branch import Found, Search
from cartarget.search.clock import Clock
from cartarget.search.literals import Literals, literals
from cartarget.search.objectives import Objective, Terms, named, terms
from cartarget.search.result import Judge, SearchResult, certificate, gate_of, table
from cartarget.search.scoring import score
from cartarget.search.template import Template

BUDGET = 300.0
"""Seconds a template of four or five literals may take where no budget is given."""


def search_gates(
    data: AnnData | Packed,
    *,
    objective: str | Objective = "worst_population",
    templates: Sequence[str | Gate] = ("A & B", "A | B"),
    negate: bool = True,
    top: int = 100,
    threshold: float | None = None,
    populations: pd.DataFrame | None = None,
    not_only: bool = False,
    time_budget: float | None = None,
    resume: SearchResult | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> SearchResult:
    """Find the best gates of each template, exactly.

    Branch and bound over packed positivity. Leaves of a template are filled one by one; with the others open, the gate
    hits at most what it hits when they are all true, and at least what it hits when they are all false, so optimistic
    counts bound its score. AND can only lose coverage, OR can only add exposure, and an open branch of an OR adds at
    most what the best feasible gate of the smaller template reaches. The result does not depend on the number of
    threads.

    Parameters
    ----------
    data
        Packed positivity, or an AnnData that `pack_stream` can read (values above 0 are positive unless `threshold`).
    objective
        `worst_population` (mean coverage over patients, a cap on every normal population), `pooled`, `selectivity`,
        `rank`, or an `Objective` (see `cartarget.search.objectives`; `custom` for one of your own).
    templates
        Shapes over letters, one to five literals, each letter once.
    negate
        Each literal may be plain or negated. Else the signs in the templates count.
    top
        How many gates to return.
    threshold
        AnnData only: values at or above it are positive.
    populations
        `population` and any of `cap`, `weight`, `is_origin`, `evidence` (`cells`, or `samples`: a blocker earns no
        credit there), instead of the data's own; default cap 0.05, weight 1.
    not_only
        Allow gates that hit a cell without any of the antigens.
    time_budget
        Seconds for the whole search. None: templates of up to three literals take what they need, larger ones 300 s
        each. When it is over, the best found is returned with the bound that was proven.
    resume
        An earlier result of the same search, to go on from; it may have been pickled in between.
    n_threads
        None: all cores of the process.
    progress
        Show bars.

    Returns
    -------
    `SearchResult`: `table`, `certificate`, `shortlist`. Ties in the score are broken by fewer antigens, lower exposure,
    then the gate's text. An interrupt (Ctrl-C) ends the search as the budget does.

    Raises
    ------
    InputError
        No patient, no normal population, fewer antigens than literals, a NaN, or a setting out of range.
    GateError
        A template does not parse.

    Examples
    --------
    >>> from cartarget.evidence.packed import pack
    >>> packed = pack([[1, 0], [1, 1], [1, 1], [0, 1]], symbols=["X", "Y"], population=["p", "p", "liver", "liver"],
    ...               donor=["p", "p", "d", "d"], side=["tumor", "tumor", "normal", "normal"])
    >>> found = search_gates(packed, templates=["A & B"], progress=False)
    >>> found.table[["gate", "score", "gain"]].values.tolist()
    [['X & ~Y', 0.5, 0.5]]
    >>> bool(found.certificate["is_exact"].all())
    True
    """
    started = time.monotonic()
    record = named(objective)
    if top < 1:
        raise InputError(f"top is {top}: ask for at least 1 gate")
    if time_budget is not None and not time_budget >= 0:
        raise InputError(f"time_budget is {time_budget}: give seconds, 0 or more")
    shapes = _templates(templates, negate=negate)
    packed = data if isinstance(data, Packed) else pack_stream(data, threshold=threshold, progress=progress)
    _check(packed, shapes)
    pool = literals(packed, populations=populations, is_pooled=record.is_pooled)
    t = terms(record, _plain(pool.populations) if record.is_pooled else pool.populations)
    _probe(record, t)
    judge = Judge(pool, t, has_caps=record.has_caps, not_only=not_only)
    fingerprint = _fingerprint(pool, t, not_only, top)
    found = _resumed(resume, fingerprint)
    clock = Clock()
    search = Search(
        pool.pool, t, is_additive=record.is_additive, floor=-1.0 if record.has_caps else -np.inf, not_only=not_only,
        clock=clock, n_threads=n_threads,
        bar=lambda **options: tqdm(disable=not progress, unit="unit", delay=1, **options),
    )  # fmt: skip
    notes = {}
    with clock.heeding_interrupts():
        for template in shapes:
            limit = BUDGET if time_budget is None and template.n_literals > 3 else time_budget
            begun = started if time_budget is not None else time.monotonic()
            clock.restart(np.inf if limit is None else begun + limit)
            outcome = search.template(template, top=top, known=found.get(template.name))
            found[template.name] = outcome
            if not len(outcome.scores):
                notes[template.name] = _why_none(search, template, outcome, judge)
    chosen = {template.name: (template, found[template.name]) for template in shapes}
    return SearchResult(
        table=table(chosen, judge, top=top),
        certificate=certificate(chosen, notes, n_antigens=packed.n_antigens, not_only=not_only),
        objective=record,
        state=found,
        fingerprint=fingerprint,
    )


def _templates(templates: Sequence[str | Gate], *, negate: bool) -> list[Template]:
    if isinstance(templates, (str, Gate)):
        templates = [templates]
    made: dict[str, Template] = {}
    for text in templates:
        template = Template.of(text, negate=negate)
        made.setdefault(template.name if negate else template.rule, template)
    if not made:
        raise InputError("templates is empty: give at least one, such as 'A & B'")
    return list(made.values())


def _check(packed: Packed, shapes: list[Template]) -> None:
    for template in shapes:
        if template.n_literals > packed.n_antigens:
            needs = f"template {template.name!r} needs {template.n_literals} antigens"
            raise InputError(f"{needs}, but the data holds {packed.n_antigens}")


def _probe(objective: Objective, t: Terms) -> None:
    """Refuse a user's function that is no number where a gate hits nothing, the tumour, or everything."""
    tumor = np.arange(len(t.size)) < t.n_tumor
    for hits, share in (("nothing", 0 * tumor), ("the whole tumour and nothing else", 1 * tumor), ("everything", 1)):
        value = score((t.size * share).astype(np.int64), t, t.address)[0]
        if not np.isfinite(value):
            raise InputError(
                f"objective {objective.name!r} is {value} for a gate that hits {hits}: its function must give a finite "
                "number for all fractions between 0 and 1"
            )


def _plain(populations: pd.DataFrame) -> pd.DataFrame:
    return populations[["population", "side", "n_observations"]]


def _fingerprint(pool: Literals, t: Terms, not_only: bool, top: int) -> str:
    """What a search depends on; a result can be resumed only by the same."""
    digest = hashlib.sha256()
    for array in (pool.pool.rows, pool.pool.starts, t.size, t.limit, t.cap, t.weight, t.origin):
        digest.update(np.ascontiguousarray(array).tobytes())
    settings = (pool.symbols, t.kind, t.n_tumor, t.quantile, t.liability, t.floor, not_only, top)
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def _resumed(resume: SearchResult | None, fingerprint: str) -> dict[str, Found]:
    if resume is None:
        return {}
    if resume.fingerprint != fingerprint:
        raise InputError("resume: the earlier result is of other data, another objective or another top; start afresh")
    return {name: outcome.copy() for name, outcome in resume.state.items()}


def _why_none(search: Search, template: Template, outcome: Found, judge: Judge) -> str:
    """Which constraint no gate keeps, and by how much the nearest breaks it."""
    if not outcome.is_done:
        return "stopped before a feasible gate was found"
    search.clock.restart(time.monotonic() + BUDGET)
    nearest = search.template(template, top=1, floor=-np.inf)
    if not len(nearest.scores):
        return "no gate: every one needs no antigen to kill (allow them with not_only=True)"
    gate = gate_of(template, nearest.leaves[0], judge.literals)
    t, counts = judge.t, judge.counts(gate)
    fractions = (counts * t.scale)[t.n_tumor :]
    over = np.where(counts > t.limit, counts * t.scale - t.cap, -np.inf)[t.n_tumor :]
    worst = int(np.argmax(over))
    name = judge.literals.populations["population"].iloc[t.n_tumor + worst]
    proof = "" if nearest.is_done else " (nearest found in time)"
    return (
        f"infeasible: no gate keeps every cap; the nearest, {gate}, hits {fractions[worst]:.4g} of {name!r}, "
        f"{over[worst]:.4g} above its cap of {t.cap[t.n_tumor + worst]:.4g}{proof}"
    )
