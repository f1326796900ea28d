"""The steps of a run, file in and file out; the command line and the workflow call nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from cartarget.config import Config
from cartarget.contracts import conform, read_table, write_parts, write_table
from cartarget.files import on_disk, resource, sweep, whole
from cartarget.provenance import journal
from cartarget.run.checking import check_run
from cartarget.run.counting import COUNTED, count_step
from cartarget.run.inputs import (
    Run,
    counted_atlases,
    input_paths,
    load_run,
    part_path,
    resource_paths,
    work_path,
)
from cartarget.run.reading import read_step
from cartarget.run.resume import question

if TYPE_CHECKING:
    from cartarget.selection.screen import Screened

TSV_GATES = 200
PART = 1000
"""Gates whose exposure is in memory at a time."""


@dataclass(frozen=True)
class Step:
    """One step: its name, what it does, the keys of the configuration and the files that it reads, what it writes."""

    name: str
    function: Callable[[Config], None]
    keys: tuple[str, ...]
    inputs: Callable[[Config], list[str]]
    outputs: Callable[[Config], list[str]]

    def do(self, config: Config) -> None:
        """Do the step, and note what it was asked once its outputs are there."""
        sweep(self.outputs(config))
        self._note(config).unlink(missing_ok=True)
        asked = question(config, keys=self.keys, inputs=self.inputs(config))
        self.function(config)
        with whole(self._note(config)) as temporary:
            temporary.write_text(asked, encoding="utf-8")

    def is_done(self, config: Config) -> bool:
        """Whether its outputs are there and answer the very question that would be asked now."""
        note = self._note(config)
        paths = [note.as_posix(), *self.outputs(config), *self.inputs(config)]
        if not all(Path(path).exists() for path in paths):
            return False
        return note.read_text(encoding="utf-8") == question(config, keys=self.keys, inputs=self.inputs(config))

    def _note(self, config: Config) -> Path:
        return config.run_dir / "log" / f"{self.name}.json"


def screen_step(config: Config) -> None:
    """Score and rank single antigens."""
    write_table("antigens", antigen_table(config, load_run(config)), config.run_dir / "antigens")


def antigen_table(config: Config, run: Run) -> pd.DataFrame:
    """The `antigens` table of a run."""
    from cartarget.logic.batch import Gates
    from cartarget.run.annotate import with_antigen_columns, with_marks, with_sweep
    from cartarget.run.relatives import with_relatives
    from cartarget.selection.screen import screen_antigens

    table = screen_antigens(run.panel, floor=config.coverage_floor, surface=run.surface, controls=run.controls)
    symbols = pd.Index(run.panel.symbols).get_indexer(pd.Index(table["symbol"]))
    gates = Gates.singles(len(run.panel.symbols)).take(symbols)
    table = with_antigen_columns(table, run, gates=gates, limits=config.thresholds)
    table = with_sweep(table, run, config=config, name="symbol")
    table = with_relatives(table, config, outside=run.outside)
    return with_marks(table, table, floor=config.coverage_floor)


def gates_step(config: Config) -> None:
    """Score every gate of two antigens, rank those that gain, and write exposures place by place."""
    import numpy as np

    from cartarget.logic.batch import Gates
    from cartarget.selection.screen import expose

    run, antigens = load_run(config), read_table("antigens", config.run_dir / "antigens.parquet")
    larger = read_table("gates", config.run_dir / "work" / "larger.parquet")
    table, found = gate_table(config, run, antigens=antigens, larger=larger)
    write_table("gates", table, config.run_dir / "gates")
    ordered = found.gates.take(pd.Index(found.table["gate"]).get_indexer(pd.Index(table["gate"])))
    both = Gates.join([Gates.singles(len(run.panel.symbols)), ordered.take(np.flatnonzero(ordered.size > 1))])
    starts = tqdm(range(0, len(both), PART), desc="exposure", unit=" thousand gates", disable=None, leave=False)
    parts = (expose(run.panel, gates=both.take(np.arange(low, min(low + PART, len(both))))) for low in starts)
    best = set(table["gate"].head(TSV_GATES))
    write_parts("exposure", parts, config.run_dir / "exposure", in_tsv=lambda rows: rows["gate"].isin(best))
    _write_json(config.run_dir / "work" / "search.json", {"n_gates": found.n_gates, "n_eligible": found.n_eligible})


def gate_table(
    config: Config, run: Run, *, antigens: pd.DataFrame, larger: pd.DataFrame
) -> tuple[pd.DataFrame, Screened]:
    """The `gates` table of a run, and what the screen found; `larger` gates (`screen_larger`) are ranked with it."""
    from cartarget.run.annotate import run_sweep, with_gate_columns, with_marks, with_sweep
    from cartarget.selection.larger import with_larger
    from cartarget.selection.screen import screen_gates
    from cartarget.selection.sweep import half_and_twice

    limits, sweep = config.thresholds, run_sweep(run, config=config, symbols=run.panel.symbols)
    half, twice = half_and_twice(run.panel.kind, bulk=limits.bulk, count=limits.count)
    at_half, at_twice = sweep.get(half), sweep.get(twice)
    found = screen_gates(
        run.panel,
        candidates=run.candidates,
        floor=config.coverage_floor,
        top=config.top,
        controls=run.controls,
        half=at_half,
        twice=at_twice,
    )
    found = with_larger(found, larger, panel=run.panel, half=at_half, twice=at_twice)
    table = with_gate_columns(found.table, run, gates=found.gates, limits=limits)
    table = with_sweep(table, run, config=config, sweep=sweep)
    return with_marks(table, antigens, floor=config.coverage_floor), found


def larger_step(config: Config) -> None:
    """Search gates of three to five antigens of the shapes asked for, and score the best like any gate."""
    table, certificate = larger_table(config, lambda: load_run(config))
    with whole(config.run_dir / "work" / "larger.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    _write_json(config.run_dir / "work" / "larger.json", {"certificate": certificate})


def larger_table(config: Config, load: Callable[[], Run]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Larger gates that the configuration asks for, in the columns of `gates`, and what is proven of each shape.

    The run is loaded only if the configuration has a template.
    """
    from cartarget.run.annotate import empty
    from cartarget.selection.larger import screen_larger

    asked = config.larger
    if not asked.templates:
        return conform("gates", empty("gates")), []
    run = load()
    found = screen_larger(
        run.panel, candidates=run.candidates, templates=asked.templates, floor=config.coverage_floor,
        top=asked.top, minutes=asked.minutes,
    )  # fmt: skip
    table = found.table if len(found.table) else empty("gates")
    return conform("gates", table), json.loads(found.certificate.to_json(orient="records", double_precision=6))


