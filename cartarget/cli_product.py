"""Commands that lead from a target to a product and a patient: thin callers over the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartarget.config import load_config

app = typer.Typer()

SHOWN = ["gate", "rank", "safety_class", "is_firm", "coverage", "liability", "liability_population"]
"""Columns of gates that are printed."""


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


@app.command()
def panel(
    files: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="One run, or several tumours at once.")],
    share: Annotated[float, typer.Option("--share", help="Share of the patients to serve.")] = 0.8,
    covers: Annotated[
        float | None, typer.Option("--covers", help="Share of a tumour to cover [coverage_floor of CONFIG].")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="Table: product, kind, fixed, per_patient; see docs/product.md.")
    ] = None,
    patients: Annotated[
        int | None, typer.Option("--patients", help="Patients in all, for the cost [those of the cohort].")
    ] = None,
) -> None:
    """Choose the fewest products that serve most patients.

    A product serves a patient if its gate covers the share of his tumour that is asked for and is not over a cap.
    With prices also the cheapest panel. The steps of each run are done first where they are not done yet. Leaves panel,
    panel_products and panel_prices, .parquet and .tsv, in the folder panel of the run.
    """
    from cartarget.run.product_panel import Asked, panel_folder, panel_into, tell
    from cartarget.run.steps import run
    from cartarget.selection.prices import read_prices

    configs = [load_config(file) for file in files]
    folder, table = panel_folder(configs), None if prices is None else read_prices(prices)
    asked = Asked(configs[0].coverage_floor if covers is None else covers, share, table, patients)
    for config in configs:
        run(config, last="gates")
    typer.echo("\n".join([*tell(panel_into(folder, configs=configs, asked=asked)), f"\nPanel: {folder.as_posix()}/"]))


@app.command()
def patient(
    sample: Annotated[Path, typer.Argument(metavar="SAMPLE", help="Tumour of one person.")],
    file: Annotated[Path, typer.Option("--config", metavar="CONFIG", help="Configuration of a finished run.")],
    show_identifiers: Annotated[
        bool, typer.Option("--show-identifiers", help="Name the file and the donor on the page and in errors.")
    ] = False,
) -> None:
    """Rank the gates of a run for one patient.

    SAMPLE is an .h5ad, a .zarr, a folder with matrix.mtx, or a text table of genes by malignant cells or of one bulk
    sample. Safety is read from the run. Leaves patient/P01.html, .tsv, .json and, with a Chromium on the path, .pdf in
    the run's folder; the next patient is P02. Research use only.
    """
    from cartarget.run.patient import tell_patient

    told = tell_patient(sample, config=load_config(file), show_identifiers=show_identifiers)
    typer.echo(f"{told.name}: first choice {told.choice.first or 'none'}; second {told.choice.second or 'none'}.")
    typer.echo(f"Page: {(told.pdf or told.html).as_posix()}")
    if told.pdf is None:
        typer.echo("No PDF: no Chromium on the path; open the page and print it.")


@app.command()
def affinity(
    file: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the run.")],
    steps: Annotated[
        list[float], typer.Option("--step", help="A threshold beside that of the run, in its unit; may be repeated.")
    ],
) -> None:
    """Search gates whose antigens have thresholds of their own.

    The level from which a product kills can be tuned. Each antigen stands in a gate at the threshold of the run or at
    a step, such as CEACAM5>=200. Two steps take up to nine times the search of all pairs. Leaves affinity, .parquet
    and .tsv, in the columns of gates, in the run's folder.
    """
    from cartarget.contracts import write_table
    from cartarget.run.affinity_search import affinity_search
    from cartarget.run.asking import open_run
    from cartarget.run.steps import run

    run(config := load_config(file), last="screen")
    table = affinity_search(open_run(config), steps=steps)
    write_table("gates", table, config.run_dir / "affinity")
    typer.echo(table.head(10)[SHOWN].to_string(index=False, float_format="{:.3f}".format))
    typer.echo(f"\nThresholds: {config.run_dir.as_posix()}/affinity.tsv")
