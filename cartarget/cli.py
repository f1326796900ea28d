"""The command line: thin callers over the library."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cartarget.cli_atlas import app as atlas_app
from cartarget.config import Config, config_schema, default_config, load_config
from cartarget.errors import CartargetError, InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Find surface antigens, alone or joined by logic, that reach a solid tumour and spare the body.\n\n"
    "Start with `cartarget demo`; then copy config/config.yaml, change it, and `cartarget run` it. "
    "Research use only: results nominate candidates and are not clinical advice.",
)

app.add_typer(atlas_app, name="atlas")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; see `cartarget config --default`.")]


@app.command()
def run(file: ConfigFile) -> None:
    """Do everything: atlases in, tables and report out.

    Reads the atlases, screens antigens, searches gates and writes the report.

    Results go to <results>/<name>/ as named in CONFIG. The last lines printed are the best antigens,
    the best gates and the report's path.
    """
    _through("report", load_config(file), fresh=True)


@app.command()
def demo() -> None:
    """Do everything on a simulated atlas.

    Nothing is downloaded; the truth is planted. Leaves results/demo/report.html.
    """
    _through("report", Config(), fresh=True)


@app.command()
def screen(file: ConfigFile) -> None:
    """Read the atlases and rank single antigens.

    Leaves antigens.parquet and its twin antigens.tsv.
    """
    _through("screen", load_config(file), fresh=True)


@app.command()
def gates(file: ConfigFile) -> None:
    """Search all gates of two antigens.

    Leaves gates and exposure, .parquet and .tsv. Starts from the screen where there is one.
    """
    _through("gates", load_config(file), fresh=False)


@app.command()
def report(file: ConfigFile) -> None:
    """Write report.html from the tables of a run.

    Does the earlier steps where their tables are absent.
    """
    _through("report", load_config(file), fresh=False)


@app.command()
def config(
    default: Annotated[bool, typer.Option("--default", help="Print the default configuration with comments.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema, for editors.")] = False,
    check: Annotated[Path | None, typer.Option("--check", metavar="FILE", help="Check a file.")] = None,
) -> None:
    """Print the default configuration, or check a file.

    Without an option: the default.
    """
    if check is not None:
        typer.echo(f"{check}: right; results would go to {load_config(check).run_dir.as_posix()}/")
    elif schema:
        typer.echo(config_schema(), nl=False)
    else:
        typer.echo(default_config(), nl=False)


def _through(last: str, config: Config, *, fresh: bool) -> None:
    """Do the steps up to `last`; unless `fresh`, skip earlier ones whose outputs are there."""
    from cartarget.files import sweep
    from cartarget.provenance import journal
    from cartarget.steps import STEPS

    _look(STEPS[0].inputs(config))
    sweep(path for step in STEPS for path in step.outputs(config))
    names = [step.name for step in STEPS]
    for number, step in enumerate(STEPS[: names.index(last) + 1], start=1):
        if not fresh and step.name != last and all(Path(path).exists() for path in step.outputs(config)):
            continue
        with journal(config.run_dir / "log" / f"{step.name}.log", title=step.name):
            print(f"[{number}/{names.index(last) + 1}] {step.name}", file=sys.stderr, flush=True)
            step.function(config)
    _summarise(config)


def _look(paths: Iterable[str]) -> None:
    """Raise if a file that the run reads is not there, before any work is done."""
    for path in paths:
        if not Path(path).exists():
            raise InputError(
                f"{path}: no such file; check `data_dir` and the path in the configuration, "
                "and run in the folder that holds config/ and resources/"
            )


def _summarise(config: Config, *, rows: int = 5) -> None:
    """Print the best rows of the tables that a run has, and where its results are."""
    from cartarget.contracts import read_table

    shown = ["rank", "safety_class", "coverage", "liability", "liability_population", "selectivity"]
    for table, key in (("antigens", "symbol"), ("gates", "gate")):
        if (path := config.run_dir / f"{table}.parquet").exists():
            frame = read_table(table, path).sort_values("rank").dropna(subset="rank").head(rows)
            typer.echo(f"\nBest {table} of {config.name}:")
            text = frame[[key, *shown]].to_string(
                index=False, float_format="{:.3f}".format, na_rep="-", max_colwidth=40
            )
            typer.echo(text)
    found = config.run_dir / "report.html"
    typer.echo(f"\nReport: {found.as_posix()}" if found.exists() else f"\nResults: {config.run_dir.as_posix()}/")


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