def trust_step(config: Config) -> None:
    """Choose the shortlist, and hold it and the first gates to account: people, chance, contradictions, a cohort."""
    from cartarget.logic.batch import Gates
    from cartarget.run.annotate import empty, replications, run_conflicts, run_doublets
    from cartarget.run.escaping import run_escape
    from cartarget.safety.people import people_table
    from cartarget.selection.hardware import score_hardware
    from cartarget.selection.null import random_pairs
    from cartarget.selection.shortlist import shortlist, with_cohort
    from cartarget.selection.trust import assess_gates

    run, asked, limits = load_run(config), config.trust, config.thresholds
    antigens, gates = (read_table(name, config.run_dir / f"{name}.parquet") for name in ("antigens", "gates"))
    ideas = shortlist(gates, antigens=antigens, floor=config.coverage_floor)
    ranked = gates.loc[gates["rank"].notna(), "gate"]
    first = ranked[ranked.isin(ranked.head(asked.gates)) | (ranked.isin(ideas["gate"]) & (asked.gates > 0))].tolist()
    conflicts = run_conflicts(run, gates=first, bulk=limits.bulk)
    table, found = assess_gates(
        run.panel, gates=first, candidates=run.candidates, swept=gates, conflicts=conflicts, folds=asked.folds,
        bootstrap=asked.bootstrap, n_null=asked.chance, seed=config.seed, floor=config.coverage_floor,
    )  # fmt: skip
    write_table("trust", table, config.run_dir / "trust")
    write_table("conflicts", conflicts, config.run_dir / "conflicts")
    second = replications(run, gates, gates=first, config=config)
    write_table("replication", second, config.run_dir / "replication")
    write_table("shortlist", with_cohort(ideas, second), config.run_dir / "shortlist")
    told = ideas["gate"].drop_duplicates().tolist()
    hardware = score_hardware(run.panel, gates=told, floor=config.coverage_floor)
    write_table("hardware", hardware, config.run_dir / "hardware")
    escape = run_escape(run, told, antigens=antigens, ranked=gates, bulk=limits.bulk) if told else empty("escape")
    write_table("escape", escape, config.run_dir / "escape")
    people = people_table(run.panel, Gates.parse(told, panel=run.panel)) if told else empty("people")
    write_table("people", people, config.run_dir / "people")
    write_table("doublets", run_doublets(run, gates=first, count=limits.count), config.run_dir / "doublets")
    random = random_pairs(run.panel, candidates=run.candidates, seed=config.seed, floor=config.coverage_floor)
    random.to_parquet(config.run_dir / "work" / "random.parquet", index=False)
    procedure = [] if found is None else json.loads(found.procedure.to_json(orient="records", double_precision=6))
    _write_json(config.run_dir / "work" / "procedure.json", {"procedure": procedure})


