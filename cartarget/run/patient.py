"""`cartarget patient`: the gates of a run ranked for one person's tumour, and the page that tells it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cartarget.config import Config
from cartarget.contracts import read_table
from cartarget.errors import InputError
from cartarget.files import as_plain_text, sha256, whole
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.provenance import versions
from cartarget.run.annotate import with_sweep
from cartarget.run.asking import REASONS, OpenRun, open_run
from cartarget.run.sample import Sample, read_sample
from cartarget.selection.patient import OVER_CAP, Choice, choose_for_patient
from cartarget.selection.ranking import AT_OTHER_THRESHOLDS, NEGATIVE
from cartarget.selection.screen import score_gates

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = (
    "gate", "rank", "safety_class", "class_half", "class_twice", "coverage", "liability", "liability_population",
    *REASONS,
)  # fmt: skip
"""Columns of the run's tables that the patient's table shows, as the run has them."""


RANKED_BY = ("safety_class", "is_eligible", "selectivity", "window", "is_protein_known")
"""Columns by which the run ranks."""


@dataclass(frozen=True, eq=False)
class Told:
    """What was written for one patient: the name by which he is called, the choice, and the files."""

    name: str
    choice: Choice
    html: Path
    tsv: Path
    pdf: Path | None


def tell_patient(sample: str | os.PathLike[str], *, config: Config, show_identifiers: bool = False) -> Told:
    """Rank a run's gates for the tumour of one person, and write `<run>/patient/P01.html`, `.tsv`, `.json` and `.pdf`.

    The safety of each gate is read from the run's tables and not judged again; no normal atlas is read. The same
    sample keeps its number; another gets the next.

    Parameters
    ----------
    sample
        The tumour: see :func:`cartarget.run.sample.read_sample`.
    config
        The run, whose gates have been searched.
    show_identifiers
        Whether the page names the file and the donor, and errors quote the sample.

    Returns
    -------
    `Told`; `pdf` is None where there is no Chromium on the path.

    Raises
    ------
    ConfigError, InputError
        The run has no gates yet, or anything that `read_sample` rejects.

    Examples
    --------
    >>> tell_patient("absent.h5ad", config=Config(name="absent"))
    Traceback (most recent call last):
    cartarget.errors.InputError: results/absent/gates.parquet: no gates yet; run `cartarget run CONFIG` first
    """
    from cartarget.report.patient import render_patient
    from cartarget.report.pdf import find_chromium, print_pdf

    _require_gates(config)
    opened = open_run(config)
    gates = run_gates(opened)
    members = dict.fromkeys(symbol for gate in gates["gate"] for symbol in Gate.parse(gate).antigens)
    read = read_sample(sample, config=config, run=opened.run, symbols=list(members), show_identifiers=show_identifiers)
    choice = choose_for_patient(read.tumor, gates=gates, floor=config.coverage_floor)
    folder = config.run_dir / "patient"
    name = number_of(folder, digest=read.digest)
    facts = _facts(opened, read, choice, name=name) | {"identifiers": read.identifiers if show_identifiers else ()}
    html, tsv = folder / f"{name}.html", folder / f"{name}.tsv"
    _write(tsv, lambda path: _table(choice).to_csv(path, sep="\t", index=False, float_format="%.6g"))
    _write(html, lambda path: path.write_text(render_patient(choice, facts=facts), encoding="utf-8"))
    record = {
        "patient": name,
        "sample": {"sha256": read.digest, "kind": read.tumor.kind},
        "run": config.name,
        "tables": [{"table": path.name, "sha256": sha256(path)} for path in _run_tables(config)],
        "versions": versions(),
    }
    _write(folder / f"{name}.json", lambda path: path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8"))
    browser = find_chromium()
    html.with_suffix(".pdf").unlink(missing_ok=True)
    pdf = None if browser is None else print_pdf(html, chromium=browser)
    return Told(name, choice, html, tsv, pdf)


def run_gates(opened: OpenRun) -> pd.DataFrame:
    """Gates and antigens of a run with what it says of each: ranked gates, and every antigen that is no control.

    An antigen is here also where few patients of the run carry it: this one may be among them. The run does not ask
    what class such an antigen has at half and at twice the threshold, so that is judged here, from the evidence store.
    """
    antigens, gates = (read_table(path.stem, path) for path in _run_tables(opened.config))
    own = _at_other_thresholds(antigens[~antigens["control"].fillna("").isin(NEGATIVE)], opened)
    alone = own.assign(gate=[str(Gate.literal(symbol)) for symbol in own["symbol"]], rank=pd.NA)
    listed = [gates[gates["rank"].notna()], alone]
    found = pd.concat([table[list(KEPT)].astype({"rank": "Int64"}) for table in listed], ignore_index=True)
    return found.drop_duplicates("gate").reset_index(drop=True)


def _at_other_thresholds(antigens: pd.DataFrame, opened: OpenRun) -> pd.DataFrame:
    """The same with the classes at half and twice the threshold of those that are not over cap and were not ranked."""
    is_open = antigens["rank"].isna() & antigens["safety_class"].ne(OVER_CAP)
    if not is_open.any():
        return antigens
    asked = antigens.loc[is_open, ["symbol", *RANKED_BY]].assign(rank=range(1, int(is_open.sum()) + 1))
    swept = with_sweep(asked, opened.run, config=opened.config, name="symbol").set_index("symbol")
    told = {name: swept[name].reindex(antigens["symbol"]).set_axis(antigens.index) for name in AT_OTHER_THRESHOLDS}
    return antigens.assign(**{name: antigens[name].where(~is_open, classes) for name, classes in told.items()})


def _require_gates(config: Config) -> None:
    if not all(path.exists() for path in _run_tables(config)):
        raise InputError(f"{config.run_dir.as_posix()}/gates.parquet: no gates yet; run `cartarget run CONFIG` first")


def _run_tables(config: Config) -> list[Path]:
    return [config.run_dir / f"{name}.parquet" for name in ("antigens", "gates")]


def number_of(folder: Path, *, digest: str) -> str:
    """What a sample is called: its number if it has one, else the next.

    Examples
    --------
    >>> number_of(Path("absent"), digest="e3b0")
    'P01'
    """
    known = {path.stem: path for path in folder.glob("P*.json") if re.fullmatch(r"P\d+", path.stem)}
    for name, path in sorted(known.items()):
        if json.loads(path.read_text(encoding="utf-8"))["sample"]["sha256"] == digest:
            return name
    return f"P{1 + max((int(name[1:]) for name in known), default=0):02d}"


def _table(choice: Choice) -> pd.DataFrame:
    return as_plain_text(choice.table.drop(columns="n_antigens"))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    with whole(path) as temporary:
        write(temporary)


def _facts(opened: OpenRun, read: Sample, choice: Choice, *, name: str) -> dict[str, Any]:
    """What the page says beside the choice."""
    config, run, tumor = opened.config, opened.run, read.tumor
    both = None
    if tumor.kind == "cells" and choice.second is not None:
        either = Gates.parse(f"({choice.first}) | ({choice.second})", panel=run.panel)
        both = str(score_gates(run.panel, gates=either, floor=config.coverage_floor)["safety_class"].iloc[0])
    return {
        "name": name,
        "title": config.title or run.indication.name,
        "run": config.name,
        "is_simulated": any(atlas.reader == "simulated" for atlas in config.used_atlases),
        "floor": config.coverage_floor,
        "n_patients": int(run.panel.populations.loc[run.panel.is_tumor, "n_donors"].sum()),
        "kind": tumor.kind,
        "n": tumor.n,
        "threshold": tumor.threshold,
        "notes": read.notes,
        "both": both,
        "reasons": REASONS,
        "lacking": [symbol for symbol, known in zip(tumor.symbols, tumor.is_measured, strict=True) if not known],
        "n_antigens": len(tumor.symbols),
    }
