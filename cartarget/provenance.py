"""Where a result comes from: inputs with checksums, versions, configuration, and a log of how it ran."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import yaml

from cartarget import __version__
from cartarget.config import Config
from cartarget.files import sha256, shared_folder, whole

PACKAGES = (
    "anndata", "biopython", "h5py", "itables", "jinja2", "matplotlib", "numba", "numpy", "pandas", "pandera",
    "pyarrow", "pydantic", "pyyaml", "scanpy", "scipy", "snakemake", "tqdm", "typer", "zarr",
)  # fmt: skip
"""Packages whose versions are recorded: the dependencies of `pyproject.toml`."""


def versions() -> dict[str, str]:
    """Versions of Python (major and minor), of cartarget and of each package that it stands on.

    Examples
    --------
    >>> sorted(versions())[:3]
    ['anndata', 'biopython', 'cartarget']
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, "cartarget": __version__} | {name: metadata.version(name) for name in PACKAGES}


def portable(path: str | os.PathLike[str]) -> str:
    """A path as it is written into results: relative to the working directory, with forward slashes.

    A table that came with the package, where the working directory has none of its own, is `cartarget:` and its name;
    one of another package is told alike.

    Examples
    --------
    >>> portable(Path.cwd() / "results" / "demo")
    'results/demo'
    >>> portable("/opt/env/site-packages/pirlygenes/data/surface.csv")
    'pirlygenes:data/surface.csv'
    """
    own, here = shared_folder(), Path.cwd()
    if own != here and own not in here.parents and own in Path(path).parents:
        return f"cartarget:{Path(path).relative_to(own).as_posix()}"
    if "site-packages" in (parts := Path(path).parts)[:-2]:
        package, *rest = parts[parts.index("site-packages") + 1 :]
        return f"{package}:{'/'.join(rest)}"
    return Path(os.path.relpath(path) if Path(path).is_absolute() else path).as_posix()


def input_records(inputs: Iterable[str | os.PathLike[str] | Mapping[str, str]]) -> list[dict[str, str]]:
    """Inputs as `{"path", "sha256"}`, each path once, sorted.

    Parameters
    ----------
    inputs
        Paths, whose checksums are computed; or records that a reader has made already.

    Examples
    --------
    >>> input_records([{"path": "b.tsv", "sha256": "02"}, {"path": "a.tsv", "sha256": "01"}])[0]
    {'path': 'a.tsv', 'sha256': '01'}
    """
    records = {}
    for given in inputs:
        if isinstance(given, Mapping):
            records[portable(given["path"])] = str(given["sha256"])
        else:
            records[portable(given)] = sha256(given)
    return [{"path": path, "sha256": records[path]} for path in sorted(records)]


def canonical_command(config: Config) -> str:
    """The command that repeats a run from the copy of its configuration in the run's folder.

    Examples
    --------
    >>> canonical_command(Config())
    'cartarget run results/demo/config.yaml'
    """
    return shlex.join(["cartarget", "run", f"{config.run_dir.as_posix()}/config.yaml"])


def describe_config(config: Config) -> dict[str, Any]:
    """The whole configuration as plain data; a data folder that is absolute becomes relative.

    Examples
    --------
    >>> describe_config(Config())["name"]
    'demo'
    """
    return config.model_dump(mode="json") | {"data_dir": portable(config.data_dir)}


def describe_run(config: Config, *, inputs: Iterable[str | os.PathLike[str] | Mapping[str, str]]) -> dict[str, Any]:
    """What `provenance.json` holds: command, versions, inputs with checksums, configuration.

    Paths are relative; there is no clock, host or core count, so that the same run gives the same bytes.

    Examples
    --------
    >>> list(describe_run(Config(), inputs=[]))
    ['command', 'versions', 'inputs', 'config']
    """
    return {
        "command": canonical_command(config),
        "versions": versions(),
        "inputs": input_records(inputs),
        "config": describe_config(config),
    }


def write_provenance(config: Config, *, inputs: Iterable[str | os.PathLike[str] | Mapping[str, str]]) -> Path:
    """Write `provenance.json`, and `config.yaml` for its command, into the run's folder; return the first.

    Examples
    --------
    >>> import tempfile
    >>> with __import__("contextlib").chdir(tempfile.mkdtemp()):
    ...     print(write_provenance(Config(), inputs=[]).as_posix())
    results/demo/provenance.json
    """
    target = config.run_dir / "provenance.json"
    with whole(config.run_dir / "config.yaml") as temporary:
        text = yaml.safe_dump(describe_config(config), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
    with whole(target) as temporary:
        text = json.dumps(describe_run(config, inputs=inputs), indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return target


class _Tee:
    """A stream that writes to the terminal, and to a log all that is not drawn over, as progress bars are."""

    def __init__(self, terminal: TextIO, log: TextIO) -> None:
        self.streams = terminal, log

    def write(self, text: str) -> int:
        terminal, log = self.streams
        terminal.write(text)
        if not text.startswith("\r"):
            log.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def isatty(self) -> bool:
        return self.streams[0].isatty()


@contextmanager
def journal(path: str | os.PathLike[str], *, title: str, command: str | None = None) -> Iterator[None]:
    """Log a step: its title, the command (none: the command line), all of stderr, and the seconds it took.

    The terminal still shows what goes to stderr. The log is no result: it holds the clock.

    Examples
    --------
    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp()) / "read.log"
    >>> with journal(log, title="read"):
    ...     print("26 files", file=sys.stderr)
    >>> log.read_text().splitlines()[0]
    'step: read'
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with open(path, "w", encoding="utf-8") as log:
        print(f"step: {title}", f"command: {command or shlex.join(sys.argv)}", sep="\n", file=log, flush=True)
        try:
            with redirect_stderr(_Tee(sys.stderr, log)):
                yield
        except BaseException as error:
            print(f"failed: {type(error).__name__}: {error}", file=log)
            raise
        finally:
            print(f"seconds: {time.perf_counter() - start:.2f}", file=log)
