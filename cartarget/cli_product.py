"""Commands that lead from a target to a product and a patient: thin callers over the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartarget.config import load_config

app = typer.Typer()


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