def report_step(config: Config) -> None:
    """Describe the run, record where everything came from, and write the report."""
    from cartarget.provenance import describe_run, write_provenance
    from cartarget.report.render import render_report
    from cartarget.run.summary import describe

    run = load_run(config)
    inputs: list[str | dict[str, str]] = [*run.files, *resource_paths(config)]
    write_provenance(config, inputs=inputs)
    search = json.loads((config.run_dir / "work" / "search.json").read_text(encoding="utf-8"))
    tables = {name: read_table(name, config.run_dir / f"{name}.parquet") for name in ("antigens", "gates")}
    procedure = json.loads((config.run_dir / "work" / "procedure.json").read_text(encoding="utf-8"))["procedure"]
    random = pd.read_parquet(config.run_dir / "work" / "random.parquet")
    summary = describe(config, run, search=search, procedure=procedure, random=random, **tables) | describe_run(
        config, inputs=inputs
    )
    _write_json(config.run_dir / "summary.json", summary)
    _write_argument(config, run)
    render_report(config.run_dir)


def _write_argument(config: Config, run: Run) -> None:
    """Count the run at other thresholds too, for the reader who would argue about the threshold."""
    from cartarget.report.argue import argued_thresholds, counted_evidence, write_evidence

    key = "bulk" if run.panel.kind == "samples" else "count"
    unit = next(part.unit for part in run.parts if part.atlas == run.primary)
    base = float(getattr(config.thresholds, key))
    values = argued_thresholds(run.panel, unit=unit, base=base)
    others = [config.model_copy(update={"thresholds": config.thresholds.model_copy(update={key: v})}) for v in values]
    panels = [run.panel if v == base else load_run(other).panel for v, other in zip(values, others, strict=True)]
    tiers = resource(config.tiers).read_text(encoding="utf-8")
    gates = read_table("gates", config.run_dir / "gates.parquet")["gate"].tolist()
    evidence = counted_evidence(panels, thresholds=values, base=base, unit=unit, tiers=tiers, gates=gates)
    write_evidence(evidence, config.run_dir / "work" / "argue.npz")


