"""What a user asks of a run: gates of their own, scored from its evidence; one gene, explained."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartarget.aliases import Names
from cartarget.config import Config, load_config
from cartarget.errors import GateError, InputError
from cartarget.run.inputs import Run, load_run

if TYPE_CHECKING:
    import pandas as pd

    from cartarget.evidence.panel import Panel
    from cartarget.logic.gate import Gate

REASONS = {
    "tissues_broken": "the cap is broken in",
    "tissues_unresolved": "not resolved in",
    "tissues_unmeasured": "not measured in",
    "protein_veto": "a stain vetoes in",
}
"""Columns of a score that say why its class is what it is, in words."""


MOST_PAIRED = 6000
"""Candidates of which all gates of two are screened in memory: some 50 million."""


@dataclass(frozen=True)
class Scored:
    """Gates scored: `table` (the columns of `gates`, in the order asked), `exposure`, and `notes` on names."""

    table: pd.DataFrame
    exposure: pd.DataFrame
    notes: tuple[str, ...]


class OpenRun:
    """A run whose evidence has been counted, to be asked; its tables are made when they are first asked for.

    Attributes
    ----------
    config, run
        What was asked for, and its evidence: `run.panel` is the panel that every score is made from.
    """

    def __init__(self, config: Config, run: Run, *, folder: Path | None) -> None:
        self.config, self.run, self._folder = config, run, folder

    def __repr__(self) -> str:
        panel = self.run.panel
        people = f"{int(panel.is_tumor.sum())} tumour and {int(panel.is_normal.sum())} normal populations"
        return (
            f"{self.config.name}: {len(self.run.candidates):,} candidate antigens, {people}\n"
            ".antigens  .gates  .exposure  .score([...])  .explain(...)"
        )

    @cached_property
    def antigens(self) -> pd.DataFrame:
        """The `antigens` table, best first."""
        from cartarget.run.steps import antigen_table

        return self._table("antigens", lambda: antigen_table(self.config, self.run))

    @cached_property
    def gates(self) -> pd.DataFrame:
        """The `gates` table: every gate of one or two candidates, best first.

        Raises
        ------
        InputError
            In memory, more than `MOST_PAIRED` genes are candidates.
        """
        from cartarget.run.steps import gate_table, larger_table

        if self._folder is None and len(self.run.candidates) > MOST_PAIRED:
            raise InputError(
                f"{len(self.run.candidates):,} candidates make too many gates to screen in memory (at most "
                f"{MOST_PAIRED:,} are paired); give a table of surface votes, screen(..., surface=...), or score gates "
                "of your own: .score([...])"
            )

        def table() -> pd.DataFrame:
            larger, _ = larger_table(self.config, lambda: self.run)
            return gate_table(self.config, self.run, antigens=self.antigens, larger=larger)[0]

        return self._table("gates", table)

    @cached_property
    def exposure(self) -> pd.DataFrame:
        """The `exposure` table: the gates of `gates`, place by place."""
        from cartarget.logic.batch import Gates
        from cartarget.selection.screen import expose

        panel = self.run.panel
        return self._table(
            "exposure", lambda: expose(panel, gates=Gates.parse(self.gates["gate"].tolist(), panel=panel))
        )

    def _table(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table of the run's folder; where there is none it is made now."""
        from cartarget.contracts import conform, read_table

        path = None if self._folder is None else self._folder / f"{name}.parquet"
        return read_table(name, path) if path is not None and path.exists() else conform(name, make())

    @property
    def _ranks(self) -> dict[str, int]:
        """Rank of each gate that the run ranked; empty where its gates were not screened."""
        is_screened = "gates" in self.__dict__ or (
            self._folder is not None and (self._folder / "gates.parquet").exists()
        )
        table = self.gates.dropna(subset="rank") if is_screened else None
        return {} if table is None else dict(zip(table["gate"].astype(str), table["rank"], strict=True))

    @cached_property
    def _names(self) -> Names:
        surface = self.run.surface
        others = dict(zip(surface["symbol"], surface["aliases"], strict=True)) if "aliases" in surface else {}
        return Names(surface["symbol"], others)

    @cached_property
    def _reasons(self) -> dict[str, str]:
        """Why each gene that the panel lacks is no candidate."""
        from cartarget.run.summary import why_not

        return why_not(self.run)

    def score(self, gates: str | Gate | Iterable[str | Gate]) -> Scored:
        """Score gates of any shape and size from the run's evidence.

        Parameters
        ----------
        gates
            One gate or several, as text (see `cartarget.Gate.parse`) or as gates. A name may be any that the gene has,
            in any case (`HER2` is read as ERBB2, and a note says so). An antigen may have a threshold of its own
            (`CEACAM5>=200`), in the unit of the tumours that order the ranking: any number of CPM, or counts that were
            counted. Half and twice the threshold then mean half and twice each.

        Returns
        -------
        Scored
            One row a gate, in the order asked, each rule once. `rank` is that of the run where the gate is among its
            ranked gates, else missing.

        Raises
        ------
        GateError
            A text is no gate, an antigen is no candidate of the run (with the reason), or a gate kills cells in which
            it senses nothing.
        InputError
            Cells were not counted at a threshold that is asked for; the message names those at which they were.
        """
        from cartarget.run.affinity import own_thresholds

        notes: dict[str, None] = {}
        asked = list(dict.fromkeys(self._read(gate, notes) for gate in _several(gates)))
        if not asked:
            raise GateError("no gate was given; write one such as 'CEACAM5 & ~PTPRC'")
        own = [gate for gate in asked if own_thresholds([gate])]
        parts = [[gate for gate in asked if gate not in own], own]
        tables, exposures = zip(*(self._scored(gates) for gates in parts if gates), strict=True)
        order = [str(gate) for gate in asked]
        return Scored(_in_order("gates", tables, order), _in_order("exposure", exposures, order), tuple(notes))

    def _scored(self, asked: Sequence[Gate]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows of `gates` and `exposure` of gates, all with or all without thresholds of their own."""
        from cartarget.contracts import conform
        from cartarget.logic.batch import Gates
        from cartarget.run.affinity import own_sweep, own_thresholds, with_own_columns, with_own_panel
        from cartarget.run.annotate import with_gate_columns, with_marks
        from cartarget.selection.larger import score_beside_parts
        from cartarget.selection.screen import expose

        config, is_own = self.config, bool(own_thresholds(asked))
        run = with_own_panel(self.run, config=config, gates=asked) if is_own else self.run
        sweep = own_sweep(self.run, config=config, gates=asked) if is_own else None
        table = score_beside_parts(run.panel, gates=asked, floor=config.coverage_floor)
        listed = Gates.parse(asked, panel=run.panel)
        if is_own:
            table = with_own_columns(table, run, gates=listed)
        else:
            table = with_gate_columns(table, run, gates=listed, limits=config.thresholds)
        table = _at_other_thresholds(table, run, config=config, sweep=sweep)
        table = with_marks(table, self.antigens, floor=config.coverage_floor)
        table["rank"] = table["gate"].map(self._ranks)
        return conform("gates", table), conform("exposure", expose(run.panel, gates=listed))

    def _read(self, asked: str | Gate, notes: dict[str, None]) -> Gate:
        """The gate over the panel's symbols."""
        from cartarget.logic.batch import renamed
        from cartarget.logic.gate import Gate, canonical
        from cartarget.logic.thresholds import split_threshold, with_threshold

        gate = Gate.parse(asked) if isinstance(asked, str) else asked
        if not isinstance(gate, Gate):
            raise GateError(f"found {asked!r}, which is no gate; write a text such as 'CEACAM5 & ~PTPRC'")
        split = {antigen: split_threshold(antigen) for antigen in gate.antigens}
        names = {name: self._symbol(name, gate) for name, _ in split.values()}
        notes.update(dict.fromkeys(f"{name} is read as {symbol}" for name, symbol in names.items() if name != symbol))
        found = {antigen: with_threshold(names[name], threshold) for antigen, (name, threshold) in split.items()}
        return canonical(renamed(gate, found))

    def _symbol(self, name: str, gate: Gate) -> str:
        if name in self.run.panel.index:
            return name
        try:
            symbol = self._find(name)
        except GateError as error:
            raise GateError(f"gate {str(gate)!r}: {error}") from None
        if symbol in self.run.panel.index:
            return symbol
        reason = self._reasons.get(symbol, "not measured by the tumour's atlas")
        raise GateError(f"gate {str(gate)!r}: {symbol} is no candidate of this run: {reason}")

    def _find(self, name: str) -> str:
        """The gene that a name means; a name that was lost on the way stands for itself, so that its reason is told."""
        try:
            return self._names.find(name)
        except GateError:
            if name in self._reasons:
                return name
            raise

    def explain(self, gene: str) -> str:
        """Say what the run makes of one gene.

        Parameters
        ----------
        gene
            Any name of the gene, in any case.

        Returns
        -------
        str
            Of a candidate its rank, class, worst place and why; of any other gene why it is no candidate.

        Raises
        ------
        GateError
            No gene of the tumour's atlas has this name (the nearest symbols are given), or several have it.
        """
        symbol = gene if gene in self.run.panel.index else self._find(gene)
        head = [] if symbol == gene else [f"{gene} is read as {symbol}."]
        rows = self.antigens[self.antigens["symbol"] == symbol]
        if rows.empty:
            reason = self._reasons.get(symbol, "not measured by the tumour's atlas")
            return "\n".join([*head, f"{symbol} is no candidate of this run: {reason}."])
        ranked = int(self.antigens["rank"].notna().sum())
        return "\n".join([*head, *_told(rows.iloc[0].to_dict(), ranked=ranked, floor=self.config.coverage_floor)])


def open_run(config: str | os.PathLike[str] | Config) -> OpenRun:
    """Open a run whose count step has been done, to score gates of one's own and to explain genes.

    Parameters
    ----------
    config
        The configuration, or its file.

    Returns
    -------
    OpenRun
        `open_run("mine.yaml").score(["CEACAM5 & MSLN"]).table`; `open_run("mine.yaml").explain("HER2")`.

    Raises
    ------
    ConfigError
        The configuration cannot be used.
    InputError
        The count step has not been done (`cartarget run` does all steps).

    Examples
    --------
    >>> from cartarget import Config
    >>> open_run(Config(name="absent"))
    Traceback (most recent call last):
    cartarget.errors.InputError: results/absent/work/evidence/simulated: no counted atlas; run the count step first ...
    """
    config = config if isinstance(config, Config) else load_config(config)
    return OpenRun(config, load_run(config), folder=config.run_dir)


def score_into(folder: Path, *, config: Config, gates: Sequence[str | Gate]) -> Scored:
    """Score gates as `OpenRun.score` does, and write `gates` and `exposure`, .parquet and .tsv, into a folder."""
    from cartarget.contracts import write_table

    scored = open_run(config).score(gates)
    write_table("gates", scored.table, folder / "gates")
    write_table("exposure", scored.exposure, folder / "exposure")
    return scored


def read_gates(path: str | os.PathLike[str]) -> list[str]:
    """Gates of a file, one a line; empty lines and what follows a `#` at the start of a line are passed over.

    Raises
    ------
    InputError
        The file cannot be read.
    GateError
        A line is no gate; the message names it.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "gates.txt"
    >>> _ = file.write_text("# mine\\nEPCAM & ~PTPRC\\n")
    >>> read_gates(file)
    ['EPCAM & ~PTPRC']
    """
    from cartarget.logic.gate import Gate

    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected a text file with one gate a line") from error
    found = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        try:
            Gate.parse(line)
        except GateError as error:
            raise GateError(f"{path}, line {number}: {error}") from None
        found.append(line)
    return found


def _several(gates: Any) -> Sequence[Any]:
    """One gate or several, as several; a text is never taken letter by letter."""
    from cartarget.logic.gate import Gate

    return [gates] if isinstance(gates, str | Gate) else list(gates)


def _in_order(name: str, parts: Sequence[pd.DataFrame], gates: Sequence[str]) -> pd.DataFrame:
    """Rows of a table that came in parts, in the order in which their gates were asked for."""
    import pandas as pd

    from cartarget.contracts import conform

    place = {gate: at for at, gate in enumerate(gates)}
    table = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    return conform(name, table.sort_values("gate", key=lambda own: own.astype(str).map(place), kind="stable"))


def _at_other_thresholds(
    table: pd.DataFrame, run: Run, *, config: Config, sweep: Mapping[str, Panel] | None
) -> pd.DataFrame:
    """Add the class of each gate at other thresholds; the rows as they came, and no rank among the gates asked."""
    import numpy as np
    import pandas as pd

    from cartarget.run.annotate import with_sweep

    swept = with_sweep(table.assign(rank=np.arange(1, len(table) + 1)), run, config=config, sweep=sweep)
    return (
        swept.set_index("gate").loc[table["gate"]].reset_index().assign(rank_sweep_lower=pd.NA, rank_sweep_upper=pd.NA)
    )


def _told(row: Mapping[str, Any], *, ranked: int, floor: float) -> list[str]:
    """An antigen's row in words."""
    import pandas as pd

    control = str(row["control"] or "")
    if pd.notna(row["rank"]):
        place = f"rank {int(row['rank']):,} of {ranked:,}"
    elif not row["is_eligible"]:
        place = f"not ranked, since its coverage is below the floor of {floor:g}"
    else:
        place = f"not ranked: {control or 'control'} gene"

    def number(name: str) -> str:
        return "unknown" if pd.isna(row[name]) else f"{row[name]:.3f}"

    def where(name: str) -> str:
        return "" if pd.isna(row[name]) else f" ({row[name]})"

    lines = [
        f"{row['symbol']}: {row['safety_class']}; {place}.",
        f"  coverage {number('coverage')} of {int(row['n_patients']):,} patients; liability {number('liability')}"
        f"{where('liability_population')}; selectivity {number('selectivity')}; window {number('window')}"
        f"{where('window_population')}.",
    ]
    lines += [f"  {text} {row[name]}." for name, text in REASONS.items() if pd.notna(row[name]) and row[name]]
    reason = "" if pd.isna(row["surface_reason"]) else f": {row['surface_reason']}"
    return [*lines, f"  surface evidence: {row['surface_status']}{reason}."]
