"""`cartarget atlas`: what public atlases there are, getting them, and checking what a reader understood."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartarget.config import Config, load_config
from cartarget.errors import CartargetError, InputError

app = typer.Typer(no_args_is_help=True, help="Get public atlases, and check what is understood of any atlas.")

Folder = Annotated[Path | None, typer.Option("--folder", help="Where files are kept [resources/downloads].")]
Mirror = Annotated[str | None, typer.Option("--mirror", help="Address that holds each file by host and path.")]
Offline = Annotated[bool, typer.Option("--offline", help="Only check what is there.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Files at a time.")]


@app.command("list")
def list_() -> None:
    """List the public atlases that can be fetched."""
    from cartarget.atlas.public.sources import read_sources

    seen: set[str] = set()
    for source in read_sources():
        name = f"{source.name}:VALUE" if source.is_template else source.name
        if source.name not in seen:
            typer.echo(f"\n{name} – {source.release} – {source.licence}\n  {source.citation}")
            if source.is_template:
                typer.echo(f"  VALUE: {source.value}")
        seen.add(source.name)
        size = f", {source.size / 1e6:,.0f} MB" if source.size else ""
        unit = f", {source.unit}" if source.unit else ""
        reader = f" [reader {source.reader}]" if source.reader else ""
        typer.echo(f"    {source.file}: {source.holds}{unit}{size}{reader}")


@app.command("fetch")
def fetch_(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Atlases (`cartarget atlas list`), or a CONFIG.")
    ],
    folder: Folder = None,
    mirror: Mirror = None,
    offline: Offline = False,
    jobs: Jobs = 4,
) -> None:
    """Fetch public atlases, or all that a configuration needs.

    Files are resumed where they stopped, checked and kept. Also read from the environment: CARTARGET_MIRROR,
    CARTARGET_OFFLINE, CARTARGET_DOWNLOADS and the usual proxies.
    """
    from cartarget.atlas.public.fetch import Fetching
    from cartarget.run.downloads import fetch_for, fetch_names

    settings = Fetching.from_environment(folder=folder, mirror=mirror, offline=offline or None, jobs=jobs)
    files = [name for name in names if name.endswith((".yaml", ".yml"))]
    paths = [path for file in files for path in fetch_for(load_config(file), settings=settings)]
    if rest := [name for name in names if name not in files]:
        paths += fetch_names(rest, settings=settings)
    for path in dict.fromkeys(paths):
        typer.echo(f"{path.as_posix()}\t{path.stat().st_size:,} bytes")


@app.command("check")
def check_(
    file: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the run.")],
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Sample sheet, in place of the configuration's.")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", help="Name of one atlas.")] = None,
) -> None:
    """Print what is understood of every atlas of a run, before anything runs.

    Cells or samples, patients, labels, unit, genes lost, tissues that the tier table does not know.
    """
    from cartarget.atlas.batch import pipeline_warnings

    config = load_config(file, sheet=sheet)
    names = [atlas.name for atlas in config.used_atlases]
    if only is not None and only not in names:
        raise InputError(f"{file}: no atlas {only!r}; its atlases: {', '.join(names)}")
    troubles = [_check(config, name) for name in names if only in (None, name)]
    typer.echo("\n".join(pipeline_warnings(config.used_atlases)))
    if any(troubles):
        raise InputError("\n".join(trouble for trouble in troubles if trouble))


def _check(config: Config, name: str) -> str:
    """Print one atlas; return what is wrong with it."""
    from cartarget.atlas import read_atlas
    from cartarget.atlas.check import describe
    from cartarget.atlas.harmonise import harmonise
    from cartarget.genes import read_gene_table
    from cartarget.run.inputs import STREAMED, indication_of, surface_sources, wanted_symbols
    from cartarget.safety.tiers import read_tiers

    atlas = next(atlas for atlas in config.used_atlases if atlas.name == name)
    try:
        genes = read_gene_table(config.data(config.genes.table)) if config.genes.table else None
        is_narrow = atlas.role != "counted" or atlas.reader in STREAMED
        keep = wanted_symbols(config, sources=surface_sources(config, genes=genes)) if is_narrow else None
        adata = read_atlas(atlas, config=config, genes=genes, keep=keep)
        typer.echo("\n".join(describe(adata)))
        origin = config.origin or indication_of(config).origin
        placed = harmonise(adata, tiers=read_tiers(config.tiers), origin=list(origin))
    except CartargetError as error:
        return str(error)
    for note in placed.uns["cartarget"]["notes"][len(adata.uns["cartarget"]["notes"]) :]:
        typer.echo(f"  note: {note}")
    typer.echo("  every tissue and cell type has a tier\n")
    return ""