def run(config: Config, *, last: str = "report") -> Path:
    """Do the steps in order, each logged; a step that was done and of which nothing has changed is left as it is.

    Parameters
    ----------
    config
        The run.
    last
        Name of the last step to do.

    Returns
    -------
    Folder of the results.

    Raises
    ------
    InputError
        Anything that `check_run` finds: a file that the run reads is not there, the indication is unknown …; nothing
        is written.
    """
    check_run(config)
    steps = steps_until(last)
    for number, step in enumerate(steps, start=1):
        done = step.is_done(config)
        print(f"[{number}/{len(steps)}] {step.name}{': nothing has changed' * done}", file=sys.stderr, flush=True)
        if not done:
            log = config.run_dir / "log" / f"{step.name}.log"
            with on_disk(config.run_dir), journal(log, title=step.name):
                step.do(config)
    return config.run_dir


def steps_until(last: str) -> tuple[Step, ...]:
    """The steps up to one of them, itself included."""
    return STEPS[: [step.name for step in STEPS].index(last) + 1]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with whole(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _tables(config: Config, *names: str) -> list[str]:
    return [f"{config.run_dir.as_posix()}/{name}.{kind}" for name in names for kind in ("parquet", "tsv")]


def _inside(config: Config, *names: str) -> list[str]:
    return [f"{config.run_dir.as_posix()}/{name}" for name in names]


def _evidence(config: Config) -> list[str]:
    """What the read and count steps leave."""
    return [*STEPS[0].outputs(config), *STEPS[1].outputs(config)]


def _stored(config: Config) -> list[str]:
    return [work_path(config, atlas).as_posix() for atlas in config.used_atlases]


JUDGED = ("primary", "indication", "origin", "sex", "thresholds", "coverage_floor")
"""Keys by which antigens and gates are judged, alone and together."""

STEPS: tuple[Step, ...] = (
    Step(
        "read",
        read_step,
        keys=("atlases", "primary", "data_dir", "indication", "genes", "surface", "seed"),
        inputs=input_paths,
        outputs=lambda config: [
            *_stored(config),
            *_inside(config, "work/genes.parquet", "work/outside.parquet", "genes_lost.tsv", "batches.tsv"),
        ],
    ),
    Step(
        "count",
        count_step,
        keys=COUNTED,
        inputs=lambda config: [*STEPS[0].outputs(config), *resource_paths(config)],
        outputs=lambda config: [
            (part_path(config, atlas) / "part.json").as_posix() for atlas in counted_atlases(config)
        ],
    ),
    Step(
        "screen",
        screen_step,
        keys=JUDGED,
        inputs=lambda config: [*_evidence(config), *resource_paths(config)],
        outputs=lambda config: _tables(config, "antigens"),
    ),
    Step(
        "larger",
        larger_step,
        keys=(*JUDGED, "larger"),
        inputs=lambda config: [*_evidence(config), *resource_paths(config)],
        outputs=lambda config: _inside(config, "work/larger.parquet", "work/larger.json"),
    ),
    Step(
        "gates",
        gates_step,
        keys=(*JUDGED, "top"),
        inputs=lambda config: [
            *_evidence(config),
            *_tables(config, "antigens"),
            *_inside(config, "work/larger.parquet"),
            *resource_paths(config),
        ],
        outputs=lambda config: [*_tables(config, "gates", "exposure"), *_inside(config, "work/search.json")],
    ),
    Step(
        "trust",
        trust_step,
        keys=(*JUDGED, "trust", "seed"),
        inputs=lambda config: [*_evidence(config), *_tables(config, "antigens", "gates"), *resource_paths(config)],
        outputs=lambda config: [
            *_tables(config, "shortlist", "hardware", "escape", "people"),
            *_tables(config, "trust", "conflicts", "replication", "doublets"),
            *_inside(config, "work/procedure.json", "work/random.parquet"),
        ],
    ),
    Step(
        "report",
        report_step,
        keys=tuple(Config.model_fields),
        inputs=lambda config: [path for step in STEPS[:-1] for path in step.outputs(config)],
        outputs=lambda config: _inside(
            config, "summary.json", "provenance.json", "config.yaml", "work/argue.npz", "report.html"
        ),
    ),
)
