"""Commands that lead from a target to a product and a patient: thin callers over the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartarget.config import load_config

app = typer.Typer()


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
    table = None if prices is None else read_prices(prices)
    asked = Asked(configs[0].coverage_floor if covers is None else covers, share, table, patients)
    folder = panel_folder(configs)
    for config in configs:
        run(config, last="larger")
    found = panel_into(folder, configs=configs, asked=asked)
    typer.echo("\n".join([*tell(found), f"\nPanel: {folder.as_posix()}/"]))
