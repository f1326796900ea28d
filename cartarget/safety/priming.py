"""What would an IF-THEN product hurt? One antigen arms the T cell anywhere in a tissue, another marks what it kills.

No rule of safety stands here. In a tissue that arms, such a product is a CAR against the second antigen, and is judged
as that antigen alone; elsewhere it is the AND, and is judged as that. Both judgements are those of `safety.judge`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cartarget.evidence.ambient import MICROENVIRONMENT
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.safety.conjunction import BELOW, EXPOSED, NO_VALUE, UNRESOLVED
from cartarget.safety.judge import Judged, classed, judge
from cartarget.safety.known import SEEN, Flags, known

_URGENCY = np.argsort(np.array([BELOW, NO_VALUE, UNRESOLVED, EXPOSED]))
"""Of each state of a summary or stain, how bad it is."""


class Primed(NamedTuple):
    """IF-THEN products held against the evidence.

    Attributes
    ----------
    judged
        The product in each place, and its class.
    kill
        What it kills, alone and armed everywhere.
    may_arm
        Where the T cell is armed or may be, gates × populations and units.
    """

    judged: Judged
    kill: Judged
    may_arm: Flags


class _Where(NamedTuple):
    """Where the T cell is armed, or may be: gates × populations, units and required places."""

    populations: Flags
    units: Flags
    places: Flags


def judge_primed(panel: Panel, *, prime: Gates, kill: Gates, both: Gates) -> Primed:
    """Hold IF-THEN products against all evidence: IF `prime` is anywhere in a tissue THEN `kill` dies there.

    A tissue arms where a population of it carries the primer in 5 % of its observations or more, or a summary shows it.
    So do the tumour's surroundings and the tissues of its origin if tumours carry the primer: it grows among them.
    There each place is the worse of `kill` alone and `both`. Where the primer may be, since nothing says that it is
    absent, the place is what `both` makes of it, and unresolved if `kill` alone would not keep the cap. In tumours of
    cells a patient arms by 5 % of the malignant cells. A primer is absent only from a tissue that measured it.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    prime, kill, both
        What arms, what is killed, and the AND of the two, gate by gate; none has a blocker.

    Returns
    -------
    `Primed`. Nothing in it is safer than `both`.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=5, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=["lung"], origin=["colon"])
    >>> prime, kill, both = (Gates.parse([text], panel=panel) for text in ("CEACAM5", "MSLN", "CEACAM5 & MSLN"))
    >>> judge(panel, both).safety_class.tolist()
    [0]
    >>> judge_primed(panel, prime=prime, kill=kill, both=both).judged.safety_class.tolist()
    [3]
    """
    about = known(panel)
    tumor = ~panel.is_normal & (judge(panel, prime).low >= SEEN)
    at_home = np.array([tissue in {*panel.origin, MICROENVIRONMENT} for tissue in about.tissues], dtype=bool)
    is_carried = np.asarray(tumor.any(axis=1))
    present = prime.evaluate(about.present, ~about.present) | (is_carried[:, None] & at_home)
    maybe = about.present | ~(about.absent & _measured(panel))
    doubt = prime.evaluate(maybe, ~maybe) & ~present
    armed, open_ = _where(panel, present), _where(panel, doubt)
    tumor = tumor & panel.is_cells
    armed = armed._replace(populations=armed.populations | tumor)
    alone = judge(panel, kill)
    may_arm = np.hstack([armed.populations | open_.populations, armed.units | open_.units])
    return Primed(classed(panel, _put_together(panel, judge(panel, both), alone, armed, open_)), alone, may_arm)


def _measured(panel: Panel) -> Flags:
    """Antigens × tissues: measured in enough donors and cells of the tissue to tell, or by an RNA summary."""
    about = known(panel)
    by_summary = ~np.isnan(panel.value) & (panel.units["evidence"] == "summary").to_numpy(dtype=bool)
    return about.anywhere(panel.packed.is_measured & about.tells, by_summary)


def _where(panel: Panel, tissues: Flags) -> _Where:
    about = known(panel)
    places = tissues.astype(np.int64) @ about.in_tissue.T > 0
    return _Where(about.at_populations(tissues), tissues[:, about.of_unit], places)


def _put_together(panel: Panel, both: Judged, alone: Judged, armed: _Where, open_: _Where) -> Judged:
    """Place by place the AND, or the worse of it and of what is killed where the T cell is armed."""
    here, may_be = armed.populations, armed.populations | open_.populations
    breaks = both.breaks | (here & alone.breaks)
    unresolved = both.unresolved | (here & alone.unresolved)
    unresolved |= open_.populations & (alone.breaks | alone.unresolved)
    low = np.where(here, np.maximum(both.low, alone.low), both.low)
    state = _state(both, alone, armed.units, open_.units)
    anywhere = (armed.places | open_.places).any(axis=1) | may_be.any(axis=1)
    return replace(
        both,
        low=low,
        high=np.maximum(np.where(may_be & alone.bounded, np.maximum(both.high, alone.high), both.high), low),
        trans=np.maximum(both.trans, low),
        n_positive=np.where(here, alone.n_positive, both.n_positive),
        n_effective=np.where(here, alone.n_effective, both.n_effective),
        complete=np.where(may_be, both.complete & alone.complete, both.complete),
        told=both.told | (here & alone.told),
        bounded=both.bounded | (may_be & alone.bounded),
        is_explained=both.is_explained & ~may_be,
        unit_explained=both.unit_explained & ~(armed.units | open_.units),
        people_over=np.where(here, np.maximum(both.people_over, alone.people_over), both.people_over),
        unit_state=state,
        breaks=breaks,
        unit_breaks=(state == EXPOSED) & panel.is_unit_capped,
        unresolved=unresolved & ~breaks,
        unit_unresolved=(state == UNRESOLVED) & panel.is_unit_capped,
        decided=both.decided & (alone.decided | ~(armed.places | open_.places)),
        may_decide=both.may_decide & (alone.may_decide | ~anywhere),
    )


def _state(both: Judged, alone: Judged, armed: Flags, open_: Flags) -> np.ndarray:
    """What summaries and stains say: where the T cell may be armed, what exposes the second antigen is open."""
    doubtful = np.where(alone.unit_state == EXPOSED, UNRESOLVED, alone.unit_state)
    other = np.where(armed, alone.unit_state, np.where(open_, doubtful, both.unit_state)).astype(np.int8)
    return np.where(_URGENCY[other] > _URGENCY[both.unit_state], other, both.unit_state).astype(np.int8)
