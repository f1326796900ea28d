"""The command line: thin callers over the library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartarget import __version__
from cartarget.cli_atlas import app as atlas_app
from cartarget.cli_product import app as product_app
from cartarget.config import Config, load_config
from cartarget.config_text import config_schema, default_config
from cartarget.errors import CartargetError
from cartarget.files import shared_folder

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Find surface antigens, alone or joined by logic, that reach a solid tumour and spare the body.\n\n"
    "Start with `cartarget demo`; then `cartarget init FOLDER`, edit its config/config.yaml, and `cartarget run` it. "
    "Research use only: results nominate candidates and are not clinical advice.",
)

app.add_typer(atlas_app, name="atlas")
app.add_typer(product_app)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; see `cartarget config --default`.")]
Cores = Annotated[
    int | None, typer.Option("--cores", min=1, help="Threads to use at most [as many as the process may run on].")
]

SHOWN = ["rank", "safety_class", "coverage", "liability", "liability_population", "selectivity"]
"""Columns of the tables that are printed."""


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"cartarget {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(file: ConfigFile, cores: Cores = None) -> None:
    """Do everything: atlases in, tables and report out.

    Reads the atlases, screens antigens, searches gates, holds the first ones to account and writes the report.
    A step of which nothing has changed since it was done is not done again.

    Results go to <results>/<name>/ as named in CONFIG. The last lines printed are the best antigens,
    the best gates and the report's path.
    """
    _run(load_config(file), last="report", cores=cores)


@app.command()
def demo(cores: Cores = None) -> None:
    """Do everything on a simulated atlas.

    Nothing is downloaded; the truth is planted. Leaves results/demo/report.html.
    """
    _run(Config(), last="report", cores=cores)


@app.command()
def screen(file: ConfigFile, cores: Cores = None) -> None:
    """Read the atlases and rank single antigens.

    Leaves antigens.parquet and its twin antigens.tsv.
    """
    _run(load_config(file), last="screen", cores=cores)


@app.command()
def gates(file: ConfigFile, cores: Cores = None) -> None:
    """Search all gates of two antigens.

    Leaves gates and exposure, .parquet and .tsv, after the earlier steps where they are not done yet.
    """
    _run(load_config(file), last="gates", cores=cores)


@app.command()
def score(
    file: ConfigFile,
    gates: Annotated[list[str] | None, typer.Argument(metavar="GATE...", help="Such as 'CEACAM5 & ~PTPRC'.")] = None,
    listed: Annotated[Path | None, typer.Option("--file", help="Text file with one gate a line.")] = None,
) -> None:
    """Score gates of your own, of any shape and size.

    Operators are & | ~, or the words and, or, not; genes may have any of their names, and a threshold of their own
    ('CEACAM5>=200 & CDH17'). The evidence of the run is counted first where that is not done yet. Leaves scored/gates
    and scored/exposure, .parquet and .tsv, in the run's folder.
    """
    from cartarget.run.asking import read_gates, score_into
    from cartarget.run.steps import run

    config = load_config(file)
    asked = [*(gates or []), *(read_gates(listed) if listed else [])]
    scored = score_into(run(config, last="count") / "scored", config=config, gates=asked)
    typer.echo(
        "\n".join([*(f"note: {note}" for note in scored.notes), *_rows(scored.table, "gate"), *_unknown(scored.table)])
    )
    typer.echo(f"\nScored: {config.run_dir.as_posix()}/scored/")


@app.command()
def explain(
    file: ConfigFile, genes: Annotated[list[str], typer.Argument(metavar="GENE...", help="Any name of a gene.")]
) -> None:
    """Say what a run makes of a gene.

    Of a candidate its rank, class, worst place and why; of any other gene why it is no candidate. The antigens are
    screened first where that is not done yet.
    """
    from cartarget.run.asking import open_run
    from cartarget.run.steps import run

    config = load_config(file)
    run(config, last="screen")
    opened = open_run(config)
    typer.echo("\n".join(opened.explain(gene) for gene in genes))


@app.command()
def report(
    file: ConfigFile,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print the dossier to report.pdf too; needs a Chromium on the path.")
    ] = False,
) -> None:
    """Write report.html from the tables of a run.

    Does the earlier steps where their tables are absent or something has changed. With --pdf also the dossier
    for paper: a memo of one page, then a page for each idea of the shortlist.
    """
    from cartarget.report.pdf import print_pdf, require_chromium

    browser = require_chromium() if pdf else None
    config = load_config(file)
    _run(config, last="report")
    if pdf:
        typer.echo(f"Dossier: {print_pdf(config.run_dir / 'report.html', chromium=browser).as_posix()}")


@app.command()
def evidence(file: ConfigFile) -> None:
    """Show what was counted for a run, and what was not.

    One row a counted atlas; then the required places that no input measures, how many antigens were measured in
    how many atlases, and what to mind: nuclei alone, labels that hold several kinds of cells. The count step must have
    been done (`cartarget run` does all steps).
    """
    from cartarget.run.contents import describe_evidence

    parts, places, measured, to_mind = describe_evidence(load_config(file))
    typer.echo(parts.to_string(index=False))
    typer.echo(f"\nRequired places that no input measures: {', '.join(places) or 'none'}.")
    typer.echo("\nAntigens by the number of these atlases that measured them:")
    typer.echo("\n".join(f"  {n} of {len(parts)}: {antigens:,}" for n, antigens in measured.items()))
    for text in to_mind:
        typer.echo(f"\n{text}")


@app.command()
def index(
    folder: Annotated[Path, typer.Argument(metavar="RESULTS", help="Folder that holds one folder a run.")] = Path(
        "results"
    ),
) -> None:
    """Join the reports of several indications on one page.

    Leaves index.html in the folder of the results.
    """
    from cartarget.report.index import render_index

    typer.echo(f"Index: {render_index(folder).as_posix()}")


@app.command()
def config(
    default: Annotated[bool, typer.Option("--default", help="Print the default configuration with comments.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema, for editors.")] = False,
    check: Annotated[Path | None, typer.Option("--check", metavar="FILE", help="Check a file.")] = None,
) -> None:
    """Print the default configuration, or check a file.

    Without an option: the default. The check asks for the keys, the indication, every file that a run would read,
    and whether each atlas fits its role.
    """
    if check is not None:
        from cartarget.run.checking import check_run

        asked = load_config(check)
        check_run(asked)
        typer.echo(f"{check}: right; results would go to {asked.run_dir.as_posix()}/")
    elif schema:
        typer.echo(config_schema(), nl=False)
    else:
        typer.echo(default_config(), nl=False)


def _run(config: Config, *, last: str, cores: int | None = None, rows: int = 5) -> None:
    """Do the steps up to `last`; print the best rows of the tables that they make, and where the results are."""
    from cartarget.contracts import read_table
    from cartarget.run.steps import run, steps_until

    if cores is not None:
        os.environ["CARTARGET_CORES"] = str(cores)
    folder = run(config, last=last)
    made = {path for step in steps_until(last) for path in step.outputs(config)}
    for table, key in (("antigens", "symbol"), ("gates", "gate")):
        if (path := folder / f"{table}.parquet").as_posix() in made:
            frame = read_table(table, path).sort_values("rank").dropna(subset="rank").head(rows)
            typer.echo("\n".join([f"\nBest {table} of {config.name}:", *_rows(frame, key), *_unknown(frame)]))
    is_reported = (folder / "report.html").as_posix() in made
    typer.echo(f"\nReport: {folder.as_posix()}/report.html" if is_reported else f"\nResults: {folder.as_posix()}/")


def _rows(frame: pd.DataFrame, key: str) -> list[str]:
    """The main columns of a table as lines; what cannot be printed is replaced."""
    text = frame[[key, *SHOWN]].to_string(index=False, float_format="{:.3f}".format, na_rep="-", max_colwidth=40)
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text).splitlines()


def _unknown(frame: pd.DataFrame, most: int = 4) -> list[str]:
    """What a missing liability means: which required places nothing measured, and so that no row of them is safe."""
    gaps = frame.loc[frame["liability"].isna(), "tissues_unmeasured"].dropna()
    places = gaps.iloc[0].split(", ") if len(gaps) else []
    more = f" and {len(places) - most} more" if len(places) > most else ""
    told = f"-: unknown, since no input measures {', '.join(places[:most])}{more}; nothing can be called safe."
    return [told] if places else []


@app.command()
def workflow() -> None:
    """Print where the Snakemake workflow lies.

    For `snakemake --snakefile "$(cartarget workflow)" --configfile CONFIG`, which does what `cartarget run` does.
    """
    typer.echo(shared_folder() / "workflow" / "Snakefile")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make, or one without these files.")],
) -> None:
    """Start a project: a configuration, a sample sheet and the tables to edit.

    Tables in the working directory's config/ and resources/ take the place of those that cartarget comes with, file
    by file; delete what you do not change.
    """
    from cartarget.run.starting import start_project

    typer.echo("\n".join(path.as_posix() for path in start_project(folder)))
    typer.echo(f"\nNext: cd {folder.as_posix()}, edit config/config.yaml, and `cartarget run config/config.yaml`.")


def main() -> None:
    """Run the command line; an expected error is one message on stderr and exit code 1."""
    try:
        app(prog_name="cartarget")
    except CartargetError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None
    except OSError as error:
        typer.echo(f"error: {error.filename or 'file'}: {error.strerror or error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
