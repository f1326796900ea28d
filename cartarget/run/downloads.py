"""What a configuration needs from public servers: its files, fetched, and the tables made from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from cartarget.atlas.public.fetch import Fetching, fetch
from cartarget.atlas.public.sources import Source, find_sources, read_sources
from cartarget.config import Config
from cartarget.errors import InputError
from cartarget.files import whole

GENES = "hgnc/genes.tsv"
VOTES = "surface/surface_votes.tsv"
_PARTS = {GENES: ("hgnc",), VOTES: ("hgnc", "surface")}
"""Tables made here, and the names in the registry of what they are made from."""


def data_paths(config: Config) -> list[Path]:
    """Every file of data that a configuration names, as its readers would open it.

    Examples
    --------
    >>> from cartarget.config import parse_config
    >>> config = parse_config({"data_dir": "x", "genes": {"table": "hgnc/genes.tsv"}})
    >>> [path.as_posix() for path in data_paths(config)]
    ['x/hgnc/genes.tsv']
    """
    named = [path for atlas in config.used_atlases for path in (atlas.path, atlas.samples, atlas.locations)]
    tables = [config.genes.table, *config.surface.files.values()]
    return list(dict.fromkeys(config.data(path) for path in [*named, *tables] if path))


def needed(config: Config, *, folder: Path, sources: Sequence[Source] | None = None) -> dict[Path, tuple[Source, ...]]:
    """The files of a configuration that lie under the folder of downloads, and what each is fetched or made from.

    Files that no row of the registry knows are the user's own and are left out.

    Parameters
    ----------
    config
        The run.
    folder
        The folder of downloads.
    sources
        The registry. None: `resources/atlases.tsv`.
    """
    sources = read_sources() if sources is None else sources
    found: dict[Path, tuple[Source, ...]] = {}
    for path in data_paths(config):
        try:
            inside = path.resolve().relative_to(folder.resolve()).as_posix()
        except ValueError:
            continue
        if inside in _PARTS:
            found[path] = tuple(part for name in _PARTS[inside] for part in find_sources(name, sources=sources))
        elif (source := _source_of(inside, sources)) is not None:
            found[path] = (source,)
    return found


def _source_of(inside: str, sources: Sequence[Source]) -> Source | None:
    name, _, file = inside.partition("/")
    for source in sources:
        pattern = re.escape(source.file).replace(r"\{value\}", r"(?P<value>[A-Za-z0-9][A-Za-z0-9._-]*)")
        if source.name == name and (match := re.fullmatch(pattern, file)):
            value = match.groupdict().get("value")
            found = find_sources(f"{name}:{value}" if value else name, sources=sources)
            return next(one for one in found if one.file == file)
    return None


def fetch_for(config: Config, *, settings: Fetching | None = None) -> list[Path]:
    """Fetch what a configuration needs, and make the tables that are made here.

    Parameters
    ----------
    config
        The run.
    settings
        How to fetch; the folder of downloads is its `folder`. None: the defaults.

    Returns
    -------
    list of Path
        The configuration's files that were fetched or made, in the order in which it names them.

    Raises
    ------
    InputError
        A file cannot be had, or is not what it should be.
    """
    settings = settings or Fetching()
    wanted = needed(config, folder=settings.folder)
    fetch(list(dict.fromkeys(source for parts in wanted.values() for source in parts)), settings=settings)
    for path in wanted:
        _finish(path, settings)
    return list(wanted)


def fetch_one(path: Path, *, config: Config, settings: Fetching | None = None) -> Path:
    """Fetch or make one of the files that a configuration needs.

    Raises
    ------
    InputError
        The configuration does not name the file, or it cannot be had.
    """
    settings = settings or Fetching()
    wanted = needed(config, folder=settings.folder)
    if path not in wanted:
        raise InputError(f"{path}: no file of this run that could be fetched; see resources/atlases.tsv")
    fetch(wanted[path], settings=settings)
    _finish(path, settings)
    return path


def _finish(path: Path, settings: Fetching) -> None:
    inside = path.resolve().relative_to(settings.folder.resolve()).as_posix()
    if inside in _PARTS:
        make(inside, folder=settings.folder)


def fetch_names(names: Sequence[str], *, settings: Fetching | None = None) -> list[Path]:
    """Fetch atlases by their names in the registry; with `hgnc` and `surface`, make their tables.

    Raises
    ------
    InputError
        A name is unknown, or a file cannot be had.
    """
    settings = settings or Fetching()
    registry = read_sources()
    parts = {name: _PARTS[VOTES] if name == "surface" else (name,) for name in names}
    sources = [source for each in parts.values() for name in each for source in find_sources(name, sources=registry)]
    paths = fetch(list(dict.fromkeys(sources)), settings=settings)
    made = [table for name, table in (("hgnc", GENES), ("surface", VOTES)) if name in names]
    return [*paths, *(make(table, folder=settings.folder) for table in made)]


def make(table: str, *, folder: Path) -> Path:
    """Make a table from what was fetched, unless it is newer than its parts."""
    path = folder / table
    parts = [source.path(folder) for source in read_sources() if source.name in _PARTS[table]]
    if path.exists() and all(path.stat().st_mtime >= part.stat().st_mtime for part in parts):
        return path
    makers: dict[str, Callable[[Path], object]] = {GENES: _genes, VOTES: _votes}
    makers[table](folder)
    return path


def _genes(folder: Path) -> None:
    from cartarget.atlas.public.hgnc import build_gene_table

    table = build_gene_table(folder / "hgnc" / "hgnc_complete_set.txt")
    with whole(folder / GENES) as temporary:
        table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def _votes(folder: Path) -> None:
    import pandas as pd

    from cartarget.genes import read_gene_table
    from cartarget.surface.build import build_votes

    genes = make(GENES, folder=folder)
    names = pd.read_csv(genes, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    table = build_votes(folder / "surface", genes=read_gene_table(genes), names=names)
    with whole(folder / VOTES) as temporary:
        table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")
