"""Commands that lead from a target to a product and a patient: thin callers over the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartarget.config import load_config

app = typer.Typer()


@app.command()
def backtest(file: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the run.")]) -> None:
    """Hold a run against harm and tolerance in patients.

    For each outcome on record the run's exposure of the organ by each kind of evidence, its class, and the scores that
    other methods use; then a cap proposed for each kind of product, and where the clinical targets of the indication
    stand. What the run did not measure is missing and counted. Leaves backtest.md and backtest.tsv in the run's folder.
    """
    from cartarget.run.asking import open_run
    from cartarget.run.backtesting import backtest_run, told, write_backtest
    from cartarget.run.steps import run

    config = load_config(file)
    run(config, last="screen")
    found = backtest_run(open_run(config))
    typer.echo(told(found))
    typer.echo(f"Backtest: {write_backtest(found, config.run_dir).as_posix()}")
