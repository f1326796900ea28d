"""Which thresholds would each antigen need? The pair search over a few steps of each antigen of an open run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from cartarget.contracts import conform
from cartarget.errors import InputError
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.thresholds import with_threshold
from cartarget.run.affinity import other_unit, own_sweep, with_own_columns, with_own_panel
from cartarget.run.annotate import with_marks
from cartarget.run.asking import OpenRun
from cartarget.selection.affinity import screen_affinity
from cartarget.selection.ranking import is_firm
from cartarget.selection.sweep import half_and_twice


def affinity_search(asked: OpenRun, *, steps: Sequence[float], top: int = 10_000) -> pd.DataFrame:
    """Search every gate of one or two candidates, each at the threshold of the run or at one of a few steps.

    Two steps beside the threshold of the run take at most nine times the search of all pairs. Of each rule the
    thresholds that rank first are kept, and only where they earn it against the same rule at the threshold of the run
    (`cartarget.selection.affinity.screen_affinity`). Half and twice the threshold move each antigen's own.

    Parameters
    ----------
    asked
        An open run (`cartarget.open_run`, `cartarget.screen`).
    steps
        Thresholds in the unit of the tumours that order the ranking: any CPM, such as `[40, 160]`, or counts at which
        the cells were counted.
    top
        How many gates are asked, over all steps; fewer rules come back.

    Returns
    -------
    DataFrame
        The table `gates`, best first; `rank` is among these rows.

    Raises
    ------
    InputError
        No step, a step that is the threshold of the run or stands twice, or one at which the cells were not counted.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> opened = cartarget.screen(atlas, origin="colon", every_gene=True)
    >>> affinity_search(opened, steps=[2])["gate"].str.contains(">=").any()
    np.True_
    """
    run, config, limits = asked.run, asked.config, asked.config.thresholds
    own = limits.bulk if run.panel.kind == "samples" else limits.count
    if not len(steps) or len({*steps, own}) <= len(steps):
        raise InputError(
            f"steps: found {list(steps)}; expected thresholds other than that of the run ({own:g}), each once"
        )
    antigens = [*run.candidates, *(with_threshold(name, step) for step in steps for name in run.candidates)]
    singles = [Gate.literal(antigen) for antigen in antigens]
    full = with_own_panel(run, config=config, gates=singles)
    run = replace(full, panel=full.panel.take(antigens))
    names = half_and_twice(run.panel.kind, bulk=limits.bulk, count=limits.count)
    half, twice = (own_sweep(asked.run, config=config, gates=singles, only=names).get(name) for name in names)
    table = screen_affinity(
        run.panel, candidates=antigens, blockers=run.candidates if other_unit(run) else None,
        floor=config.coverage_floor, top=top, half=half, twice=twice,
    )  # fmt: skip
    table = table.assign(is_firm=is_firm(table))
    table = with_own_columns(table, run, gates=Gates.parse(table["gate"].tolist(), panel=run.panel))
    return conform("gates", with_marks(table, asked.antigens, floor=config.coverage_floor))
